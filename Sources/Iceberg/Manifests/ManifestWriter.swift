/// Writes one manifest: data or delete files of one partition spec (Iceberg specification, "Manifests").
///
/// The files are kept encoded in memory; begin a new writer when ``estimatedBytes`` reaches the wanted size.
public struct ManifestWriter: Sendable {
  private let formatVersion: Int
  private let spec: PartitionSpec
  private let content: ManifestFile.Content
  private let snapshotID: Int64
  private let types: [IcebergType]
  private var file: AvroFileWriter
  private var summaries: [PartitionSummaryBuilder]
  private var result: ManifestFile
  private var minimumSequenceNumber: Int64?

  /// A writer without entries.
  ///
  /// - Parameters:
  ///   - formatVersion: 2 or 3.
  ///   - schema: the table's schema: the source columns of `spec` must be in it.
  ///   - spec: the partition spec of all files.
  ///   - content: whether the files are data or delete files.
  ///   - snapshotID: the snapshot that will add the manifest; added and deleted entries without an id get it.
  ///   - codec: how blocks are compressed.
  /// - Throws: kind `invalid` when a partition field has no source column or an unknown transform, `unsupported` for
  ///   other format versions.
  public init(
    formatVersion: Int, schema: TableSchema, spec: PartitionSpec, content: ManifestFile.Content, snapshotID: Int64,
    codec: AvroCodec = .deflate, marker: [UInt8]? = nil
  ) throws(IcebergError) {
    try self.init(
      formatVersion: formatVersion, schema: schema, olderSchemas: [], spec: spec, content: content,
      snapshotID: snapshotID, codec: codec, marker: marker)
  }

  /// A writer for a spec whose source columns may have been dropped since: they are looked up in `olderSchemas` too.
  ///
  /// The other parameters are those of the usual initializer.
  public init(
    formatVersion: Int, schema: TableSchema, olderSchemas: [TableSchema], spec: PartitionSpec,
    content: ManifestFile.Content, snapshotID: Int64, codec: AvroCodec = .deflate, marker: [UInt8]? = nil
  ) throws(IcebergError) {
    guard formatVersion == 2 || formatVersion == 3 else {
      throw IcebergError(.unsupported, "manifests are written in format versions 2 and 3, not \(formatVersion)")
    }
    let layout = PartitionLayout(spec, schemas: [schema] + olderSchemas)
    let record = try layout.avroRecord()
    self.formatVersion = formatVersion
    self.spec = spec
    self.content = content
    self.snapshotID = snapshotID
    self.types = layout.fields.map { $0.type ?? .int }
    self.summaries = types.map { PartitionSummaryBuilder(type: $0) }
    let fields = spec.json["fields"] ?? .array([])
    self.file = AvroFileWriter(
      schema: ManifestSchema.entry(formatVersion: formatVersion, partition: record),
      metadata: [
        (key: "schema", value: schema.json.text), (key: "schema-id", value: String(schema.schemaID)),
        (key: "partition-spec", value: fields.text), (key: "partition-spec-id", value: String(spec.specID)),
        (key: "format-version", value: String(formatVersion)),
        (key: "content", value: content == .data ? "data" : "deletes")
      ], codec: codec, marker: marker)
    var result = ManifestFile(
      manifestPath: "", manifestLength: 0, specID: spec.specID, content: content, sequenceNumber: -1,
      minimumSequenceNumber: -1, addedSnapshotID: snapshotID)
    (result.addedFilesCount, result.existingFilesCount, result.deletedFilesCount) = (0, 0, 0)
    (result.addedRowsCount, result.existingRowsCount, result.deletedRowsCount) = (0, 0, 0)
    self.result = result
  }

  /// Whether nothing was appended.
  public var isEmpty: Bool {
    result.addedFilesCount == 0 && result.existingFilesCount == 0 && result.deletedFilesCount == 0
  }

  /// About how many bytes the finished manifest has.
  public var estimatedBytes: Int { file.estimatedBytes }

  /// Adds a file.
  ///
  /// Added entries leave the sequence numbers `nil` to inherit those of the commit; existing and deleted ones must
  /// name them.
  /// - Throws: kind `invalid` when the entry does not fit the manifest: content, spec, partition values, sequence
  ///   numbers.
  public mutating func append(_ entry: ManifestEntry) throws(IcebergError) {
    try check(entry)
    let partition = try partitionValue(entry.file)
    try file.append(
      .record([
        .integer(Int64(entry.status.rawValue)), .integer(entry.snapshotID ?? snapshotID),
        optional(entry.sequenceNumber), optional(entry.fileSequenceNumber), fileValue(entry.file, partition)
      ]))
    for (index, literal) in entry.file.partition.values.enumerated() { summaries[index].add(literal) }
    count(entry)
  }

  /// The manifest and its bytes, which are to be written to `path`.
  ///
  /// The manifest's sequence number is -1 until ``ManifestListWriter`` assigns it, and so is the smallest one when
  /// all live entries inherit theirs.
  public mutating func finish(path: String) throws(IcebergError) -> (manifest: ManifestFile, bytes: [UInt8]) {
    let bytes = try file.finish()
    var manifest = result
    manifest.manifestPath = path
    manifest.manifestLength = Int64(bytes.count)
    manifest.minimumSequenceNumber = minimumSequenceNumber ?? -1
    manifest.partitions = summaries.map(\.summary)
    return (manifest, bytes)
  }

