extension TableMetadata {
  /// The highest format version that this library reads and writes.
  public static let highestFormatVersion = 3

  /// Reads a metadata file, compressed with gzip or not.
  ///
  /// - Parameter location: the file's location, for messages.
  /// - Throws: ``IcebergError`` of kind `corrupt`, or `unsupported` for a later format version.
  public init(parsing bytes: [UInt8], location: String) throws(IcebergError) {
    do {
      let text = bytes.starts(with: [0x1F, 0x8B]) ? try Gzip.decompress(bytes) : bytes
      try self.init(json: try JSONValue(parsing: text))
    } catch {
      throw error.within(location)
    }
  }

  /// A table's metadata of its JSON (Iceberg specification, Appendix C), versions 1 to 3.
  ///
  /// What the specification requires is checked as far as reading depends on it: the current schema, default spec and
  /// order exist, default spec's and order's sources are fields, references point to snapshots.
  /// - Throws: ``IcebergError`` of kind `corrupt`, or `unsupported` for a later format version.
  public init(json: JSONValue) throws(IcebergError) {
    let version = try json.int("format-version")
    guard (1...Self.highestFormatVersion).contains(version) else {
      throw IcebergError(
        version > 0 ? .unsupported : .corrupt, "format-version: expected 1 to 3, found \(version)")
    }
    let schemas = try Self.schemas(json, version)
    let current = try Self.currentSchemaID(json, schemas, version)
    let specs = try Self.specs(json, version)
    let orders = try Self.orders(json, version)
    let uuid = version == 1 ? try json.optionalString("table-uuid") ?? "" : try json.string("table-uuid")
    self.init(
      formatVersion: version, tableUUID: uuid, location: Self.withoutSlash(try json.string("location")),
      lastUpdatedMilliseconds: try json.integer("last-updated-ms"), lastColumnID: try json.int("last-column-id"),
      schemas: schemas, currentSchemaID: current, partitionSpecs: specs.list, defaultSpecID: specs.defaultID,
      lastPartitionID: try json.optionalInt("last-partition-id") ?? specs.list.map(\.highestFieldID).max() ?? 999,
      sortOrders: orders.list, defaultSortOrderID: orders.defaultID)
    lastSequenceNumber = version == 1 ? 0 : try json.integer("last-sequence-number")
    properties = try json.stringMap("properties")
    statistics = try json.optionalArray("statistics") ?? []
    partitionStatistics = try json.optionalArray("partition-statistics") ?? []
    try readSnapshots(json)
    // Writers that leave it out must not make others give row ids twice.
    if version >= 3 { nextRowID = try json.optionalInteger("next-row-id") ?? snapshots.map(\.nextRowID).max() ?? 0 }
    try readLogs(json)
    unknownMembers = json.objectValue?.filter { !Self.knownMembers.contains($0.name) } ?? []
    try validate()
  }

  private static let knownMembers: Set<String> = [
    "format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms", "last-column-id", "schema",
    "schemas", "current-schema-id", "partition-spec", "partition-specs", "default-spec-id", "last-partition-id",
    "properties", "current-snapshot-id", "snapshots", "snapshot-log", "metadata-log", "sort-orders",
    "default-sort-order-id", "refs", "statistics", "partition-statistics", "next-row-id"
  ]

  static func withoutSlash(_ location: String) -> String {
    var result = location
    while result.hasSuffix("/"), !result.hasSuffix("://") { result.removeLast() }
    return result
  }

  private static func schemas(_ json: JSONValue, _ version: Int) throws(IcebergError) -> [TableSchema] {
    let read = { (value: JSONValue) throws(IcebergError) in try TableSchema(json: value) }
    if let schemas = try json.optionalElements("schemas", read), !schemas.isEmpty { return schemas }
    guard version == 1 else { throw IcebergError(.corrupt, "schemas: expected at least one") }
    let schema = try json.required("schema")
    do { return [try TableSchema(json: schema)] } catch { throw error.within("schema") }
  }

  private static func currentSchemaID(
    _ json: JSONValue, _ schemas: [TableSchema], _ version: Int
  ) throws(IcebergError) -> Int {
    let id: Int
    if version > 1 || schemas.count > 1 {
      id = try json.int("current-schema-id")
    } else {
      id = try json.optionalInt("current-schema-id") ?? schemas[0].schemaID
    }
    return id
  }

  private static func specs(
    _ json: JSONValue, _ version: Int
  ) throws(IcebergError) -> (list: [PartitionSpec], defaultID: Int) {
    let read = { (value: JSONValue) throws(IcebergError) in try PartitionSpec(json: value) }
    if let specs = try json.optionalElements("partition-specs", read), !specs.isEmpty {
      return (specs, try json.int("default-spec-id"))
    }
    guard version == 1 else { throw IcebergError(.corrupt, "partition-specs: expected at least one") }
    guard let fields = try json.optionalArray("partition-spec") else { return ([PartitionSpec()], 0) }
    do { return ([PartitionSpec(specID: 0, fields: try PartitionSpec.fields(fields))], 0) } catch {
      throw error.within("partition-spec")
    }
  }

  private static func orders(
    _ json: JSONValue, _ version: Int
  ) throws(IcebergError) -> (list: [SortOrder], defaultID: Int) {
    let read = { (value: JSONValue) throws(IcebergError) in try SortOrder(json: value) }
    if let orders = try json.optionalElements("sort-orders", read), !orders.isEmpty {
      return (orders, try json.int("default-sort-order-id"))
    }
    guard version == 1 else { throw IcebergError(.corrupt, "sort-orders: expected at least one") }
    return ([SortOrder()], 0)
  }

  private mutating func readSnapshots(_ json: JSONValue) throws(IcebergError) {
    let current = try json.optionalInteger("current-snapshot-id")
    currentSnapshotID = current == -1 ? nil : current
    snapshots = try json.optionalElements("snapshots") { value throws(IcebergError) in try Snapshot(json: value) } ?? []
    if let value = try json.optional("refs") {
      guard case .object(let members) = value else { throw IcebergError(.corrupt, "refs: expected an object") }
      for member in members {
        do { references[member.name] = try SnapshotReference(json: member.value) } catch {
          throw error.within("refs.\(member.name)")
        }
      }
    }
    // Files that were written before there were references have their current snapshot only.
    if references["main"] == nil, let currentSnapshotID {
      references["main"] = SnapshotReference(snapshotID: currentSnapshotID, kind: .branch)
    }
  }

  private mutating func readLogs(_ json: JSONValue) throws(IcebergError) {
    snapshotLog =
      try json.optionalElements("snapshot-log") { value throws(IcebergError) in
        SnapshotLogEntry(
          timestampMilliseconds: try value.integer("timestamp-ms"), snapshotID: try value.integer("snapshot-id"))
      } ?? []
    metadataLog =
      try json.optionalElements("metadata-log") { value throws(IcebergError) in
        MetadataLogEntry(
          timestampMilliseconds: try value.integer("timestamp-ms"), metadataFile: try value.string("metadata-file"))
      } ?? []
  }
}

extension Snapshot {
  /// The first row id after those that the snapshot took; 0 when it took none.
  fileprivate var nextRowID: Int64 {
    let (next, overflow) = (firstRowID ?? 0).addingReportingOverflow(addedRows ?? 0)
    return overflow ? .max : max(0, next)
  }
}
