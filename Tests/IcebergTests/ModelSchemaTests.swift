import Columnar
import Iceberg
import Parquet
import TestTraits
import Testing

@Suite("Schemas and values", .fewAtOnce)
struct ModelSchemaTests {
  private var schema: TableSchema {
    TableSchema(
      fields: [
        NestedField(id: 1, name: "id", type: .int, isRequired: true),
        NestedField(
          id: 2, name: "points",
          type: .list(
            element: NestedField(
              id: 3, name: "element", type: .structure([NestedField(id: 4, name: "x", type: .float)])))),
        NestedField(
          id: 5, name: "m",
          type: .map(
            key: NestedField(id: 6, name: "key", type: .string, isRequired: true),
            value: NestedField(id: 7, name: "value", type: .decimal(precision: 5, scale: 2)))),
        NestedField(id: 8, name: "ts", type: .timestamp)
      ], identifierFieldIDs: [1])
  }

  @Test("Columns are added, nested too, renamed, moved, widened and removed; ids stay")
  func evolution() throws {
    var update = SchemaUpdate(schema, lastColumnID: 20)
    try update.addColumn("y", .double, parent: "points", doc: "up", position: .first)
    try update.addColumn("s", .structure([NestedField(id: 1, name: "a", type: .int)]), position: .after("id"))
    try update.addColumn("b", .int, parent: "s")
    try update.updateType("id", to: .long)
    try update.updateType("points.x", to: .double)
    try update.updateType("m.value", to: .decimal(precision: 9, scale: 2))
    try update.renameColumn("ts", to: "time")
    try update.moveColumn("time", .first)
    try update.deleteColumn("points.x")
    let (result, last) = try update.apply()
    #expect(last == 24)
    #expect(result.fields.map(\.name) == ["time", "id", "s", "points", "m"])
    #expect(result.fields.map(\.id) == [8, 1, 22, 2, 5])
    #expect(result.field(named: "points.y")?.id == 21)
    #expect(result.field(named: "s.a")?.id == 23 && result.field(named: "s.b")?.id == 24)
    #expect(result.field(named: "points.x") == nil)
    #expect(result.field(id: 7)?.type == .decimal(precision: 9, scale: 2))
  }

  @Test("Changes that would break old rows or identity are refused, naming the column")
  func refusals() throws {
    let changes: [(String, (inout SchemaUpdate) throws -> Void)] = [
      ("id", { try $0.updateType("id", to: .string) }), ("id", { try $0.deleteColumn("id") }),
      ("id", { try $0.makeOptional("id") }), ("ts", { try $0.requireColumn("ts") }),
      ("r", { try $0.addColumn("r", .int, isRequired: true) }), ("id", { try $0.addColumn("id", .int) }),
      ("nope", { try $0.renameColumn("nope", to: "x") }), ("m.key", { try $0.updateType("m.key", to: .binary) }),
      ("m.key", { try $0.deleteColumn("m.key") }), ("ts", { try $0.renameColumn("ts", to: "id") }),
      ("m.value", { try $0.updateType("m.value", to: .decimal(precision: 9, scale: 3)) }),
      ("ts", { try $0.moveColumn("ts", .before("points.x")) })
    ]
    for (name, change) in changes {
      var update = SchemaUpdate(schema, lastColumnID: 8)
      let error = #expect(throws: IcebergError.self) { try change(&update) }
      #expect(error?.message.contains(name) == true)
    }
    var update = SchemaUpdate(schema, lastColumnID: 8)
    try update.addColumn("n", .timestampNanos)
    #expect(throws: IcebergError.self) { try update.apply() }
    try update.setIdentifierFields(["ts"])
    #expect(throws: IcebergError.self) { try update.apply() }
  }

  @Test("A union by names adds and widens, and narrows nothing")
  func union() throws {
    let other = TableSchema(fields: [
      NestedField(id: 90, name: "id", type: .long), NestedField(id: 91, name: "new", type: .string, isRequired: true),
      NestedField(
        id: 92, name: "points",
        type: .list(
          element: NestedField(
            id: 93, name: "element",
            type: .structure([
              NestedField(id: 94, name: "x", type: .float), NestedField(id: 95, name: "z", type: .float)
            ]))))
    ])
    var update = SchemaUpdate(TableSchema(fields: schema.fields), lastColumnID: 8)
    try update.unionByName(with: other)
    let result = try update.apply().schema
    #expect(result.field(named: "id")?.type == .long && result.field(named: "id")?.isRequired == false)
    #expect(result.field(named: "new")?.isRequired == false)
    #expect(result.field(named: "points.element.z") != nil)
    var again = SchemaUpdate(result, lastColumnID: 20)
    try again.unionByName(with: schema)
    #expect(try again.apply().schema == result)
  }

