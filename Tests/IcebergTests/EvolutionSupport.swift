import Columnar
import Foundation
import Iceberg
import IcebergSupport
import Parquet
import TestSupport
import Testing

/// Random nested columns, rows and changes of schemas.
struct RandomEvolution {
  var random: SeededNumbers
  let formatVersion: Int
  private var names = 0

  init(seed: UInt64, formatVersion: Int) {
    random = SeededNumbers(seed: seed)
    self.formatVersion = formatVersion
  }

  // MARK: Columns

  private mutating func primitive() -> IcebergType {
    let all: [IcebergType] = [
      .int, .long, .float, .double, .boolean, .string, .date, .decimal(precision: 9, scale: 2)
    ]
    return all[Int.random(in: 0..<all.count, using: &random)]
  }

  private mutating func type(depth: Int) -> IcebergType {
    switch depth < 3 ? Int.random(in: 0..<8, using: &random) : 7 {
    case 0: return .structure(structure(depth: depth + 1))
    case 1: return .list(element: field("element", type(depth: depth + 1)))
    case 2: return .map(key: field("key", .string, isRequired: true), value: field("value", type(depth: depth + 1)))
    default: return primitive()
    }
  }

  /// Every struct keeps its `k`: other readers take a struct of which a file has no column for null.
  private mutating func structure(depth: Int) -> [NestedField] {
    var fields = [field("k", .int)]
    for index in 0..<Int.random(in: 1...3, using: &random) {
      let isRequired = random.chance(0.2)
      fields.append(field("f\(index)", type(depth: depth), isRequired: isRequired))
    }
    return fields
  }

  /// The table gives ids of its own.
  private func field(_ name: String, _ type: IcebergType, isRequired: Bool = false) -> NestedField {
    NestedField(id: 0, name: name, type: type, isRequired: isRequired)
  }

  /// A column of each nested kind, and two of any.
  mutating func fields() -> [NestedField] {
    [
      field("id", .long, isRequired: true), field("s", .structure(structure(depth: 1))),
      field("l", .list(element: field("element", .structure(structure(depth: 1))))),
      field(
        "m",
        .map(
          key: field("key", .string, isRequired: true), value: field("value", .structure(structure(depth: 1))))),
      field("c0", type(depth: 0)), field("c1", type(depth: 0))
    ]
  }

  // MARK: Rows

  /// Rows with these ids; everything else is random, with nulls wherever they may be.
  mutating func rows(_ schema: TableSchema, ids: Range<Int64>) -> [ParquetArray] {
    schema.fields.map { field in
      field.name == "id"
        ? .longs(ids.map { $0 }) : array(field.type, isRequired: field.isRequired, count: ids.count)
    }
  }

  private mutating func array(_ type: IcebergType, isRequired: Bool, count: Int) -> ParquetArray {
    var bits: [Bool] = []
    for _ in 0..<count { bits.append(isRequired || !random.chance(0.2)) }
    let validity = isRequired ? nil : Bitmap(bits)
    var offsets: [Int32] = [0]
    for bit in bits { offsets.append(offsets[offsets.count - 1] + (bit ? Int32.random(in: 0...3, using: &random) : 0)) }
    let elements = Int(offsets[count])
    switch type {
    case .structure(let fields):
      return .group(
        count: count, validity: validity,
        fields.map { array($0.type, isRequired: $0.isRequired, count: count) })
    case .list(let element):
      return .list(
        offsets: offsets, validity: validity,
        element: array(element.type, isRequired: element.isRequired, count: elements))
    case .map(_, let value):
      let keys = (0..<elements).map { "key\($0)" }
      return .map(
        offsets: offsets, validity: validity, key: .texts(keys),
        value: array(value.type, isRequired: value.isRequired, count: elements))
    default:
      var builder = ColumnBuilder(type.leafColumnType, capacity: count)
      for bit in bits { if bit { appendValue(type, to: &builder) } else { builder.appendNull() } }
      return .leaf(builder.finish())
    }
  }

  private mutating func appendValue(_ type: IcebergType, to builder: inout ColumnBuilder) {
    switch type {
    case .boolean: builder.append(random.chance(0.5))
    case .int: builder.append(Int64(Int32.random(in: .min ... .max, using: &random)))
    case .long: builder.append(Int64.random(in: .min ... .max, using: &random))
    case .float, .double: builder.append(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 8)
    case .date: builder.append(Int64.random(in: -10_000...20_000, using: &random))
    case .decimal(let precision, let scale):
      let most = Int64(pow(10, Double(min(precision, 18)))) - 1
      let unscaled = Int64.random(in: -most...most, using: &random)
      builder.append(Numeric(unscaled: Int128(unscaled), scale: Int16(scale)))
    default: builder.append(["", "a", "ß", "some text "][Int.random(in: 0..<4, using: &random)] + "\(names)")
    }
  }

  // MARK: Changes

