/// What must hold for a commit to apply (REST catalog specification, `TableRequirement`).
public enum TableRequirement: Hashable, Sendable {
  /// The table does not exist.
  case tableDoesNotExist
  /// The table is this one.
  case tableUUID(String)
  /// The reference is at this snapshot; `nil`: it does not exist.
  case reference(name: String, snapshotID: Int64?)
  /// No column was added.
  case lastColumnID(Int)
  /// The current schema is this one.
  case currentSchemaID(Int)
  /// No partition field was added.
  case lastPartitionID(Int)
  /// The default spec is this one.
  case defaultSpecID(Int)
  /// The default sort order is this one.
  case defaultSortOrderID(Int)
}

/// One change of a table's metadata (REST catalog specification, `TableUpdate`).
public enum TableUpdate: Hashable, Sendable {
  /// Gives a new table its id.
  case assignUUID(String)
  /// Raises the format version.
  case upgradeFormatVersion(Int)
  /// Adds a schema; its id is given anew when it is taken.
  case addSchema(TableSchema, lastColumnID: Int?)
  /// Makes a schema the current one; -1 is the one added last.
  case setCurrentSchema(Int)
  /// Adds a partition spec.
  case addSpec(PartitionSpec)
  /// Makes a spec the default; -1 is the one added last.
  case setDefaultSpec(Int)
  /// Adds a sort order.
  case addSortOrder(SortOrder)
  /// Makes a sort order the default; -1 is the one added last.
  case setDefaultSortOrder(Int)
  /// Adds a snapshot.
  case addSnapshot(Snapshot)
  /// Makes a reference, or moves it.
  case setReference(name: String, SnapshotReference)
  /// Removes snapshots.
  case removeSnapshots([Int64])
  /// Removes a reference.
  case removeReference(name: String)
  /// Moves the table; files stay.
  case setLocation(String)
  /// Sets properties.
  case setProperties([String: String])
  /// Removes properties.
  case removeProperties([String])
  /// Removes partition specs that nothing uses.
  case removeSpecs([Int])
  /// Removes schemas that nothing uses.
  case removeSchemas([Int])
  /// Statistics, encryption keys and what else a client may send: the object as it came; see the handler of each action.
  case other(JSONValue)
}

/// The levels of a namespace.
public struct Namespace: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The levels, outermost first.
  public var levels: [String]

  /// A namespace.
  public init(_ levels: [String]) { self.levels = levels }

  /// Orders by levels.
  public static func < (left: Namespace, right: Namespace) -> Bool {
    left.levels.lexicographicallyPrecedes(right.levels)
  }

  /// The levels, joined by dots.
  public var description: String { levels.joined(separator: ".") }
}

/// A table's name in its catalog.
public struct TableIdentifier: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The namespace.
  public var namespace: Namespace
  /// The name.
  public var name: String

  /// The table `name` in `namespace`.
  public init(_ namespace: Namespace, _ name: String) {
    self.namespace = namespace
    self.name = name
  }

  /// Orders by namespace, then by name.
  public static func < (left: TableIdentifier, right: TableIdentifier) -> Bool {
    left.namespace == right.namespace ? left.name < right.name : left.namespace < right.namespace
  }

  /// Namespace and name, joined by a dot.
  public var description: String { namespace.levels.isEmpty ? name : "\(namespace).\(name)" }
}

/// What a new table should be.
public struct TableCreation: Hashable, Sendable {
  /// The columns; ids are given anew, in the order of the specification, and sources of spec and order follow.
  public var schema: TableSchema
  /// The partitioning, by the schema's ids.
  public var spec: PartitionSpec
  /// The sort order, by the schema's ids.
  public var sortOrder: SortOrder
  /// Settings; `format-version` is not among them.
  public var properties: [String: String]
  /// 2 or 3.
  public var formatVersion: Int
  /// Where; `nil` leaves it to the catalog.
  public var location: String?

  /// A new table.
  public init(
    schema: TableSchema, spec: PartitionSpec = PartitionSpec(), sortOrder: SortOrder = SortOrder(),
    properties: [String: String] = [:], formatVersion: Int = 2, location: String? = nil
  ) {
    self.schema = schema
    self.spec = spec
    self.sortOrder = sortOrder
    self.properties = properties
    self.formatVersion = formatVersion
    self.location = location
  }
}
