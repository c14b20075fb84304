/// The text of an SQL file, and where things stand in it.
struct SourceText: Sendable {
  let fileName: String
  let bytes: [UInt8]
  /// The byte offset at which each line starts.
  private let lineStarts: [Int]

  init(_ text: String, fileName: String) {
    self.fileName = fileName
    bytes = Array(text.utf8)
    var starts = [0]
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(index + 1) }
    lineStarts = starts
  }

  /// Line and column of a byte offset; one beyond the end is the end.
  func location(_ offset: Int) -> SourceLocation {
    let offset = min(max(offset, 0), bytes.count)
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    let column = String(decoding: bytes[lineStarts[low]..<offset], as: UTF8.self).count
    return SourceLocation(line: low + 1, column: column + 1)
  }

  /// The byte offset of a place.
  func offset(_ location: SourceLocation) -> Int {
    guard lineStarts.indices.contains(location.line - 1) else { return bytes.count }
    let prefix = line(location.line).prefix(location.column - 1)
    return lineStarts[location.line - 1] + prefix.utf8.count
  }

  /// The text of a line, without its end.
  func line(_ number: Int) -> String {
    guard lineStarts.indices.contains(number - 1) else { return "" }
    let start = lineStarts[number - 1]
    let end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
    let text = bytes[start..<max(start, end)]
    return String(decoding: text.last == UInt8(ascii: "\r") ? text.dropLast() : text, as: UTF8.self)
  }

  /// The word, name, literal or operator that starts at a byte offset.
  func token(at offset: Int) -> String {
    guard bytes.indices.contains(offset) else { return "" }
    return String(decoding: bytes[offset..<tokenEnd(offset)], as: UTF8.self)
  }

  private func tokenEnd(_ start: Int) -> Int {
    let first = bytes[start]
    var end = start + 1
    if first == UInt8(ascii: "'") || first == UInt8(ascii: "\"") {
      while end < bytes.count, bytes[end] != first, bytes[end] != UInt8(ascii: "\n") { end += 1 }
      return min(end + 1, bytes.count)
    }
    if Self.isWord(first) {
      while end < bytes.count, Self.isWord(bytes[end]) || bytes[end] == UInt8(ascii: ".") { end += 1 }
      return end
    }
    while end < bytes.count, Self.operatorBytes.contains(first), Self.operatorBytes.contains(bytes[end]) { end += 1 }
    return end
  }

  /// The offset of the first byte at or after `offset` that is neither white space nor part of a comment.
  func skippingSpace(_ offset: Int) -> Int {
    var index = max(offset, 0)
    while index < bytes.count {
      if bytes[index] <= 0x20 {
        index += 1
      } else if hasPrefix("--", index) {
        while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
      } else if hasPrefix("/*", index) {
        index = endOfBlockComment(index)
      } else {
        return index
      }
    }
    return bytes.count
  }

  private func endOfBlockComment(_ start: Int) -> Int {
    var index = start + 2
    var depth = 1
    while index < bytes.count, depth > 0 {
      if hasPrefix("/*", index) {
        depth += 1
      } else if hasPrefix("*/", index) {
        depth -= 1
      } else {
        index += 1
        continue
      }
      index += 2
    }
    return min(index, bytes.count)
  }

  private func hasPrefix(_ text: StaticString, _ offset: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard offset + count <= bytes.count else { return false }
    return (0..<count).allSatisfy { bytes[offset + $0] == text.utf8Start[$0] }
  }

  /// An integer constant as it is written at `offset`, with signs and parentheses before it.
  ///
  /// The parser's JSON leaves out every integer that is not positive, so the text is the only place that has it.
  func signedInteger(at offset: Int) -> Int64? {
    var index = skippingSpace(offset)
    var isNegative = false
    while index < bytes.count, "-+(".utf8.contains(bytes[index]) {
      if bytes[index] == UInt8(ascii: "-") { isNegative.toggle() }
      index = skippingSpace(index + 1)
    }
    let digits = bytes[min(index, bytes.count)...].prefix { isDigit($0) }
    return Int64(String(decoding: digits, as: UTF8.self)).map { isNegative ? -$0 : $0 }
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  /// An error about the text at a byte offset.
  func diagnostic(_ message: String, at offset: Int, hint: String? = nil) -> SQLDiagnostic {
    SQLDiagnostic(
      message: message, location: location(offset), offendingText: Redaction.line(token(at: offset)), hint: hint)
  }

  /// The error with the file's name and the source line.
  func completed(_ diagnostic: SQLDiagnostic) -> SQLDiagnostic {
    var result = diagnostic
    result.fileName = fileName
    result.sourceLine = Redaction.line(line(diagnostic.location.line))
    return result
  }

  private static let operatorBytes = Set("+-*/<>=~!@#%^&|`?:".utf8)

  private static func isWord(_ byte: UInt8) -> Bool {
    (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "$") || byte >= 0x80
  }
}