  /// Some changes of a schema; those that do not go together are left out when they are applied.
  mutating func steps(_ schema: TableSchema) -> [SchemaStep] {
    let fields = schema.fieldsByID
    let parents = schema.parentIDs
    var result: [SchemaStep] = []
    let ids = fields.keys.sorted().shuffled(using: &random)
    for id in ids where result.count < 6 {
      guard let field = fields[id], let name = schema.columnName(id) else { continue }
      if case .structure = field.type, random.chance(0.5) { result.append(addition(to: name)) }
      let parent = parents[id].flatMap { fields[$0]?.type }
      let isPart = if case .structure? = parent { false } else { parent != nil }
      guard !["id", "k", "key"].contains(field.name) else { continue }
      if let wider = Self.wider(field.type), random.chance(0.5) { result.append(.widen(name, wider)) }
      if field.isRequired { result.append(.makeOptional(name)) }
      guard !isPart else { continue }
      names += 1
      switch Int.random(in: 0..<4, using: &random) {
      case 0: result.append(.delete(name))
      case 1: result.append(.rename(name, "r\(names)"))
      // Java takes a null struct whose first column has a default for one that is present.
      case 2: result.append(.move(name, formatVersion >= 3 && parents[id] != nil ? .last : .first))
      default: result.append(.move(name, .last))
      }
    }
    return result + [addition(to: nil)]
  }

  private mutating func addition(to parent: String?) -> SchemaStep {
    names += 1
    guard formatVersion >= 3, random.chance(0.6) else {
      return .add(parent: parent, "n\(names)", type(depth: 2), isRequired: false, nil)
    }
    let type = primitive()
    return .add(parent: parent, "n\(names)", type, isRequired: random.chance(0.5), Self.defaultValue(type))
  }

  private static func wider(_ type: IcebergType) -> IcebergType? {
    switch type {
    case .int: .long
    case .float: .double
    case .decimal(let precision, let scale) where precision < 38: .decimal(precision: precision * 2, scale: scale)
    default: nil
    }
  }

  private static func defaultValue(_ type: IcebergType) -> JSONValue {
    switch type {
    case .boolean: .bool(true)
    case .int: .integer(-7)
    case .long: .integer(1 << 40)
    case .float, .double: .number("2.5")
    case .date: .string("2020-02-29")
    case .decimal: .string("-12.50")
    default: .string("default ß")
    }
  }
}

/// A change of a schema.
enum SchemaStep: Sendable {
  case add(parent: String?, String, IcebergType, isRequired: Bool, JSONValue?)
  case delete(String)
  case rename(String, String)
  case widen(String, IcebergType)
  case makeOptional(String)
  case move(String, SchemaUpdate.Position)

  func apply(to update: inout SchemaUpdate) throws(IcebergError) {
    switch self {
    case .add(let parent, let name, let type, let isRequired, let initial):
      try update.addColumn(name, type, parent: parent, isRequired: isRequired, initialDefault: initial)
    case .delete(let name): try update.deleteColumn(name)
    case .rename(let name, let newName): try update.renameColumn(name, to: newName)
    case .widen(let name, let type): try update.updateType(name, to: type)
    case .makeOptional(let name): try update.makeOptional(name)
    case .move(let name, let position): try update.moveColumn(name, position)
    }
  }
}

/// The rows of tables as other readers see them.
enum RowsJudge {
  enum Answer: Equatable {
    case rows([String])
    case error(String)
  }

  /// The answer on each table: locations of metadata files, `#` and a branch or tag behind them.
  static func read(_ tables: [String], java: Bool) throws -> [Answer] {
    let outcome = try TableJudge.run("table_rows.py", [java ? "java" : "pyiceberg"] + tables, java: java)
    let answers: [Answer] = try outcome.output.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("[") || line.hasPrefix("{\"error\"") else { return nil }
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      if let rows = value as? [String] { return .rows(rows.sorted()) }
      return .error((value as? [String: String])?["error"] ?? String(line))
    }
    try #require(answers.count == tables.count, "\(outcome.output.suffix(2000))")
    return answers
  }

  /// Expects that Java reads the rows, and PyIceberg too as far as it can: it takes a list of structs that is null for
  /// an empty one, and gives up on some nested columns (`ArrowInvalid`).
  static func expectSame(_ tables: [(location: String, rows: [String])], _ comment: String) throws {
    let locations = tables.map(\.location)
    for (table, answer) in zip(tables, try read(locations, java: true)) {
      #expect(answer == .rows(table.rows), "Java, \(comment): \(table.location)")
    }
    var count = 0
    for (table, answer) in zip(tables, try read(locations, java: false)) {
      switch answer {
      case .rows(let rows):
        count += 1
        #expect(withoutEmptyLists(rows) == withoutEmptyLists(table.rows), "PyIceberg, \(comment): \(table.location)")
      case .error(let error): #expect(error.hasPrefix("Arrow"), "PyIceberg, \(comment): \(table.location): \(error)")
      }
    }
    #expect(count * 4 >= tables.count, "PyIceberg read \(count) of \(tables.count) tables")
  }

  private static func withoutEmptyLists(_ rows: [String]) -> [String] {
    rows.map { $0.replacingOccurrences(of: "[]", with: "null") }.sorted()
  }
}
