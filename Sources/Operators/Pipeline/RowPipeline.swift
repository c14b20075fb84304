import Columnar
import SQL

/// What a ``RowPipeline`` made of a batch; every input row is in `batch`, filtered or failed.
public struct PipelineResult: Sendable {
  /// The rows that passed, with their origin.
  public let batch: Batch
  /// How many rows a filter left out.
  public let filteredCount: Int
  /// Rows that could not be evaluated, by their index in the input batch, in ascending order.
  public let failures: [RowFailure]
}

/// The filters and projections between a leaf (a scan, an aggregation or a union) and the next operator.
public struct RowPipeline: Sendable {
  private enum Step: Sendable {
    case filter(CompiledExpression)
    case project([CompiledExpression], Schema)
  }

  private let steps: [Step]
  /// The columns of the result.
  public let output: Schema
  /// Whether a row can fail: then its payload has to be kept until it has passed.
  public let canFail: Bool

  /// The steps of `relation` above its leaf, whose columns are those of `input`.
  ///
  /// Throws `CompileError` for an expression that is not supported.
  public init(_ relation: Relation, input: Schema) throws {
    var steps: [Step] = []
    var canFail = false
    var current = relation
    var isLeaf = false
    while !isLeaf {
      switch current {
      case .filter(let below, let predicate):
        let compiled = try CompiledExpression(predicate)
        canFail = canFail || compiled.canFail
        steps.append(.filter(compiled))
        current = below
      case .project(let below, let expressions, let schema):
        let compiled = try expressions.map { try CompiledExpression($0) }
        canFail = canFail || compiled.contains { $0.canFail }
        steps.append(.project(compiled, schema))
        current = below
      case .scan, .aggregate, .unionAll:
        isLeaf = true
      }
    }
    self.steps = steps.reversed()
    self.canFail = canFail
    output = steps.isEmpty ? input : relation.schema == current.schema ? input : relation.schema
  }

  /// Whether the pipeline changes nothing.
  public var isIdentity: Bool { steps.isEmpty }

  /// The leaf of `relation`: what its filters and projections read.
  public static func leaf(of relation: Relation) -> Relation {
    switch relation {
    case .filter(let below, _), .project(let below, _, _): leaf(of: below)
    case .scan, .aggregate, .unionAll: relation
    }
  }

  /// Passes a batch of the leaf through every step.
  public func process(_ batch: Batch, _ context: EvaluationContext) -> PipelineResult {
    var state = State(batch)
    for step in steps {
      if state.batch.count == 0, case .filter = step { continue }
      switch step {
      case .filter(let predicate): state.filter(predicate, context)
      case .project(let expressions, let schema): state.project(expressions, schema, context)
      }
    }
    return PipelineResult(
      batch: state.batch, filteredCount: state.filteredCount,
      failures: state.failures.sorted { $0.row < $1.row })
  }
}

extension RowPipeline {
  /// The rows that are still on their way, and which rows of the input they are.
  private struct State {
    var batch: Batch
    /// For each row its index in the input; nil while they are the same.
    private var inputRows: [Int32]?
    var filteredCount = 0
    var failures: [RowFailure] = []

    init(_ batch: Batch) { self.batch = batch }

    mutating func filter(_ predicate: CompiledExpression, _ context: EvaluationContext) {
      let evaluated = predicate.evaluate(batch, context)
      let failed = fail(evaluated.failures)
      guard case .boolean(let values) = evaluated.column.storage else {
        preconditionFailure("a predicate is boolean, not \(evaluated.column.type.sqlName)")
      }
      var selected: [Int32] = []
      selected.reserveCapacity(batch.count)
      let words = evaluated.column.validity?.words
      for row in 0..<batch.count {
        guard values[row] else { continue }
        if let words, words[row >> 6] & (1 << UInt64(row & 63)) == 0 { continue }
        if let failed, failed[row] { continue }
        selected.append(Int32(truncatingIfNeeded: row))
      }
      let failedCount = failed?.reduce(0) { $0 + ($1 ? 1 : 0) } ?? 0
      filteredCount += batch.count - selected.count - failedCount
      keep(selected)
    }

    mutating func project(_ expressions: [CompiledExpression], _ schema: Schema, _ context: EvaluationContext) {
      let evaluated = expressions.map { $0.evaluate(batch, context) }
      let failed = fail(evaluated.flatMap(\.failures))
      batch = Batch(
        schema: schema, columns: evaluated.map(\.column), count: batch.count, rowKinds: batch.rowKinds,
        origin: batch.origin)
      guard let failed else { return }
      keep((0..<Int32(batch.count)).filter { !failed[Int($0)] })
    }

    /// Notes failures, the first of each row; returns which rows of the current batch failed, nil for none.
    private mutating func fail(_ new: [RowFailure]) -> [Bool]? {
      guard !new.isEmpty else { return nil }
      var failed = [Bool](repeating: false, count: batch.count)
      for failure in new where !failed[Int(failure.row)] {
        failed[Int(failure.row)] = true
        let row = inputRows.map { Int($0[Int(failure.row)]) } ?? Int(failure.row)
        failures.append(RowFailure(row: row, message: failure.message))
      }
      return failed
    }

    private mutating func keep(_ rows: [Int32]) {
      guard rows.count < batch.count else { return }
      inputRows = inputRows.map { known in rows.map { known[Int($0)] } } ?? rows
      batch = batch.gather(rows)
    }
  }
}
