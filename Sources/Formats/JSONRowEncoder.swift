import Columnar

/// Writes rows as JSON objects, one a line.
///
/// Times are ISO 8601 in UTC with microseconds, `numeric` is a number, NaN and the infinities are strings, `bytea` is `\x…` in a
/// string, `jsonb` is copied as it is, NULL is `null`. A ``RecordDecoder`` of the same schema reads the same values back.
public struct JSONRowEncoder: Sendable {
  /// Per column: `{"name":` or `,"name":`.
  private let keys: [[UInt8]]
  private let types: [DataType]

  /// An encoder of rows of `schema`.
  public init(_ schema: Schema) {
    types = schema.fields.map(\.type)
    keys = schema.fields.enumerated().map { index, field in
      var key: [UInt8] = [index == 0 ? 0x7b : 0x2c]
      Self.appendString(Array(field.name.utf8)[...], to: &key)
      key.append(0x3a)
      return key
    }
  }

  /// Appends the rows of `batch`, each with a line feed behind it.
  public func append(_ batch: Batch, to bytes: inout [UInt8]) {
    bytes.reserveCapacity(bytes.count + batch.memoryBytes * 2 + batch.count * keys.reduce(8) { $0 + $1.count })
    for row in 0..<batch.count {
      append(row: row, of: batch, to: &bytes)
      bytes.append(0x0a)
    }
  }

  /// Appends one row's object, without a line feed.
  public func append(row: Int, of batch: Batch, to bytes: inout [UInt8]) {
    for index in keys.indices {
      bytes.append(contentsOf: keys[index])
      Self.append(batch.columns[index], row, types[index], to: &bytes)
    }
    if keys.isEmpty { bytes.append(0x7b) }
    bytes.append(0x7d)
  }

  /// Appends the JSON value of a row of a column.
  public static func append(_ column: Column, _ row: Int, _ type: DataType, to bytes: inout [UInt8]) {
    if column.isNull(row) {
      bytes.append(contentsOf: "null".utf8)
      return
    }
    switch column.storage {
    case .boolean(let values): bytes.append(contentsOf: (values[row] ? "true" : "false").utf8)
    case .int64(let values): append(values[row], type, to: &bytes)
    case .float64(let values): append(values[row], isReal: type == .real, to: &bytes)
    case .numeric(let values):
      if values[row].isNaN {
        bytes.append(contentsOf: "\"NaN\"".utf8)
      } else {
        values[row].appendText(to: &bytes)
      }
    case .bytes(let values): append(values[row], type, to: &bytes)
    case .interval(let values):
      bytes.append(0x22)
      values[row].appendText(to: &bytes)
      bytes.append(0x22)
    case .uuid(let values):
      bytes.append(0x22)
      values[row].appendText(to: &bytes)
      bytes.append(0x22)
    }
  }

  private static func append(_ value: Int64, _ type: DataType, to bytes: inout [UInt8]) {
    switch type {
    case .date:
      bytes.append(0x22)
      TimeText.appendISO8601Date(value, to: &bytes)
      bytes.append(0x22)
    case .timestamp, .timestamptz:
      bytes.append(0x22)
      TimeText.appendISO8601(value, withZone: type == .timestamptz, to: &bytes)
      bytes.append(0x22)
    default: bytes.appendDecimal(value)
    }
  }

  private static func append(_ value: Double, isReal: Bool, to bytes: inout [UInt8]) {
    guard value.isFinite else {
      bytes.append(contentsOf: (value.isNaN ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"").utf8)
      return
    }
    // Both are the shortest text that reads back as the same value.
    let text = isReal ? Float(value).description : value.description
    bytes.append(contentsOf: text.utf8)
    if bytes.count >= 2, bytes[bytes.count - 1] == 0x30, bytes[bytes.count - 2] == 0x2e { bytes.removeLast(2) }
  }

  private static func append(_ value: ArraySlice<UInt8>, _ type: DataType, to bytes: inout [UInt8]) {
    switch type {
    case .bytea:
      // The backslash of `\x` is escaped.
      bytes.append(contentsOf: "\"\\".utf8)
      ByteaText.append(value, to: &bytes)
      bytes.append(0x22)
    case .jsonb:
      if value.contains(where: { $0 < 0x20 }) {
        // Between tokens only, where a space means the same and keeps the row on its line.
        bytes.append(contentsOf: value.lazy.map { $0 < 0x20 ? 0x20 : $0 })
      } else {
        bytes.append(contentsOf: value)
      }
    default: appendString(value, to: &bytes)
    }
  }

  /// Appends UTF-8 as a JSON string.
  public static func appendString(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(0x22)
    text.withUnsafeBufferPointer { text in
      var start = 0
      for index in text.indices {
        let byte = text[index]
        guard byte < 0x20 || byte == 0x22 || byte == 0x5c else { continue }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
        appendEscape(byte, to: &bytes)
        start = index + 1
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
    }
    bytes.append(0x22)
  }

  private static func appendEscape(_ byte: UInt8, to bytes: inout [UInt8]) {
    bytes.append(0x5c)
    switch byte {
    case 0x22, 0x5c: bytes.append(byte)
    case 0x0a: bytes.append(0x6e)
    case 0x0d: bytes.append(0x72)
    case 0x09: bytes.append(0x74)
    default:
      bytes.append(contentsOf: "u00".utf8)
      bytes.append(hexadecimalDigit(byte >> 4))
      bytes.append(hexadecimalDigit(byte & 15))
    }
  }
}
