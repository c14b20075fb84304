/// Cuts a stream of binary COPY rows where they end.
struct PostgresRowSplitter {
  private var bytes: [UInt8] = []
  private var start = 0

  mutating func append(_ piece: UnsafeRawBufferPointer) {
    bytes.removeFirst(start)
    start = 0
    bytes.append(contentsOf: piece)
  }

  /// The next `count` rows, if that many are complete.
  mutating func take(_ count: Int) -> [[UInt8]]? {
    var rows: [[UInt8]] = []
    var position = start
    while rows.count < count {
      guard let end = endOfRow(at: position) else { return nil }
      rows.append(Array(bytes[position..<end]))
      position = end
    }
    start = position
    return rows
  }

  /// All complete rows that are left; `nil` when there is none.
  mutating func takeRest() -> [[UInt8]]? {
    var rows: [[UInt8]] = []
    while let end = endOfRow(at: start) {
      rows.append(Array(bytes[start..<end]))
      start = end
    }
    return rows.isEmpty ? nil : rows
  }

  private func endOfRow(at start: Int) -> Int? {
    guard start + 2 <= bytes.count else { return nil }
    var position = start + 2
    for _ in 0..<(Int(bytes[start]) << 8 | Int(bytes[start + 1])) {
      guard position + 4 <= bytes.count else { return nil }
      position += 4 + max(0, Int(PostgresRowText.int32(bytes, position)))
    }
    return position <= bytes.count ? position : nil
  }
}

/// A row of binary COPY as JSON, for people: numbers and text as such, other types in hexadecimal.
enum PostgresRowText {
  static func int32(_ bytes: [UInt8], _ position: Int) -> Int32 {
    Int32(bitPattern: bytes[position..<position + 4].reduce(0) { $0 << 8 | UInt32($1) })
  }

  /// The row as a JSON object; the first `skipped` fields are left out.
  static func json(_ row: [UInt8], columns: [PostgresColumn], skipping skipped: Int) -> String {
    var members: [String] = []
    var position = 2
    for index in 0..<(columns.count + skipped) {
      guard position + 4 <= row.count else { break }
      let length = Int(int32(row, position))
      position += 4
      let field = length < 0 ? nil : row[position..<min(row.count, position + length)]
      position += max(0, length)
      guard index >= skipped else { continue }
      let column = columns[index - skipped]
      members.append("\(quoted(column.name)): \(value(field, column.typeName))")
    }
    return "{\(members.joined(separator: ", "))}"
  }

  private static func value(_ field: ArraySlice<UInt8>?, _ type: String) -> String {
    guard let field else { return "null" }
    let whole = field.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch type {
    case "boolean": return whole != 0 ? "true" : "false"
    case "smallint": return String(Int16(truncatingIfNeeded: whole))
    case "integer": return String(Int32(truncatingIfNeeded: whole))
    case "bigint": return String(Int64(bitPattern: whole))
    case "double precision":
      let number = Double(bitPattern: whole)
      return number.isFinite ? String(number) : quoted(String(number))
    case "real":
      let number = Float(bitPattern: UInt32(truncatingIfNeeded: whole))
      return number.isFinite ? String(number) : quoted(String(number))
    case "jsonb": return quoted(String(decoding: field.dropFirst(), as: UTF8.self))
    case "bytea", "uuid", "interval", "date": return quoted(hexadecimal(field))
    default:
      return type.hasPrefix("timestamp") || type.hasPrefix("numeric")
        ? quoted(hexadecimal(field)) : quoted(String(decoding: field, as: UTF8.self))
    }
  }

  private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
    "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      // PostgreSQL's jsonb has no zero character.
      case "\0": result += "\u{fffd}"
      case let control where control.value < 0x20:
        result += "\\u00" + (control.value < 16 ? "0" : "") + String(control.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
