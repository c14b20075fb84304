/// The delete files that apply to a data file.
public struct ApplicableDeletes: Hashable, Sendable {
  /// The deletion vector; then there are no ``positionDeletes``.
  public var deletionVector: ManifestEntry?
  /// Position delete files.
  public var positionDeletes: [ManifestEntry]
  /// Equality delete files.
  public var equalityDeletes: [ManifestEntry]

  /// Whether no row is deleted.
  public var isEmpty: Bool { deletionVector == nil && positionDeletes.isEmpty && equalityDeletes.isEmpty }
}

/// Finds the delete files of data files (Iceberg specification, "Scan Planning").
public struct DeleteFileIndex: Sendable {
  /// The reserved field id of `file_path` in position delete files.
  private static let filePathID = 2_147_483_546

  /// A path by its bytes: Swift takes canonically equivalent strings for the same.
  private struct Path: Hashable, Sendable {
    let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }
  }

  private var vectors: [Path: ManifestEntry] = [:]
  private var positionsByPath: [Path: [ManifestEntry]] = [:]
  private var positionsByPartition: [PartitionKey: [ManifestEntry]] = [:]
  private var equalityByPartition: [PartitionKey: [ManifestEntry]] = [:]
  private var globalEquality: [ManifestEntry] = []
  private let schemas: [TableSchema]

  /// An index of live delete files.
  ///
  /// - Parameters:
  ///   - entries: entries of delete manifests, as ``ManifestReader`` gives them; deleted ones are left out.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first; bounds of equality deletes are compared by its types.
  /// - Throws: kind `corrupt` when a data file has two deletion vectors or an entry is not a delete file.
  public init(entries: [ManifestEntry], specs: [Int: PartitionSpec], schemas: [TableSchema]) throws(IcebergError) {
    self.schemas = schemas
    for entry in entries where entry.status != .deleted {
      let file = entry.file
      switch file.content {
      case .data:
        throw IcebergError(.corrupt, "expected delete files only, found the data file \(file.filePath)")
      case .positionDeletes: try addPositionDeletes(entry)
      case .equalityDeletes:
        guard let spec = specs[file.specID] else {
          throw IcebergError(.corrupt, "\(file.filePath): the table has no partition spec \(file.specID)")
        }
        // A spec of void fields only partitions nothing either.
        if spec.fields.allSatisfy({ $0.transform == .void }) {
          globalEquality.append(entry)
        } else {
          equalityByPartition[PartitionKey(file), default: []].append(entry)
        }
      }
    }
  }

  private mutating func addPositionDeletes(_ entry: ManifestEntry) throws(IcebergError) {
    let file = entry.file
    if file.contentOffset != nil || file.fileFormat == "puffin" {
      guard let target = file.referencedDataFile, file.contentOffset != nil, file.contentSizeInBytes != nil else {
        throw IcebergError(
          .corrupt, "\(file.filePath): expected a deletion vector with data file, content offset and content size")
      }
      if let other = vectors.updateValue(entry, forKey: Path(target)) {
        throw IcebergError(
          .corrupt,
          "two deletion vectors for \(target): in \(other.file.filePath) and in \(file.filePath); at most one is allowed"
        )
      }
    } else if let target = Self.singleTarget(file) {
      positionsByPath[target, default: []].append(entry)
    } else {
      positionsByPartition[PartitionKey(file), default: []].append(entry)
    }
  }

  /// The only data file of position deletes: the one that is named, or the one that both bounds of the path are.
  private static func singleTarget(_ file: DataFile) -> Path? {
    if let named = file.referencedDataFile { return Path(named) }
    // Bounds that were cut differ: an upper bound is rounded up then.
    guard let lower = file.lowerBounds?[filePathID], let upper = file.upperBounds?[filePathID], lower == upper,
      let text = String(validating: lower, as: UTF8.self)
    else { return nil }
    return Path(text)
  }

  /// Whether there are no delete files.
  public var isEmpty: Bool {
    vectors.isEmpty && positionsByPath.isEmpty && positionsByPartition.isEmpty && equalityByPartition.isEmpty
      && globalEquality.isEmpty
  }

  /// The delete files that apply to the data file of `entry`.
  /// - Throws: kind `corrupt` when a deletion vector contradicts the data file; `invalid` when `entry` is no data file
  ///   or has no sequence number.
  public func deletes(for entry: ManifestEntry) throws(IcebergError) -> ApplicableDeletes {
    let file = entry.file
    guard file.content == .data, let sequenceNumber = entry.sequenceNumber else {
      throw IcebergError(.invalid, "\(file.filePath): expected a data file with its sequence number")
    }
    var result = ApplicableDeletes(deletionVector: nil, positionDeletes: [], equalityDeletes: [])
    let key = PartitionKey(file)
    let path = Path(file.filePath)
    result.deletionVector = try vector(for: entry, sequenceNumber, key, path)
    if result.deletionVector == nil {
      let named = (positionsByPath[path] ?? []).filter { PartitionKey($0.file) == key }
      let others = (positionsByPartition[key] ?? []).filter { Self.mayHold(file.filePath, $0.file) }
      result.positionDeletes = (named + others).filter { ($0.sequenceNumber ?? 0) >= sequenceNumber }
    }
    result.equalityDeletes = (globalEquality + (equalityByPartition[key] ?? [])).filter { delete in
      (delete.sequenceNumber ?? 0) > sequenceNumber && mayDelete(delete.file, from: file)
    }
    return result
  }

  private func vector(
    for entry: ManifestEntry, _ sequenceNumber: Int64, _ key: PartitionKey, _ path: Path
  ) throws(IcebergError) -> ManifestEntry? {
    guard let vector = vectors[path] else { return nil }
    guard PartitionKey(vector.file) == key, (vector.sequenceNumber ?? 0) >= sequenceNumber else {
      throw IcebergError(
        .corrupt,
        "the deletion vector in \(vector.file.filePath) is older than its data file \(entry.file.filePath), or of"
          + " another partition")
    }
    return vector
  }

  /// Whether position deletes may be of a data file, by the bounds of their paths.
  private static func mayHold(_ path: String, _ deletes: DataFile) -> Bool {
    let bytes = Array(path.utf8)
    if let lower = deletes.lowerBounds?[filePathID], bytes.lexicographicallyPrecedes(lower) { return false }
    if let upper = deletes.upperBounds?[filePathID], upper.lexicographicallyPrecedes(bytes) {
      // Some writers cut the upper bound without rounding it up.
      return bytes.starts(with: upper)
    }
    return true
  }

  /// Whether equality deletes may delete rows of a file: not when one of the compared columns has no common value.
  private func mayDelete(_ deletes: DataFile, from data: DataFile) -> Bool {
    guard let ids = deletes.equalityIDs else { return true }
    for id in ids {
      let dataMetrics = ColumnMetrics(id, data)
      let deleteMetrics = ColumnMetrics(id, deletes)
      let bothNull = dataMetrics.mayHaveNull && deleteMetrics.mayHaveNull
      if bothNull { continue }
      if dataMetrics.isAllNull || deleteMetrics.isAllNull { return false }
      // NaN is outside of bounds.
      guard let type = schemas.lazy.compactMap({ $0.field(id: id) }).first?.type,
        type != .float, type != .double, let dataBounds = dataMetrics.bounds(type),
        let deleteBounds = deleteMetrics.bounds(type)
      else { continue }
      if Literal.compare(dataBounds.upper, deleteBounds.lower) < 0 { return false }
      if Literal.compare(deleteBounds.upper, dataBounds.lower) < 0 { return false }
    }
    return true
  }
}
