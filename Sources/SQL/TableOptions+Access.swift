import Columnar

/// Typed access: every error says which option it is, what is accepted, what came (unless it is secret), and where.
extension TableOptions {
  /// The value, or the fallback when the option is not given.
  public func string(_ name: String, default fallback: String? = nil) -> String? { self[name] ?? fallback }

  /// The value of an option that must be given.
  ///
  /// - Parameters:
  ///   - name: the option.
  ///   - meaning: what it is for; part of the message.
  ///   - table: where the error stands when the option is missing.
  public func required(
    _ name: String, meaning: String, table: TableDefinition
  ) throws(SQLDiagnostic) -> String {
    if let value = self[name], !value.isEmpty { return value }
    throw SQLDiagnostic(
      message: "option \(name) of table \(table.name) is missing: \(meaning)",
      location: entries[name]?.location ?? table.location, hint: "add \(name) = '…' to WITH (…)")
  }

  /// A length of time in microseconds: `200ms`, `2 seconds`.
  public func duration(_ name: String, default fallback: Int64) throws(SQLDiagnostic) -> Int64 {
    guard let text = self[name] else { return fallback }
    guard let value = DurationText.parse(text) else {
      throw invalid(name, expected: "a length of time", hint: "write it like '200ms', '2 seconds' or '1 minute'")
    }
    return value
  }

  /// A number of bytes: `65536`, `64KiB`, `1 MB`.
  public func size(_ name: String, default fallback: Int64) throws(SQLDiagnostic) -> Int64 {
    guard let text = self[name] else { return fallback }
    guard let value = Self.bytes(text) else {
      throw invalid(name, expected: "a size", hint: "write it like '65536', '64KiB' or '1MiB'")
    }
    return value
  }

  /// A whole number within a range.
  public func integer(
    _ name: String, in range: ClosedRange<Int64>, default fallback: Int64
  ) throws(SQLDiagnostic) -> Int64 {
    guard let text = self[name] else { return fallback }
    guard let value = Int64(text), range.contains(value) else {
      throw invalid(name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A number.
  public func number(_ name: String, default fallback: Double) throws(SQLDiagnostic) -> Double {
    guard let text = self[name] else { return fallback }
    guard let value = Double(text), value.isFinite else { throw invalid(name, expected: "a number") }
    return value
  }

  /// `true` or `false`.
  public func boolean(_ name: String, default fallback: Bool) throws(SQLDiagnostic) -> Bool {
    switch self[name]?.lowercased() {
    case nil: return fallback
    case "true", "on", "yes", "1": return true
    case "false", "off", "no", "0": return false
    default: throw invalid(name, expected: "true or false")
    }
  }

  /// One of some words, in lower case.
  public func choice(_ name: String, of words: [String], default fallback: String) throws(SQLDiagnostic) -> String {
    guard let text = self[name] else { return fallback }
    guard words.contains(text.lowercased()) else {
      let near = Suggestion.nearest(to: text, in: words).map { "did you mean '\($0)'?" }
      throw invalid(name, expected: words.map { "'\($0)'" }.joined(separator: " or "), hint: near)
    }
    return text.lowercased()
  }

  /// A moment in microseconds since the epoch: ISO 8601, or milliseconds since the epoch.
  public func moment(_ name: String) throws(SQLDiagnostic) -> Int64? {
    guard let text = self[name] else { return nil }
    if let milliseconds = Int64(text) {
      let (value, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
      if !overflow { return value }
    } else if let time = try? TimeText.parseTimestamp(text) {
      return time.utc
    }
    throw invalid(name, expected: "a time", hint: "write it like '2026-01-31T12:00:00Z', or milliseconds since 1970")
  }

  /// The error for a value that is not accepted.
  public func invalid(_ name: String, expected: String, hint: String? = nil) -> SQLDiagnostic {
    let shown = Redaction.value(self[name] ?? "", ofOption: name)
    return SQLDiagnostic(
      message: "option \(name) must be \(expected), not '\(shown)'",
      location: entries[name]?.location ?? SourceLocation(line: 1, column: 1), offendingText: "'\(shown)'", hint: hint)
  }

  private static func bytes(_ text: String) -> Int64? {
    let compact = text.lowercased().filter { !$0.isWhitespace }
    let digits = compact.prefix { $0.isASCII && $0.isNumber }
    let units: [String: Int64] = [
      "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
      "k": 1 << 10, "m": 1 << 20, "g": 1 << 30
    ]
    guard let number = Int64(digits), let unit = units[String(compact.dropFirst(digits.count))] else { return nil }
    let (value, overflow) = number.multipliedReportingOverflow(by: unit)
    return overflow ? nil : value
  }
}