  @Test("Partitionings are parsed with the reference implementation's names, and evolve")
  func partitioning() throws {
    let spec = try PartitioningText.parseSpec(
      "hours(ts), bucket(16, id), truncate(points.x , 4) ",
      schema: TableSchema(fields: [
        NestedField(id: 1, name: "id", type: .int), NestedField(id: 2, name: "ts", type: .timestamp),
        NestedField(id: 3, name: "points", type: .structure([NestedField(id: 4, name: "x", type: .string)]))
      ]))
    #expect(spec.fields.map(\.name) == ["ts_hour", "id_bucket", "points.x_trunc"])
    #expect(spec.fields.map(\.transform) == [.hour, .bucket(16), .truncate(4)])
    let order = try PartitioningText.parseSortOrder("id asc nulls last, bucket(4, id) desc, ts", schema: schema)
    #expect(
      order.fields == [
        SortField(sourceID: 1, nullsFirst: false),
        SortField(sourceID: 1, transform: .bucket(4), isAscending: false, nullsFirst: false), SortField(sourceID: 8)
      ])
    for wrong in [
      "hour(id)", "bucket(id)", "bucket(0, id)", "x", "hour(ts", "hour(ts) id", "dance(id)", "id,", "day(m.key)"
    ] {
      #expect(throws: IcebergError.self, "\(wrong)") { try PartitioningText.parseSpec(wrong, schema: schema) }
    }
    for version in [1, 2] {
      let table = try TableMetadata.create(
        TableCreation(
          schema: schema, spec: try PartitioningText.parseSpec("day(ts), id", schema: schema), formatVersion: version),
        location: "/t", uuid: "u", now: 0)
      var update = try PartitionSpecUpdate(table)
      try update.removeField("ts_day")
      try update.addField("ts", .hour)
      let changed = try update.apply()
      #expect(changed.fields.map(\.fieldID) == (version == 1 ? [1000, 1001, 1002] : [1001, 1002]))
      #expect(changed.fields.first?.transform == (version == 1 ? .void : .identity))
      let after = try table.applying([.addSpec(changed), .setDefaultSpec(-1)], now: 0)
      #expect(after.lastPartitionID == 1002)
      var back = try PartitionSpecUpdate(after)
      try back.removeField("ts_hour")
      try back.addField("ts", .day)
      if version == 2 { #expect(try back.apply().fields.map(\.fieldID) == [1001, 1000]) }
    }
  }

