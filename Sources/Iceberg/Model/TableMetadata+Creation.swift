extension TableMetadata {
  /// The metadata of a new, empty table.
  ///
  /// Column ids are given anew from 1, those of a struct's fields before those inside of them; partition field ids from
  /// 1000. Spec and sort order follow. Reserved properties are left out.
  ///
  /// - Parameters:
  ///   - creation: what the table should be; its `location` is not used.
  ///   - location: where the table is; slashes at the end are removed.
  ///   - uuid: the table's id.
  ///   - now: milliseconds since the epoch.
  /// - Throws: ``IcebergError`` of kind `invalid` when the columns, spec or order make no sense or need a later version.
  public static func create(
    _ creation: TableCreation, location: String, uuid: String, now: Int64
  ) throws(IcebergError) -> TableMetadata {
    guard (1...highestFormatVersion).contains(creation.formatVersion) else {
      throw IcebergError(.unsupported, "format-version: expected 1 to 3, found \(creation.formatVersion)")
    }
    try creation.schema.checkNames()
    var fresh = FreshIDs()
    var schema = TableSchema(schemaID: 0, fields: fresh.assign(creation.schema.fields))
    schema.identifierFieldIDs = creation.schema.identifierFieldIDs.map { fresh.newIDs[$0] ?? $0 }.sorted()
    try schema.check(formatVersion: creation.formatVersion)
    let spec = try fresh.renumber(creation.spec)
    try spec.check(schema)
    let order = try fresh.renumber(creation.sortOrder)
    try order.check(schema)
    var result = TableMetadata(
      formatVersion: creation.formatVersion, tableUUID: uuid, location: withoutSlash(location),
      lastUpdatedMilliseconds: now, lastColumnID: fresh.last, schemas: [schema], currentSchemaID: 0,
      partitionSpecs: [spec], defaultSpecID: spec.specID, lastPartitionID: spec.highestFieldID, sortOrders: [order],
      defaultSortOrderID: order.orderID)
    result.properties = creation.properties.filter { !reservedProperties.contains($0.key) }
    return result
  }

  /// Properties that say what the metadata says elsewhere: never stored.
  static let reservedProperties: Set<String> = [
    "format-version", "uuid", "snapshot-count", "current-snapshot-summary", "current-snapshot-id",
    "current-snapshot-timestamp-ms", "current-schema", "default-partition-spec", "default-sort-order"
  ]
}

/// Gives the fields of a schema new ids, in the order in which the reference implementation does.
struct FreshIDs {
  /// The id given last.
  private(set) var last = 0
  /// The new id of each old one.
  private(set) var newIDs: [Int: Int] = [:]

  init(after last: Int = 0) { self.last = last }

  mutating func assign(_ fields: [NestedField]) -> [NestedField] {
    var result = fields
    for index in result.indices {
      last += 1
      newIDs[result[index].id] = last
      result[index].id = last
    }
    for index in result.indices { result[index].type = assign(result[index].type) }
    return result
  }

  mutating func assign(_ type: IcebergType) -> IcebergType {
    switch type {
    case .structure(let fields): return .structure(assign(fields))
    case .list(let element): return .list(element: assign([element])[0])
    case .map(let key, let value):
      let both = assign([key, value])
      return .map(key: both[0], value: both[1])
    default: return type
    }
  }

  func renumber(_ spec: PartitionSpec) throws(IcebergError) -> PartitionSpec {
    var fields: [PartitionField] = []
    for (position, field) in spec.fields.enumerated() {
      guard let source = newIDs[field.sourceID] else {
        throw IcebergError(.invalid, "partition field \(field.name): the schema has no field \(field.sourceID)")
      }
      fields.append(
        PartitionField(sourceID: source, fieldID: 1000 + position, name: field.name, transform: field.transform))
    }
    return PartitionSpec(specID: 0, fields: fields)
  }

  func renumber(_ order: SortOrder) throws(IcebergError) -> SortOrder {
    var fields: [SortField] = []
    for field in order.fields {
      guard let source = newIDs[field.sourceID] else {
        throw IcebergError(.invalid, "the sort order: the schema has no field \(field.sourceID)")
      }
      var renumbered = field
      renumbered.sourceID = source
      fields.append(renumbered)
    }
    return SortOrder(orderID: fields.isEmpty ? 0 : 1, fields: fields)
  }
}
