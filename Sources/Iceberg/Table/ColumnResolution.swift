import Columnar
import Parquet

/// How a field of a table is made of a field of a file (Iceberg specification, "Column Projection").
indirect enum FieldResolution: Sendable {
  /// The same value in all rows: the file does not have the field. `nil` is null.
  case constant(Literal?, IcebergType)
  /// A struct that the file does not have, but of which a field has a default: all rows have it.
  case constantGroup([FieldResolution])
  /// Values, converted.
  case leaf(LeafConversion)
  /// A struct: for each field of the table, the child of the file's group that it is made of.
  case group([ChildResolution])
  /// A list.
  case list(FieldResolution)
  /// A map.
  case map(key: FieldResolution, value: FieldResolution)
}

/// A field of a struct and where it is in the file's group.
struct ChildResolution: Sendable {
  /// The position in the file's group; `nil`: not there.
  var position: Int?
  /// How it is converted.
  var resolution: FieldResolution
}

/// Finds the fields of a table in a file, by field id.
struct ColumnResolver: Sendable {
  /// The location, for messages.
  var source: String
  /// Partition values by source column, from identity transforms: for files that lack the column.
  var constants: [Int: Literal?] = [:]

  /// How the columns `fields` are made of the columns of a file.
  func resolve(_ fields: [NestedField], in file: [ParquetField]) throws(IcebergError) -> [ChildResolution] {
    var result: [ChildResolution] = []
    for field in fields {
      guard let position = file.firstIndex(where: { $0.fieldID == field.id }) else {
        result.append(ChildResolution(position: nil, resolution: try missing(field)))
        continue
      }
      result.append(ChildResolution(position: position, resolution: try resolve(field, file[position])))
    }
    return result
  }

  private func missing(_ field: NestedField) throws(IcebergError) -> FieldResolution {
    if let constant = constants[field.id] {
      return .constant(constant?.promoted(to: field.type) ?? constant, field.type)
    }
    guard let initial = field.initialDefault, initial != .null else {
      guard !field.isRequired else {
        throw IcebergError(
          .corrupt, "\(source) lacks the required column '\(field.name)' (id \(field.id)), which has no default")
      }
      return .constant(nil, field.type)
    }
    if case .structure(let fields) = field.type {
      // A struct's default says only that it is not null; the values are the fields' own defaults.
      var children: [FieldResolution] = []
      for field in fields { children.append(try missing(field)) }
      return .constantGroup(children)
    }
    return .constant(try Literal(json: initial, type: field.type), field.type)
  }

  private func resolve(_ field: NestedField, _ file: ParquetField) throws(IcebergError) -> FieldResolution {
    switch (field.type, file.kind) {
    case (.unknown, _): return .constant(nil, .unknown)
    case (.structure(let fields), .group(let children)): return .group(try resolve(fields, in: children))
    case (.list(let element), .list(let inner)): return .list(try resolve(element, inner))
    case (.map(let key, let value), .map(let fileKey, let fileValue)):
      return .map(key: try resolve(key, fileKey), value: try resolve(value, fileValue))
    case (let type, .leaf(let leaf)):
      if let conversion = LeafConversion(from: leaf, to: type) { return .leaf(conversion) }
    default: break
    }
    throw IcebergError(
      .corrupt,
      "\(source): the column '\(field.name)' (id \(field.id)) is \(field.type) in the table and \(file.kind) in the "
        + "file, which cannot be converted")
  }
}

extension FieldResolution {
  /// `count` rows of the field, of what the file has.
  func convert(_ array: ParquetArray?, count: Int, source: String) throws(IcebergError) -> ParquetArray {
    switch (self, array) {
    case (.constant(let literal, let type), _): return ParquetArray(repeating: literal, type, count: count)
    case (.constantGroup(let children), _):
      var arrays: [ParquetArray] = []
      for child in children { arrays.append(try child.convert(nil, count: count, source: source)) }
      return .group(count: count, validity: nil, arrays)
    case (.leaf(let conversion), .leaf(let column)?): return .leaf(try conversion.convert(column, source: source))
    case (.group(let children), .group(_, let validity, let arrays)?):
      var result: [ParquetArray] = []
      for child in children {
        let inner = child.position.map { arrays[$0] }
        result.append(try child.resolution.convert(inner, count: count, source: source))
      }
      return .group(count: count, validity: validity, result)
    case (.list(let resolution), .list(let offsets, let validity, let element)?):
      let converted = try resolution.convert(element, count: element.count, source: source)
      return .list(offsets: offsets, validity: validity, element: converted)
    case (.map(let keyResolution, let valueResolution), .map(let offsets, let validity, let key, let value)?):
      return .map(
        offsets: offsets, validity: validity,
        key: try keyResolution.convert(key, count: key.count, source: source),
        value: try valueResolution.convert(value, count: value.count, source: source))
    default: throw IcebergError(.corrupt, "\(source): values do not have the form that the file's schema says")
    }
  }
}

extension IcebergType {
  /// The type of a leaf's column in memory.
  package var leafColumnType: DataType {
    switch self {
    case .boolean: .boolean
    case .int: .integer
    case .long, .time: .bigint
    case .float: .real
    case .double: .double
    case .decimal(let precision, let scale): .numeric(precision: precision, scale: scale)
    case .date: .date
    case .timestamp, .timestampNanos: .timestamp
    case .timestamptz, .timestamptzNanos: .timestamptz
    case .string: .text
    case .uuid: .uuid
    case .fixed, .binary: .bytea
    case .unknown, .unsupported, .structure, .list, .map: .text
    }
  }
}

extension ParquetArray {
  /// `count` rows of one value; `nil` is null.
  package init(repeating literal: Literal?, _ type: IcebergType, count: Int) {
    let nulls = Bitmap(repeating: false, count: count)
    switch type {
    case .structure(let fields):
      self = .group(count: count, validity: nulls, fields.map { ParquetArray(repeating: nil, $0.type, count: count) })
    case .list(let element):
      self = .list(
        offsets: [Int32](repeating: 0, count: count + 1), validity: nulls,
        element: ParquetArray(repeating: nil, element.type, count: 0))
    case .map(let key, let value):
      self = .map(
        offsets: [Int32](repeating: 0, count: count + 1), validity: nulls,
        key: ParquetArray(repeating: nil, key.type, count: 0),
        value: ParquetArray(repeating: nil, value.type, count: 0))
    default:
      self = .leaf(Column(repeating: literal?.columnValue ?? .null, type.leafColumnType, count: count))
    }
  }
}

extension Literal {
  /// The value as a column of its type holds it.
  package var columnValue: Value {
    switch self {
    case .boolean(let value): .boolean(value)
    case .int(let value), .date(let value): .int64(Int64(value))
    case .long(let value), .time(let value), .timestamp(let value), .timestamptz(let value),
      .timestampNanos(let value), .timestamptzNanos(let value):
      .int64(value)
    case .float(let value): .float64(Double(value))
    case .double(let value): .float64(value)
    case .string(let value): .text(value)
    case .uuid(let value): .uuid(value)
    case .fixed(let value), .binary(let value): .bytes(value)
    case .decimal(let unscaled, let scale): .numeric(Numeric(unscaled: unscaled, scale: Int16(clamping: scale)))
    }
  }
}
