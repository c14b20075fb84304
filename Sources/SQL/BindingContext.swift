import Columnar

/// What the binding of one statement needs to say where things stand.
struct BindingContext: Sendable {
  let source: SourceText
  /// The byte offset in the file that the statement's locations count from.
  let base: Int

  /// An error at a location of the statement.
  func error(_ message: String, at offset: Int, hint: String? = nil) -> SQLDiagnostic {
    source.diagnostic(message, at: base + offset, hint: hint)
  }

  func location(_ offset: Int) -> SourceLocation { source.location(base + offset) }
}

/// A column that an expression can name.
struct ScopeColumn: Hashable, Sendable {
  /// The alias or name of the table that it belongs to.
  var qualifier: String?
  var name: String
  var type: DataType
  var isNullable: Bool
  /// Its position in the rows that the expression is evaluated on.
  var index: Int
  /// Whether it is the relation's event time, unchanged since the source or a window.
  var isEventTime = false
  /// Metadata columns can be named, but `*` leaves them out.
  var isHidden = false
}

/// The columns that expressions can name, and how they are found.
struct Scope: Sendable {
  var columns: [ScopeColumn] = []
  /// The position from which columns are `window_start` and `window_end`; see ``WindowInput``.
  var windowIndex: Int?

  /// The column that a `ColumnRef` names, by PostgreSQL's rules.
  func column(_ names: [String], at offset: Int, _ context: BindingContext) throws(SQLDiagnostic) -> ScopeColumn {
    guard let name = names.last, names.count <= 2 else {
      throw context.error(
        "column \(names.joined(separator: ".")) does not exist", at: offset,
        hint: "columns are named column or table.column")
    }
    let qualifier = names.count == 2 ? names[0] : nil
    let matches = columns.filter { $0.name == name && (qualifier == nil || $0.qualifier == qualifier) }
    if matches.count > 1 {
      let places = matches.map { ($0.qualifier.map { "\($0)." } ?? "") + $0.name }
      throw context.error(
        "column reference \(name) is ambiguous", at: offset, hint: "it could be \(places.joined(separator: " or "))")
    }
    if let match = matches.first { return match }
    throw missing(name, qualifier, at: offset, context)
  }

  private func missing(
    _ name: String, _ qualifier: String?, at offset: Int, _ context: BindingContext
  ) -> SQLDiagnostic {
    let qualifiers = Set(columns.compactMap(\.qualifier))
    if let qualifier, !qualifiers.contains(qualifier) {
      return context.error(
        "there is no table \(qualifier) in FROM", at: offset,
        hint: Suggestion.hint(for: qualifier, in: qualifiers.sorted(), listing: "FROM has"))
    }
    if name == "window_start" || name == "window_end" {
      return context.error(
        "column \(name) does not exist", at: offset,
        hint: "windows come from FROM tumble(table, time, INTERVAL '10 seconds')")
    }
    let visible = columns.filter { !$0.isHidden }.map(\.name)
    return context.error(
      "column \(name) does not exist", at: offset,
      hint: Suggestion.nearest(to: name, in: columns.map(\.name)).map { "did you mean \($0)?" }
        ?? Suggestion.hint(for: name, in: visible, listing: "columns"))
  }

  /// Where window columns have their index: beyond every column of the input.
  func isWindowColumn(_ index: Int) -> Bool { windowIndex.map { index >= $0 && index < $0 + 2 } ?? false }
}

extension Expression {
  /// The expression without places in the text, for comparing.
  package var withoutLocations: Expression {
    rewritten { expression in
      expression.location == nil ? nil : Expression(expression.kind, type: expression.type)
    }
  }

  /// The direct parts.
  var children: [Expression] {
    switch kind {
    case .column, .literal: []
    case .call(_, let arguments), .and(let arguments), .or(let arguments), .coalesce(let arguments): arguments
    case .not(let part), .isNull(let part), .isTrue(let part), .cast(let part): [part]
    case .conditional(let branches, let otherwise): branches.flatMap { [$0.condition, $0.result] } + [otherwise]
    case .inList(let value, let list): [value] + list
    }
  }

  /// The expression with other direct parts; as many, in the order of ``children``.
  func replacingChildren(_ parts: [Expression]) -> Expression {
    let newKind: Kind =
      switch kind {
      case .column, .literal: kind
      case .call(let signature, _): .call(signature, parts)
      case .and: .and(parts)
      case .or: .or(parts)
      case .coalesce: .coalesce(parts)
      case .not: .not(parts[0])
      case .isNull: .isNull(parts[0])
      case .isTrue: .isTrue(parts[0])
      case .cast: .cast(parts[0])
      case .inList: .inList(parts[0], Array(parts.dropFirst()))
      case .conditional(let branches, _):
        .conditional(
          branches.indices.map { Branch(condition: parts[$0 * 2], result: parts[$0 * 2 + 1]) },
          otherwise: parts[parts.count - 1])
      }
    return Expression(newKind, type: type, location: location)
  }

  /// Rewrites bottom up; `nil` leaves an expression as it is.
  func rewritten(_ change: (Expression) -> Expression?) -> Expression {
    let parts = children
    let same = parts.isEmpty ? self : replacingChildren(parts.map { $0.rewritten(change) })
    return change(same) ?? same
  }

  /// The indexes of all columns that are read.
  var columnsRead: Set<Int> {
    if case .column(let index) = kind { return [index] }
    return children.reduce(into: []) { $0.formUnion($1.columnsRead) }
  }
}
