extension Snapshot {
  /// What was done: `append`, `replace`, `overwrite`, `delete`; absent in old v1 tables.
  public var operation: String? { summary["operation"] }

  /// A snapshot of its JSON (Iceberg specification, "Snapshots").
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    let parent = try json.optionalInteger("parent-snapshot-id")
    self.init(
      snapshotID: try json.integer("snapshot-id"), parentID: parent == -1 ? nil : parent,
      sequenceNumber: try json.optionalInteger("sequence-number") ?? 0,
      timestampMilliseconds: try json.integer("timestamp-ms"), manifestList: try json.optionalString("manifest-list"),
      manifests: try json.strings("manifests"), summary: try json.stringMap("summary"),
      schemaID: try json.optionalInt("schema-id"), firstRowID: try json.optionalInteger("first-row-id"),
      addedRows: try json.optionalInteger("added-rows"), keyID: try json.optionalString("key-id"))
    guard manifestList != nil || manifests != nil else {
      throw IcebergError(.corrupt, "snapshot \(snapshotID): expected manifest-list or manifests, found neither")
    }
  }

  /// The JSON (Iceberg specification, "Snapshots").
  public var json: JSONValue {
    .object([
      "sequence-number": sequenceNumber > 0 ? .integer(sequenceNumber) : nil, "snapshot-id": .integer(snapshotID),
      "parent-snapshot-id": parentID.map { .integer($0) }, "timestamp-ms": .integer(timestampMilliseconds),
      "summary": summary.isEmpty ? nil : .object(summary), "manifest-list": manifestList.map { .string($0) },
      "manifests": manifestList == nil ? manifests.map { .array($0.map { .string($0) }) } : nil,
      "schema-id": schemaID.map { .integer($0) }, "first-row-id": firstRowID.map { .integer($0) },
      "added-rows": addedRows.map { .integer($0) }, "key-id": keyID.map { .string($0) }
    ])
  }
}

extension SnapshotReference {
  /// A reference of its JSON (Iceberg specification, "Snapshot References").
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    let name = try json.string("type").lowercased()
    guard let kind = Kind(rawValue: name) else {
      throw IcebergError(.corrupt, "type: expected branch or tag, found \(name)")
    }
    self.init(
      snapshotID: try json.integer("snapshot-id"), kind: kind,
      minimumSnapshotsToKeep: try json.optionalInt("min-snapshots-to-keep"),
      maximumSnapshotAgeMilliseconds: try json.optionalInteger("max-snapshot-age-ms"),
      maximumReferenceAgeMilliseconds: try json.optionalInteger("max-ref-age-ms"))
  }

  /// The JSON (Iceberg specification, "Snapshot References").
  public var json: JSONValue {
    .object([
      "snapshot-id": .integer(snapshotID), "type": .string(kind.rawValue),
      "min-snapshots-to-keep": minimumSnapshotsToKeep.map { .integer($0) },
      "max-snapshot-age-ms": maximumSnapshotAgeMilliseconds.map { .integer($0) },
      "max-ref-age-ms": maximumReferenceAgeMilliseconds.map { .integer($0) }
    ])
  }
}
