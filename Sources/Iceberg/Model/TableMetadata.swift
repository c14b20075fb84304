/// A state of the table (Iceberg specification, "Snapshots").
public struct Snapshot: Hashable, Sendable {
  /// The id: random, positive.
  public var snapshotID: Int64
  /// The snapshot that it was made from.
  public var parentID: Int64?
  /// Orders changes; 0 in v1.
  public var sequenceNumber: Int64
  /// When it was made: milliseconds since the epoch.
  public var timestampMilliseconds: Int64
  /// The manifest list's location; absent in old v1 tables, which list ``manifests``.
  public var manifestList: String?
  /// The manifests' locations, in old v1 tables.
  public var manifests: [String]?
  /// What was done: `operation` and counts.
  public var summary: [String: String]
  /// The schema at the time.
  public var schemaID: Int?
  /// The first row id of the snapshot's new rows (v3).
  public var firstRowID: Int64?
  /// How many row ids the snapshot took (v3).
  public var addedRows: Int64?
  /// The id of the key of an encrypted manifest list (v3); kept as it is.
  public var keyID: String?

  /// A snapshot.
  public init(
    snapshotID: Int64, parentID: Int64? = nil, sequenceNumber: Int64, timestampMilliseconds: Int64,
    manifestList: String?, manifests: [String]? = nil, summary: [String: String], schemaID: Int? = nil,
    firstRowID: Int64? = nil, addedRows: Int64? = nil, keyID: String? = nil
  ) {
    self.snapshotID = snapshotID
    self.parentID = parentID
    self.sequenceNumber = sequenceNumber
    self.timestampMilliseconds = timestampMilliseconds
    self.manifestList = manifestList
    self.manifests = manifests
    self.summary = summary
    self.schemaID = schemaID
    self.firstRowID = firstRowID
    self.addedRows = addedRows
    self.keyID = keyID
  }
}

/// A branch or tag.
public struct SnapshotReference: Hashable, Sendable {
  /// The kind.
  public enum Kind: String, Hashable, Sendable {
    /// Moves with commits.
    case branch
    /// Stays.
    case tag
  }

  /// The snapshot.
  public var snapshotID: Int64
  /// Branch or tag.
  public var kind: Kind
  /// How many snapshots of a branch expiry keeps at least.
  public var minimumSnapshotsToKeep: Int?
  /// How old snapshots of a branch may be, in milliseconds, before expiry.
  public var maximumSnapshotAgeMilliseconds: Int64?
  /// How old the reference itself may be, in milliseconds.
  public var maximumReferenceAgeMilliseconds: Int64?

  /// A reference.
  public init(
    snapshotID: Int64, kind: Kind, minimumSnapshotsToKeep: Int? = nil, maximumSnapshotAgeMilliseconds: Int64? = nil,
    maximumReferenceAgeMilliseconds: Int64? = nil
  ) {
    self.snapshotID = snapshotID
    self.kind = kind
    self.minimumSnapshotsToKeep = minimumSnapshotsToKeep
    self.maximumSnapshotAgeMilliseconds = maximumSnapshotAgeMilliseconds
    self.maximumReferenceAgeMilliseconds = maximumReferenceAgeMilliseconds
  }
}

/// A table's metadata file (Iceberg specification, "Table Metadata" and Appendix C).
public struct TableMetadata: Hashable, Sendable {
  /// An entry of the snapshot log.
  public struct SnapshotLogEntry: Hashable, Sendable {
    /// When the snapshot became current.
    public var timestampMilliseconds: Int64
    /// The snapshot.
    public var snapshotID: Int64

    /// An entry.
    public init(timestampMilliseconds: Int64, snapshotID: Int64) {
      self.timestampMilliseconds = timestampMilliseconds
      self.snapshotID = snapshotID
    }
  }

  /// An entry of the metadata log.
  public struct MetadataLogEntry: Hashable, Sendable {
    /// The `last-updated-ms` of that file.
    public var timestampMilliseconds: Int64
    /// Where it is.
    public var metadataFile: String

    /// An entry.
    public init(timestampMilliseconds: Int64, metadataFile: String) {
      self.timestampMilliseconds = timestampMilliseconds
      self.metadataFile = metadataFile
    }
  }

  /// 1, 2 or 3.
  public var formatVersion: Int
  /// Identifies the table.
  public var tableUUID: String
  /// Where data and metadata are, without a slash at the end.
  public var location: String
  /// The greatest sequence number given.
  public var lastSequenceNumber: Int64 = 0
  /// When the file was written.
  public var lastUpdatedMilliseconds: Int64
  /// The greatest column id given.
  public var lastColumnID: Int
  /// All schemas.
  public var schemas: [TableSchema]
  /// The current one's id.
  public var currentSchemaID: Int
  /// All partition specs.
  public var partitionSpecs: [PartitionSpec]
  /// The default one's id.
  public var defaultSpecID: Int
  /// The greatest partition field id given; 999 before the first.
  public var lastPartitionID: Int
  /// Settings.
  public var properties: [String: String] = [:]
  /// The current snapshot, `nil` in an empty table.
  public var currentSnapshotID: Int64?
  /// All snapshots that were not expired.
  public var snapshots: [Snapshot] = []
  /// Which snapshot was current when.
  public var snapshotLog: [SnapshotLogEntry] = []
  /// Earlier metadata files.
  public var metadataLog: [MetadataLogEntry] = []
  /// All sort orders.
  public var sortOrders: [SortOrder]
  /// The default one's id.
  public var defaultSortOrderID: Int
  /// Branches and tags; `main` is the current snapshot.
  public var references: [String: SnapshotReference] = [:]
  /// The next row id (v3).
  public var nextRowID: Int64 = 0
  /// `statistics`, kept as it is.
  public var statistics: [JSONValue] = []
  /// `partition-statistics`, kept as it is.
  public var partitionStatistics: [JSONValue] = []
  /// Members that this library does not know, kept as they are.
  public var unknownMembers: [JSONValue.Member] = []

  /// The metadata of an empty table; see ``TableMetadata/create(_:location:now:)`` for the usual way.
  public init(
    formatVersion: Int, tableUUID: String, location: String, lastUpdatedMilliseconds: Int64, lastColumnID: Int,
    schemas: [TableSchema], currentSchemaID: Int, partitionSpecs: [PartitionSpec], defaultSpecID: Int,
    lastPartitionID: Int, sortOrders: [SortOrder], defaultSortOrderID: Int
  ) {
    self.formatVersion = formatVersion
    self.tableUUID = tableUUID
    self.location = location
    self.lastUpdatedMilliseconds = lastUpdatedMilliseconds
    self.lastColumnID = lastColumnID
    self.schemas = schemas
    self.currentSchemaID = currentSchemaID
    self.partitionSpecs = partitionSpecs
    self.defaultSpecID = defaultSpecID
    self.lastPartitionID = lastPartitionID
    self.sortOrders = sortOrders
    self.defaultSortOrderID = defaultSortOrderID
  }
}
