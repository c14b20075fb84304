import Iceberg

/// A transport that answers as a test says, and remembers what was asked.
final class CatalogScript: HTTPTransport {
  typealias Answer = @Sendable (HTTPTransportRequest, _ number: Int) throws(HTTPTransportError) -> HTTPTransportResponse

  private let requests = CatalogBox<[HTTPTransportRequest]>([])
  private let answer: CatalogBox<Answer>

  init(_ answer: @escaping Answer) { self.answer = CatalogBox(answer) }

  var sent: [HTTPTransportRequest] { requests.value }

  func forget() { requests.change { $0 = [] } }

  func answering(_ answer: @escaping Answer) { self.answer.change { $0 = answer } }

  func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let number = requests.change { requests in
      requests.append(request)
      return requests.count
    }
    return try answer.value(request, number)
  }

  func close() async {}

  static func json(_ text: String, status: Int = 200, headers: HTTPHeaderList = [:]) -> HTTPTransportResponse {
    HTTPTransportResponse(status: status, headers: headers, body: Array(text.utf8))
  }

  static func error(_ status: Int, _ type: String, headers: HTTPHeaderList = [:]) -> HTTPTransportResponse {
    json(#"{"error": {"message": "no", "type": "\#(type)", "code": \#(status)}}"#, status: status, headers: headers)
  }
}

/// A store that answers every reading with its key, unless that is refused.
struct CatalogKeyStore: ObjectStore {
  let key: String
  let refused: String

  private var unsupported: IcebergError { IcebergError(.unsupported, "only reading") }

  func info(_ location: String) async throws(IcebergError) -> ObjectInfo? { throw unsupported }

  func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    if key == refused { throw IcebergError(.unauthorized, "expired") }
    return Array(key.utf8)
  }

  func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    throw unsupported
  }

  func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo { throw unsupported }
  func delete(_ locations: [String]) async throws(IcebergError) { throw unsupported }
  func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage { throw unsupported }
  func localPath(_ location: String) -> String? { nil }
  func close() async {}
}
