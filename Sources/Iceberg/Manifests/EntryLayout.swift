/// Where a manifest's writer put the fields of entries, resolved once per file.
struct EntryLayout {
  let formatVersion: Int
  /// The fields of the partition struct as they were written.
  let partitionFields: [AvroField]

  private let path: String
  private let content: ManifestFile.Content
  private let specID: Int
  private let entry: EntryPositions
  private let file: FilePositions
  private let partition: [PartitionSource]

  /// Where the value of a partition field comes from, and its type.
  private struct PartitionSource {
    var position: Int?
    var avro: AvroSchema
    var type: IcebergType?
    var name: String
  }

  private struct EntryPositions {
    let status, snapshotID, sequenceNumber, fileSequenceNumber, file: Int?

    init(_ layout: AvroRecordLayout) {
      status = layout.position(0, "status")
      snapshotID = layout.position(1, "snapshot_id")
      sequenceNumber = layout.position(3, "sequence_number", "data_sequence_number")
      fileSequenceNumber = layout.position(4, "file_sequence_number")
      file = layout.position(2, "data_file")
    }
  }

  private struct FilePositions {
    let content, path, format, partition, recordCount, size: Int?
    let columnSizes, valueCounts, nullCounts, nanCounts, lowerBounds, upperBounds: Int?
    let keyMetadata, splitOffsets, equalityIDs, sortOrderID: Int?
    let firstRowID, referencedDataFile, contentOffset, contentSize: Int?

    init(_ layout: AvroRecordLayout) {
      content = layout.position(134, "content")
      path = layout.position(100, "file_path")
      format = layout.position(101, "file_format")
      partition = layout.position(102, "partition")
      recordCount = layout.position(103, "record_count")
      size = layout.position(104, "file_size_in_bytes")
      columnSizes = layout.position(108, "column_sizes")
      valueCounts = layout.position(109, "value_counts")
      nullCounts = layout.position(110, "null_value_counts")
      nanCounts = layout.position(137, "nan_value_counts")
      lowerBounds = layout.position(125, "lower_bounds")
      upperBounds = layout.position(128, "upper_bounds")
      keyMetadata = layout.position(131, "key_metadata")
      splitOffsets = layout.position(132, "split_offsets")
      equalityIDs = layout.position(135, "equality_ids")
      sortOrderID = layout.position(140, "sort_order_id")
      firstRowID = layout.position(142, "first_row_id")
      referencedDataFile = layout.position(143, "referenced_data_file")
      contentOffset = layout.position(144, "content_offset")
      contentSize = layout.position(145, "content_size_in_bytes")
    }
  }

  init(
    _ header: AvroFileHeader, manifest: ManifestFile, spec: PartitionSpec, schemas: [TableSchema]
  ) throws(IcebergError) {
    path = manifest.manifestPath
    content = manifest.content
    specID = spec.specID
    guard case .record(let entryRecord) = header.schema.withoutNull else {
      throw IcebergError(.corrupt, "\(path): expected a manifest, whose values are records; found another schema")
    }
    entry = EntryPositions(AvroRecordLayout(entryRecord))
    guard let position = entry.file, case .record(let fileRecord) = entryRecord.fields[position].type.withoutNull else {
      throw IcebergError(.corrupt, "\(path): expected a manifest, whose entries have a struct 'data_file'")
    }
    file = FilePositions(AvroRecordLayout(fileRecord))
    // Some early writers left the version out of the header.
    let hasSequenceNumbers = entry.sequenceNumber != nil || file.content != nil
    formatVersion = header.metadata["format-version"].flatMap(Int.init) ?? (hasSequenceNumbers ? 2 : 1)
    guard formatVersion <= 3 else {
      throw IcebergError(.unsupported, "\(path): a manifest of format version \(formatVersion); 1 to 3 can be read")
    }
    if let text = header.metadata["content"], (text == "deletes") != (content == .deletes) {
      throw IcebergError(.corrupt, "\(path): the list says \(content), the manifest itself '\(text)'")
    }
    var fields: [AvroField] = []
    if let position = file.partition, case .record(let record) = fileRecord.fields[position].type.withoutNull {
      fields = record.fields
    }
    partitionFields = fields
    partition = try Self.sources(fields, spec, schemas, path)
  }

  private static func sources(
    _ fields: [AvroField], _ spec: PartitionSpec, _ schemas: [TableSchema], _ path: String
  ) throws(IcebergError) -> [PartitionSource] {
    let layout = PartitionLayout(spec, schemas: schemas)
    let written = AvroRecordLayout(AvroRecordSchema(name: "r102", fields: fields))
    // Version 1 did not track ids: then the order is all that ties fields to the spec.
    let isPositional = fields.count == spec.fields.count
    var sources: [PartitionSource] = []
    for (index, item) in layout.fields.enumerated() {
      let byIdentity = written.position(item.field.fieldID, item.field.name, avroName(item.field.name))
      let position = byIdentity ?? (isPositional && fields[index].fieldID == nil ? index : nil)
      guard position != nil || item.field.transform == .void else {
        throw IcebergError(
          .corrupt, "\(path): expected the partition field '\(item.field.name)' with id \(item.field.fieldID)")
      }
      sources.append(
        PartitionSource(
          position: position, avro: position.map { fields[$0].type.withoutNull } ?? .null, type: item.type,
          name: item.field.name))
    }
    return sources
  }

