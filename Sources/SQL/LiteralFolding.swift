import Columnar

/// Constants written as text, turned into values of a type while the file is read.
enum LiteralFolding {
  /// The value that `text` is in `type`; `nil` when it is only known when the statement runs.
  /// - Throws: why the text is not a value of the type.
  static func value(_ text: String, _ type: DataType) throws(ValueTextError) -> Value? {
    switch type {
    case .boolean:
      guard let value = boolean(text) else { throw .malformed }
      return .boolean(value)
    case .integer: return .int64(try integer(text, Int64(Int32.min)...Int64(Int32.max)))
    case .bigint: return .int64(try integer(text, Int64.min...Int64.max))
    case .real: return .float64(try float(text, asFloat: true))
    case .double: return .float64(try float(text, asFloat: false))
    case .numeric(let precision, let scale):
      return .numeric(try constrained(Numeric(text), precision, scale))
    case .text: return .text(text)
    case .bytea: return .bytes(try ByteaText.parse(text))
    case .date: return .int64(try TimeText.parseDate(text))
    case .timestamp: return .int64(isEpoch(text) ? 0 : try TimeText.parseTimestamp(text).local)
    case .timestamptz: return .int64(isEpoch(text) ? 0 : try TimeText.parseTimestamp(text).utc)
    case .interval: return .interval(try Interval(text))
    case .uuid: return .uuid(try UUIDValue(text))
    case .jsonb:
      var bytes: [UInt8] = []
      try JSONTree(Array(text.utf8)[...]).append(to: &bytes)
      return .bytes(bytes)
    }
  }

  /// A constant converted to another type, where that cannot depend on anything but the value.
  static func converted(_ value: Value, from: DataType, to: DataType) -> Value? {
    switch (value, to) {
    case (.null, _): return .null
    case (.int64(let number), .bigint) where from == .integer: return .int64(number)
    case (.int64(let number), .numeric(let precision, let scale)) where from == .integer || from == .bigint:
      return (try? constrained(Numeric(number), precision, scale)).map { .numeric($0) }
    case (.int64(let number), .double) where from == .integer || from == .bigint: return .float64(Double(number))
    case (.int64(let number), .real) where from == .integer || from == .bigint:
      return .float64(Double(Float(number)))
    case (.numeric(let number), .double):
      return Double(text(number)).flatMap { $0.isFinite ? .float64($0) : nil }
    case (.numeric(let number), .real):
      return Float(text(number)).flatMap { $0.isFinite ? .float64(Double($0)) : nil }
    case (.numeric(let number), .numeric(let precision, let scale)):
      return (try? constrained(number, precision, scale)).map { .numeric($0) }
    default: return nil
    }
  }

  private static func text(_ number: Numeric) -> String { String(writing: { number.appendText(to: &$0) }) }

  private static func constrained(
    _ number: Numeric, _ precision: Int?, _ scale: Int?
  ) throws(ValueTextError) -> Numeric {
    guard let precision else { return number }
    guard let result = number.rescaled(to: scale ?? 0, precision: precision) else { throw .outOfRange }
    return result
  }

  private static func isEpoch(_ text: String) -> Bool { trimmed(text).lowercased() == "epoch" }

  private static func trimmed(_ text: String) -> String {
    var characters = text[...]
    while characters.first?.isWhitespace == true { characters.removeFirst() }
    while characters.last?.isWhitespace == true { characters.removeLast() }
    return String(characters)
  }

  private static func boolean(_ text: String) -> Bool? {
    let word = trimmed(text).lowercased()
    guard !word.isEmpty else { return nil }
    if word == "1" || word == "on" || "true".hasPrefix(word) || "yes".hasPrefix(word) { return true }
    if word == "0" || word == "off" || word == "of" || "false".hasPrefix(word) || "no".hasPrefix(word) { return false }
    return nil
  }

  private static func integer(_ text: String, _ range: ClosedRange<Int64>) throws(ValueTextError) -> Int64 {
    let digits = trimmed(text)
    guard let value = Int64(digits) else {
      let body = digits.first.map { $0 == "-" || $0 == "+" } == true ? digits.dropFirst() : digits[...]
      throw !body.isEmpty && body.allSatisfy { $0.isASCII && $0.isNumber } ? .outOfRange : .malformed
    }
    guard range.contains(value) else { throw .outOfRange }
    return value
  }

  private static func float(_ text: String, asFloat: Bool) throws(ValueTextError) -> Double {
    let word = trimmed(text)
    let allowed = word.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
    let special = ["nan", "infinity", "-infinity", "+infinity", "inf", "-inf", "+inf"].contains(word.lowercased())
    guard allowed || special, let value = Double(word) else { throw .malformed }
    let result = asFloat ? Double(Float(value)) : value
    if result.isInfinite && !special { throw .outOfRange }
    return result
  }
}
