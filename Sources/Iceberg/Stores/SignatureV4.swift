import Crypto

/// Signs requests for services of AWS, and those that speak like them: Signature Version 4 in the `Authorization` header.
package struct SignatureV4: Sendable {
  /// Whose requests they are.
  package var credentials: S3Credentials
  /// The region in the scope of the signature.
  package var region: String
  /// The service in the scope: `s3`.
  package var service: String

  /// A signer.
  package init(credentials: S3Credentials, region: String, service: String = "s3") {
    self.credentials = credentials
    self.region = region
    self.service = service
  }

  /// The parts of a request that are signed.
  package struct Message: Sendable {
    /// `GET`, …
    package var method: String
    /// The path as it is sent, percent-encoded once.
    package var encodedPath: String
    /// Names and values before encoding.
    package var query: [(name: String, value: String)]
    /// All header fields to sign, `Host` among them.
    package var headers: HTTPHeaderList
    /// SHA-256 of the body, in hexadecimal.
    package var payloadHash: String

    /// A message.
    package init(
      method: String, encodedPath: String, query: [(name: String, value: String)], headers: HTTPHeaderList,
      payloadHash: String
    ) {
      self.method = method
      self.encodedPath = encodedPath
      self.query = query
      self.headers = headers
      self.payloadHash = payloadHash
    }
  }

  /// The header fields of `message` with `x-amz-date`, the session token and `Authorization`.
  package func sign(_ message: Message, atMilliseconds now: Int64) -> HTTPHeaderList {
    let time = CivilTime.basic(now)
    let day = String(time.prefix(8))
    var headers = message.headers
    headers["x-amz-date"] = time
    if let token = credentials.sessionToken { headers["x-amz-security-token"] = token }
    let lines = Self.canonicalLines(headers)
    let names = lines.map(\.name).joined(separator: ";")
    let canonical = [
      message.method, message.encodedPath, Self.encodedQuery(message.query),
      lines.map { "\($0.name):\($0.value)\n" }.joined(), names, message.payloadHash
    ].joined(separator: "\n")
    let scope = "\(day)/\(region)/\(service)/aws4_request"
    let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Digests.sha256(Array(canonical.utf8)))"
    let signature = Digests.hexadecimal(Digests.hmac(Array(text.utf8), key: signingKey(day)))
    headers["Authorization"] =
      "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
    return headers
  }

  /// The query as it is signed and sent: sorted by the encoded names.
  package static func encodedQuery(_ query: [(name: String, value: String)]) -> String {
    query.map { (PercentEncoding.encode($0.name), PercentEncoding.encode($0.value)) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  private func signingKey(_ day: String) -> [UInt8] {
    var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
    for part in [day, region, service, "aws4_request"] { key = Digests.hmac(Array(part.utf8), key: key) }
    return key
  }

  private static func canonicalLines(_ headers: HTTPHeaderList) -> [(name: String, value: String)] {
    headers.fields.map { (name: $0.name.lowercased(), value: trimmed($0.value)) }.sorted { $0.name < $1.name }
  }

  /// Without spaces around it, and one where there were several.
  private static func trimmed(_ value: String) -> String { value.split(separator: " ").joined(separator: " ") }
}

/// Digests of bytes and of files.
enum Digests {
  static let sha256OfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  static func sha256(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

  static func md5Base64(_ bytes: [UInt8]) -> String { base64(Array(Insecure.MD5.hash(data: bytes))) }

  static func md5(_ bytes: [UInt8]) -> [UInt8] { Array(Insecure.MD5.hash(data: bytes)) }

  static func hmac(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: key)))
  }

  /// SHA-256 of a part of a file, read in pieces.
  static func sha256(_ file: ReadableFile, _ range: Range<Int64>) throws(IcebergError) -> String {
    var hash = SHA256()
    var offset = range.lowerBound
    while offset < range.upperBound {
      let end = min(offset + (1 << 20), range.upperBound)
      let bytes = try file.read(offset..<end)
      guard Int64(bytes.count) == end - offset else {
        throw IcebergError(
          .io, "\(file.path) was cut to \(offset + Int64(bytes.count)) bytes while it was being uploaded")
      }
      hash.update(data: bytes)
      offset = end
    }
    return hexadecimal(hash.finalize())
  }

  static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var value: UInt32 = 0
      for index in 0..<3 { value = value << 8 | UInt32(start + index < bytes.count ? bytes[start + index] : 0) }
      for index in 0..<4 {
        text.append(index <= group.count ? digits[Int(value >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
