/// Reads manifest lists of format versions 1, 2 and 3 (Iceberg specification, "Manifest Lists").
public enum ManifestListReader {
  /// The manifests of a list.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: its location, for messages.
  /// - Throws: kind `corrupt`, naming `path`.
  public static func read(_ bytes: [UInt8], path: String) throws(IcebergError) -> [ManifestFile] {
    var reader = try AvroFileReader(bytes, path: path)
    guard case .record(let record) = reader.header.schema.withoutNull else {
      throw IcebergError(.corrupt, "\(path): expected a manifest list, whose values are records")
    }
    let layout = ListLayout(record, path: path)
    var manifests: [ManifestFile] = []
    while let values = try reader.nextBlock() {
      for value in values { manifests.append(try layout.manifest(value)) }
    }
    return manifests
  }
}

/// Where a list's writer put the fields, resolved once per file.
private struct ListLayout {
  let path: String
  let manifestPath, length, specID, content, sequenceNumber, minimumSequenceNumber, snapshotID: Int?
  let addedFiles, existingFiles, deletedFiles, addedRows, existingRows, deletedRows: Int?
  let partitions, keyMetadata, firstRowID: Int?
  let containsNull, containsNaN, lowerBound, upperBound: Int?

  init(_ record: AvroRecordSchema, path: String) {
    self.path = path
    let layout = AvroRecordLayout(record)
    manifestPath = layout.position(500, "manifest_path")
    length = layout.position(501, "manifest_length")
    specID = layout.position(502, "partition_spec_id")
    content = layout.position(517, "content")
    sequenceNumber = layout.position(515, "sequence_number")
    minimumSequenceNumber = layout.position(516, "min_sequence_number")
    snapshotID = layout.position(503, "added_snapshot_id")
    addedFiles = layout.position(504, "added_files_count", "added_data_files_count")
    existingFiles = layout.position(505, "existing_files_count", "existing_data_files_count")
    deletedFiles = layout.position(506, "deleted_files_count", "deleted_data_files_count")
    addedRows = layout.position(512, "added_rows_count")
    existingRows = layout.position(513, "existing_rows_count")
    deletedRows = layout.position(514, "deleted_rows_count")
    partitions = layout.position(507, "partitions")
    keyMetadata = layout.position(519, "key_metadata")
    firstRowID = layout.position(520, "first_row_id")
    var summary = AvroRecordLayout(AvroRecordSchema(name: "r508", fields: []))
    if let partitions, case .array(let items, _) = record.fields[partitions].type.withoutNull,
      case .record(let inner) = items.withoutNull
    {
      summary = AvroRecordLayout(inner)
    }
    containsNull = summary.position(509, "contains_null")
    containsNaN = summary.position(518, "contains_nan")
    lowerBound = summary.position(510, "lower_bound")
    upperBound = summary.position(511, "upper_bound")
  }

  func manifest(_ value: AvroValue) throws(IcebergError) -> ManifestFile {
    guard case .record(let values) = value else {
      throw IcebergError(.corrupt, "\(path): expected a manifest's struct, found \(value)")
    }
    let row = AvroRow(values: values, path: path)
    let kind = try row.long(content, "content") ?? 0
    guard let fileContent = ManifestFile.Content(rawValue: Int(kind)) else {
      throw row.corrupt("content", "0 or 1, found \(kind),")
    }
    var result = ManifestFile(
      manifestPath: try row.requiredText(manifestPath, "manifest_path"),
      manifestLength: try row.requiredLong(length, "manifest_length"),
      specID: try row.int(specID, "partition_spec_id") ?? 0, content: fileContent,
      sequenceNumber: try row.long(sequenceNumber, "sequence_number") ?? 0,
      minimumSequenceNumber: try row.long(minimumSequenceNumber, "min_sequence_number") ?? 0,
      addedSnapshotID: try row.requiredLong(snapshotID, "added_snapshot_id"))
    result.addedFilesCount = try row.int(addedFiles, "added_files_count")
    result.existingFilesCount = try row.int(existingFiles, "existing_files_count")
    result.deletedFilesCount = try row.int(deletedFiles, "deleted_files_count")
    result.addedRowsCount = try row.long(addedRows, "added_rows_count")
    result.existingRowsCount = try row.long(existingRows, "existing_rows_count")
    result.deletedRowsCount = try row.long(deletedRows, "deleted_rows_count")
    result.partitions = try summaries(row)
    result.keyMetadata = try row.bytes(keyMetadata, "key_metadata")
    // Some writers give delete manifests one, against the specification.
    result.firstRowID = fileContent == .data ? try row.long(firstRowID, "first_row_id") : nil
    return result
  }

  private func summaries(_ row: AvroRow) throws(IcebergError) -> [PartitionFieldSummary]? {
    switch row.value(partitions) {
    case .null: return nil
    case .array(let items):
      var result: [PartitionFieldSummary] = []
      for item in items {
        guard case .record(let values) = item else { throw row.corrupt("partitions", "structs") }
        let summary = AvroRow(values: values, path: path)
        result.append(
          PartitionFieldSummary(
            containsNull: try summary.boolean(containsNull, "contains_null") ?? true,
            containsNaN: try summary.boolean(containsNaN, "contains_nan"),
            lowerBound: try summary.bytes(lowerBound, "lower_bound"),
            upperBound: try summary.bytes(upperBound, "upper_bound")))
      }
      return result
    default: throw row.corrupt("partitions", "a list of structs")
    }
  }
}
