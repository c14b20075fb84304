/// What a schema element says of its values, from `LogicalType` or the older `ConvertedType`.
enum LogicalAnnotation: Hashable, Sendable {
  case string, map, mapKeyValue, list, enumeration, date, json, bson, uuid, alwaysNull
  case decimal(precision: Int, scale: Int)
  case time(LeafType.TimeUnit, isAdjustedToUTC: Bool)
  case timestamp(LeafType.TimeUnit, isAdjustedToUTC: Bool)
  case integer(bits: Int, isSigned: Bool)
  /// A type that this reader does not know, or that has no order: values keep their physical type.
  case other
}

/// A node of the schema as the footer holds it (Parquet format, `SchemaElement`).
struct SchemaElement: Sendable {
  enum Repetition: Int32, Sendable { case required, optional, repeated }

  var physical: PhysicalType?
  var length = 0
  var repetition = Repetition.required
  var name = ""
  var childCount = 0
  var annotation: LogicalAnnotation?
  var fieldID: Int?
}

/// How values are stored (Parquet format, `Type`).
enum PhysicalType: Int32, Sendable {
  case boolean, int32, int64, int96, float, double, byteArray, fixedLengthByteArray

  /// Bytes of a value, when all have the same size.
  func width(length: Int) -> Int? {
    switch self {
    case .boolean, .byteArray: nil
    case .int32, .float: 4
    case .int64, .double: 8
    case .int96: 12
    case .fixedLengthByteArray: length
    }
  }
}

/// What a footer says of a column chunk beside ``ColumnChunk``.
struct ChunkDetails: Sendable {
  var physical: PhysicalType?
  var codecNumber: Int32 = 0
  var otherFile: String?
  var isEncrypted = false
  var hasMetadata = false
}

/// How a column's bounds are ordered (Parquet format, `ColumnOrder`).
enum BoundsOrder: Sendable { case undefined, type, ieee754 }

/// A decoded footer, the schema still flat.
struct RawFooter {
  var elements: [SchemaElement] = []
  var rowCount: Int64 = 0
  var rowGroups: [RowGroup] = []
  var details: [[ChunkDetails]] = []
  var statistics: [[RawStatistics]] = []
  var keyValues: [String: String] = [:]
  var createdBy: String?
  var orders: [BoundsOrder] = []
}

/// Statistics as they are stored, the deprecated bounds apart.
struct RawStatistics: Sendable {
  var oldMinimum: [UInt8]?
  var oldMaximum: [UInt8]?
  var values = LeafStatistics()
}

extension RawFooter {
  /// Decodes the Thrift structure `FileMetaData`.
  init(_ bytes: [UInt8]) throws(ParquetError) {
    var thrift = ThriftDecoder(bytes)
    var last = 0
    while let field = try thrift.nextField(&last) {
      switch field.id {
      case 2:
        let list = try thrift.list(field)
        for _ in 0..<list.count { elements.append(try thrift.schemaElement(kind: list.kind)) }
      case 3: rowCount = try thrift.int(field)
      case 4:
        let list = try thrift.list(field)
        for _ in 0..<list.count { try thrift.rowGroup(kind: list.kind, into: &self) }
      case 5:
        let list = try thrift.list(field)
        for _ in 0..<list.count {
          let (key, value) = try thrift.keyValue(kind: list.kind)
          keyValues[key] = value
        }
      case 6: createdBy = try thrift.string(field)
      case 7:
        let list = try thrift.list(field)
        for _ in 0..<list.count { orders.append(try thrift.columnOrder(kind: list.kind)) }
      default: try thrift.skip(field)
      }
    }
  }
}