  private func check(_ entry: ManifestEntry) throws(IcebergError) {
    let file = entry.file
    func invalid(_ message: String) -> IcebergError { IcebergError(.invalid, "\(message): \(file.filePath)") }
    guard (file.content == .data) == (content == .data) else {
      throw invalid("a manifest of \(content == .data ? "data" : "delete") files cannot hold this file")
    }
    guard file.specID == spec.specID, file.partition.values.count == types.count else {
      throw invalid(
        "a file of partition spec \(file.specID) with \(file.partition.values.count) partition values does not fit a"
          + " manifest of spec \(spec.specID) with \(types.count)")
    }
    guard file.recordCount >= 0, file.fileSizeInBytes >= 0 else { throw invalid("a negative row count or size") }
    if entry.status == .added {
      guard entry.fileSequenceNumber == nil else {
        throw invalid("an added file has no file sequence number before its commit")
      }
      guard formatVersion < 3 || file.content != .positionDeletes || file.contentOffset != nil else {
        throw invalid("from format version 3 on deletion vectors are added, no position delete files")
      }
    } else {
      guard entry.sequenceNumber != nil, entry.fileSequenceNumber != nil else {
        throw invalid("an existing or deleted file must have both sequence numbers")
      }
      guard entry.status == .deleted || entry.snapshotID != nil else {
        throw invalid("an existing file must have the id of the snapshot that added it")
      }
    }
    if file.content == .equalityDeletes, file.equalityIDs?.isEmpty != false {
      throw invalid("equality deletes without the fields that they compare")
    }
    guard (file.contentOffset == nil) == (file.contentSizeInBytes == nil) else {
      throw invalid("a content offset and a content size need each other")
    }
    if file.contentOffset != nil {
      guard formatVersion >= 3 else { throw invalid("deletion vectors need format version 3") }
      guard file.referencedDataFile != nil else { throw invalid("a deletion vector without its data file") }
    }
  }

  private func partitionValue(_ file: DataFile) throws(IcebergError) -> AvroValue {
    var values: [AvroValue] = []
    for (index, literal) in file.partition.values.enumerated() {
      guard let value = AvroValue(literal, types[index]) else {
        throw IcebergError(
          .invalid,
          "the partition value \(literal.map { "\($0)" } ?? "null") of '\(spec.fields[index].name)' is not of type"
            + " \(types[index]): \(file.filePath)")
      }
      values.append(value)
    }
    return .record(values)
  }

  private func fileValue(_ file: DataFile, _ partition: AvroValue) -> AvroValue {
    var values: [AvroValue] = [
      .integer(Int64(file.content.rawValue)), .string(file.filePath), .string(file.fileFormat.uppercased()), partition,
      .integer(file.recordCount), .integer(file.fileSizeInBytes), counts(file.columnSizes), counts(file.valueCounts),
      counts(file.nullValueCounts), counts(file.nanValueCounts), bounds(file.lowerBounds), bounds(file.upperBounds),
      file.keyMetadata.map { .bytes($0) } ?? .null, file.splitOffsets.map { .array($0.map { .integer($0) }) } ?? .null,
      file.equalityIDs.map { .array($0.map { .integer(Int64($0)) }) } ?? .null,
      optional(file.content == .positionDeletes ? nil : file.sortOrderID.map { Int64($0) })
    ]
    if formatVersion >= 3 { values.append(content == .data ? optional(file.firstRowID) : .null) }
    values.append(file.referencedDataFile.map { .string($0) } ?? .null)
    if formatVersion >= 3 {
      values.append(optional(file.contentOffset))
      values.append(optional(file.contentSizeInBytes))
    }
    return .record(values)
  }

  private func optional(_ value: Int64?) -> AvroValue { value.map { .integer($0) } ?? .null }

  private func counts(_ map: [Int: Int64]?) -> AvroValue {
    guard let map else { return .null }
    return .map(map.sorted { $0.key < $1.key }.map { AvroPair(.integer(Int64($0.key)), .integer($0.value)) })
  }

  private func bounds(_ map: [Int: [UInt8]]?) -> AvroValue {
    guard let map else { return .null }
    return .map(map.sorted { $0.key < $1.key }.map { AvroPair(.integer(Int64($0.key)), .bytes($0.value)) })
  }

  private mutating func count(_ entry: ManifestEntry) {
    let rows = entry.file.recordCount
    switch entry.status {
    case .added:
      result.addedFilesCount = (result.addedFilesCount ?? 0) + 1
      result.addedRowsCount = (result.addedRowsCount ?? 0) &+ rows
    case .existing:
      result.existingFilesCount = (result.existingFilesCount ?? 0) + 1
      result.existingRowsCount = (result.existingRowsCount ?? 0) &+ rows
    case .deleted:
      result.deletedFilesCount = (result.deletedFilesCount ?? 0) + 1
      result.deletedRowsCount = (result.deletedRowsCount ?? 0) &+ rows
    }
    if entry.status != .deleted, let number = entry.sequenceNumber {
      minimumSequenceNumber = min(minimumSequenceNumber ?? number, number)
    }
  }
}

/// Collects the summary of one partition field (Iceberg specification, `field_summary`).
struct PartitionSummaryBuilder: Sendable {
  let type: IcebergType
  private var containsNull = false
  private var containsNaN = false
  private var lower: Literal?
  private var upper: Literal?

  init(type: IcebergType) { self.type = type }

  mutating func add(_ literal: Literal?) {
    guard let literal = literal?.coerced(to: type) else {
      containsNull = true
      return
    }
    if literal.isNaN {
      containsNaN = true
      return
    }
    if lower.map({ Literal.compare(literal, $0) < 0 }) ?? true { lower = literal }
    if upper.map({ Literal.compare($0, literal) < 0 }) ?? true { upper = literal }
  }

  var summary: PartitionFieldSummary {
    PartitionFieldSummary(
      containsNull: containsNull, containsNaN: containsNaN, lowerBound: lower?.binary, upperBound: upper?.binary)
  }
}
