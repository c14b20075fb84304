extension MetadataBuilder {
  /// How much older than the table a snapshot may be: clocks of writers differ.
  private static let clockTolerance: Int64 = 60_000

  mutating func add(_ snapshot: Snapshot) throws(IcebergError) {
    guard table.currentSchema != nil, table.defaultSpec != nil else {
      throw IcebergError(.invalid, "a table without schema and partition spec cannot have snapshots")
    }
    let id = snapshot.snapshotID
    guard table.snapshot(id: id) == nil else { throw IcebergError(.invalid, "there is a snapshot \(id) already") }
    guard table.formatVersion == 1 || snapshot.sequenceNumber > table.lastSequenceNumber else {
      throw IcebergError(
        .conflict,
        "snapshot \(id): its sequence number \(snapshot.sequenceNumber) is not above the table's "
          + "\(table.lastSequenceNumber)")
    }
    let newest = max(table.lastUpdatedMilliseconds, table.snapshotLog.last?.timestampMilliseconds ?? .min)
    guard snapshot.timestampMilliseconds >= newest.subtractingReportingOverflow(Self.clockTolerance).partialValue else {
      throw IcebergError(
        .invalid,
        "snapshot \(id): its time \(snapshot.timestampMilliseconds) is more than a minute before the table's last change "
          + "\(newest); check the clock")
    }
    if table.formatVersion >= 3 { try takeRowIDs(snapshot) }
    lastUpdated = snapshot.timestampMilliseconds
    if table.formatVersion > 1 { table.lastSequenceNumber = snapshot.sequenceNumber }
    table.snapshots.append(snapshot)
    addedSnapshots.insert(id)
  }

  /// Advances the next row id by the rows of a snapshot (Iceberg specification, "Row Lineage").
  private mutating func takeRowIDs(_ snapshot: Snapshot) throws(IcebergError) {
    guard let first = snapshot.firstRowID, let added = snapshot.addedRows, added >= 0 else {
      throw IcebergError(
        .invalid, "snapshot \(snapshot.snapshotID): format version 3 requires first-row-id, and added-rows of 0 or more"
      )
    }
    guard first >= table.nextRowID else {
      throw IcebergError(
        .conflict,
        "snapshot \(snapshot.snapshotID): its first-row-id \(first) is below the table's next-row-id \(table.nextRowID)"
      )
    }
    let (next, overflow) = first.addingReportingOverflow(added)
    guard !overflow else { throw IcebergError(.invalid, "snapshot \(snapshot.snapshotID): too many row ids") }
    table.nextRowID = next
  }

  mutating func setReference(_ name: String, _ reference: SnapshotReference) throws(IcebergError) {
    guard table.references[name] != reference else { return }
    let id = reference.snapshotID
    guard let snapshot = table.snapshot(id: id) else {
      throw IcebergError(.invalid, "\(name): there is no snapshot \(id)")
    }
    try Self.checkRetention(reference, name)
    if addedSnapshots.contains(id) { lastUpdated = snapshot.timestampMilliseconds }
    if name == "main" {
      guard reference.kind == .branch else { throw IcebergError(.invalid, "main must be a branch") }
      if let former = table.currentSnapshotID, former != id, addedSnapshots.contains(former) {
        formerCurrentSnapshots.insert(former)
      }
      if table.currentSnapshotID != id {
        // A clock that is behind must not bring the log out of order.
        let newest = max(table.lastUpdatedMilliseconds, table.snapshotLog.last?.timestampMilliseconds ?? .min)
        let time = lastUpdated ?? max(now, newest)
        lastUpdated = time
        table.snapshotLog.append(TableMetadata.SnapshotLogEntry(timestampMilliseconds: time, snapshotID: id))
      }
      table.currentSnapshotID = id
    }
    table.references[name] = reference
  }

  /// Checks what the specification's "Snapshot References" say of retention.
  private static func checkRetention(_ reference: SnapshotReference, _ name: String) throws(IcebergError) {
    let isOfBranch = reference.minimumSnapshotsToKeep != nil || reference.maximumSnapshotAgeMilliseconds != nil
    guard reference.kind == .branch || !isOfBranch else {
      throw IcebergError(.invalid, "\(name): a tag has no min-snapshots-to-keep and no max-snapshot-age-ms")
    }
    let numbers = [
      ("min-snapshots-to-keep", reference.minimumSnapshotsToKeep.map { Int64($0) }),
      ("max-snapshot-age-ms", reference.maximumSnapshotAgeMilliseconds),
      ("max-ref-age-ms", reference.maximumReferenceAgeMilliseconds)
    ]
    for (member, number) in numbers {
      guard let number, number <= 0 else { continue }
      throw IcebergError(.invalid, "\(name): \(member) must be above 0, found \(number)")
    }
  }

  mutating func removeReference(_ name: String) {
    if name == "main" { table.currentSnapshotID = nil }
    table.references[name] = nil
  }

  mutating func removeSnapshots(_ ids: Set<Int64>) {
    let before = table.snapshots.count
    table.snapshots.removeAll { ids.contains($0.snapshotID) }
    guard table.snapshots.count < before else { return }
    hasRemovedSnapshots = true
    let names = table.references.filter { ids.contains($0.value.snapshotID) }.map(\.key)
    for name in names { removeReference(name) }
    if let current = table.currentSnapshotID, ids.contains(current) { table.currentSnapshotID = nil }
    table.statistics.removeAll { ids.contains($0["snapshot-id"]?.integerValue ?? -1) }
    table.partitionStatistics.removeAll { ids.contains($0["snapshot-id"]?.integerValue ?? -1) }
  }

  /// Statistics and encryption keys.
  mutating func applyOther(_ json: JSONValue) throws(IcebergError) {
    switch try json.string("action") {
    case "set-statistics":
      let value = try json.required("statistics")
      Self.replace(value, in: &table.statistics, same: "snapshot-id", .integer(try value.integer("snapshot-id")))
    case "remove-statistics":
      let id = try json.integer("snapshot-id")
      table.statistics.removeAll { $0["snapshot-id"] == .integer(id) }
    case "set-partition-statistics":
      let value = try json.required("partition-statistics")
      Self.replace(
        value, in: &table.partitionStatistics, same: "snapshot-id", .integer(try value.integer("snapshot-id")))
    case "remove-partition-statistics":
      let id = try json.integer("snapshot-id")
      table.partitionStatistics.removeAll { $0["snapshot-id"] == .integer(id) }
    case "add-encryption-key":
      let key = try json.required("encryption-key")
      let id = try key.string("key-id")
      editEncryptionKeys { keys in Self.replace(key, in: &keys, same: "key-id", .string(id)) }
    case "remove-encryption-key":
      let id = try json.string("key-id")
      editEncryptionKeys { keys in keys.removeAll { $0["key-id"] == .string(id) } }
    case "enable-row-lineage":
      // From version 3 on it is always enabled; before there is none.
      guard table.formatVersion >= 3 else { throw IcebergError(.invalid, "row lineage needs format version 3") }
    case let action: throw IcebergError(.unsupported, "the update \(action) is not known")
    }
  }

  private static func replace(
    _ value: JSONValue, in list: inout [JSONValue], same name: String, _ id: JSONValue
  ) {
    if let index = list.firstIndex(where: { $0[name] == id }) { list[index] = value } else { list.append(value) }
  }

  private mutating func editEncryptionKeys(_ body: (inout [JSONValue]) -> Void) {
    let index = table.unknownMembers.firstIndex { $0.name == "encryption-keys" }
    var keys = index.flatMap { table.unknownMembers[$0].value.arrayValue } ?? []
    body(&keys)
    if let index {
      table.unknownMembers[index].value = .array(keys)
    } else if !keys.isEmpty {
      table.unknownMembers.append(JSONValue.Member("encryption-keys", .array(keys)))
    }
  }

  /// Checks the whole, and writes logs and time.
  func finish(base: TableMetadata, previousLocation: String?) throws(IcebergError) -> TableMetadata {
    var result = table
    if result == base { return base }
    result.snapshotLog = retainedSnapshotLog()
    do { try result.validate() } catch { throw IcebergError(.invalid, error.message) }
    if result.currentSchemaID != base.currentSchemaID || result.defaultSpecID != base.defaultSpecID,
      let spec = result.defaultSpec, let schema = result.currentSchema
    {
      // Of transforms that are not known nothing can be said; tables that have them are kept.
      let known = PartitionSpec(specID: spec.specID, fields: spec.fields.filter { !$0.transform.isUnknown })
      _ = try known.partitionType(schema)
    }
    // Time does not run backwards, whatever the clocks of several writers say: readers refuse such logs.
    result.lastUpdatedMilliseconds = max(lastUpdated ?? now, base.lastUpdatedMilliseconds)
    if let previousLocation {
      let entry = TableMetadata.MetadataLogEntry(
        timestampMilliseconds: base.lastUpdatedMilliseconds, metadataFile: previousLocation)
      result.metadataLog = (result.metadataLog + [entry]).suffix(result.metadataLogLimit)
    }
    return result
  }

  /// Without entries of snapshots that were never current outside of this commit, and without those before one that was
  /// removed: the log must not claim a continuous history.
  private func retainedSnapshotLog() -> [TableMetadata.SnapshotLogEntry] {
    let known = Set(table.snapshots.map(\.snapshotID))
    var result: [TableMetadata.SnapshotLogEntry] = []
    for entry in table.snapshotLog {
      let isFormer = formerCurrentSnapshots.contains(entry.snapshotID) && entry.snapshotID != table.currentSnapshotID
      if !known.contains(entry.snapshotID) {
        if hasRemovedSnapshots { result = [] }
      } else if !isFormer {
        result.append(entry)
      }
    }
    return result
  }
}

extension TableMetadata {
  /// How many entries the metadata log has at most: `write.metadata.previous-versions-max`.
  public var metadataLogLimit: Int {
    max(1, properties["write.metadata.previous-versions-max"].flatMap { Int($0) } ?? 100)
  }
}
