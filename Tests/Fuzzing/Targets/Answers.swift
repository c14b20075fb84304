import Foundation
import Iceberg
import IcebergSupport
import Logging

extension FuzzTarget {
  static let answers: [FuzzTarget] = [
    FuzzTarget(
      "s3-answers", shape: .text, weight: 2, dictionary: s3Words, seeds: { s3Answers },
      check: { bytes in try CallingThread.run { try await checkStoreAnswers(bytes) } }),
    FuzzTarget(
      "rest-answers", shape: .text, weight: 2, dictionary: metadataWords + restWords, seeds: restAnswers,
      check: { bytes in try CallingThread.run { try await checkCatalogAnswers(bytes) } }),
    FuzzTarget(
      "rest-requests", shape: .text, weight: 2, dictionary: metadataWords + restWords, seeds: { restRequests },
      check: { bytes in try CallingThread.run { try await checkRequests(bytes) } })
  ]

  private static let quiet = Logger(label: "fuzzing") { _ in SwiftLogNoOpLogHandler() }

  /// Answers to the first requests, then nothing but refusals: each ends with a byte 0, and begins with status and body.
  private static func transport(_ bytes: [UInt8]) -> ScriptedTransport {
    let parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
    return ScriptedTransport { number, _ in
      guard number <= parts.count, let first = parts[number - 1].first else {
        return HTTPTransportResponse(status: 404, body: [])
      }
      let statuses = [200, 200, 200, 204, 400, 401, 403, 404, 409, 412, 419, 429, 500, 503, 301, 999]
      let headers: HTTPHeaderList = ["content-length": "5", "etag": "\"e\"", "retry-after": "1"]
      return HTTPTransportResponse(
        status: statuses[Int(first) % statuses.count], headers: headers, body: Array(parts[number - 1].dropFirst()))
    }
  }

  private static func attempt(_ body: () async throws(IcebergError) -> Void) async throws {
    do throws(IcebergError) { try await body() } catch { try requireMessage(error) }
  }

  // MARK: S3

  private static let s3Words = [
    "<Contents>", "</Contents>", "<Key>", "<Size>", "<LastModified>", "<IsTruncated>true</IsTruncated>", "<![CDATA[",
    "]]>",
    "<!--", "-->", "<?xml", "&amp;", "&#x10FFFF;", "&#xD800;", "&#0;", "&unknown;", "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<NextContinuationToken>", "<Error><Code>", "xmlns=\"", "<a/>"
  ]

