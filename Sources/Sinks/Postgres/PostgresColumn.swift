import Columnar

/// How a value travels in binary COPY; the cases are called as the server's types.
public enum PostgresWireType: Hashable, Sendable {
  case boolean, int2, int4, int8, float4, float8
  /// With the precision and scale that the column allows, if it limits them.
  case numeric(precision: Int?, scale: Int)
  /// `text`, `varchar`, `char`, `citext`, `json` and enumerations, with the greatest number of characters.
  case text(maximumCharacters: Int?)
  case bytea, date, timestamp, interval, uuid, jsonb
}

/// A column of the target as the epoch's file was written for it.
public struct PostgresColumn: Hashable, Sendable, Codable {
  /// The column's name.
  let name: String
  /// The type as `format_type` gives it, schema-qualified where needed.
  let typeName: String
  /// The type's identity in the catalog.
  let typeIdentity: UInt32

  /// A column with what the catalog says of it: its name, its type as `format_type` gives it, and the type's identity.
  public init(name: String, typeName: String, typeIdentity: UInt32) {
    self.name = name
    self.typeName = typeName
    self.typeIdentity = typeIdentity
  }
}

/// A column of the target, matched with the declared column that fills it.
public struct PostgresTargetColumn: Hashable, Sendable {
  /// The column in the catalog.
  let column: PostgresColumn
  /// What is sent.
  let wire: PostgresWireType
  /// Whether a row without a value is refused.
  let isRequired: Bool

  /// The column in the catalog, what is sent to it, and whether a row without a value is refused.
  public init(column: PostgresColumn, wire: PostgresWireType, isRequired: Bool) {
    self.column = column
    self.wire = wire
    self.isRequired = isRequired
  }
}

/// What the catalog says about one column.
struct PostgresCatalogColumn: Hashable, Sendable {
  let name: String
  let isNotNull: Bool
  let hasDefault: Bool
  let isGenerated: Bool
  let typeName: String
  let typeIdentity: UInt32
  /// The name of the type, or of the type that a domain restricts.
  let baseType: String
  let modifier: Int
  let isEnumeration: Bool
}

extension PostgresCatalogColumn {
  /// How values of `declared` are sent to this column; `nil` when they cannot be.
  func wireType(for declared: DataType) -> PostgresWireType? {
    switch declared {
    case .boolean: return baseType == "bool" ? .boolean : nil
    case .integer, .bigint:
      switch baseType {
      case "int2": return .int2
      case "int4": return .int4
      case "int8": return .int8
      case "numeric": return numericWire
      case "float8" where declared == .integer: return .float8
      default: return nil
      }
    case .real, .double:
      return baseType == "float4" ? .float4 : baseType == "float8" ? .float8 : nil
    case .numeric: return baseType == "numeric" ? numericWire : nil
    case .text: return textWire
    case .bytea: return baseType == "bytea" ? .bytea : nil
    case .date: return baseType == "date" ? .date : nil
    case .timestamp, .timestamptz: return baseType == "timestamp" || baseType == "timestamptz" ? .timestamp : nil
    case .interval: return baseType == "interval" ? .interval : nil
    case .uuid: return baseType == "uuid" ? .uuid : nil
    case .jsonb:
      return baseType == "jsonb"
        ? .jsonb : baseType == "json" || baseType == "text" ? .text(maximumCharacters: nil) : nil
    }
  }

  private var numericWire: PostgresWireType {
    guard modifier >= 4 else { return .numeric(precision: nil, scale: 0) }
    // As in the server: the precision in the upper half, the scale as 11 bits with sign in the lower.
    let packed = modifier - 4
    return .numeric(precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024)
  }

  private var textWire: PostgresWireType? {
    if isEnumeration { return .text(maximumCharacters: nil) }
    switch baseType {
    case "text", "citext": return .text(maximumCharacters: nil)
    case "varchar", "bpchar": return .text(maximumCharacters: modifier >= 4 ? modifier - 4 : nil)
    default: return nil
    }
  }
}
