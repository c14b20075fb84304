import Iceberg
import TestTraits
import Testing

@Suite("Requests to the REST catalog service", .fewAtOnce)
struct ServerRequestTests {
  @Test(
    "what is at no address, or malformed, is refused in the error model",
    arguments: [
      ("GET", "/", "", 404, "NoSuchEndpointException"), ("GET", "", "", 404, "NoSuchEndpointException"),
      ("GET", "/v2/config", "", 404, "NoSuchEndpointException"),
      ("GET", "/v1/namespaces/a/b/c/d", "", 404, "NoSuchEndpointException"),
      ("GET", "/v1/namespaces/db/tables//", "", 404, "NoSuchEndpointException"),
      ("GET", "/v1/other/namespaces", "", 404, "NoSuchEndpointException"),
      ("POST", "/v1/namespaces/db/tables/t/plan", "{}", 404, "NoSuchEndpointException"),
      ("PUT", "/v1/namespaces", "", 405, "MethodNotAllowedException"),
      ("HEAD", "/v1/tables/rename", "", 405, "MethodNotAllowedException"),
      ("GET", "/v1/namespaces/%zz", "", 400, "BadRequestException"),
      ("GET", "/v1/namespaces/%ff", "", 400, "BadRequestException"),
      ("GET", "/v1/namespaces/a%1F", "", 400, "BadRequestException"),
      ("GET", "/v1/namespaces?parent=%1F", "", 400, "BadRequestException"),
      ("GET", "/v1/namespaces/..%2F..", "", 400, "BadRequestException"),
      ("POST", "/v1/namespaces", "", 400, "BadRequestException"),
      ("POST", "/v1/namespaces", #"{"namespace":[]}"#, 400, "BadRequestException"),
      ("POST", "/v1/namespaces", #"{"namespace":"a"}"#, 400, "BadRequestException"),
      (
        "POST", "/v1/namespaces/db/properties", #"{"removals":["a"],"updates":{"a":"b"}}"#, 422,
        "UnprocessableEntityException"
      ),
      ("POST", "/v1/namespaces/db/tables", #"{"name":"x"}"#, 400, "BadRequestException"),
      ("POST", "/v1/namespaces/db/tables/t", #"{"updates":[]}"#, 400, "BadRequestException"),
      (
        "POST", "/v1/namespaces/db/tables/t", #"{"requirements":[{"type":"no"}],"updates":[]}"#, 400,
        "BadRequestException"
      )
    ])
  func refusals(method: String, target: String, body: String, status: Int, type: String) async throws {
    let served = try ServedDirectory()
    try await served.makeTable()
    let answer = try await served.ask(method, target, body)
    #expect(answer.isError(status, type), "\(answer.status) \(answer.type ?? "") \(answer.message)")
    #expect((answer.headers["Allow"] != nil) == (status == 405))
  }

  @Test("a body that is no JSON is refused with the byte that is wrong, one that is too long unread")
  func bodies() async throws {
    let served = try ServedDirectory { $0.bodyBytesMax = 40 }
    let broken = try await served.ask("POST", "/v1/namespaces", #"{"namespace":["a",]}"#)
    #expect(broken.isError(400, "BadRequestException") && broken.message.contains("at byte 18"), "\(broken.message)")
    let long = try await served.ask("POST", "/v1/namespaces", String(repeating: " ", count: 41))
    #expect(long.isError(413, "BadRequestException") && long.message.contains("40"))
  }

  @Test("who may not ask, and what is too long, is refused before the body is read")
  func admission() throws {
    let served = try ServedDirectory(token: "hush") { $0.bodyBytesMax = 100_000 }
    func status(_ path: String, _ headers: HTTPHeaderList, _ bytes: Int) -> Int? {
      let request = CatalogHTTPRequest(method: "POST", target: path, headers: headers)
      return switch served.service.admit(request, bodyBytes: bytes) {
      case .accepted: nil
      case .refused(let answer): answer.status
      }
    }
    let known: HTTPHeaderList = ["Authorization": "Bearer hush"]
    #expect(status("/v1/namespaces", known, 100_000) == nil)
    #expect(status("/v1/namespaces", known, 100_001) == 413)
    #expect(status("/v1/namespaces", [:], 100_001) == 401 && status("/v1/namespaces", [:], 1) == 401)
    #expect(status("/v2/other", known, 1) == 404)
    #expect(status("/v1/oauth/tokens", [:], 1_000) == nil && status("/v1/oauth/tokens", [:], 90_000) == 413)
  }

  @Test("the configured prefix may stand in the path, no other")
  func prefix() async throws {
    let served = try ServedDirectory(prefix: "main")
    #expect(try await served.ask("GET", "/v1/main/namespaces").status == 200)
    #expect(try await served.ask("GET", "/v1/namespaces").status == 200)
    #expect(try await served.ask("GET", "/v1/namespaces/").status == 200)
    let renamed = try ServedDirectory(prefix: "namespaces")
    #expect(try await renamed.ask("GET", "/v1/namespaces/namespaces").status == 200)
  }

  @Test("with a token nothing but the OAuth endpoint answers without it, and that hands it only to who knows it")
  func token() async throws {
    let served = try ServedDirectory(token: "s3cret+/=")
    for headers: HTTPHeaderList in [
      [:], ["Authorization": "Bearer wrong"], ["Authorization": "s3cret+/="], ["Authorization": "Basic s3cret+/="]
    ] {
      for path in ["/v1/config", "/v1/namespaces"] {
        let refused = try await served.ask("GET", path, headers: headers)
        #expect(refused.isError(401, "NotAuthorizedException") && refused.headers["WWW-Authenticate"] == "Bearer")
        #expect(!refused.message.contains("s3cret"))
      }
    }
    #expect(try await served.ask("GET", "/v1/config", headers: ["authorization": "bearer s3cret+/="]).status == 200)
    let grant = "grant_type=client_credentials&client_id=me"
    let given = try await served.ask("POST", "/v1/oauth/tokens", grant + "&client_secret=s3cret%2B%2F%3D&scope=catalog")
    #expect(given.status == 200 && given.json?["access_token"]?.stringValue == "s3cret+/=")
    #expect(given.json?["token_type"]?.stringValue == "bearer" && given.headers["Cache-Control"] == "no-store")
    // weir:s3cret+/= as RFC 6749 wants it: encoded as a form, then in base 64.
    let basic = try await served.ask(
      "POST", "/v1/oauth/tokens", grant, headers: ["Authorization": "Basic d2VpcjpzM2NyZXQlMkIlMkYlM0Q="])
    #expect(basic.status == 200)
    let wrong = try await served.ask("POST", "/v1/oauth/tokens", grant + "&client_secret=guess")
    #expect(wrong.status == 401 && wrong.json?["error"]?.stringValue == "invalid_client")
    let kind = try await served.ask("POST", "/v1/oauth/tokens", "grant_type=password&client_secret=s3cret%2B%2F%3D")
    #expect(kind.status == 400 && kind.json?["error"]?.stringValue == "unsupported_grant_type")
    let exchange = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token="
    #expect(try await served.ask("POST", "/v1/oauth/tokens", exchange + "s3cret%2B%2F%3D").status == 200)
    #expect(try await served.ask("POST", "/v1/oauth/tokens", exchange + "x").status == 401)
  }

  @Test("without a token every client gets one that means nothing")
  func open() async throws {
    let served = try ServedDirectory()
    let given = try await served.ask("POST", "/v1/oauth/tokens", "grant_type=client_credentials&client_secret=any")
    #expect(given.status == 200 && given.json?["access_token"]?.stringValue?.isEmpty == false)
  }
}
