import Actors
import SQL

/// Access to a source table's options, whose errors are those of the source: each names the option and where it stands.
struct SourceOptions {
  let table: TableDefinition

  private var options: TableOptions { table.options }

  func string(_ name: String) -> String? { options[name] }

  func required(_ name: String, _ meaning: String) throws(SourceError) -> String {
    try rethrow { () throws(SQLDiagnostic) in try options.required(name, meaning: meaning, table: table) }
  }

  func integer(_ name: String, in range: ClosedRange<Int64>, default fallback: Int64) throws(SourceError) -> Int64 {
    try rethrow { () throws(SQLDiagnostic) in try options.integer(name, in: range, default: fallback) }
  }

  func optionalInteger(_ name: String, in range: ClosedRange<Int64>) throws(SourceError) -> Int64? {
    options[name] == nil ? nil : try integer(name, in: range, default: 0)
  }

  /// A number of bytes.
  func size(_ name: String, in range: ClosedRange<Int64>, default fallback: Int64) throws(SourceError) -> Int64 {
    let value = try rethrow { () throws(SQLDiagnostic) in try options.size(name, default: fallback) }
    guard range.contains(value) else {
      throw invalid(name, expected: "from \(range.lowerBound) to \(range.upperBound) bytes")
    }
    return value
  }

  func double(_ name: String) throws(SourceError) -> Double? {
    options[name] == nil ? nil : try rethrow { () throws(SQLDiagnostic) in try options.number(name, default: 0) }
  }

  func boolean(_ name: String, default fallback: Bool) throws(SourceError) -> Bool {
    try rethrow { () throws(SQLDiagnostic) in try options.boolean(name, default: fallback) }
  }

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, default fallback: Choice
  ) throws(SourceError) -> Choice where Choice.RawValue == String {
    let words = Choice.allCases.map(\.rawValue)
    let word = try rethrow { () throws(SQLDiagnostic) in
      try options.choice(name, of: words, default: fallback.rawValue)
    }
    return Choice(rawValue: word) ?? fallback
  }

  /// A length of time, in microseconds.
  func duration(_ name: String) throws(SourceError) -> Int64? {
    options[name] == nil ? nil : try rethrow { () throws(SQLDiagnostic) in try options.duration(name, default: 0) }
  }

  /// A moment, in microseconds since the epoch.
  func moment(_ name: String) throws(SourceError) -> Int64? {
    try rethrow { () throws(SQLDiagnostic) in try options.moment(name) }
  }

  func invalid(_ name: String, expected: String) -> SourceError { error(options.invalid(name, expected: expected)) }

  private func rethrow<Result>(_ access: () throws(SQLDiagnostic) -> Result) throws(SourceError) -> Result {
    do {
      return try access()
    } catch {
      throw self.error(error)
    }
  }

  private func error(_ diagnostic: SQLDiagnostic) -> SourceError {
    let hint = diagnostic.hint.map { "; \($0)" } ?? ""
    return SourceError(
      source: table.name, severity: .fatal, message: "\(diagnostic.message) (at \(diagnostic.location))\(hint)")
  }

  /// Whether the value of this property of librdkafka must not be shown.
  static func isSecret(_ name: String) -> Bool {
    ["password", "secret", "key.pem", "token", "jaas", "oauthbearer.config"].contains { name.lowercased().contains($0) }
  }
}
