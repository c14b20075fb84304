extension TableMetadata {
  /// The JSON (Iceberg specification, Appendix C). Members that were not understood when it was read are kept.
  public var json: JSONValue {
    var members: [JSONValue.Member] = []
    func add(_ name: String, _ value: JSONValue?) { if let value { members.append(JSONValue.Member(name, value)) } }
    add("format-version", .integer(formatVersion))
    add("table-uuid", tableUUID.isEmpty ? nil : .string(tableUUID))
    add("location", .string(location))
    if formatVersion > 1 { add("last-sequence-number", .integer(lastSequenceNumber)) }
    add("last-updated-ms", .integer(lastUpdatedMilliseconds))
    add("last-column-id", .integer(lastColumnID))
    if formatVersion == 1 { add("schema", currentSchema?.json) }
    add("current-schema-id", .integer(currentSchemaID))
    add("schemas", .array(schemas.map(\.json)))
    if formatVersion == 1 { add("partition-spec", defaultSpec.map { .array($0.fields.map(\.json)) }) }
    add("default-spec-id", .integer(defaultSpecID))
    add("partition-specs", .array(partitionSpecs.map(\.json)))
    add("last-partition-id", .integer(lastPartitionID))
    add("default-sort-order-id", .integer(defaultSortOrderID))
    add("sort-orders", .array(sortOrders.map(\.json)))
    add("properties", .object(properties))
    // Readers of the first versions take -1, not null or nothing, for an empty table.
    add("current-snapshot-id", currentSnapshotID.map { .integer($0) } ?? (formatVersion < 3 ? .integer(-1) : .null))
    if formatVersion > 2 { add("next-row-id", .integer(nextRowID)) }
    add("refs", .object(references.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, $0.value.json) }))
    // One of the table's time in version 1 has no sequence number: left out means 0, and it stays as it was written.
    add("snapshots", .array(snapshots.map(\.json)))
    add("statistics", .array(statistics))
    add("partition-statistics", .array(partitionStatistics))
    add("snapshot-log", .array(snapshotLog.map(\.json)))
    add("metadata-log", .array(metadataLog.map(\.json)))
    return .object(members + unknownMembers)
  }

  /// The bytes of a metadata file.
  ///
  /// - Parameter compressed: with gzip; such a file must be called `….gz.metadata.json`.
  public func serialized(compressed: Bool = false) -> [UInt8] {
    let bytes = json.bytes
    return compressed ? Gzip.compress(bytes) : bytes
  }

  /// The current schema.
  public var currentSchema: TableSchema? { schema(id: currentSchemaID) }
  /// The default partition spec.
  public var defaultSpec: PartitionSpec? { spec(id: defaultSpecID) }
  /// The default sort order; that of id 0, "not sorted", always exists.
  public var defaultSortOrder: SortOrder? {
    sortOrders.first { $0.orderID == defaultSortOrderID } ?? (defaultSortOrderID == 0 ? SortOrder() : nil)
  }
  /// The current snapshot.
  public var currentSnapshot: Snapshot? { currentSnapshotID.flatMap { snapshot(id: $0) } }

  /// The schema of this id.
  public func schema(id: Int) -> TableSchema? { schemas.first { $0.schemaID == id } }
  /// The partition spec of this id.
  public func spec(id: Int) -> PartitionSpec? { partitionSpecs.first { $0.specID == id } }
  /// The snapshot of this id.
  public func snapshot(id: Int64) -> Snapshot? { snapshots.first { $0.snapshotID == id } }
  /// The snapshot that a branch or tag points to.
  public func snapshot(reference name: String) -> Snapshot? {
    references[name].flatMap { snapshot(id: $0.snapshotID) }
  }
}

extension TableMetadata.SnapshotLogEntry {
  var json: JSONValue {
    .object(["timestamp-ms": .integer(timestampMilliseconds), "snapshot-id": .integer(snapshotID)])
  }
}

extension TableMetadata.MetadataLogEntry {
  var json: JSONValue {
    .object(["timestamp-ms": .integer(timestampMilliseconds), "metadata-file": .string(metadataFile)])
  }
}
