/// The updates of a commit that creates a table, taken apart: what the first metadata begins with, and the rest.
///
/// A client that was answered "staged" metadata sends it back as updates (`assign-uuid`, `add-schema`, and so on), then
/// what it did to the table since. Ids are taken as they are: files were written with them.
struct StagedTable: Hashable, Sendable {
  private var formatVersion: Int?
  private var uuid: String?
  private var location: String?
  private var schema: TableSchema?
  private var lastColumnID = 0
  private var spec: PartitionSpec?
  private var sortOrder: SortOrder?
  /// What is applied to the first metadata, in the order in which it came.
  private var rest: [TableUpdate] = []

  /// Takes the updates apart.
  init(_ updates: [TableUpdate]) {
    // Once a second one of its kind was added, -1 means that.
    var isLastSchema = false
    var isLastSpec = false
    var isLastOrder = false
    for update in updates {
      switch update {
      case .upgradeFormatVersion(let version) where formatVersion == nil: formatVersion = version
      case .assignUUID(let text) where uuid == nil: uuid = text
      case .setLocation(let text) where location == nil: location = text
      case .addSchema(let added, let lastID) where schema == nil:
        schema = added
        lastColumnID = lastID ?? 0
        isLastSchema = true
      case .addSpec(let added) where spec == nil:
        spec = added
        isLastSpec = true
      case .addSortOrder(let added) where sortOrder == nil:
        sortOrder = added
        isLastOrder = true
      case .setCurrentSchema(-1) where isLastSchema, .setDefaultSpec(-1) where isLastSpec,
        .setDefaultSortOrder(-1) where isLastOrder:
        break
      default:
        if case .addSchema = update { isLastSchema = false }
        if case .addSpec = update { isLastSpec = false }
        if case .addSortOrder = update { isLastOrder = false }
        rest.append(update)
      }
    }
  }

  /// The first metadata of the table.
  ///
  /// - Parameters:
  ///   - location: Where it is put when the updates do not say.
  ///   - uuid: Its id when the updates do not say.
  /// - Throws: kind `invalid` when the updates do not make a table.
  func metadata(location: String, uuid: String, now: Int64) throws(IcebergError) -> TableMetadata {
    guard var schema else {
      throw IcebergError(.invalid, "a commit that creates a table needs the update add-schema; there is none")
    }
    schema.schemaID = max(0, schema.schemaID)
    var spec = spec ?? PartitionSpec()
    spec.specID = max(0, spec.specID)
    var order = sortOrder ?? SortOrder()
    // Id 0 is "not sorted" (Iceberg specification, "Sorting").
    order.orderID = order.fields.isEmpty ? 0 : max(1, order.orderID)
    let place = try Locations.normalized(self.location ?? location, what: "location of the new table")
    let begin = TableMetadata(
      formatVersion: formatVersion ?? 2, tableUUID: self.uuid ?? uuid, location: place, lastUpdatedMilliseconds: now,
      lastColumnID: max(lastColumnID, schema.highestFieldID), schemas: [schema], currentSchemaID: schema.schemaID,
      partitionSpecs: [spec], defaultSpecID: spec.specID,
      lastPartitionID: max(999, spec.fields.map(\.fieldID).max() ?? 999), sortOrders: [order],
      defaultSortOrderID: order.orderID)
    do {
      // Reading it back checks what a reader would.
      return try TableMetadata(json: begin.json).applying(rest, now: now)
    } catch  where error.kind == .corrupt {
      throw IcebergError(.invalid, "the updates do not make a table: \(error.message)")
    }
  }
}
