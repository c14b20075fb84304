/// Tells which files and manifests may have rows that match: `false` is certain, `true` is not.
public struct InclusiveMetricsEvaluator: Sendable {
  /// An evaluator.
  ///
  /// - Parameters:
  ///   - predicate: the condition on rows.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first.
  public init(_ predicate: Predicate, specs: [Int: PartitionSpec], schemas: [TableSchema]) {
  }

  /// Whether a file of the manifest may match, by its partition summaries and counts.
  public func mayMatch(_ manifest: ManifestFile) -> Bool { true }

  /// Whether a row of the file may match, by its partition and its metrics.
  public func mayMatch(_ file: DataFile) -> Bool { true }
}
