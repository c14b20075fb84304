/// Tells which files and manifests may have rows that match: `false` is certain, `true` is not.
public struct InclusiveMetricsEvaluator: Sendable {
  private let predicate: Predicate
  private let specs: [Int: PartitionSpec]
  private let schemas: [TableSchema]
  private let partitionPredicates: [Int: Predicate]

  /// An evaluator.
  ///
  /// - Parameters:
  ///   - predicate: the condition on rows.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first.
  public init(_ predicate: Predicate, specs: [Int: PartitionSpec], schemas: [TableSchema]) {
    self.predicate = predicate.pushingDownNot
    self.specs = specs
    self.schemas = schemas
    guard let schema = schemas.first else {
      partitionPredicates = [:]
      return
    }
    let pushed = self.predicate
    partitionPredicates = specs.mapValues { $0.project(pushed, schema: schema).pushingDownNot }
  }

  /// Whether a file of the manifest may match, by its partition summaries and counts.
  public func mayMatch(_ manifest: ManifestFile) -> Bool {
    if manifest.addedFilesCount == 0, manifest.existingFilesCount == 0 { return false }
    guard let projected = partitionPredicates[manifest.specID], let spec = specs[manifest.specID],
      let summaries = manifest.partitions, summaries.count == spec.fields.count
    else { return true }
    return evaluate(projected) { leaf, id in
      guard let (index, type) = partitionField(id, spec) else { return true }
      return SummaryRange(summaries[index], type).mayMatch(leaf)
    }
  }

  /// Whether a row of the file may match, by its partition and its metrics.
  public func mayMatch(_ file: DataFile) -> Bool {
    if file.content == .data, file.recordCount == 0 { return false }
    return mayMatch(partition: file.partition, specID: file.specID) && mayMatchMetrics(file)
  }

  /// Whether a file with the partition values may match.
  public func mayMatch(partition: PartitionTuple, specID: Int) -> Bool {
    guard let projected = partitionPredicates[specID], let spec = specs[specID],
      partition.values.count == spec.fields.count
    else { return true }
    return evaluate(projected) { leaf, id in
      guard let (index, _) = partitionField(id, spec) else { return true }
      return ValueRange(single: partition.values[index]).mayMatch(leaf)
    }
  }

  private func mayMatchMetrics(_ file: DataFile) -> Bool {
    evaluate(predicate) { leaf, id in
      guard let type = schemas.first?.field(id: id)?.type else { return true }
      return ValueRange(ColumnMetrics(id, file), type).mayMatch(leaf)
    }
  }

  private func partitionField(_ id: Int, _ spec: PartitionSpec) -> (Int, IcebergType)? {
    guard let index = spec.fields.firstIndex(where: { $0.fieldID == id }),
      let type = PartitionLayout(PartitionSpec(fields: [spec.fields[index]]), schemas: schemas).fields[0].type
    else { return nil }
    return (index, type)
  }

  private func evaluate(_ predicate: Predicate, _ leaf: (Predicate, Int) -> Bool) -> Bool {
    switch predicate {
    case .alwaysTrue, .not: true
    case .alwaysFalse: false
    case .and(let left, let right): evaluate(left, leaf) && evaluate(right, leaf)
    case .or(let left, let right): evaluate(left, leaf) || evaluate(right, leaf)
    case .isNull(let id), .isNotNull(let id), .isNaN(let id), .compare(let id, _, _), .isIn(let id, _),
      .startsWith(let id, _):
      leaf(predicate, id)
    }
  }
}

extension Predicate {
  /// The same condition with `not` only before leaves that have no opposite.
  var pushingDownNot: Predicate { pushed(negated: false) }

  private func pushed(negated: Bool) -> Predicate {
    switch self {
    case .alwaysTrue: negated ? .alwaysFalse : .alwaysTrue
    case .alwaysFalse: negated ? .alwaysTrue : .alwaysFalse
    case .and(let left, let right):
      negated
        ? .or(left.pushed(negated: true), right.pushed(negated: true))
        : .and(left.pushed(negated: false), right.pushed(negated: false))
    case .or(let left, let right):
      negated
        ? .and(left.pushed(negated: true), right.pushed(negated: true))
        : .or(left.pushed(negated: false), right.pushed(negated: false))
    case .not(let inner): inner.pushed(negated: !negated)
    case .isNull(let id): negated ? .isNotNull(id) : self
    case .isNotNull(let id): negated ? .isNull(id) : self
    case .compare(let id, let comparison, let literal):
      negated ? .compare(id, comparison.negated, literal) : self
    case .isNaN, .isIn, .startsWith: negated ? .not(self) : self
    }
  }
}
