/// Which case of ``Column/Storage`` holds a type's values.
public enum StorageKind: UInt8, Hashable, Sendable {
  /// ``Column/Storage/boolean(_:)``.
  case boolean = 0
  /// ``Column/Storage/int64(_:)``.
  case int64 = 1
  /// ``Column/Storage/float64(_:)``.
  case float64 = 2
  /// ``Column/Storage/numeric(_:)``.
  case numeric = 3
  /// ``Column/Storage/bytes(_:)``.
  case bytes = 4
  /// ``Column/Storage/interval(_:)``.
  case interval = 5
  /// ``Column/Storage/uuid(_:)``.
  case uuid = 6
}

extension DataType {
  /// How values of this type are held.
  public var storageKind: StorageKind {
    switch self {
    case .boolean: .boolean
    case .integer, .bigint, .date, .timestamp, .timestamptz: .int64
    case .real, .double: .float64
    case .numeric: .numeric
    case .text, .bytea, .jsonb: .bytes
    case .interval: .interval
    case .uuid: .uuid
    }
  }
}
