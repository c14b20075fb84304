import Columnar
import Parquet

// Signatures whose bodies come in the next minutes.
/// Which group each row of a batch belongs to.
public struct PartitionRouting: Hashable, Sendable {
  /// The group of each row: an index into ``tuples``.
  public var groups: [Int32]
  /// The groups' partition values.
  public var tuples: [PartitionTuple]
  /// The rows of each group, ascending.
  public var rowsByGroup: [[Int32]] { [] }
}

/// Deals the rows of batches to partitions.
public struct PartitionRouter: Sendable {
  /// A router for a spec.
  public init(spec: PartitionSpec, schema: TableSchema) throws(IcebergError) {}
  /// The groups of a batch's rows; `columns` by field id.
  public func route(_ columns: [Int: Column], count: Int) throws(IcebergError) -> PartitionRouting {
    throw IcebergError(.unsupported, "")
  }
}

/// What is kept of a column in metrics.
public enum MetricsMode: Hashable, Sendable {
  /// Nothing.
  case none
  /// Counts.
  case counts
  /// Counts, and bounds cut to so many code points or bytes.
  case truncate(Int)
  /// Counts and bounds.
  case full
}

extension TableMetadata {
  /// The metrics mode of a column.
  public func metricsMode(_ fieldID: Int) throws(IcebergError) -> MetricsMode { .truncate(16) }
}

extension Literal {
  /// A lower bound that is not above the value.
  public func lowerBound(_ mode: MetricsMode) -> Literal? { nil }
  /// An upper bound that is not below the value; `nil` when there is none.
  public func upperBound(_ mode: MetricsMode) -> Literal? { nil }
}

/// Names of columns in files without field ids.
public struct NameMapping: Hashable, Sendable {
  /// A mapping of its JSON text.
  public init(parsing text: String) throws(IcebergError) { throw IcebergError(.unsupported, "") }
  /// The mapping of a schema's names.
  public init(_ schema: TableSchema) {}
  /// The JSON text.
  public var text: String { "" }
  /// A file's schema with the ids of the mapping.
  public func apply(to schema: ParquetSchema) -> ParquetSchema { schema }
}

extension TableSchema {
  /// The Parquet schema.
  public func parquetSchema() throws(IcebergError) -> ParquetSchema { throw IcebergError(.unsupported, "") }
  /// The table schema of a file's schema; every field must have an id.
  public init(_ schema: ParquetSchema) throws(IcebergError) { throw IcebergError(.unsupported, "") }
  /// A schema of SQL columns; ids from 1.
  public init(_ schema: Columnar.Schema) throws(IcebergError) { throw IcebergError(.unsupported, "") }
}

extension IcebergType {
  /// The type of a SQL type; `nil` when there is none.
  public init?(columnType: DataType) { nil }
  /// The SQL type; `nil` when there is none.
  public var columnType: DataType? { nil }
}

/// Random ids of snapshots.
public enum SnapshotID {
  /// A random positive id that is not among `taken`.
  public static func random(notIn taken: some Collection<Int64>) -> Int64 { 0 }
}

/// Random UUIDs as text.
public enum RandomUUID {
  /// Version 4.
  public static func version4() -> String { "" }
  /// Version 7.
  public static func version7(milliseconds: Int64) -> String { "" }
}

/// Parsers of partitioning and sort order texts.
public enum PartitioningText {
  /// `hour(ts), bucket(16, id)`.
  public static func parseSpec(_ text: String, schema: TableSchema) throws(IcebergError) -> PartitionSpec {
    throw IcebergError(.unsupported, "")
  }
  /// `a asc nulls first, bucket(4, b) desc`.
  public static func parseSortOrder(_ text: String, schema: TableSchema) throws(IcebergError) -> SortOrder {
    throw IcebergError(.unsupported, "")
  }
}

/// Changes of a partition spec.
public struct PartitionSpecUpdate: Sendable {
  /// The changes of a table's default spec.
  public init(_ metadata: TableMetadata, caseSensitive: Bool = true) throws(IcebergError) {}
  /// Adds a field.
  public mutating func addField(_ sourceName: String, _ transform: Transform, name: String? = nil) throws(IcebergError) {}
  /// Removes a field.
  public mutating func removeField(_ name: String) throws(IcebergError) {}
  /// Renames a field.
  public mutating func renameField(_ name: String, to newName: String) throws(IcebergError) {}
  /// The new spec; its id is that of an equal one, or the next.
  public func apply() throws(IcebergError) -> PartitionSpec { throw IcebergError(.unsupported, "") }
}
