/// One error of an SQL file: what is wrong, where, and what to do.
public struct SQLDiagnostic: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what came.
  public let message: String
  /// Where the offending text starts.
  public let location: SourceLocation
  /// The text at fault as it was written; empty when the error has none.
  public let offendingText: String
  /// What to write instead.
  public let hint: String?
  /// The name of the file, once known.
  public internal(set) var fileName: String?
  /// The line of the file that holds ``location``, with secrets blotted out.
  public internal(set) var sourceLine: String?
  /// Whether another error of the file is the cause, so that this one need not be shown.
  var isConsequence = false

  /// An error at `location`.
  public init(message: String, location: SourceLocation, offendingText: String = "", hint: String? = nil) {
    self.message = message
    self.location = location
    self.offendingText = offendingText
    self.hint = hint
  }

  /// `file:line:column: error: …`, the source line with the offending text underlined, and the hint.
  public var description: String {
    var lines = [(fileName.map { "\($0):" } ?? "") + "\(location): error: \(message)"]
    if let sourceLine {
      let width = max(1, min(offendingText.prefix { $0 != "\n" }.count, sourceLine.count - location.column + 1))
      // Tabs stay tabs, so that the mark stands under the text whatever their width is.
      let indent = String(sourceLine.prefix(location.column - 1).map { $0 == "\t" ? "\t" : " " })
      lines.append("  " + sourceLine)
      lines.append("  " + indent + (width == 1 ? "^" : "^" + String(repeating: "~", count: width - 1)))
    }
    if let hint { lines.append("  hint: " + hint) }
    return lines.joined(separator: "\n")
  }
}

/// All errors of an SQL file, in the order of the text.
public struct SQLDiagnostics: Error, Hashable, Sendable, CustomStringConvertible {
  /// The errors; at least one.
  public let all: [SQLDiagnostic]

  /// Errors, which are sorted by location.
  public init(_ all: [SQLDiagnostic]) {
    self.all = all.sorted { ($0.location.line, $0.location.column) < ($1.location.line, $1.location.column) }
  }

  /// Every error, see ``SQLDiagnostic/description``.
  public var description: String { all.map(\.description).joined(separator: "\n") }
}

extension SQLDiagnostic {
  /// The same error elsewhere in the text.
  func moved(to location: SourceLocation, in source: SourceText) -> SQLDiagnostic {
    SQLDiagnostic(
      message: message, location: location, offendingText: Redaction.line(source.token(at: source.offset(location))),
      hint: hint)
  }
}
