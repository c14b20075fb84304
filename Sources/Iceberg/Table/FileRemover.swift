/// Decides which files of a manifest a snapshot removes.
struct FileRemover: Sendable {
  private let removal: FileRemoval
  private let paths: Set<String>
  private let inclusive: InclusiveMetricsEvaluator?
  private let exclusive: InclusiveMetricsEvaluator?
  /// Data files that this commit removes: their deletion vectors go with them.
  var removedDataFiles: Set<String> = []
  /// Delete files with a smaller number, except 0, apply to no data file any more.
  var minimumSequenceNumber: Int64 = 0

  init(_ removal: FileRemoval, _ metadata: TableMetadata) throws(IcebergError) {
    self.removal = removal
    paths = Set(removal.keys.map(\.path))
    let specs = metadata.specsByID
    let schemas = metadata.schemasCurrentFirst
    inclusive = removal.predicate.map { InclusiveMetricsEvaluator($0, specs: specs, schemas: schemas) }
    exclusive = removal.predicate.map {
      InclusiveMetricsEvaluator($0.complement, specs: specs, schemas: schemas)
    }
  }

  /// Whether a file of the manifest may be removed.
  func mayRemove(from manifest: ManifestFile) -> Bool {
    if !removal.keys.isEmpty { return true }
    if manifest.content == .data {
      if let inclusive, inclusive.mayMatch(manifest) { return true }
      return removal.partitions.contains { $0.specID == manifest.specID }
    }
    if !removedDataFiles.isEmpty { return true }
    return manifest.minimumSequenceNumber < minimumSequenceNumber
  }

  /// Whether the file of `entry` is removed.
  /// - Throws: kind `invalid` when the predicate takes only some of the file's rows.
  func removes(_ entry: ManifestEntry) throws(IcebergError) -> Bool {
    let file = entry.file
    if paths.contains(file.filePath), removal.keys.contains(FileKey(file)) { return true }
    guard file.content == .data else {
      if let target = file.referencedDataFile, removedDataFiles.contains(target) { return true }
      let sequenceNumber = entry.sequenceNumber ?? 0
      return sequenceNumber > 0 && sequenceNumber < minimumSequenceNumber
    }
    if removal.partitions.contains(TablePartition(file)) { return true }
    guard let inclusive, let exclusive, inclusive.mayMatch(file) else { return false }
    guard !exclusive.mayMatch(file) else {
      throw IcebergError(
        .invalid,
        "the file \(file.filePath) may have rows that match the condition and rows that do not: it cannot be removed "
          + "whole; use a condition on partition columns, or delete the rows")
    }
    return true
  }
}

extension Predicate {
  /// True for the rows for which this one is not true: false or unknown.
  var complement: Predicate {
    switch self {
    case .alwaysTrue: return .alwaysFalse
    case .alwaysFalse: return .alwaysTrue
    case .and(let left, let right): return .or(left.complement, right.complement)
    case .or(let left, let right): return .and(left.complement, right.complement)
    case .isNull(let id): return .isNotNull(id)
    case .isNotNull(let id): return .isNull(id)
    case .compare(let id, let comparison, let literal):
      return .or(.isNull(id), .compare(id, comparison.opposite, literal))
    case .isNaN, .isIn, .startsWith: return .or(.not(self), fieldIsNull)
    case .not(let inner):
      // NOT is true where the inner condition is false: its complement is where that is true or unknown.
      return .or(inner, inner.unknown)
    }
  }

  private var fieldIsNull: Predicate {
    switch self {
    case .isNaN(let id), .isIn(let id, _), .startsWith(let id, _): .isNull(id)
    default: .alwaysFalse
    }
  }

  /// True at least for the rows for which this one is unknown.
  private var unknown: Predicate {
    switch self {
    case .alwaysTrue, .alwaysFalse, .isNull, .isNotNull: .alwaysFalse
    case .and(let left, let right), .or(let left, let right): .or(left.unknown, right.unknown)
    case .not(let inner): inner.unknown
    case .compare(let id, _, _), .isNaN(let id), .isIn(let id, _), .startsWith(let id, _): .isNull(id)
    }
  }
}

extension Predicate.Comparison {
  /// The comparison that is true where this one is false.
  var opposite: Predicate.Comparison {
    switch self {
    case .equal: .notEqual
    case .notEqual: .equal
    case .less: .greaterOrEqual
    case .lessOrEqual: .greater
    case .greater: .lessOrEqual
    case .greaterOrEqual: .less
    }
  }
}
