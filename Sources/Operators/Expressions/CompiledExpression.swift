import Columnar
import SQL

/// An expression that cannot be evaluated: a function without a kernel, or a malformed constant pattern.
public struct CompileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let message: String
  /// Where the expression stands in the SQL text.
  public let location: SourceLocation?

  /// `location: message`.
  public var description: String { location.map { "\($0): \(message)" } ?? message }
}

/// What an expression may read beside its columns; fixed for a batch.
public struct EvaluationContext: Hashable, Sendable {
  /// The value of `now()`.
  public let now: Timestamp

  /// A context in which `now()` is `now`.
  public init(now: Timestamp) { self.now = now }
}

/// A row for which an expression has no value, as PostgreSQL would have stopped with an error.
public struct RowFailure: Hashable, Sendable {
  /// The row's index in the batch.
  public let row: Int
  /// PostgreSQL's message: `division by zero`.
  public let message: String

  /// A failure of `row`.
  public init(row: Int, message: String) {
    self.row = row
    self.message = message
  }
}

/// The values of an expression for every row of a batch; failing rows are NULL in the column.
public struct EvaluatedColumn: Hashable, Sendable {
  /// One value a row.
  public let column: Column
  /// The rows without a value, in ascending order, each once.
  public let failures: [RowFailure]
}

/// The rows for which a predicate is true.
public struct EvaluatedPredicate: Hashable, Sendable {
  /// The indices of the rows that are TRUE (neither FALSE nor NULL), ascending.
  public let selection: [Int32]
  /// The rows without a value, in ascending order, each once.
  public let failures: [RowFailure]
}

/// An expression whose kernels are chosen once, evaluated a column at a time.
public struct CompiledExpression: Sendable {
  /// The type of the result.
  public let type: DataType
  /// Whether any row can fail; decides whether the records behind the rows have to be kept.
  public var canFail: Bool { root.canFail }
  private let root: ExpressionNode

  /// Chooses the kernels of `expression`.
  public init(_ expression: Expression) throws(CompileError) {
    root = try ExpressionNode(expression)
    type = expression.type
  }

  /// The value of every row.
  public func evaluate(_ batch: Batch, _ context: EvaluationContext) -> EvaluatedColumn {
    var failures = FailedRows()
    let frame = EvaluationFrame(columns: batch.columns, count: batch.count, context: context)
    let column = root.evaluate(frame, &failures).expanded(to: batch.count, type)
    return EvaluatedColumn(column: column.maskingFailures(failures), failures: failures.sorted)
  }

  /// The rows for which this, a boolean, is true.
  public func evaluatePredicate(_ batch: Batch, _ context: EvaluationContext) -> EvaluatedPredicate {
    let result = evaluate(batch, context)
    guard case .boolean(let values) = result.column.storage else {
      return EvaluatedPredicate(selection: [], failures: result.failures)
    }
    var selection: [Int32] = []
    selection.reserveCapacity(values.count)
    if let validity = result.column.validity {
      for row in values.indices where values[row] && validity[row] { selection.append(Int32(row)) }
    } else {
      for row in values.indices where values[row] { selection.append(Int32(row)) }
    }
    return EvaluatedPredicate(selection: selection, failures: result.failures)
  }
}

/// The failures of one evaluation; the first message of a row stays.
struct FailedRows {
  private var byRow: [Int: String] = [:]

  var isEmpty: Bool { byRow.isEmpty }
  var rows: Dictionary<Int, String>.Keys { byRow.keys }
  var sorted: [RowFailure] {
    byRow.sorted { $0.key < $1.key }.map { RowFailure(row: $0.key, message: $0.value) }
  }
  var first: String? { byRow.first?.value }

  func contains(_ row: Int) -> Bool { byRow[row] != nil }

  mutating func add(_ row: Int, _ message: String) {
    if byRow[row] == nil { byRow[row] = message }
  }

  /// Adds failures of a selection's rows; row *i* of `other` is row `rows[i]` here.
  mutating func add(_ other: FailedRows, rows: [Int32]) {
    for (row, message) in other.byRow { add(Int(rows[row]), message) }
  }
}

extension Column {
  /// The column with NULL in the rows that failed.
  func maskingFailures(_ failures: FailedRows) -> Column {
    guard !failures.isEmpty else { return self }
    var bits = validity ?? Bitmap(repeating: true, count: count)
    for row in failures.rows { bits[row] = false }
    return Column(type, storage, validity: bits)
  }

  /// The same values under another type with the same storage.
  func retyped(_ type: DataType) -> Column { Column(type, storage, validity: validity) }
}
