import Actors
import Checkpointing
import Columnar
import Foundation
import Iceberg
import IcebergSupport
import SQL
import Sinks
import TestTraits
import Testing

@Suite("the Iceberg sink's types and schemas", .fewAtOnce)
struct IcebergTypeTests {
  private static let types: [(String, DataType)] = [
    ("b", .boolean), ("i", .integer), ("l", .bigint), ("f", .real), ("d", .double),
    ("n", .numeric(precision: 20, scale: 3)), ("s", .text), ("x", .bytea), ("day", .date), ("ts", .timestamp),
    ("tz", .timestamptz), ("u", .uuid), ("j", .jsonb)
  ]

  private static func table(_ columns: [(String, DataType)], _ options: [String: String] = [:]) -> TableDefinition {
    Make.table(
      "sink", columns, options: ["connector": "iceberg", "table": "all"].merging(options) { _, own in own })
  }

  /// Three rows: small values, great ones, NULLs.
  private static func columns() -> [Column] {
    let valid = Bitmap([true, true, false])
    func whole(_ type: DataType, _ values: [Int64]) -> Column { Column(type, .int64(values + [0]), validity: valid) }
    return [
      Column(.boolean, .boolean([true, false, false]), validity: valid), whole(.integer, [1, -2_147_483_640]),
      whole(.bigint, [1, .max]), Column(.real, .float64([1.5, -0.25, 0]), validity: valid),
      Column(.double, .float64([.pi, -1e300, 0]), validity: valid),
      Column(
        .numeric(precision: 20, scale: 3),
        .numeric([
          Numeric(unscaled: 15, scale: 1), Numeric(unscaled: -99_999_999_999_999_999_999, scale: 3),
          Numeric(unscaled: 0, scale: 0)
        ]), validity: valid),
      Make.text(["ä", "", nil]), Make.text(["\u{1}", "raw", nil], .bytea), whole(.date, [0, -719_162]),
      whole(.timestamp, [1, -1]), whole(.timestamptz, [1_700_000_000_000_000, 0]),
      Column(
        .uuid, .uuid([.init(high: 1, low: 2), .init(high: .max, low: 0), .init(high: 0, low: 0)]), validity: valid),
      Make.text(["{\"a\":1}", "[]", nil], .jsonb)
    ]
  }

  @Test("all types, with all transforms, in both format versions, as independent readers see them", arguments: [2, 3])
  func allTypes(version: Int) async throws {
    let partitioning =
      "b, bucket(4, l), truncate(10, i), truncate(2, s), year(day), month(ts), day(tz) as tz_day, bucket(2, u), "
      + "bucket(3, n)"
    let world = try IcebergWorld(
      Self.table(Self.types, ["format_version": "\(version)", "partitioning": partitioning, "sort_order": "l desc"]))
    let run = try await world.start()
    try run.write(Self.columns())
    #expect(run.rejections.isEmpty)
    try await run.seal()
    try await run.commit()
    let expected = """
      SELECT * FROM (VALUES
        (true, 1, 1::bigint, 1.5::float, pi(), 1.5::decimal(20,3), 'ä', '\\x01'::blob, DATE '1970-01-01',
         TIMESTAMP '1970-01-01 00:00:00.000001', TIMESTAMPTZ '2023-11-14 22:13:20+00',
         '00000000000000010000000000000002', '{"a":1}'),
        (false, -2147483640, 9223372036854775807, -0.25, -1e300, -99999999999999999.999, '', 'raw'::blob,
         DATE '0001-01-01', TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMPTZ '1970-01-01 00:00:00+00',
         'ffffffffffffffff0000000000000000', '[]'),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
      ) t(b, i, l, f, d, n, s, x, day, ts, tz, u, j)
      """
    let findings = try await world.judge("default.all", ["--expect-rows", expected])
    #expect(findings == "", "\(findings)")
    await run.close()
  }

