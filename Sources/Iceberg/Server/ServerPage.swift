/// The part of a list that a client asked for (`pageToken`, `pageSize`).
///
/// The token is the last name of the page before, so that lists may change between two requests.
struct ServerPage: Hashable, Sendable {
  /// How many elements at most; `nil` is all.
  var size: Int?
  /// After which name to begin.
  var after: String?

  /// How many elements a client gets that has a token but says no size.
  private static let usualSize = 1000

  init(_ query: ServerQuery) throws(ServerFailure) {
    if let text = query["pageSize"], !text.isEmpty {
      guard let number = Int(text), number > 0 else {
        throw .badRequest("pageSize: expected a whole number from 1, got '\(text)'")
      }
      size = number
    }
    guard let token = query["pageToken"], !token.isEmpty else { return }
    guard let name = Self.decoded(token) else {
      throw .badRequest("pageToken: expected a next-page-token of this server, got '\(token.prefix(100))'")
    }
    after = name
    if size == nil { size = Self.usualSize }
  }

  /// The elements of the page, in the order of their names, and the token of the next page.
  func cut<Element>(_ elements: [Element], by name: (Element) -> String) -> (elements: [Element], next: String?) {
    var named = elements.map { (name: Array(name($0).utf8), element: $0) }
    named.sort { $0.name.lexicographicallyPrecedes($1.name) }
    if let after {
      let bytes = Array(after.utf8)
      named = named.filter { bytes.lexicographicallyPrecedes($0.name) }
    }
    guard let size, named.count > size else { return (named.map(\.element), nil) }
    let page = named.prefix(size)
    return (page.map(\.element), page.last.map { Digests.hexadecimal($0.name) })
  }

  private static func decoded(_ token: String) -> String? {
    let digits = Array(token.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Character(UnicodeScalar(digits[start])).hexDigitValue,
        let low = Character(UnicodeScalar(digits[start + 1])).hexDigitValue
      else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
