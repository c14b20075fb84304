/// Changes the partitioning of rows that are written from now on (Iceberg specification, "Partition Evolution").
public struct UpdateSpec: TableChange {
  /// One change.
  public enum Change: Hashable, Sendable {
    /// Adds a field made of `column`; `nil` as the name: a usual one.
    case add(column: String, Transform, name: String?)
    /// Removes the field of that name.
    case remove(name: String)
    /// Renames a field.
    case rename(name: String, to: String)
  }

  /// The changes, in order.
  public var changes: [Change]

  /// A change of the partitioning.
  public init(_ changes: [Change]) { self.changes = changes }

  /// Plans the new spec; a spec that the table has already is used again.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    var update = try PartitionSpecUpdate(metadata)
    for change in changes {
      switch change {
      case .add(let column, let transform, let name): try update.addField(column, transform, name: name)
      case .remove(let name): try update.removeField(name)
      case .rename(let name, let newName): try update.renameField(name, to: newName)
      }
    }
    let spec = try update.apply()
    guard spec.specID != metadata.defaultSpecID else { return nil }
    let isKnown = metadata.specsByID[spec.specID] != nil
    return PlannedChange(
      requirements: [
        .tableUUID(metadata.tableUUID), .defaultSpecID(metadata.defaultSpecID),
        .lastPartitionID(metadata.lastPartitionID), .currentSchemaID(metadata.currentSchemaID)
      ],
      updates: isKnown ? [.setDefaultSpec(spec.specID)] : [.addSpec(spec), .setDefaultSpec(-1)])
  }
}

/// Changes the columns (Iceberg specification, "Schema Evolution").
public struct UpdateSchema: TableChange {
  private let edit: @Sendable (inout SchemaUpdate) throws(IcebergError) -> Void

  /// A change of the columns.
  ///
  /// - Parameter edit: makes the changes; it is called anew for each state of the table, and should do nothing when it
  ///   finds them done.
  public init(_ edit: @escaping @Sendable (inout SchemaUpdate) throws(IcebergError) -> Void) { self.edit = edit }

  /// Adds the columns that `schema` has and the table has not, and widens others, by name.
  public init(unionByName schema: TableSchema) {
    self.init { update throws(IcebergError) in try update.unionByName(with: schema) }
  }

  /// Plans the new schema; a schema that the table has already is used again.
  public mutating func plan(
    on table: LoadedTable, context: ChangeContext
  ) async throws(IcebergError) -> PlannedChange? {
    let metadata = table.metadata
    guard let current = metadata.schemas.first(where: { $0.schemaID == metadata.currentSchemaID }) else {
      throw IcebergError(.corrupt, "the table's current schema \(metadata.currentSchemaID) is missing")
    }
    var update = SchemaUpdate(
      current, lastColumnID: metadata.lastColumnID, formatVersion: metadata.formatVersion, caseSensitive: true)
    try edit(&update)
    let result = try update.apply()
    func isSame(_ schema: TableSchema) -> Bool {
      schema.fields == result.schema.fields
        && Set(schema.identifierFieldIDs) == Set(result.schema.identifierFieldIDs)
    }
    guard !isSame(current) else { return nil }
    var plan = PlannedChange(
      requirements: [
        .tableUUID(metadata.tableUUID), .currentSchemaID(metadata.currentSchemaID),
        .lastColumnID(metadata.lastColumnID)
      ],
      updates: [])
    if let known = metadata.schemas.first(where: isSame) {
      plan.updates = [.setCurrentSchema(known.schemaID)]
    } else {
      var schema = result.schema
      schema.schemaID = (metadata.schemas.map(\.schemaID).max() ?? -1) + 1
      plan.updates = [.addSchema(schema, lastColumnID: result.lastColumnID), .setCurrentSchema(-1)]
    }
    return plan
  }
}
