import Actors
import Checkpointing
import Columnar
import Logging
import PostgresClient
import Runtime
import SQL
import SimulationKit
import Sinks

/// A table that the sink is to write, drawn from a seed, with what its target is like.
struct PostgresTrial {
  /// A column as it is declared, and the type that it has on the server.
  struct TrialColumn {
    var name: String
    var type: DataType
    var target: String
  }

  var name: String
  var columns: [TrialColumn] = []
  var key: [String] = []
  var isUpsert = false
  /// Whether the table exists before the sink sees it.
  var isPrepared = false
  /// A column whose values must be different.
  var unique: String?
  /// A column of type bigint with values that the target's CHECK refuses.
  var checked: String?

  private static let types: [DataType] = [
    .boolean, .integer, .bigint, .real, .double, .numeric, .numeric(precision: 6, scale: 2), .text, .bytea, .date,
    .timestamp, .timestamptz, .interval, .uuid, .jsonb
  ]

  init(_ name: String, drawing random: inout SeededGenerator) {
    self.name = name
    isPrepared = random.chance(0.6)
    let keyCount = Int.random(in: 0...2, using: &random)
    isUpsert = keyCount > 0 && random.chance(0.8)
    for index in 0..<(keyCount + Int.random(in: 1...6, using: &random)) {
      let type = Self.types[Int.random(in: 0..<Self.types.count, using: &random)]
      var column = TrialColumn(name: "c\(index)", type: type, target: type.sqlName)
      let choices = Self.targets(type)
      if isPrepared { column.target = choices[Int.random(in: 0..<choices.count, using: &random)] }
      // A type without equality cannot be a key.
      if index < keyCount, column.target == "json" { column.target = "jsonb" }
      if index < keyCount { key.append(column.name) }
      columns.append(column)
    }
    guard isPrepared else { return }
    let others = columns.dropFirst(keyCount).filter { $0.target != "json" }
    // Which of two rows is refused depends on the order of the keys, and that of jsonb is not simulated.
    let hasOrder = !columns.prefix(keyCount).contains { $0.target == "jsonb" }
    if hasOrder, random.chance(0.3), let column = others.randomElement(using: &random) { unique = column.name }
    if random.chance(0.6), let column = others.first(where: { $0.type == .bigint && $0.target == "bigint" }) {
      checked = column.name
    }
  }

  private static func targets(_ type: DataType) -> [String] {
    switch type {
    case .integer: ["integer", "smallint", "bigint", "numeric(5,1)", "double precision"]
    case .bigint: ["bigint", "bigint", "integer", "numeric"]
    case .real: ["real", "double precision"]
    case .double: ["double precision", "real"]
    case .numeric: ["numeric", "numeric(8,3)"]
    case .text: ["text", "varchar(4)", "char(3)"]
    case .timestamp, .timestamptz: ["timestamp", "timestamptz", "timestamp(3)", "timestamptz(0)"]
    case .jsonb: ["jsonb", "json", "text"]
    default: [type.sqlName]
    }
  }

  // MARK: The table

  /// The table as the job declares it.
  var definition: TableDefinition {
    let location = SourceLocation(line: 1, column: 1)
    let options = ["connector": "postgres", "mode": isUpsert ? "upsert" : "append"]
    return TableDefinition(
      name: name,
      columns: columns.map {
        ColumnDefinition(
          field: Field($0.name, $0.type, isNullable: !key.contains($0.name)), declaredType: $0.type.sqlName)
      }, primaryKey: key, options: TableOptions(options.mapValues { .init(value: $0, location: location) }),
      location: location)
  }

  /// The statement that prepares the target on a real server.
  var statement: String {
    var parts = columns.map { "\($0.name) \($0.target)" }
    if !key.isEmpty { parts.append("PRIMARY KEY (\(key.joined(separator: ", ")))") }
    if let unique { parts.append("UNIQUE (\(unique))") }
    if let checked { parts.append("CONSTRAINT bad CHECK (\(checked) % 7 <> 3)") }
    return "CREATE TABLE \(name) (\(parts.joined(separator: ", ")))"
  }

  /// The same target for the simulated server.
  func target() throws -> PostgresTableDefinition {
    var table = PostgresTableDefinition(
      name,
      columns: columns.compactMap { column in
        PostgresType(column.target).map { PostgresColumnDefinition(column.name, $0) }
      }, primaryKey: key, unique: unique.map { [[$0]] } ?? [])
    if let checked, let index = table.columns.firstIndex(where: { $0.name == checked }) {
      table.checks = [
        PostgresTableDefinition.Check("bad") { row in if case .int64(let n) = row[index] { n % 7 != 3 } else { true } }
      ]
    }
    return table
  }

  // MARK: Rows

  /// A batch of random rows; keys come from few values, so that they repeat.
  func batch(drawing random: inout SeededGenerator) -> Batch {
    let count = Int.random(in: 1...12, using: &random)
    var columns: [Column] = []
    for column in self.columns {
      let isKey = key.contains(column.name)
      let values = (0..<count).map { _ in Self.value(column.type, isKey: isKey, &random) }
      columns.append(Self.column(column.type, values))
    }
    var kinds: [RowKind]?
    if random.chance(0.6) {
      kinds = (0..<count).map { _ in
        [.insert, .insert, .updateAfter, .delete, .updateBefore][Int.random(in: 0..<5, using: &random)]
      }
    }
    return Batch(schema: definition.schema, columns: columns, count: count, rowKinds: kinds)
  }

