/// Reads manifests of format versions 1, 2 and 3 (Iceberg specification, "Manifests").
public enum ManifestReader {
  /// The entries of a manifest, with everything inherited that they leave out.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - manifest: what the manifest list says of it: content, spec, snapshot, sequence number, first row id.
  ///   - specs: the table's partition specs, by id.
  ///   - schemas: the table's schemas, the current one first: source columns of partition fields are looked up in
  ///     this order.
  ///   - liveOnly: leaves out deleted entries.
  /// - Throws: kind `corrupt`, naming the manifest's path.
  public static func read(
    _ bytes: [UInt8], manifest: ManifestFile, specs: [Int: PartitionSpec], schemas: [TableSchema],
    liveOnly: Bool = false
  ) throws(IcebergError) -> [ManifestEntry] {
    guard let spec = specs[manifest.specID] else {
      throw IcebergError(
        .corrupt, "\(manifest.manifestPath): the table has no partition spec \(manifest.specID), which its list names")
    }
    var reader = try AvroFileReader(bytes, path: manifest.manifestPath)
    var projection = ManifestSchema.entryProjection
    let layout = try EntryLayout(reader.header, manifest: manifest, spec: spec, schemas: schemas)
    for field in layout.partitionFields {
      if let id = field.fieldID { projection.fieldIDs.insert(id) }
      projection.names.insert(field.name)
    }
    var inheritance = Inheritance(manifest: manifest, formatVersion: layout.formatVersion)
    var entries: [ManifestEntry] = []
    while let values = try reader.nextBlock(wanted: projection) {
      for value in values {
        var entry = try layout.entry(value)
        try inheritance.apply(to: &entry)
        if entry.status != .deleted || !liveOnly { entries.append(entry) }
      }
    }
    return entries
  }
}

/// Fills in what entries take from their manifest (Iceberg specification, "Sequence Number Inheritance" and "First Row
/// ID Inheritance").
private struct Inheritance {
  let manifest: ManifestFile
  let formatVersion: Int
  var nextRowID: Int64?

  init(manifest: ManifestFile, formatVersion: Int) {
    self.manifest = manifest
    self.formatVersion = formatVersion
    self.nextRowID = manifest.content == .data ? manifest.firstRowID : nil
  }

  mutating func apply(to entry: inout ManifestEntry) throws(IcebergError) {
    entry.snapshotID = entry.snapshotID ?? manifest.addedSnapshotID
    // Version 1 has no sequence numbers: everything is older than the first commit of version 2.
    if formatVersion == 1 {
      entry.sequenceNumber = entry.sequenceNumber ?? 0
      entry.fileSequenceNumber = entry.fileSequenceNumber ?? 0
    }
    // Sequence number 0 is a manifest of version 1 whose header does not say so.
    if entry.status == .added || manifest.sequenceNumber == 0 {
      entry.sequenceNumber = entry.sequenceNumber ?? manifest.sequenceNumber
      entry.fileSequenceNumber = entry.fileSequenceNumber ?? manifest.sequenceNumber
    }
    guard entry.sequenceNumber != nil else {
      throw IcebergError(
        .corrupt,
        "\(manifest.manifestPath): expected a sequence number of the \(entry.status) file \(entry.file.filePath);"
          + " only added files inherit theirs")
    }
    guard manifest.content == .data else {
      entry.file.firstRowID = nil
      return
    }
    // A manifest without first row id is of a table before version 3, or its ids are not assigned yet: those that
    // entries name are kept.
    guard let next = nextRowID, entry.status != .deleted, entry.file.firstRowID == nil else { return }
    let (after, overflow) = next.addingReportingOverflow(entry.file.recordCount)
    guard !overflow else {
      throw IcebergError(.corrupt, "\(manifest.manifestPath): the row ids from \(next) on exceed 64 bits")
    }
    entry.file.firstRowID = next
    nextRowID = after
  }
}