  func entry(_ value: AvroValue) throws(IcebergError) -> ManifestEntry {
    guard case .record(let values) = value else {
      throw IcebergError(.corrupt, "\(path): expected an entry, found \(value)")
    }
    let row = AvroRow(values: values, path: path)
    let number = try row.requiredLong(entry.status, "status")
    guard let status = ManifestEntry.Status(rawValue: Int(number)) else {
      throw row.corrupt("status", "0, 1 or 2, found \(number),")
    }
    guard case .record(let fileValues) = row.value(entry.file) else { throw row.corrupt("data_file", "a struct") }
    return ManifestEntry(
      status: status, snapshotID: try row.long(entry.snapshotID, "snapshot_id"),
      sequenceNumber: try row.long(entry.sequenceNumber, "sequence_number"),
      fileSequenceNumber: try row.long(entry.fileSequenceNumber, "file_sequence_number"),
      file: try dataFile(AvroRow(values: fileValues, path: path)))
  }

  private func dataFile(_ row: AvroRow) throws(IcebergError) -> DataFile {
    let kind = try row.long(file.content, "content") ?? 0
    guard let fileContent = FileContent(rawValue: Int(kind)), (fileContent == .data) == (content == .data) else {
      throw row.corrupt("content", "\(content == .data ? "0" : "1 or 2") in a manifest of \(content), found \(kind),")
    }
    var result = DataFile(
      content: fileContent, filePath: try row.requiredText(file.path, "file_path"),
      fileFormat: try row.requiredText(file.format, "file_format").lowercased(), specID: specID,
      partition: try tuple(row), recordCount: try row.requiredLong(file.recordCount, "record_count"),
      fileSizeInBytes: try row.requiredLong(file.size, "file_size_in_bytes"))
    guard result.recordCount >= 0 else { throw row.corrupt("record_count", "a count, found \(result.recordCount),") }
    guard result.fileSizeInBytes >= 0 else {
      throw row.corrupt("file_size_in_bytes", "a size, found \(result.fileSizeInBytes),")
    }
    result.columnSizes = try row.counts(file.columnSizes, "column_sizes")
    result.valueCounts = try row.counts(file.valueCounts, "value_counts")
    result.nullValueCounts = try row.counts(file.nullCounts, "null_value_counts")
    result.nanValueCounts = try row.counts(file.nanCounts, "nan_value_counts")
    result.lowerBounds = try row.bounds(file.lowerBounds, "lower_bounds")
    result.upperBounds = try row.bounds(file.upperBounds, "upper_bounds")
    result.keyMetadata = try row.bytes(file.keyMetadata, "key_metadata")
    result.splitOffsets = try row.longs(file.splitOffsets, "split_offsets")
    result.equalityIDs = try row.longs(file.equalityIDs, "equality_ids")?.map { Int($0) }
    // Files that are not equality deletes should have null; some writers write an empty list.
    if fileContent != .equalityDeletes, result.equalityIDs?.isEmpty == true { result.equalityIDs = nil }
    // Position deletes are sorted by file and position, whatever their writer says.
    result.sortOrderID = fileContent == .positionDeletes ? nil : try row.int(file.sortOrderID, "sort_order_id")
    result.firstRowID = try row.long(file.firstRowID, "first_row_id")
    result.referencedDataFile = try row.text(file.referencedDataFile, "referenced_data_file")
    result.contentOffset = try row.long(file.contentOffset, "content_offset")
    result.contentSizeInBytes = try row.long(file.contentSize, "content_size_in_bytes")
    return result
  }

  private func tuple(_ row: AvroRow) throws(IcebergError) -> PartitionTuple {
    guard !partition.isEmpty else { return PartitionTuple() }
    guard case .record(let values) = row.value(file.partition) else { throw row.corrupt("partition", "a struct") }
    let tuple = AvroRow(values: values, path: path)
    var literals: [Literal?] = []
    for source in partition {
      let value = tuple.value(source.position)
      if case .null = value {
        literals.append(nil)
        continue
      }
      guard let natural = Literal(value, avro: source.avro) else {
        throw tuple.corrupt("partition.\(source.name)", "a value of a primitive type")
      }
      guard let type = source.type else {
        literals.append(natural)
        continue
      }
      let literal = natural.coerced(to: type)
      guard literal.isOf(type) else { throw tuple.corrupt("partition.\(source.name)", "\(type), found \(natural),") }
      literals.append(literal)
    }
    return PartitionTuple(literals)
  }
}