  @Test("values that the table cannot take are refused row by row; the others arrive")
  func refusals() async throws {
    var table = Self.table([("n", .numeric(precision: 4, scale: 2)), ("s", .text), ("k", .bigint)])
    table = TableDefinition(
      name: table.name,
      columns: table.columns.map {
        $0.field.name == "k"
          ? ColumnDefinition(field: Field("k", .bigint, isNullable: false), declaredType: "bigint") : $0
      }, primaryKey: ["k"], options: table.options, location: table.location)
    let world = try IcebergWorld(table)
    let run = try await world.start()
    let numerics = [
      Numeric(unscaled: 1, scale: 0), Numeric(unscaled: 12345, scale: 2), Numeric(unscaled: 1234, scale: 3),
      Numeric(unscaled: 0, scale: Numeric.nanScale), Numeric(unscaled: 1, scale: 0), Numeric(unscaled: 10, scale: 1),
      Numeric(unscaled: 5, scale: 0)
    ]
    var bytes = ByteValues()
    for text: [UInt8] in [[65], [66], [67], [68], [0xC3, 0x28], [70], [71]] { bytes.append(contentsOf: text) }
    let kinds: [RowKind] = [.insert, .insert, .insert, .insert, .insert, .delete, .updateAfter]
    let keys: [Int64?] = [1, 2, 3, 4, 5, 6, nil]
    try run.write(
      [
        Column(.numeric(precision: 4, scale: 2), .numeric(numerics)), Column(.text, .bytes(bytes)), Make.whole(keys)
      ], kinds: kinds)
    #expect(run.rejections.map(\.row) == [1, 2, 3, 4, 5, 6])
    try await run.seal()
    #expect(try await run.commit().rowsApplied == 1)
    #expect(try await world.rows("default.all", columns: ["s", "k"]) == ["A|1"])
    let loaded = try await world.load("default.all")
    #expect(loaded.metadata.currentSchema?.identifierFieldIDs == [3])
    await run.close()
  }

  @Test("missing columns are added and narrow ones widened, in one commit at the claim; strict says what differs")
  func evolution() async throws {
    let world = try IcebergWorld(Self.table([("a", .integer), ("b", .real), ("c", .numeric(precision: 5, scale: 2))]))
    let run = try await world.start()
    let narrow = Column(
      .numeric(precision: 5, scale: 2), .numeric([Numeric(unscaled: 150, scale: 2)]))
    try run.write([Make.whole([1], .integer), Column(.real, .float64([1.5])), narrow])
    try await run.seal()
    try await run.commit()
    await run.close()
    let wider: [(String, DataType)] = [
      ("c", .numeric(precision: 9, scale: 2)), ("a", .bigint), ("b", .double), ("e", .text)
    ]
    let error = await #expect(throws: SinkError.self) {
      _ = try await world.start(as: Self.table(wider, ["schema_evolution": "strict"]))
    }
    for part in ["column e", "column a is int", "column b is float", "decimal(9"] {
      #expect(error?.message.contains(part) == true, "\(error?.message ?? "") lacks \(part)")
    }
    #expect(error?.severity == .fatal)
    let next = try await world.start(as: Self.table(wider))
    let wide = Column(.numeric(precision: 9, scale: 2), .numeric([Numeric(unscaled: 99_999_999, scale: 2)]))
    try next.write([wide, Make.whole([1 << 40]), Column(.double, .float64([1e300])), Make.text(["new"])])
    try await next.seal()
    try await next.commit()
    let expected = """
      SELECT * FROM (VALUES (1::bigint, 1.5::double, 1.50::decimal(9,2), NULL),
        (1099511627776, 1e300, 999999.99, 'new')) t(a, b, c, e)
      """
    let findings = try await world.judge("default.all", ["--expect-rows", expected])
    #expect(findings == "", "\(findings)")
    await next.close()
    // What the query has no more stays NULL, and narrower declarations go on.
    let last = try await world.start(as: Self.table([("a", .integer), ("e", .text)]))
    try last.write([Make.whole([7], .integer), Make.text(["less"])])
    try await last.seal()
    try await last.commit()
    #expect(try await world.rows("default.all", columns: ["a", "b", "e"]).contains("7|null|less"))
    await last.close()
    let impossible = await #expect(throws: SinkError.self) {
      _ = try await world.start(as: Self.table([("a", .text)]))
    }
    #expect(impossible?.message.contains("column a is declared text") == true)
  }

  @Test("commits, a new schema and a new spec of others, between ours, are kept, and our files stay valid")
  func foreign() async throws {
    let world = try IcebergWorld(
      Make.table(
        "sink", IcebergSinkTests.columns, options: IcebergSinkTests.events(options: ["partitioning": "name"])))
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<10))
    try await run.seal()
    try await run.commit()
    try run.write(IcebergSinkTests.rows(10..<20))
    try await run.seal()
    var table = try await world.load("ns.events")
    try await table.commit([
      UpdateSchema { update throws(IcebergError) in try update.addColumn("extra", .int) },
      UpdateProperties(setting: ["owner": "somebody"])
    ])
    try await run.commit()
    try run.write(IcebergSinkTests.rows(20..<30))
    try await run.seal()
    try await run.commit()
    #expect(try await world.rows("ns.events", columns: ["id", "name"]) == IcebergSinkTests.expected(0..<30))
    #expect(try await world.load("ns.events").metadata.properties["owner"] == "somebody")
    #expect(try await world.judge("ns.events", ["--unique-key", "id"]) == "")
    await run.close()
  }
}