extension ThriftDecoder {
  fileprivate mutating func keyValue(kind: UInt8) throws(ParquetError) -> (String, String) {
    try structure(kind: kind)
    var (key, value) = ("", "")
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1: key = try string(field)
      case 2: value = try string(field)
      default: try skip(field)
      }
    }
    return (key, value)
  }

  fileprivate mutating func columnOrder(kind: UInt8) throws(ParquetError) -> BoundsOrder {
    try structure(kind: kind)
    var order = BoundsOrder.undefined
    var last = 0
    while let field = try nextField(&last) {
      if field.id == 1 { order = .type }
      if field.id == 2 { order = .ieee754 }
      try skip(field)
    }
    return order
  }

  fileprivate mutating func schemaElement(kind: UInt8) throws(ParquetError) -> SchemaElement {
    try structure(kind: kind)
    var element = SchemaElement()
    var (converted, precision, scale): (Int32?, Int, Int) = (nil, 0, 0)
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1:
        let number = try int32(field)
        guard let physical = PhysicalType(rawValue: number) else { throw corrupt("unknown physical type \(number)") }
        element.physical = physical
      case 2: element.length = Int(try int32(field))
      case 3:
        let number = try int32(field)
        guard let repetition = SchemaElement.Repetition(rawValue: number) else {
          throw corrupt("unknown repetition \(number)")
        }
        element.repetition = repetition
      case 4: element.name = try string(field)
      case 5: element.childCount = Int(try int32(field))
      case 6: converted = try int32(field)
      case 7: scale = Int(try int32(field))
      case 8: precision = Int(try int32(field))
      case 9: element.fieldID = Int(try int32(field))
      case 10: element.annotation = try logicalType(field)
      default: try skip(field)
      }
    }
    if element.annotation == nil || element.annotation == .other, let converted {
      element.annotation = LogicalAnnotation(converted: converted, precision: precision, scale: scale)
    }
    return element
  }

  fileprivate mutating func logicalType(_ field: Field) throws(ParquetError) -> LogicalAnnotation {
    try structure(field)
    var annotation = LogicalAnnotation.other
    var last = 0
    while let member = try nextField(&last) {
      switch member.id {
      case 1: annotation = .string
      case 2: annotation = .map
      case 3: annotation = .list
      case 4: annotation = .enumeration
      case 6: annotation = .date
      case 11: annotation = .alwaysNull
      case 12: annotation = .json
      case 13: annotation = .bson
      case 14: annotation = .uuid
      case 5, 7, 8, 10:
        annotation = try parameters(member)
        continue
      default: annotation = .other
      }
      try skip(member)
    }
    return annotation
  }

  /// The members of `DecimalType`, `TimeType`, `TimestampType` or `IntType`: each has two.
  private mutating func parameters(_ member: Field) throws(ParquetError) -> LogicalAnnotation {
    try structure(member)
    var numbers: [Int] = [0, 0]
    var flags = [false, false]
    var unit: LeafType.TimeUnit?
    var last = 0
    while let field = try nextField(&last) {
      guard field.id == 1 || field.id == 2 else {
        try skip(field)
        continue
      }
      switch field.kind {
      case Kind.yes, Kind.no: flags[field.id - 1] = try bool(field)
      case Kind.structure: unit = try timeUnit(field)
      default: numbers[field.id - 1] = Int(try int(field))
      }
    }
    switch (member.id, unit) {
    case (5, _): return .decimal(precision: numbers[1], scale: numbers[0])
    case (7, .some(let unit)): return .time(unit, isAdjustedToUTC: flags[0])
    case (8, .some(let unit)): return .timestamp(unit, isAdjustedToUTC: flags[0])
    case (10, _): return .integer(bits: numbers[0], isSigned: flags[1])
    default: return .other
    }
  }

  private mutating func timeUnit(_ field: Field) throws(ParquetError) -> LeafType.TimeUnit? {
    var unit: LeafType.TimeUnit?
    var last = 0
    while let member = try nextField(&last) {
      unit = [1: .milliseconds, 2: .microseconds, 3: .nanoseconds][member.id]
      try skip(member)
    }
    return unit
  }

  /// `Statistics`, of a chunk or a page.
  mutating func statistics(_ field: Field) throws(ParquetError) -> RawStatistics {
    try structure(field)
    var result = RawStatistics()
    var last = 0
    while let member = try nextField(&last) {
      switch member.id {
      case 1: result.oldMaximum = try binary(member)
      case 2: result.oldMinimum = try binary(member)
      case 3: result.values.nullCount = try int(member)
      case 5: result.values.maximum = try binary(member)
      case 6: result.values.minimum = try binary(member)
      case 7: result.values.isMaximumExact = try bool(member)
      case 8: result.values.isMinimumExact = try bool(member)
      default: try skip(member)
      }
    }
    return result
  }
}

extension LogicalAnnotation {
  /// What a `ConvertedType` means (Parquet format, "Logical Types").
  init?(converted: Int32, precision: Int, scale: Int) {
    switch converted {
    case 0: self = .string
    case 1: self = .map
    case 2: self = .mapKeyValue
    case 3: self = .list
    case 4: self = .enumeration
    case 5: self = .decimal(precision: precision, scale: scale)
    case 6: self = .date
    case 7: self = .time(.milliseconds, isAdjustedToUTC: true)
    case 8: self = .time(.microseconds, isAdjustedToUTC: true)
    case 9: self = .timestamp(.milliseconds, isAdjustedToUTC: true)
    case 10: self = .timestamp(.microseconds, isAdjustedToUTC: true)
    case 11...14: self = .integer(bits: 8 << Int(converted - 11), isSigned: false)
    case 15...18: self = .integer(bits: 8 << Int(converted - 15), isSigned: true)
    case 19: self = .json
    case 20: self = .bson
    default: self = .other
    }
  }
}
