import Glibc
import Iceberg
import IcebergSupport
import Logging
import TestSupport
import TestTraits
import Testing

private func withDirectory(_ body: (String) async throws -> Void) async throws {
  var template = Array("/tmp/iceberg-files-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw IcebergError(.io, "no temporary directory: errno \(errno)") }
  let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  try await body(path)
  _ = try await ChildProcess.run(["/bin/rm", "-rf", path])
}

private func kind<Value>(_ body: () async throws(IcebergError) -> Value) async -> IcebergError.Kind? {
  do throws(IcebergError) {
    _ = try await body()
    return nil
  } catch {
    return error.kind
  }
}

@Suite("Local files", .fewAtOnce)
struct StoreLocalTests {
  @Test("the three spellings of a location are the same file; others are refused")
  func spellings() async throws {
    try await withDirectory { directory in
      let store = LocalFileStore()
      let name = "\(directory)/new/deep/a%20b ü"
      let info = try await store.write("file://\(name)", [1, 2, 3], ifAbsent: true)
      #expect(info.size == 3 && info.location == "file://\(name)")
      for prefix in ["", "file:", "file://", "FILE://", "file://localhost"] {
        #expect(try await store.read(prefix + name, range: nil) == [1, 2, 3], "\(prefix)")
        #expect(store.localPath(prefix + name) == name)
      }
      for wrong in ["file://host/x", "relative", "", "s3://b/k", "file:x"] {
        #expect(await kind { () throws(IcebergError) in try await store.info(wrong) } == .invalid, "\(wrong)")
      }
    }
  }

  @Test("ranges are cut at the end; what is missing, or a directory, is not found")
  func reading() async throws {
    try await withDirectory { directory in
      let store = LocalFileStore()
      _ = try await store.write("\(directory)/f", Array(0..<100), ifAbsent: false)
      #expect(try await store.read("\(directory)/f", range: 10..<12) == [10, 11])
      #expect(try await store.read("\(directory)/f", range: 98..<Int64.max) == [98, 99])
      #expect(try await store.read("\(directory)/f", range: 100..<200) == [])
      #expect(
        await kind { () throws(IcebergError) in try await store.read("\(directory)/f", range: -1..<2) } == .invalid)
      #expect(await kind { () throws(IcebergError) in try await store.read("\(directory)/g", range: nil) } == .notFound)
      #expect(await kind { () throws(IcebergError) in try await store.read(directory, range: nil) } == .notFound)
      #expect(try await store.info(directory) == nil)
      #expect(try await store.info("\(directory)/f/x") == nil)
    }
  }

  @Test("of many writers of an absent file one wins, nobody sees half a file, and no temporary file stays")
  func race() async throws {
    try await withDirectory { directory in
      let store = LocalFileStore()
      let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
        for writer in UInt8(0)..<32 {
          group.addTask {
            let content = [UInt8](repeating: writer, count: 100_000)
            let result = await kind { () throws(IcebergError) in
              try await store.write("\(directory)/v1", content, ifAbsent: true)
            }
            let seen = try await store.read("\(directory)/v1", range: nil)
            #expect(seen.count == 100_000 && Set(seen).count == 1)
            #expect(result == nil || result == .alreadyExists)
            return result == nil
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(winners == 1)
      #expect(try await store.list(prefix: directory + "/", after: nil).objects.map(\.location) == ["\(directory)/v1"])
    }
  }

  @Test("listings are sorted by bytes, paged, and begin anywhere", arguments: [UInt64(1), 2, 3, 4])
  func listing(seed: UInt64) async throws {
    try await withDirectory { directory in
      var random = SeededNumbers(seed: seed)
      let store = LocalFileStore()
      let base = "file://\(directory)/"
      var all: Set<String> = []
      for _ in 0..<60 {
        let parts = (0..<Int.random(in: 1...4, using: &random)).map { _ in
          ["a", "a-b", "a.b", "b", "ä", "a b", "z0"].randomElement(using: &random) ?? "a"
        }
        // A file name never equals a directory's.
        let location = base + parts.map { $0 + "d" }.joined(separator: "/") + "/f" + parts[0]
        _ = try await store.write(location, [], ifAbsent: false)
        all.insert(location)
      }
      let sorted = all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      for prefix in [base, base + "a", base + "ad/", base + "missing/x"] {
        let expected = sorted.filter { $0.utf8.starts(with: prefix.utf8) }
        var found: [String] = []
        var after: String?
        repeat {
          let page = try await store.list(prefix: prefix, after: after, pageMax: 7)
          found += page.objects.map(\.location)
          after = page.next
        } while after != nil
        #expect(found == expected, "seed \(seed), prefix \(prefix)")
      }
    }
  }

  @Test("an upload leaves the file, and is the same bytes; again, and onto itself, is no failure")
  func upload() async throws {
    try await withDirectory { directory in
      let store = LocalFileStore()
      let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0) }
      _ = try await store.write("\(directory)/source", content, ifAbsent: true)
      for _ in 0..<2 {
        let info = try await store.upload(file: "\(directory)/source", to: "file:\(directory)/d/target")
        #expect(info.size == 3_000_000)
      }
      #expect(try await store.read("\(directory)/d/target", range: nil) == content)
      // Another file system: a copy.
      _ = try await store.write("/dev/shm/iceberg-source-\(getpid())", content, ifAbsent: false)
      _ = try await store.upload(file: "/dev/shm/iceberg-source-\(getpid())", to: "\(directory)/d/copy")
      try await store.delete(["/dev/shm/iceberg-source-\(getpid())", "\(directory)/source", "\(directory)/never"])
      #expect(try await store.read("\(directory)/d/copy", range: nil) == content)
      let listed = try await store.list(prefix: "\(directory)/", after: nil).objects.map(\.location)
      #expect(listed == ["\(directory)/d/copy", "\(directory)/d/target"])
    }
  }

  @Test("what the file system refuses is an error of kind io with the path")
  func refused() async throws {
    let store = LocalFileStore()
    do throws(IcebergError) {
      _ = try await store.write("/proc/iceberg/x", [1], ifAbsent: false)
      Issue.record("/proc took a directory")
    } catch {
      #expect(error.kind == .io)
      #expect(error.message.contains("/proc/iceberg"))
    }
  }

  @Test("locations go to the store of their scheme; an unknown scheme names those that are known")
  func schemes() async throws {
    try await withDirectory { directory in
      let transport = ScriptedTransport { (_, _) throws(HTTPTransportError) in
        HTTPTransportResponse(status: 200, headers: ["Content-Length": "5"])
      }
      let store = ObjectStores.make(
        properties: ["s3.endpoint": "http://localhost:9", "s3.access-key-id": "a", "s3.secret-access-key": "b"],
        logger: Logger(label: "test"), transport: transport)
      _ = try await store.write("file://\(directory)/x", [1], ifAbsent: true)
      #expect(transport.requests.isEmpty)
      for scheme in ["s3", "s3a", "s3n", "S3"] {
        #expect(try await store.info("\(scheme)://bucket/k")?.size == 5)
        #expect(store.localPath("\(scheme)://bucket/k") == nil)
      }
      #expect(transport.requests.count == 4 && transport.requests[0].url == "http://localhost:9/bucket/k")
      #expect(store.localPath("file:\(directory)/x") == "\(directory)/x")
      #expect(await kind { () throws(IcebergError) in try await store.info("gs://b/k") } == .unsupported)
      await store.close()
    }
  }
}
