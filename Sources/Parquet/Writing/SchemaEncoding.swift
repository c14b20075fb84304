/// Writes a schema as the footer has it: the nodes of the tree, a node before its children (Parquet format,
/// `SchemaElement`, "Logical Types").
enum SchemaEncoding {
  private enum Repetition: Int32 {
    case required = 0
    case optional = 1
    case repeated = 2
  }

  private enum Converted: Int32 {
    case utf8 = 0
    case map = 1
    case list = 3
    case decimal = 5
    case date = 6
    case timeMillis = 7
    case timeMicros = 8
    case timestampMillis = 9
    case timestampMicros = 10
    case int8 = 15
    case int16 = 16
    case json = 19
  }

  private static let logicalTypeField: Int16 = 10

  /// Appends field 2 of the footer.
  static func append(_ schema: ParquetSchema, to encoder: inout ThriftEncoder) {
    encoder.beginList(2, .structure, count: 1 + schema.fields.reduce(0) { $0 + nodeCount($1) })
    encoder.beginElement()
    encoder.string(4, "schema")
    encoder.int32(5, Int32(truncatingIfNeeded: schema.fields.count))
    encoder.endStructure()
    for field in schema.fields { append(field, name: field.name, to: &encoder) }
  }

  private static func nodeCount(_ field: ParquetField) -> Int {
    switch field.kind {
    case .leaf: 1
    case .group(let fields): 1 + fields.reduce(0) { $0 + nodeCount($1) }
    case .list(let element): 2 + nodeCount(element)
    case .map(let key, let value): 2 + nodeCount(key) + nodeCount(value)
    }
  }

  private static func append(_ field: ParquetField, name: String, to encoder: inout ThriftEncoder) {
    let repetition: Repetition = field.isRequired ? .required : .optional
    switch field.kind {
    case .leaf(let type): appendLeaf(field, type, name: name, repetition, to: &encoder)
    case .group(let fields):
      appendGroup(name, repetition, fields.count, field.fieldID, nil, to: &encoder)
      for field in fields { append(field, name: field.name, to: &encoder) }
    case .list(let element):
      appendGroup(name, repetition, 1, field.fieldID, (.list, 3), to: &encoder)
      appendGroup("list", .repeated, 1, nil, nil, to: &encoder)
      append(element, name: "element", to: &encoder)
    case .map(let key, let value):
      appendGroup(name, repetition, 1, field.fieldID, (.map, 2), to: &encoder)
      appendGroup("key_value", .repeated, 2, nil, nil, to: &encoder)
      append(key, name: "key", to: &encoder)
      append(value, name: "value", to: &encoder)
    }
  }

  private static func appendGroup(
    _ name: String, _ repetition: Repetition, _ childCount: Int, _ fieldID: Int?,
    _ annotation: (converted: Converted, logical: Int16)?, to encoder: inout ThriftEncoder
  ) {
    encoder.beginElement()
    encoder.int32(3, repetition.rawValue)
    encoder.string(4, name)
    encoder.int32(5, Int32(truncatingIfNeeded: childCount))
    if let annotation { encoder.int32(6, annotation.converted.rawValue) }
    if let fieldID { encoder.int32(9, Int32(truncatingIfNeeded: fieldID)) }
    if let annotation {
      encoder.beginStructure(logicalTypeField)
      encoder.emptyStructure(annotation.logical)
      encoder.endStructure()
    }
    encoder.endStructure()
  }

  private static func appendLeaf(
    _ field: ParquetField, _ type: LeafType, name: String, _ repetition: Repetition, to encoder: inout ThriftEncoder
  ) {
    // The type was checked when the writer was made.
    guard let layout = try? LeafLayout(type, path: [name]) else { return }
    encoder.beginElement()
    encoder.int32(1, layout.physical.rawValue)
    if layout.physical == .fixed { encoder.int32(2, Int32(truncatingIfNeeded: layout.length)) }
    encoder.int32(3, repetition.rawValue)
    encoder.string(4, name)
    if let converted = convertedType(type) { encoder.int32(6, converted.rawValue) }
    if case .decimal(let precision, let scale) = type {
      encoder.int32(7, Int32(truncatingIfNeeded: scale))
      encoder.int32(8, Int32(truncatingIfNeeded: precision))
    }
    if let fieldID = field.fieldID { encoder.int32(9, Int32(truncatingIfNeeded: fieldID)) }
    appendLogicalType(type, to: &encoder)
    encoder.endStructure()
  }

  private static func convertedType(_ type: LeafType) -> Converted? {
    switch type {
    case .string: .utf8
    case .json: .json
    case .decimal: .decimal
    case .date: .date
    case .int32(bits: 8): .int8
    case .int32(bits: 16): .int16
    case .time(.milliseconds, _): .timeMillis
    case .time(.microseconds, _): .timeMicros
    // The old names mean an instant, so they would be wrong for local times; readers of the old kind then see a number.
    case .timestamp(.milliseconds, isAdjustedToUTC: true): .timestampMillis
    case .timestamp(.microseconds, isAdjustedToUTC: true): .timestampMicros
    default: nil
    }
  }

  private static func appendLogicalType(_ type: LeafType, to encoder: inout ThriftEncoder) {
    switch type {
    case .string: appendMarker(1, to: &encoder)
    case .json: appendMarker(12, to: &encoder)
    case .date: appendMarker(6, to: &encoder)
    case .uuid: appendMarker(14, to: &encoder)
    case .decimal(let precision, let scale):
      encoder.beginStructure(logicalTypeField)
      encoder.beginStructure(5)
      encoder.int32(1, Int32(truncatingIfNeeded: scale))
      encoder.int32(2, Int32(truncatingIfNeeded: precision))
      encoder.endStructure()
      encoder.endStructure()
    case .int32(let bits) where bits < 32:
      encoder.beginStructure(logicalTypeField)
      encoder.beginStructure(10)
      encoder.int8(1, Int8(truncatingIfNeeded: bits))
      encoder.boolean(2, true)
      encoder.endStructure()
      encoder.endStructure()
    case .time(let unit, let isAdjusted): appendTime(7, unit, isAdjusted, to: &encoder)
    case .timestamp(let unit, let isAdjusted): appendTime(8, unit, isAdjusted, to: &encoder)
    default: return
    }
  }

  private static func appendMarker(_ member: Int16, to encoder: inout ThriftEncoder) {
    encoder.beginStructure(logicalTypeField)
    encoder.emptyStructure(member)
    encoder.endStructure()
  }

  private static func appendTime(
    _ member: Int16, _ unit: LeafType.TimeUnit, _ isAdjusted: Bool, to encoder: inout ThriftEncoder
  ) {
    encoder.beginStructure(logicalTypeField)
    encoder.beginStructure(member)
    encoder.boolean(1, isAdjusted)
    encoder.beginStructure(2)
    switch unit {
    case .milliseconds: encoder.emptyStructure(1)
    case .microseconds: encoder.emptyStructure(2)
    case .nanoseconds: encoder.emptyStructure(3)
    }
    encoder.endStructure()
    encoder.endStructure()
    encoder.endStructure()
  }
}
