import Actors
import Checkpointing
import Columnar
import TestSupport
import TestTraits
import Testing

@Suite("The PostgreSQL sink", .fewAtOnce)
struct PostgresSinkTests {
  @Test("writes every type as the server reads it")
  func everyType() async throws {
    let server = try SharedServer.server
    let table = Make.table(
      "every_type",
      [
        ("b", .boolean), ("i", .integer), ("l", .bigint), ("r", .real), ("d", .double), ("n", .numeric), ("t", .text),
        ("y", .bytea), ("day", .date), ("ts", .timestamp), ("tz", .timestamptz), ("span", .interval), ("u", .uuid),
        ("j", .jsonb)
      ], options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "types", url: server.url)
    try await driver.claim()
    var bytes = ByteValues()
    bytes.append(contentsOf: [0, 255])
    bytes.append(contentsOf: [])
    bytes.append(contentsOf: [])
    let some = Bitmap([true, true, false])
    let first = Int64(1_767_882_600_123_456)
    try await driver.commitEpoch([
      Column(.boolean, .boolean([true, false, false]), validity: some),
      Make.whole([-7, Int64(Int32.max), nil], .integer), Make.whole([.min, .max, nil]),
      Column(.real, .float64([1.5, -.infinity, 0]), validity: some),
      Column(.double, .float64([0.1, .nan, 0]), validity: some),
      Column(
        .numeric,
        .numeric([
          Numeric(unscaled: -1_234_567_890_123_456_789_012_345_678_901_234_567, scale: 7),
          Numeric(unscaled: 0, scale: Numeric.nanScale), Numeric(unscaled: 0, scale: 0)
        ]), validity: some),
      Make.text(["Zürich 🌊", "", nil]), Column(.bytea, .bytes(bytes), validity: some),
      Make.whole([-1, 20_000, nil], .date), Make.whole([first, -1, nil], .timestamp),
      Make.whole([first, 0, nil], .timestamptz),
      Column(
        .interval,
        .interval([
          Interval(months: 14, days: -3, microseconds: 1_000_001), Interval(microseconds: -1), Interval()
        ]), validity: some),
      Column(
        .uuid,
        .uuid([
          UUIDValue(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff), UUIDValue(high: 0, low: 1),
          UUIDValue(high: 0, low: 0)
        ]), validity: some),
      Make.text([#"{"a": [1, null]}"#, "3", nil], .jsonb)
    ])
    let rows = try server.run(sql: "SELECT * FROM every_type ORDER BY l NULLS LAST")
    #expect(
      rows == [
        [
          "t", "-7", "-9223372036854775808", "1.5", "0.1", "-123456789012345678901234567890.1234567", "Zürich 🌊",
          "\\x00ff", "1969-12-31", "2026-01-08 14:30:00.123456", "2026-01-08 14:30:00.123456+00",
          "1 year 2 mons -3 days +00:00:01.000001", "00112233-4455-6677-8899-aabbccddeeff", #"{"a": [1, null]}"#
        ],
        [
          "f", "2147483647", "9223372036854775807", "-Infinity", "NaN", "NaN", "", "\\x", "2024-10-04",
          "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00+00", "-00:00:00.000001",
          "00000000-0000-0000-0000-000000000001", "3"
        ],
        [String?](repeating: nil, count: 14)
      ])
    #expect(driver.rejections.isEmpty)
    await driver.close()
  }

  @Test("upserts by primary key: the last row of an epoch and of the table wins, deletes remove")
  func upsert() async throws {
    let server = try SharedServer.server
    let table = Make.table(
      "upserted", [("city", .text), ("hour", .bigint), ("n", .bigint)], key: ["city", "hour"],
      options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "upsert", url: server.url)
    try await driver.claim()
    try await driver.commitEpoch([Make.text(["a", "b", "a"]), Make.whole([1, 1, 1]), Make.whole([1, 2, 3])])
    #expect(
      try server.run(sql: "SELECT city, hour, n FROM upserted ORDER BY 1") == [["a", "1", "3"], ["b", "1", "2"]])
    try await driver.commitEpoch(
      [Make.text(["a", "b", "c", "c", "d", "d"]), Make.whole([1, 1, 1, 1, 1, 1]), Make.whole([9, 0, 1, 1, 1, 2])],
      kinds: [.insert, .delete, .insert, .delete, .updateBefore, .updateAfter])
    #expect(
      try server.run(sql: "SELECT city, hour, n FROM upserted ORDER BY 1") == [["a", "1", "9"], ["d", "1", "2"]])
    await driver.close()
  }

  @Test("appends every row, from a spill file when the epoch is large")
  func append() async throws {
    let server = try SharedServer.server
    let table = Make.table("appended", [("a", .bigint), ("t", .text)], options: ["connector": "postgres"])
    let driver = try SinkDriver(table, job: "append", url: server.url)
    try await driver.claim()
    for part in 0..<30 {
      try driver.write([
        Make.whole((0..<5_000).map { Int64(part * 5_000 + $0) }), Make.text((0..<5_000).map { "row \($0)" })
      ])
    }
    let pending = try await driver.seal()
    #expect(pending.files.count == 1 && pending.payload.count < 2_000)
    #expect(try await driver.commit(pending).rowsApplied == 150_000)
    #expect(
      try server.run(sql: "SELECT count(*), count(DISTINCT a), sum(a) FROM appended") == [
        ["150000", "150000", "11249925000"]
      ])
    await driver.close()
  }

  @Test("skips a commit that was applied, and refuses one from another history")
  func positions() async throws {
    let server = try SharedServer.server
    let table = Make.table("fenced", [("a", .bigint)], options: ["connector": "postgres"])
    let old = try SinkDriver(table, job: "fence", url: server.url)
    try await old.claim()
    try old.write([Make.whole([1])])
    let pending = try await old.seal()
    #expect(try await old.commit(pending) == CommitOutcome(rowsApplied: 1))
    #expect(try await old.commit(pending) == CommitOutcome(rowsApplied: 0, wasSkipped: true))
    #expect(
      try server.run(sql: "SELECT lineage, attempt, checkpoint, sources FROM weir.positions WHERE job = 'fence'") == [
        ["L", "1", "1", #"{"events": {"topic/0": 10}}"#]
      ])
    // A second attempt takes over; the first one is fenced from there.
    let new = try SinkDriver(table, job: "fence", url: server.url, owner: JobOwner(lineage: "L", attempt: 2))
    #expect(try await new.claim(newest: 1) == 1)
    try old.write([Make.whole([2])])
    let late = try await old.seal()
    await #expect(throws: PositionConflict.self) { try await old.commit(late) }
    await #expect(throws: PositionConflict.self) {
      try await old.connector.claim(owner: old.owner, newest: CheckpointID(9))
    }
    let other = try SinkDriver(table, job: "fence", url: server.url, owner: JobOwner(lineage: "M", attempt: 9))
    await #expect(throws: PositionConflict.self) { try await other.claim() }
    try await new.commitEpoch([Make.whole([3])])
    #expect(try server.run(sql: "SELECT a FROM fenced ORDER BY a") == [["1"], ["3"]])
    // An epoch without rows moves the position too.
    try await new.commit(await new.seal())
    #expect(try server.run(sql: "SELECT checkpoint FROM weir.positions WHERE job = 'fence'") == [["3"]])
    for driver in [old, new, other] { await driver.close() }
  }
}
