import Columnar

/// Takes out what no statement needs: columns of scans, columns of projections, projections on projections.
struct ColumnPruning {
  let tables: [String: TableDefinition]
  /// The positions, in a full scan, of the columns of each table that are decoded.
  private(set) var kept: [String: [Int]] = [:]

  init(_ tables: [String: TableDefinition], _ relations: [Relation]) {
    self.tables = tables
    var needed: [String: Set<Int>] = [:]
    for relation in relations {
      Self.collect(relation, Set(relation.schema.fields.indices), &needed)
    }
    for (name, columns) in needed {
      guard let table = tables[name] else { continue }
      // NOT NULL is checked when a record is decoded, and the event time makes the watermark.
      let always = table.columns.indices.filter { index in
        let field = table.columns[index].field
        return !field.isNullable || field.name == table.options["event_time"]
      }
      kept[name] = columns.union(always).sorted()
    }
  }

  /// The columns to decode of every table that is read.
  var scans: [String: Schema] {
    kept.reduce(into: [:]) { result, entry in
      guard let table = tables[entry.key] else { return }
      let fields = SourceColumns.all(table)
      result[entry.key] = Schema(entry.value.map { fields[$0] })
    }
  }

  private static func collect(_ relation: Relation, _ needed: Set<Int>, _ result: inout [String: Set<Int>]) {
    switch relation {
    case .scan(let table, _): result[table, default: []].formUnion(needed)
    case .filter(let input, let predicate): collect(input, needed.union(predicate.columnsRead), &result)
    case .project(let input, let expressions, _):
      collect(input, needed.reduce(into: []) { $0.formUnion(expressions[$1].columnsRead) }, &result)
    case .aggregate(let aggregate): collect(aggregate.input, aggregate.columnsRead, &result)
    case .unionAll(let inputs): for input in inputs { collect(input, needed, &result) }
    }
  }

  /// The relation without columns that are not needed, all of whose own columns are.
  func pruned(_ relation: Relation) -> Relation {
    prune(relation, Set(relation.schema.fields.indices)).relation
  }

  /// The relation, and where each column that is needed stands in it now.
  private func prune(_ relation: Relation, _ needed: Set<Int>) -> (relation: Relation, positions: [Int: Int]) {
    switch relation {
    case .scan(let table, let schema):
      let columns = kept[table] ?? Array(schema.fields.indices)
      let positions = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
      return (.scan(table: table, schema: Schema(columns.map { schema.fields[$0] })), positions)
    case .filter(let input, let predicate):
      let (inner, positions) = prune(input, needed.union(predicate.columnsRead))
      return (Self.filter(inner, predicate.remapped(positions)), positions)
    case .project(let input, let expressions, let schema):
      let columns = needed.sorted()
      let (inner, positions) = prune(input, columns.reduce(into: []) { $0.formUnion(expressions[$1].columnsRead) })
      let remapped = columns.map { expressions[$0].remapped(positions) }
      let fields = Schema(columns.map { schema.fields[$0] })
      return (
        Self.project(inner, remapped, fields),
        Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
      )
    case .aggregate(let aggregate):
      let (inner, positions) = prune(aggregate.input, aggregate.columnsRead)
      return (
        Self.aggregate(aggregate.rebased(on: inner) { $0.remapped(positions) }),
        Dictionary(uniqueKeysWithValues: aggregate.schema.fields.indices.map { ($0, $0) })
      )
    case .unionAll(let inputs):
      let pruned = inputs.map { prune($0, needed) }
      return (.unionAll(pruned.map(\.relation)), pruned[0].positions)
    }
  }

  // MARK: Merging

  /// Whether `expressions` may be put in place of the columns that `readers` read, without computing anything twice.
  private static func canInline(_ expressions: [Expression], into readers: [Expression]) -> Bool {
    var uses = [Int](repeating: 0, count: expressions.count)
    func count(_ expression: Expression) {
      if case .column(let index) = expression.kind { uses[index] += 1 }
      expression.children.forEach(count)
    }
    readers.forEach(count)
    return expressions.indices.allSatisfy { uses[$0] <= 1 || expressions[$0].isTrivial }
  }

  private static func project(_ input: Relation, _ expressions: [Expression], _ schema: Schema) -> Relation {
    guard case .project(let inner, let written, _) = input, canInline(written, into: expressions) else {
      return .project(input, expressions, schema)
    }
    return .project(inner, expressions.map { $0.inlining(written) }, schema)
  }

  /// A filter goes below a projection that only picks columns.
  private static func filter(_ input: Relation, _ predicate: Expression) -> Relation {
    guard case .project(let inner, let written, let schema) = input,
      predicate.columnsRead.allSatisfy({ written[$0].isTrivial })
    else { return .filter(input, predicate) }
    return .project(.filter(inner, predicate.inlining(written)), written, schema)
  }

  /// An aggregation reads through a projection that only picks or computes each column once.
  private static func aggregate(_ aggregate: WindowedAggregate) -> Relation {
    guard case .project(let inner, let written, _) = aggregate.input,
      case .column = written[aggregate.timeColumn].kind,
      canInline(written, into: aggregate.expressions)
    else { return .aggregate(aggregate) }
    return .aggregate(aggregate.rebased(on: inner) { $0.inlining(written) })
  }
}

extension WindowedAggregate {
  /// Everything that is computed from the input's rows.
  var expressions: [Expression] {
    keys + aggregates.flatMap { [$0.argument, $0.filter].compactMap { $0 } }
  }

  var columnsRead: Set<Int> { expressions.reduce(into: [timeColumn]) { $0.formUnion($1.columnsRead) } }

  /// The same aggregation over another input; `change` turns an expression over the old input into one over the new.
  func rebased(on input: Relation, _ change: (Expression) -> Expression) -> WindowedAggregate {
    var time = timeColumn
    if case .column(let index) = change(Expression(.column(timeColumn), type: .timestamptz)).kind { time = index }
    return WindowedAggregate(
      input: input, timeColumn: time, window: window, keys: keys.map(change),
      aggregates: aggregates.map { call in
        AggregateCall(
          function: call.function, argument: call.argument.map(change), isDistinct: call.isDistinct,
          filter: call.filter.map(change), type: call.type)
      }, schema: schema)
  }
}

extension Expression {
  /// A column or a constant: costs nothing to repeat.
  var isTrivial: Bool {
    switch kind {
    case .column, .literal: true
    default: false
    }
  }

  func remapped(_ positions: [Int: Int]) -> Expression {
    rewritten { part in
      guard case .column(let index) = part.kind, let position = positions[index] else { return nil }
      return Expression(.column(position), type: part.type, location: part.location)
    }
  }

  /// The expression with the columns it reads replaced by what they are computed from.
  func inlining(_ expressions: [Expression]) -> Expression {
    rewritten { part in
      guard case .column(let index) = part.kind else { return nil }
      return expressions[index]
    }
  }
}
