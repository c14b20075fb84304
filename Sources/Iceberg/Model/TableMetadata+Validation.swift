extension TableMetadata {
  /// Checks that ids point to what exists.
  ///
  /// Partition specs and sort orders that are not the default may name columns that are gone.
  /// - Throws: ``IcebergError`` of kind `corrupt` that says what points nowhere.
  func validate() throws(IcebergError) {
    try validateUniqueIDs()
    try validateCurrent()
    try validateSnapshots()
  }

  private func validateUniqueIDs() throws(IcebergError) {
    func check(_ what: String, _ ids: [Int64]) throws(IcebergError) {
      var seen: Set<Int64> = []
      for id in ids where !seen.insert(id).inserted {
        throw IcebergError(.corrupt, "\(what): the id \(id) is there twice")
      }
    }
    try check("schemas", schemas.map { Int64($0.schemaID) })
    try check("partition-specs", partitionSpecs.map { Int64($0.specID) })
    try check("sort-orders", sortOrders.map { Int64($0.orderID) })
    try check("snapshots", snapshots.map(\.snapshotID))
  }

  private func validateCurrent() throws(IcebergError) {
    guard let schema = schemas.first(where: { $0.schemaID == currentSchemaID }) else {
      throw IcebergError(
        .corrupt, "current-schema-id: \(currentSchemaID) is none of the schemas \(schemas.map(\.schemaID))")
    }
    guard let spec = partitionSpecs.first(where: { $0.specID == defaultSpecID }) else {
      throw IcebergError(
        .corrupt, "default-spec-id: \(defaultSpecID) is none of the specs \(partitionSpecs.map(\.specID))")
    }
    guard let order = sortOrders.first(where: { $0.orderID == defaultSortOrderID }) ?? unsorted else {
      throw IcebergError(
        .corrupt, "default-sort-order-id: \(defaultSortOrderID) is none of the orders \(sortOrders.map(\.orderID))")
    }
    let columns = schema.fieldsByID
    for field in spec.fields where field.transform != .void && columns[field.sourceID] == nil {
      throw IcebergError(
        .corrupt,
        "partition spec \(spec.specID): the source \(field.sourceID) of \(field.name) is no field of the current schema"
      )
    }
    for field in order.fields where columns[field.sourceID] == nil {
      throw IcebergError(
        .corrupt, "sort order \(order.orderID): the source \(field.sourceID) is no field of the current schema")
    }
  }

  /// The order "not sorted", which a table need not list.
  private var unsorted: SortOrder? { defaultSortOrderID == 0 ? SortOrder() : nil }

  private func validateSnapshots() throws(IcebergError) {
    let known = Set(snapshots.map(\.snapshotID))
    if let currentSnapshotID, !known.contains(currentSnapshotID) {
      throw IcebergError(.corrupt, "current-snapshot-id: \(currentSnapshotID) is none of the snapshots")
    }
    for (name, reference) in references.sorted(by: { $0.key < $1.key }) where !known.contains(reference.snapshotID) {
      throw IcebergError(.corrupt, "refs.\(name): \(reference.snapshotID) is none of the snapshots")
    }
    if let main = references["main"], main.snapshotID != currentSnapshotID {
      throw IcebergError(
        .corrupt,
        "refs.main: \(main.snapshotID) is not the current snapshot \(currentSnapshotID.map { String($0) } ?? "(none)")")
    }
    guard formatVersion > 1 else { return }
    for snapshot in snapshots where snapshot.sequenceNumber > lastSequenceNumber {
      throw IcebergError(
        .corrupt,
        "snapshot \(snapshot.snapshotID): its sequence number \(snapshot.sequenceNumber) is above last-sequence-number "
          + "\(lastSequenceNumber)")
    }
  }
}
