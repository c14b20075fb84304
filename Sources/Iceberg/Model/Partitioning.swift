/// How a partition value is made of a source value (Iceberg specification, "Partition Transforms").
public enum Transform: Hashable, Sendable {
  /// The value itself.
  case identity
  /// `bucket[N]`: a hash of the value, modulo N.
  case bucket(Int)
  /// `truncate[W]`.
  case truncate(Int)
  /// Years since 1970.
  case year
  /// Months since 1970-01.
  case month
  /// Days since 1970-01-01.
  case day
  /// Hours since 1970-01-01 00:00.
  case hour
  /// Always null.
  case void
  /// A transform that this library does not know: kept, never used for pruning, never written to.
  case unknown(String)
}

/// A field of a partition spec.
public struct PartitionField: Hashable, Sendable {
  /// The column that it is made of.
  public var sourceID: Int
  /// The id of the partition field, from 1000, unique over all specs of the table.
  public var fieldID: Int
  /// The name, also the directory's.
  public var name: String
  /// How.
  public var transform: Transform
  /// All columns of a transform of several (v3), the first of which is ``sourceID``; empty otherwise. There is none yet
  /// that this library knows: ``transform`` is ``Transform/unknown(_:)`` then.
  public var sourceIDs: [Int] = []

  /// A partition field.
  public init(sourceID: Int, fieldID: Int, name: String, transform: Transform) {
    self.sourceID = sourceID
    self.fieldID = fieldID
    self.name = name
    self.transform = transform
  }
}

/// A version of a table's partitioning.
public struct PartitionSpec: Hashable, Sendable {
  /// The version's id.
  public var specID: Int
  /// The fields; none: not partitioned.
  public var fields: [PartitionField]

  /// A spec.
  public init(specID: Int = 0, fields: [PartitionField] = []) {
    self.specID = specID
    self.fields = fields
  }
}

/// A field of a sort order.
public struct SortField: Hashable, Sendable {
  /// The column.
  public var sourceID: Int
  /// What of it.
  public var transform: Transform
  /// Whether small values come first.
  public var isAscending: Bool
  /// Whether nulls come first.
  public var nullsFirst: Bool
  /// All columns of a transform of several (v3), as in ``PartitionField/sourceIDs``.
  public var sourceIDs: [Int] = []

  /// A sort field.
  public init(sourceID: Int, transform: Transform = .identity, isAscending: Bool = true, nullsFirst: Bool = true) {
    self.sourceID = sourceID
    self.transform = transform
    self.isAscending = isAscending
    self.nullsFirst = nullsFirst
  }
}

/// How rows of a file are sorted.
public struct SortOrder: Hashable, Sendable {
  /// The order's id; 0 is "not sorted".
  public var orderID: Int
  /// The fields.
  public var fields: [SortField]

  /// A sort order.
  public init(orderID: Int = 0, fields: [SortField] = []) {
    self.orderID = orderID
    self.fields = fields
  }
}

/// The partition values of a file, in the order of its spec's fields; `nil` is null.
public struct PartitionTuple: Hashable, Sendable {
  /// The values.
  public var values: [Literal?]

  /// A tuple.
  public init(_ values: [Literal?] = []) { self.values = values }
}
