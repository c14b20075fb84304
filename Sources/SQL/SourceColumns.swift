import Columnar

/// The columns of a source table: those declared, then the record's metadata.
public enum SourceColumns {
  /// The record's key, as text.
  public static let key = "_key"
  /// The number of the record's partition.
  public static let partition = "_partition"
  /// The record's offset within the partition.
  public static let offset = "_offset"
  /// The record's own time.
  public static let timestamp = "_timestamp"
  /// The record's headers, as a JSON object.
  public static let headers = "_headers"

  /// The metadata columns that every source table has beside those declared.
  public static let metadata: [Field] = [
    Field(key, .text), Field(partition, .integer, isNullable: false), Field(offset, .bigint, isNullable: false),
    Field(timestamp, .timestamptz, isNullable: false), Field(headers, .jsonb)
  ]

  /// Everything that can be named: a declared column hides metadata of the same name.
  static func all(_ table: TableDefinition) -> [Field] {
    let declared = table.columns.map(\.field)
    let names = Set(declared.map(\.name))
    return declared + metadata.filter { !names.contains($0.name) }
  }

  /// The name of the column that is the table's event time.
  public static func eventTime(_ table: TableDefinition) -> String { table.options["event_time"] ?? timestamp }

  /// A scan of every column; unused ones are taken out when all statements are bound.
  static func scan(_ table: TableDefinition) -> BoundQuery {
    let fields = all(table)
    let eventTime = eventTime(table)
    let columns = fields.enumerated().map { index, field in
      ScopeColumn(
        qualifier: nil, name: field.name, type: field.type, isNullable: field.isNullable, index: index,
        isEventTime: field.name == eventTime && (field.type == .timestamp || field.type == .timestamptz),
        isHidden: index >= table.columns.count)
    }
    return BoundQuery(relation: .scan(table: table.name, schema: Schema(fields)), columns: columns)
  }
}
