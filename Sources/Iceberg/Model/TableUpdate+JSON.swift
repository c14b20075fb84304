extension TableUpdate {
  /// The name of the action in JSON.
  public var action: String {
    switch self {
    case .assignUUID: "assign-uuid"
    case .upgradeFormatVersion: "upgrade-format-version"
    case .addSchema: "add-schema"
    case .setCurrentSchema: "set-current-schema"
    case .addSpec: "add-spec"
    case .setDefaultSpec: "set-default-spec"
    case .addSortOrder: "add-sort-order"
    case .setDefaultSortOrder: "set-default-sort-order"
    case .addSnapshot: "add-snapshot"
    case .setReference: "set-snapshot-ref"
    case .removeSnapshots: "remove-snapshots"
    case .removeReference: "remove-snapshot-ref"
    case .setLocation: "set-location"
    case .setProperties: "set-properties"
    case .removeProperties: "remove-properties"
    case .removeSpecs: "remove-partition-specs"
    case .removeSchemas: "remove-schemas"
    case .other(let json): json["action"]?.stringValue ?? "unknown"
    }
  }

  /// An update of its JSON (REST catalog specification, `TableUpdate`).
  ///
  /// Actions on statistics and encryption keys, and those that are not known, become ``TableUpdate/other(_:)``.
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    let action = try json.string("action")
    do { self = try Self.parse(action, json) } catch { throw error.within(action) }
  }

  private static func parse(_ action: String, _ json: JSONValue) throws(IcebergError) -> TableUpdate {
    switch action {
    case "assign-uuid": return .assignUUID(try json.string("uuid"))
    case "upgrade-format-version": return .upgradeFormatVersion(try json.int("format-version"))
    case "add-schema":
      return .addSchema(
        try TableSchema(json: try json.required("schema")), lastColumnID: try json.optionalInt("last-column-id"))
    case "set-current-schema": return .setCurrentSchema(try json.int("schema-id"))
    case "add-spec": return .addSpec(try PartitionSpec(json: try json.required("spec")))
    case "set-default-spec": return .setDefaultSpec(try json.int("spec-id"))
    case "add-sort-order": return .addSortOrder(try SortOrder(json: try json.required("sort-order")))
    case "set-default-sort-order": return .setDefaultSortOrder(try json.int("sort-order-id"))
    case "add-snapshot": return .addSnapshot(try Snapshot(json: try json.required("snapshot")))
    case "set-snapshot-ref":
      return .setReference(name: try json.string("ref-name"), try SnapshotReference(json: json))
    case "remove-snapshots": return .removeSnapshots(try json.integers("snapshot-ids") ?? [])
    case "remove-snapshot-ref": return .removeReference(name: try json.string("ref-name"))
    case "set-location": return .setLocation(try json.string("location"))
    case "set-properties":
      // Old clients say "updated" and "removed".
      let name = try json.optional("updates") == nil ? "updated" : "updates"
      return .setProperties(try json.stringMap(name))
    case "remove-properties":
      let name = try json.optional("removals") == nil ? "removed" : "removals"
      return .removeProperties(try json.strings(name) ?? [])
    case "remove-partition-specs": return .removeSpecs(try json.ints("spec-ids") ?? [])
    case "remove-schemas": return .removeSchemas(try json.ints("schema-ids") ?? [])
    default: return .other(json)
    }
  }

  /// The JSON (REST catalog specification, `TableUpdate`).
  public var json: JSONValue {
    let members: [JSONValue.Member]
    switch self {
    case .other(let json): return json
    case .assignUUID(let uuid): members = [JSONValue.Member("uuid", .string(uuid))]
    case .upgradeFormatVersion(let version): members = [JSONValue.Member("format-version", .integer(version))]
    case .addSchema(let schema, let lastColumnID):
      members =
        [JSONValue.Member("schema", schema.json)]
        + (lastColumnID.map { [JSONValue.Member("last-column-id", .integer($0))] } ?? [])
    case .setCurrentSchema(let id): members = [JSONValue.Member("schema-id", .integer(id))]
    case .addSpec(let spec): members = [JSONValue.Member("spec", spec.json)]
    case .setDefaultSpec(let id): members = [JSONValue.Member("spec-id", .integer(id))]
    case .addSortOrder(let order): members = [JSONValue.Member("sort-order", order.json)]
    case .setDefaultSortOrder(let id): members = [JSONValue.Member("sort-order-id", .integer(id))]
    case .addSnapshot(let snapshot): members = [JSONValue.Member("snapshot", snapshot.json)]
    case .setReference(let name, let reference):
      members = [JSONValue.Member("ref-name", .string(name))] + (reference.json.objectValue ?? [])
    case .removeSnapshots(let ids): members = [JSONValue.Member("snapshot-ids", .array(ids.map { .integer($0) }))]
    case .removeReference(let name): members = [JSONValue.Member("ref-name", .string(name))]
    case .setLocation(let location): members = [JSONValue.Member("location", .string(location))]
    case .setProperties(let properties): members = [JSONValue.Member("updates", .object(properties))]
    case .removeProperties(let names):
      members = [JSONValue.Member("removals", .array(names.map { .string($0) }))]
    case .removeSpecs(let ids): members = [JSONValue.Member("spec-ids", .array(ids.map { .integer($0) }))]
    case .removeSchemas(let ids): members = [JSONValue.Member("schema-ids", .array(ids.map { .integer($0) }))]
    }
    return .object([JSONValue.Member("action", .string(action))] + members)
  }
}
