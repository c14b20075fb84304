extension TableMetadata {
  /// The metadata after a commit: requirements are checked, then updates applied in their order.
  ///
  /// - Parameters:
  ///   - updates: the changes. When they change nothing the metadata is returned as it is.
  ///   - requirements: what must hold before.
  ///   - now: milliseconds since the epoch.
  ///   - previousLocation: where the present metadata file is, for the metadata log.
  /// - Throws: ``IcebergError`` of kind `conflict` when a requirement does not hold, `invalid` when an update makes no
  ///   sense for this table, `unsupported` for one that is not known.
  public func applying(
    _ updates: [TableUpdate], requirements: [TableRequirement] = [], now: Int64, previousLocation: String? = nil
  ) throws(IcebergError) -> TableMetadata {
    try check(requirements)
    var builder = MetadataBuilder(self, now: now)
    for update in updates {
      do { try builder.apply(update) } catch { throw error.within(update.action) }
    }
    return try builder.finish(base: self, previousLocation: previousLocation)
  }

  /// The metadata of a table that a commit makes (REST catalogs' staged creation): of `assign-uuid`, `add-schema`, ….
  ///
  /// - Throws: ``IcebergError`` of kind `invalid` when the updates do not make a whole table.
  public static func building(_ updates: [TableUpdate], now: Int64) throws(IcebergError) -> TableMetadata {
    let empty = TableMetadata(
      formatVersion: 1, tableUUID: "", location: "", lastUpdatedMilliseconds: now, lastColumnID: 0, schemas: [],
      currentSchemaID: -1, partitionSpecs: [], defaultSpecID: -1, lastPartitionID: 999, sortOrders: [],
      defaultSortOrderID: 0)
    var builder = MetadataBuilder(empty, now: now)
    // Without an upgrade a table is of version 2.
    if !updates.contains(where: { if case .upgradeFormatVersion = $0 { true } else { false } }) {
      try builder.apply(.upgradeFormatVersion(2))
    }
    for update in updates {
      do { try builder.apply(update) } catch { throw error.within(update.action) }
    }
    let result = try builder.finish(base: empty, previousLocation: nil)
    guard !result.tableUUID.isEmpty, !result.location.isEmpty else {
      throw IcebergError(.invalid, "a new table needs assign-uuid and set-location")
    }
    return result
  }
}

/// Applies updates one by one, as the reference implementation's builder does.
struct MetadataBuilder {
  var table: TableMetadata
  let now: Int64
  /// Of the updates so far; what -1 refers to.
  var lastAddedSchemaID: Int?
  var lastAddedSpecID: Int?
  var lastAddedOrderID: Int?
  var addedSnapshots: Set<Int64> = []
  var formerCurrentSnapshots: Set<Int64> = []
  var hasRemovedSnapshots = false
  /// Set by snapshots; otherwise the time is ``now``.
  var lastUpdated: Int64?

  init(_ table: TableMetadata, now: Int64) {
    self.table = table
    self.now = now
  }

  mutating func apply(_ update: TableUpdate) throws(IcebergError) {
    switch update {
    case .assignUUID(let uuid):
      if table.tableUUID.lowercased() != uuid.lowercased() { table.tableUUID = uuid }
    case .upgradeFormatVersion(let version): try upgrade(to: version)
    case .addSchema(let schema, let lastColumnID): try add(schema, lastColumnID)
    case .setCurrentSchema(let id): try setCurrentSchema(id)
    case .addSpec(let spec): try add(spec)
    case .setDefaultSpec(let id): try setDefaultSpec(id)
    case .addSortOrder(let order): try add(order)
    case .setDefaultSortOrder(let id): try setDefaultSortOrder(id)
    case .addSnapshot(let snapshot): try add(snapshot)
    case .setReference(let name, let reference): try setReference(name, reference)
    case .removeSnapshots(let ids): removeSnapshots(Set(ids))
    case .removeReference(let name): removeReference(name)
    case .setLocation(let location): table.location = TableMetadata.withoutSlash(location)
    case .setProperties(let properties): table.properties.merge(properties) { _, new in new }
    case .removeProperties(let names): for name in names { table.properties[name] = nil }
    case .removeSpecs(let ids): try removeSpecs(Set(ids))
    case .removeSchemas(let ids): try removeSchemas(Set(ids))
    case .other(let json): try applyOther(json)
    }
  }

  private mutating func upgrade(to version: Int) throws(IcebergError) {
    guard version <= TableMetadata.highestFormatVersion else {
      throw IcebergError(.unsupported, "format version \(version): this library knows versions up to 3")
    }
    guard version >= table.formatVersion else {
      throw IcebergError(.invalid, "cannot go back from format version \(table.formatVersion) to \(version)")
    }
    if table.formatVersion < 3, version >= 3 { table.nextRowID = 0 }
    // Old tables of version 1 have no id, which version 2 requires.
    if version > 1, table.tableUUID.isEmpty, !table.schemas.isEmpty { table.tableUUID = RandomUUID.version4() }
    table.formatVersion = version
  }

  private mutating func add(_ schema: TableSchema, _ lastColumnID: Int?) throws(IcebergError) {
    try schema.checkNames()
    try schema.check(formatVersion: table.formatVersion)
    try checkPartitionSources(schema)
    let known = max(table.lastColumnID, 0)
    if let lastColumnID, lastColumnID < known {
      throw IcebergError(.invalid, "last-column-id \(lastColumnID) is below the table's \(known)")
    }
    table.lastColumnID = max(known, schema.highestFieldID, lastColumnID ?? 0)
    if let same = table.schemas.first(where: { $0.isSame(as: schema) }) {
      lastAddedSchemaID = same.schemaID
      return
    }
    var added = schema
    added.schemaID = table.schemas.map { $0.schemaID + 1 }.max() ?? 0
    table.schemas.append(added)
    lastAddedSchemaID = added.schemaID
  }