  private static var s3Answers: [[UInt8]] {
    let list = """
      \u{1}<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>\
      <IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken><EncodingType>url</EncodingType>\
      <Contents><Key>a%20b</Key><LastModified>2024-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag>\
      <Size>42</Size></Contents></ListBucketResult>
      """
    let error = "\u{4}<Error><Code>SlowDown</Code><Message>calm &lt;down&gt;</Message></Error>"
    let deleted = "\u{1}<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    return [list, list + "\0" + error, error, deleted, "\u{1}<a><b><![CDATA[x]]></b><!-- c --></a>"].map {
      Array($0.utf8)
    }
  }

  private static func checkStoreAnswers(_ bytes: [UInt8]) async throws {
    _ = XMLTree.parse(Array(bytes.dropFirst()))
    for step in 0..<4 {
      let store = S3Store(
        configuration: S3Configuration(endpoint: "http://127.0.0.1:9"),
        credentials: FixedCredentials(S3Credentials(accessKeyID: "id", secretAccessKey: "s3cret")),
        transport: transport(bytes), environment: .simulated(seed: 1), logger: quiet)
      try await attempt { () async throws(IcebergError) in
        switch step {
        case 0: _ = try await store.list(prefix: "s3://b/a", after: nil)
        case 1: try await store.delete(["s3://b/a", "s3://b/c"])
        case 2: _ = try await store.info("s3://b/a")
        default: _ = try await store.read("s3://b/a", range: 0..<5)
        }
      }
      await store.close()
    }
  }

  // MARK: A catalog's answers

  private static let restWords = [
    "\0", "\"defaults\":", "\"overrides\":", "\"endpoints\":", "\"prefix\":", "\"uri\":", "\"metadata-location\":",
    "\"metadata\":",
    "\"config\":", "\"identifiers\":", "\"next-page-token\":", "\"error\":", "\"code\":", "/v1/namespaces/", "/tables/",
    "%1F", "%",
    "POST ", "DELETE ", "?parent=", "&pageToken=", "?snapshots=refs", "\"requirements\":", "\"updates\":"
  ]

  @Sendable private static func restAnswers() throws -> [[UInt8]] {
    let config = #"\#u{1}{"defaults":{"prefix":"p"},"overrides":{},"endpoints":["GET /v1/{prefix}/namespaces"]}"#
    let metadata = String(decoding: try metadata().serialized(), as: UTF8.self)
    let table = "\u{1}{\"metadata-location\":\"s3://b/v1.json\",\"metadata\":\(metadata),\"config\":{\"a\":\"b\"}}"
    let list = #"\#u{1}{"identifiers":[{"namespace":["a"],"name":"t"}],"next-page-token":null}"#
    let namespaces = #"\#u{1}{"namespaces":[["a"],["b","c"]]}"#
    let error = #"\#u{4}{"error":{"message":"m","type":"NoSuchTableException","code":404}}"#
    return [
      [config, list, table, namespaces], [config, error, table], [config, list, error, error], [error]
    ].map { Array($0.joined(separator: "\0").utf8) }
  }

  private static func checkCatalogAnswers(_ bytes: [UInt8]) async throws {
    try await attempt { () async throws(IcebergError) in
      let catalog = try await RESTCatalog.connect(
        name: "c", properties: ["uri": "http://127.0.0.1:9"], transport: transport(bytes),
        environment: .simulated(seed: 1), makeStore: { _ throws(IcebergError) in InMemoryStore() })
      do throws(IcebergError) { _ = try await catalog.listTables(Namespace(["a"])) } catch {}
      do throws(IcebergError) { _ = try await catalog.loadTable(TableIdentifier(Namespace(["a"]), "t")) } catch {}
      do throws(IcebergError) { _ = try await catalog.listNamespaces(parent: nil) } catch {}
      do throws(IcebergError) { _ = try await catalog.namespaceProperties(Namespace(["a"])) } catch {}
      await catalog.close()
    }
  }

  // MARK: Requests to the catalog that Weir serves

  private static var restRequests: [[UInt8]] {
    let create =
      #"{"name":"t","schema":{"type":"struct","fields":[{"id":1,"name":"a","type":"long","required":false}]}}"#
    let commit =
      #"{"requirements":[{"type":"assert-create"}],"updates":[{"action":"set-properties","updates":{"a":"b"}}]}"#
    let start = "POST /v1/namespaces\n{\"namespace\":[\"db\"]}\0POST /v1/namespaces/db/tables\n\(create)\0"
    return [
      "GET /v1/config?warehouse=w\n", start + "GET /v1/namespaces/db/tables/t?snapshots=all\n",
      start + "POST /v1/namespaces/db/tables/t\n\(commit)",
      start + "GET /v1/namespaces?parent=a%1Fb&pageSize=2&pageToken=x\n",
      start
        + "POST /v1/tables/rename\n{\"source\":{\"namespace\":[\"db\"],\"name\":\"t\"},\"destination\":{\"namespace\":[\"db\"],\"name\":\"u\"}}",
      start + "DELETE /v1/namespaces/db/tables/t?purgeRequested=true\n\0HEAD /v1/namespaces/db\n",
      start + "POST /v1/namespaces/db/properties\n{\"removals\":[\"a\"],\"updates\":{\"b\":\"c\"}}",
      start + "POST /v1/transactions/commit\n{\"table-changes\":[\(commit)]}",
      start + "POST /v1/namespaces/db/register\n{\"name\":\"r\",\"metadata-location\":\"s3://b/x.json\"}"
    ].map { Array($0.utf8) }
  }

  private static func checkRequests(_ bytes: [UInt8]) async throws {
    let store = InMemoryStore()
    let catalog: FileSystemCatalog
    do throws(IcebergError) {
      catalog = try FileSystemCatalog(name: "served", warehouse: "s3://warehouse/w", store: store, logger: quiet)
    } catch { return }
    let service = RESTCatalogService(
      catalog: catalog, store: store, options: RESTCatalogOptions(warehouse: "s3://warehouse/w"), logger: quiet)
    for part in bytes.split(separator: 0).prefix(8) {
      let lines = part.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
      let words = lines[0].split(separator: 32, maxSplits: 1)
      let method = words.first.map { String(decoding: $0, as: UTF8.self) } ?? "GET"
      let answer = await service.respond(
        CatalogHTTPRequest(
          method: method,
          target: words.count > 1 ? String(decoding: words[1], as: UTF8.self) : "/",
          body: lines.count > 1 ? Array(lines[1]) : []))
      try require((200..<600).contains(answer.status), "expected an HTTP status, found \(answer.status)")
      try require(answer.status != 500, "an internal error: \(String(decoding: answer.body, as: UTF8.self))")
      if answer.status >= 400, method != "HEAD" {
        let json = try? JSONValue(parsing: answer.body)
        try require(
          json?["error"]?["message"]?.stringValue?.isEmpty == false, "\(answer.status) to \(method) without a reason")
      }
    }
  }
}