  private static func pick<Element>(_ values: [Element], _ isKey: Bool, _ random: inout SeededGenerator) -> Element {
    values[Int.random(in: 0..<(isKey ? min(values.count, 4) : values.count), using: &random)]
  }

  private static func value(_ type: DataType, isKey: Bool, _ random: inout SeededGenerator) -> Value {
    if random.chance(isKey ? 0.02 : 0.1) { return .null }
    switch type {
    case .boolean: return .boolean(random.chance(0.5))
    case .integer: return .int64(pick([0, -1, 3, 7, 40_000, -32_769, Int64(Int32.max)], isKey, &random))
    case .bigint: return .int64(pick([0, 1, 3, 10, -4, 1 << 31, .max, .min], isKey, &random))
    case .real: return .float64(pick([0, -0.0, 1.5, .nan, -.infinity, Double(Float(1e-20)), 1e20], isKey, &random))
    case .double: return .float64(pick([0, -0.0, 0.1, .nan, .infinity, 1e-300, 123_456_789.125], isKey, &random))
    case .numeric(let precision, _): return .numeric(numeric(isLimited: precision != nil, isKey, &random))
    case .text: return .text(pick(["a", "a ", "b", "", "äöü", "long text", "q'\"\\\n", "a\0b"], isKey, &random))
    case .bytea: return .bytes(pick([[], [0], [255, 0], Array("x".utf8)], isKey, &random))
    case .date: return .int64(pick([0, -1, 20_000, -800_000, 2_932_896], isKey, &random))
    case .timestamp, .timestamptz:
      return .int64(
        pick([0, 1_500, 1_767_882_600_123_456, -1, -499_500, 946_684_800_500_000, .max], isKey, &random))
    case .interval:
      return .interval(
        pick(
          [
            Interval(days: 30), Interval(months: 1), Interval(), Interval(microseconds: -1),
            Interval(months: -14, days: 3, microseconds: 90_000_001)
          ], isKey, &random))
    case .uuid:
      return .uuid(UUIDValue(high: 0, low: pick([0, 1, .max], isKey, &random)))
    case .jsonb:
      return .text(
        pick(
          [
            #"{"a": 1}"#, #"{ "a":1.0}"#, "[]", "3", "1e2", #"{"bb":[null,true],"a":{},"a":"x\ty\u00e9"}"#, "\"\"",
            "-0.50", "{", "nul"
          ], isKey, &random))
    }
  }

  private static func numeric(isLimited: Bool, _ isKey: Bool, _ random: inout SeededGenerator) -> Numeric {
    if isLimited {
      return pick([Numeric(unscaled: 100, scale: 2), Numeric(unscaled: -5, scale: 2), .nan], isKey, &random)
    }
    return pick(
      [
        Numeric(unscaled: 1, scale: 0), Numeric(unscaled: 100, scale: 2), .nan, Numeric(unscaled: 0, scale: 3),
        Numeric(unscaled: -12_345_678_901, scale: 4), Numeric(unscaled: 5, scale: 10),
        Numeric(unscaled: 99_999_999, scale: 3), Numeric(unscaled: 123_456_789_012_345_678_901, scale: 0)
      ], isKey, &random)
  }

  private static func column(_ type: DataType, _ values: [Value]) -> Column {
    let validity = values.contains(.null) ? Bitmap(values.map { $0 != .null }) : nil
    switch type {
    case .boolean:
      return Column(type, .boolean(values.map { $0 == .boolean(true) }), validity: validity)
    case .real, .double:
      return Column(
        type, .float64(values.map { if case .float64(let value) = $0 { value } else { 0 } }), validity: validity)
    case .numeric:
      return Column(
        type, .numeric(values.map { if case .numeric(let value) = $0 { value } else { .zero } }), validity: validity)
    case .interval:
      return Column(
        type, .interval(values.map { if case .interval(let value) = $0 { value } else { Interval() } }),
        validity: validity)
    case .uuid:
      return Column(
        type, .uuid(values.map { if case .uuid(let value) = $0 { value } else { UUIDValue(high: 0, low: 0) } }),
        validity: validity)
    case .text, .bytea, .jsonb:
      var bytes = ByteValues()
      for value in values {
        if case .bytes(let text) = value { bytes.append(contentsOf: text) } else { bytes.append(contentsOf: []) }
      }
      return Column(type, .bytes(bytes), validity: validity)
    default:
      return Column(
        type, .int64(values.map { if case .int64(let value) = $0 { value } else { 0 } }), validity: validity)
    }
  }
}

/// Small epochs need no files.
struct NoFiles: PendingFileStore {
  struct Refusal: Error {}
  func create(sink: String) throws -> (name: String, path: String) { throw Refusal() }
  func path(_ name: String) -> String { name }
}