  /// Checks that partition values, also those of old specs, stay what they are when a column's type is promoted.
  private func checkPartitionSources(_ schema: TableSchema) throws(IcebergError) {
    for field in table.partitionSpecs.flatMap(\.fields) {
      guard let old = table.currentSchema?.field(id: field.sourceID), let new = schema.field(id: field.sourceID),
        !field.transform.isUnchanged(from: old.type, to: new.type)
      else { continue }
      throw IcebergError(
        .invalid,
        "\(new.name): the type \(old.type.text) cannot become \(new.type.text): the partition field \(field.name), "
          + "\(field.transform.text), would have other values")
    }
  }

  /// The id that an update means; -1 is the one added last.
  private func resolve(_ id: Int, _ last: Int?, _ what: String) throws(IcebergError) -> Int {
    guard id == -1 else { return id }
    guard let last else { throw IcebergError(.invalid, "-1 means the \(what) added last, but none was added") }
    return last
  }

  private mutating func setCurrentSchema(_ id: Int) throws(IcebergError) {
    let id = try resolve(id, lastAddedSchemaID, "schema")
    guard table.schema(id: id) != nil else { throw IcebergError(.invalid, "there is no schema \(id)") }
    table.currentSchemaID = id
  }

  private mutating func add(_ spec: PartitionSpec) throws(IcebergError) {
    guard let schema = table.currentSchema else { throw IcebergError(.invalid, "the table has no current schema yet") }
    try spec.check(schema)
    if let same = table.partitionSpecs.first(where: { $0.isCompatible(with: spec) }) {
      lastAddedSpecID = same.specID
      return
    }
    guard table.formatVersion > 1 || spec.fields.enumerated().allSatisfy({ $1.fieldID == 1000 + $0 }) else {
      throw IcebergError(.invalid, "in format version 1 partition field ids must count from 1000 without gaps")
    }
    for field in spec.fields where table.formatVersion > 1 {
      let others = table.partitionSpecs.flatMap(\.fields).filter { $0.fieldID == field.fieldID }
      // Version 1 numbered each spec anew: what it left behind may go on.
      guard let other = others.first, !others.contains(where: { $0.sourceID == field.sourceID }) else { continue }
      throw IcebergError(
        .invalid, "partition field id \(field.fieldID) is that of \(other.name), made of another column")
    }
    let added = PartitionSpec(specID: table.partitionSpecs.map { $0.specID + 1 }.max() ?? 0, fields: spec.fields)
    table.partitionSpecs.append(added)
    table.lastPartitionID = max(table.lastPartitionID, added.highestFieldID)
    lastAddedSpecID = added.specID
  }

  private mutating func setDefaultSpec(_ id: Int) throws(IcebergError) {
    let id = try resolve(id, lastAddedSpecID, "partition spec")
    guard table.spec(id: id) != nil else { throw IcebergError(.invalid, "there is no partition spec \(id)") }
    table.defaultSpecID = id
  }

  private mutating func add(_ order: SortOrder) throws(IcebergError) {
    guard let schema = table.currentSchema else { throw IcebergError(.invalid, "the table has no current schema yet") }
    try order.check(schema)
    if let same = table.sortOrders.first(where: { $0.fields == order.fields }) {
      lastAddedOrderID = same.orderID
      return
    }
    // 0 is reserved for "not sorted".
    let next = max(1, table.sortOrders.map { $0.orderID + 1 }.max() ?? 1)
    let added = SortOrder(orderID: order.fields.isEmpty ? 0 : next, fields: order.fields)
    table.sortOrders.append(added)
    lastAddedOrderID = added.orderID
  }

  private mutating func setDefaultSortOrder(_ id: Int) throws(IcebergError) {
    let id = try resolve(id, lastAddedOrderID, "sort order")
    guard table.sortOrders.contains(where: { $0.orderID == id }) else {
      throw IcebergError(.invalid, "there is no sort order \(id)")
    }
    table.defaultSortOrderID = id
  }

  private mutating func removeSpecs(_ ids: Set<Int>) throws(IcebergError) {
    guard !ids.contains(table.defaultSpecID) else {
      throw IcebergError(.invalid, "partition spec \(table.defaultSpecID) is the default one")
    }
    table.partitionSpecs.removeAll { ids.contains($0.specID) }
  }

  private mutating func removeSchemas(_ ids: Set<Int>) throws(IcebergError) {
    guard !ids.contains(table.currentSchemaID) else {
      throw IcebergError(.invalid, "schema \(table.currentSchemaID) is the current one")
    }
    table.schemas.removeAll { ids.contains($0.schemaID) }
  }
}

extension TableSchema {
  /// Whether both have the same columns and identifier fields; ids of schemas do not matter.
  package func isSame(as other: TableSchema) -> Bool {
    fields == other.fields && Set(identifierFieldIDs) == Set(other.identifierFieldIDs)
  }
}

extension PartitionSpec {
  /// Whether both partition in the same way; ids of specs and fields do not matter.
  package func isCompatible(with other: PartitionSpec) -> Bool {
    fields.count == other.fields.count
      && zip(fields, other.fields).allSatisfy {
        $0.sourceID == $1.sourceID && $0.sourceIDs == $1.sourceIDs && $0.transform == $1.transform && $0.name == $1.name
      }
  }
}
