/// Writes the manifest list of a snapshot (Iceberg specification, "Manifest Lists").
public struct ManifestListWriter: Sendable {
  /// A finished manifest list.
  public struct Output: Hashable, Sendable {
    /// The file.
    public var bytes: [UInt8]
    /// The manifests with what was assigned to them.
    public var manifests: [ManifestFile]
    /// How many row ids were assigned (v3): the snapshot's `added-rows`; 0 before v3.
    public var addedRows: Int64
  }

  private let formatVersion: Int
  private let snapshotID: Int64
  private let sequenceNumber: Int64
  private let firstRowID: Int64
  private var nextRowID: Int64
  private var file: AvroFileWriter
  private var manifests: [ManifestFile] = []

  /// A list without manifests.
  ///
  /// - Parameters:
  ///   - formatVersion: 2 or 3.
  ///   - snapshotID: the snapshot.
  ///   - parentSnapshotID: the snapshot that it is made from.
  ///   - sequenceNumber: the snapshot's; manifests with sequence number -1 get it.
  ///   - firstRowID: the table's next row id; needed in v3, must be `nil` in v2.
  ///   - codec: how blocks are compressed.
  public init(
    formatVersion: Int, snapshotID: Int64, parentSnapshotID: Int64?, sequenceNumber: Int64, firstRowID: Int64? = nil,
    codec: AvroCodec = .deflate, marker: [UInt8]? = nil
  ) throws(IcebergError) {
    guard formatVersion == 2 || formatVersion == 3 else {
      throw IcebergError(.unsupported, "manifest lists are written in format versions 2 and 3, not \(formatVersion)")
    }
    guard (firstRowID != nil) == (formatVersion == 3), firstRowID.map({ $0 >= 0 }) ?? true else {
      throw IcebergError(.invalid, "a manifest list has a first row id, 0 or more, in format version 3 and only there")
    }
    guard sequenceNumber >= 0 else {
      throw IcebergError(.invalid, "a snapshot's sequence number is 0 or more, not \(sequenceNumber)")
    }
    self.formatVersion = formatVersion
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.firstRowID = firstRowID ?? 0
    self.nextRowID = firstRowID ?? 0
    var metadata = [
      (key: "snapshot-id", value: String(snapshotID)),
      (key: "parent-snapshot-id", value: parentSnapshotID.map { String($0) } ?? "null"),
      (key: "sequence-number", value: String(sequenceNumber))
    ]
    if let firstRowID { metadata.append((key: "first-row-id", value: String(firstRowID))) }
    metadata.append((key: "format-version", value: String(formatVersion)))
    self.file = AvroFileWriter(
      schema: ManifestSchema.list(formatVersion: formatVersion), metadata: metadata, codec: codec, marker: marker)
  }

  /// Adds a manifest: a new one as ``ManifestWriter`` gave it, or one of the parent snapshot as it was read.
  ///
  /// - Throws: kind `invalid` when a manifest without sequence number was not made for this snapshot, or counts are
  ///   missing.
  public mutating func append(_ manifest: ManifestFile) throws(IcebergError) {
    var manifest = manifest
    if manifest.sequenceNumber < 0 {
      guard manifest.addedSnapshotID == snapshotID else {
        throw IcebergError(
          .invalid,
          "\(manifest.manifestPath): a new manifest of snapshot \(manifest.addedSnapshotID) in the list of snapshot"
            + " \(snapshotID)")
      }
      manifest.sequenceNumber = sequenceNumber
    }
    if manifest.minimumSequenceNumber < 0 { manifest.minimumSequenceNumber = manifest.sequenceNumber }
    if formatVersion < 3 || manifest.content == .deletes {
      manifest.firstRowID = nil
    } else if manifest.firstRowID == nil {
      try assignRowIDs(&manifest)
    }
    try file.append(try value(manifest))
    manifests.append(manifest)
  }

  /// Takes the rows of added and existing files for the manifest: the simple way of "First Row ID Assignment".
  private mutating func assignRowIDs(_ manifest: inout ManifestFile) throws(IcebergError) {
    guard let added = manifest.addedRowsCount, let existing = manifest.existingRowsCount, added >= 0, existing >= 0
    else {
      throw IcebergError(
        .invalid, "\(manifest.manifestPath): row counts are needed to assign row ids; rewrite the manifest")
    }
    let (rows, overflow) = added.addingReportingOverflow(existing)
    let (next, tooFar) = nextRowID.addingReportingOverflow(rows)
    guard !overflow, !tooFar else {
      throw IcebergError(.invalid, "\(manifest.manifestPath): the row ids from \(nextRowID) on exceed 64 bits")
    }
    manifest.firstRowID = nextRowID
    nextRowID = next
  }

  private func value(_ manifest: ManifestFile) throws(IcebergError) -> AvroValue {
    func count(_ value: Int?, _ name: String) throws(IcebergError) -> AvroValue {
      guard let value else { throw missing(name) }
      return .integer(Int64(value))
    }
    func rows(_ value: Int64?, _ name: String) throws(IcebergError) -> AvroValue {
      guard let value else { throw missing(name) }
      return .integer(value)
    }
    func missing(_ name: String) -> IcebergError {
      IcebergError(
        .invalid,
        "\(manifest.manifestPath): the list of format version \(formatVersion) needs \(name), which version 1 may leave"
          + " out; read the manifest and count")
    }
    var values: [AvroValue] = [
      .string(manifest.manifestPath), .integer(manifest.manifestLength), .integer(Int64(manifest.specID)),
      .integer(Int64(manifest.content.rawValue)), .integer(manifest.sequenceNumber),
      .integer(manifest.minimumSequenceNumber), .integer(manifest.addedSnapshotID),
      try count(manifest.addedFilesCount, "added_files_count"),
      try count(manifest.existingFilesCount, "existing_files_count"),
      try count(manifest.deletedFilesCount, "deleted_files_count"),
      try rows(manifest.addedRowsCount, "added_rows_count"),
      try rows(manifest.existingRowsCount, "existing_rows_count"),
      try rows(manifest.deletedRowsCount, "deleted_rows_count"),
      manifest.partitions.map { .array($0.map { Self.value($0) }) } ?? .null,
      manifest.keyMetadata.map { .bytes($0) } ?? .null
    ]
    if formatVersion >= 3 { values.append(manifest.firstRowID.map { .integer($0) } ?? .null) }
    return .record(values)
  }

  private static func value(_ summary: PartitionFieldSummary) -> AvroValue {
    .record([
      .boolean(summary.containsNull), summary.containsNaN.map { .boolean($0) } ?? .null,
      summary.lowerBound.map { .bytes($0) } ?? .null, summary.upperBound.map { .bytes($0) } ?? .null
    ])
  }

  /// The file, and what was assigned.
  public mutating func finish() throws(IcebergError) -> Output {
    Output(bytes: try file.finish(), manifests: manifests, addedRows: nextRowID - firstRowID)
  }
}