  @Test("Literals survive their binary and JSON forms; promoted types read what was written before")
  func literals() throws {
    let values: [(Literal, IcebergType, String)] = [
      (.boolean(true), .boolean, "true"), (.int(-5), .int, "-5"), (.long(.min), .long, "-9223372036854775808"),
      (.date(17_486), .date, "\"2017-11-16\""), (.time(81_068_123_456), .time, "\"22:31:08.123456\""),
      (.timestamp(1_510_871_468_123_456), .timestamp, "\"2017-11-16T22:31:08.123456\""),
      (.timestamptz(-1), .timestamptz, "\"1969-12-31T23:59:59.999999+00:00\""),
      (.timestamptzNanos(1), .timestamptzNanos, "\"1970-01-01T00:00:00.000000001+00:00\""),
      (.string("é\"\n"), .string, "\"é\\\"\\n\""), (.fixed([0, 255]), .fixed(length: 2), "\"00ff\""),
      (.binary([]), .binary, "\"\""),
      (.decimal(unscaled: -1420, scale: 2), .decimal(precision: 9, scale: 2), "\"-14.20\""),
      (.double(0.5), .double, "0.5"), (.float(1), .float, "1.0"),
      (.uuid(try UUIDValue("f79c3e09-677c-4bbd-a479-3f349cb785e7")), .uuid, "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"")
    ]
    for (value, type, text) in values {
      #expect(try Literal(binary: value.binary, type: type) == value)
      #expect(value.json.text == text)
      #expect(try Literal(json: JSONValue(parsing: text), type: type) == value)
      #expect(throws: IcebergError.self) { try Literal(json: .array([]), type: type) }
    }
    #expect(try Literal(binary: Literal.int(-7).binary, type: .long) == .long(-7))
    #expect(try Literal(binary: Literal.float(1.5).binary, type: .double) == .double(1.5))
    #expect(try Literal(binary: Literal.date(-1).binary, type: .timestamp) == .timestamp(-86_400_000_000))
    #expect(Literal.decimal(unscaled: 128, scale: 0).binary == [0, 128])
    #expect(Literal.decimal(unscaled: -128, scale: 0).binary == [128])
    #expect(throws: IcebergError.self) { try Literal(binary: [1, 2], type: .int) }
    #expect(throws: IcebergError.self) { try Literal(binary: [0xFF], type: .string) }
    #expect(Literal.compare(.double(-0.0), .double(0)) < 0 && Literal.compare(.double(.nan), .double(.infinity)) > 0)
    #expect(Literal.compare(.string("\u{FFFF}"), .string("\u{10000}")) < 0)
    #expect(Literal.compare(.uuid(UUIDValue(high: .max, low: 0)), .uuid(UUIDValue(high: 1, low: 0))) > 0)
    #expect(Literal.string("e\u{301}") != .string("é"))
  }

  @Test("Bounds are cut by code points and rounded up past surrogates, or left out")
  func bounds() throws {
    let mode = MetricsMode.truncate(2)
    #expect(Literal.string("abc").lowerBound(mode) == .string("ab"))
    #expect(Literal.string("abc").upperBound(mode) == .string("ac"))
    #expect(Literal.string("a\u{D7FF}c").upperBound(mode) == .string("a\u{E000}"))
    #expect(Literal.string("a\u{10FFFF}c").upperBound(mode) == .string("b"))
    #expect(Literal.string("\u{10FFFF}\u{10FFFF}c").upperBound(mode) == nil)
    #expect(Literal.string("😀é").upperBound(mode) == .string("😀é"))
    #expect(Literal.binary([1, 255, 3]).upperBound(mode) == .binary([2]))
    #expect(Literal.binary([255, 255, 3]).upperBound(mode) == nil)
    #expect(Literal.double(.nan).lowerBound(.full) == nil && Literal.double(0).lowerBound(.full) == .double(-0.0))
    #expect(try MetricsMode(parsing: "Truncate(8)") == .truncate(8))
    #expect(throws: IcebergError.self) { try MetricsMode(parsing: "truncate(0)") }
  }

  @Test("A name mapping gives a file without ids the table's, and Parquet schemas lead back")
  func parquet() throws {
    let written = try schema.parquetSchema()
    #expect(try TableSchema(written).fields == schema.fields)
    let mapping = try NameMapping(parsing: NameMapping(schema).text)
    let bare = NameMapping(fields: []).apply(to: written)
    #expect(!bare.hasFieldIDs && written.hasFieldIDs)
    #expect(mapping.apply(to: bare) == written)
    #expect(throws: IcebergError.self) { try NameMapping(parsing: "[{\"names\":[\"a\",\"a\"]}]") }
    #expect(IcebergType(columnType: .numeric) == nil && IcebergType(columnType: .jsonb) == .string)
  }

  @Test("JSON is parsed strictly and written back as it was")
  func json() throws {
    let good =
      "{\"a\":[1,-0,1.50,1e400,9223372036854775807,9223372036854775808],\"b\":\"\\u0001\\ud83d\\ude00/\",\"c\":null}"
    let value = try JSONValue(parsing: good)
    #expect(try JSONValue(parsing: value.text) == value)
    #expect(try JSONValue(parsing: value.prettyText) == value)
    #expect(value["b"] == "\u{1}😀/")
    #expect(value["a"]?.arrayValue?.dropFirst(4) == [.integer(.max), .number("9223372036854775808")])
    #expect(try JSONValue(parsing: "{\"a\":1,\"a\":2}") == .object(["a": .integer(2)]))
    let many = "{" + (0..<50).map { "\"k\($0 % 20)\":\($0)" }.joined(separator: ",") + "}"
    #expect(
      try JSONValue(parsing: many).objectValue?.map(\.value) == (30..<50).map { .integer($0 < 40 ? $0 + 10 : $0 - 10) })
    let bad = [
      "", "[1,]", "{\"a\" 1}", "01", "1.", "-", "\"\\x\"", "\"\\ud800\"", "\"\u{1}\"", "nul", "[1] 2", "{1:2}", "+1",
      String(repeating: "[", count: 100_000)
    ]
    for text in bad {
      let error = #expect(throws: IcebergError.self) { try JSONValue(parsing: text) }
      #expect(error?.kind == .corrupt && error?.message.contains("byte") == true)
    }
    #expect(throws: IcebergError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
  }

  @Test("Random ids have their forms")
  func ids() {
    #expect(SnapshotID.random(notIn: [1]) > 0)
    for text in [RandomUUID.version4(), RandomUUID.version7(milliseconds: 0x0123_4567_89AB)] {
      #expect(text.count == 36 && (try? UUIDValue(text)) != nil)
    }
    #expect(RandomUUID.version7(milliseconds: 0x0123_4567_89AB).hasPrefix("01234567-89ab-7"))
  }
}
