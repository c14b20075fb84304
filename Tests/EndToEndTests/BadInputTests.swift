import Foundation
import Ingest
import TestSupport
import TestTraits
import Testing

/// Whatever a topic holds, good rows arrive, and each record that cannot be used is kept once, with its place and the
/// reason.
@Suite("Bad input", .fewAtOnce, .serialized)
struct BadInputTests {
  @Test("a topic full of bad records: good rows arrive, every bad record is kept once in the local file")
  func localFile() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:2"])
    defer { broker.signal(SIGKILL) }
    let records = BadRecord.all
    try produce(records, bootstrap)
    let file = try bench.write("bad.sql", Self.pipeline(target: bench.directory + "/out"))
    let settings = settings(bench, bootstrap)

    let weir = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await weir.wait() == 0, "\(weir.errorText.suffix(4000))")
    try expectAccount(records, weir)

    let rows = try bench.jsonLines(below: bench.directory + "/out/good").compactMap { $0["id"] as? Int }
    #expect(rows.sorted() == records.compactMap(\.goodID))
    try expectWindows(try bench.jsonLines(below: bench.directory + "/out/counts"), records)
    let kept = try bench.jsonLines(below: bench.directory + "/checkpoints/bad/dead-letters")
    try expectKept(
      records,
      kept.map { Kept(partition: $0["partition"], offset: $0["offset"], reason: $0["reason"], message: $0["message"]) })
    expectBytes(records, kept)

    // A second run has nothing left to read and adds nothing.
    let again = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await again.wait() == 0, "\(again.errorText.suffix(4000))")
    #expect(try bench.jsonLines(below: bench.directory + "/checkpoints/bad/dead-letters").count == kept.count)
    #expect(try bench.jsonLines(below: bench.directory + "/out/good").count == rows.count)
  }

  @Test("a declared table in PostgreSQL takes the same records, with their bytes")
  func declaredTable() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let postgres = try PostgresServer()
    defer { try? postgres.stop(mode: .immediate) }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:2"])
    defer { broker.signal(SIGKILL) }
    let records = BadRecord.all
    try produce(records, bootstrap)
    let table = """
      CREATE TABLE refused (
        source text, partition text, "offset" bigint, key bytea, value bytea, reason text, message text
      ) WITH (connector = 'postgres', table = 'refused');
      """
    let file = try bench.write(
      "bad.sql", table + Self.pipeline(target: bench.directory + "/out", options: "dead_letter = 'refused',"))
    let weir = try bench.weir(
      ["run", file, "--until-end"],
      environment: settings(bench, bootstrap).merging(["WEIR_POSTGRES_URL": postgres.url]) { $1 })
    #expect(await weir.wait() == 0, "\(weir.errorText.suffix(4000))")
    try expectAccount(records, weir)

    let found = try postgres.run(
      sql: "SELECT partition, \"offset\", reason, message, md5(value), length(value) FROM refused ORDER BY 2")
    try expectKept(
      records,
      found.map { Kept(partition: $0[0], offset: $0[1].flatMap(Int.init), reason: $0[2], message: $0[3]) })
    let lengths = Dictionary(uniqueKeysWithValues: found.map { ($0[1] ?? "", $0[5].flatMap(Int.init)) })
    for (offset, record) in records.enumerated() where record.reason != nil {
      #expect(lengths["\(offset)"] == .some(record.value?.count), "bytes of \(record.name)")
    }
    #expect(
      try postgres.run(sql: "SELECT encode(key, 'hex') FROM refused WHERE reason = 'encoding' AND key <> 'k'")
        == [["c328"]])
  }

  // MARK: Input

  /// Every column is used: what no statement reads is not looked at.
  private static func pipeline(target: String, options: String = "") -> String {
    """
    CREATE TABLE events (
      id integer NOT NULL, amount double precision, price numeric(6, 2), name text, flag boolean,
      ts timestamptz NOT NULL
    ) WITH (connector = 'kafka', topic = 'events', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
            \(options) max_future = '1 hour', idle_timeout = '1 hour');

    CREATE TABLE good (
      id integer, amount double precision, price numeric(6, 2), name text, flag boolean, key text, ts timestamptz
    ) WITH (connector = 'file', path = '\(target)/good');
    INSERT INTO good SELECT id, amount, price, name, flag, _key, ts FROM events;

    CREATE TABLE counts (window_start timestamptz, readings bigint) WITH (connector = 'file', path = '\(target)/counts');
    INSERT INTO counts
    SELECT window_start, count(*) FROM tumble(events, ts, INTERVAL '10 seconds') GROUP BY window_start, window_end;
    """
  }

  private func settings(_ bench: Workbench, _ bootstrap: String) -> [String: String] {
    [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_CHECKPOINT_INTERVAL": "200ms"
    ]
  }

  private func produce(_ records: [BadRecord], _ bootstrap: String) throws {
    var configuration = EventProducer.Configuration(brokers: bootstrap, topic: "events")
    configuration.properties["message.max.bytes"] = "20000000"
    let producer = try EventProducer(configuration)
    for record in records {
      try producer.produce(key: record.key, value: record.value, partition: 0, timestamp: nil)
    }
    try producer.flush()
  }

  // MARK: Checking

  private struct Kept {
    let place: String
    let reason: String
    let message: String

    init(partition: Any?, offset: Any?, reason: Any?, message: Any?) {
      place = "\(partition as? String ?? "") \(offset as? Int ?? -1)"
      self.reason = reason as? String ?? ""
      self.message = message as? String ?? ""
    }
  }

  /// read = passed on + dead for the one statement, read = aggregated + dead for the other; nothing is late.
  private func expectAccount(_ records: [BadRecord], _ weir: ChildProcess) throws {
    let text = weir.lines.joined(separator: "\n")
    let summary = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let accounts = try #require(summary["accounting"] as? [String: [String: Int]])
    let good = records.filter { $0.reason == nil }.count
    let bad = records.count - good
    #expect(accounts["good"] == ["out": good, "filtered": 0, "aggregated": 0, "late": 0, "dead": bad])
    #expect(accounts["counts"] == ["out": 0, "filtered": 0, "aggregated": good, "late": 0, "dead": bad])
    #expect(summary["rows_in"] as? Int == records.count)
    #expect(summary["state"] as? String == "finished")
  }

  private func expectWindows(_ windows: [[String: Any]], _ records: [BadRecord]) throws {
    let counts = windows.compactMap { $0["readings"] as? Int }
    #expect(counts.reduce(0, +) == records.compactMap(\.goodID).count)
    #expect(windows.count == 2, "no window of the year 9999: \(windows)")
  }

  private func expectKept(_ records: [BadRecord], _ kept: [Kept]) throws {
    #expect(Set(kept.map(\.place)).count == kept.count, "no record is kept twice")
    let reasons = Dictionary(kept.map { ($0.place, $0) }) { first, _ in first }
    for (offset, record) in records.enumerated() {
      let found = reasons["events/0 \(offset)"]
      #expect(found?.reason == record.reason, "\(record.name): \(found?.message ?? "not kept")")
      if let text = record.message { #expect(found?.message.contains(text) == true, "\(found?.message ?? "")") }
    }
    #expect(kept.count == records.filter { $0.reason != nil }.count)
  }

  /// In a file, bytes that are not UTF-8 are written as PostgreSQL writes bytea.
  private func expectBytes(_ records: [BadRecord], _ kept: [[String: Any]]) {
    for line in kept {
      guard let offset = line["offset"] as? Int, records.indices.contains(offset) else { continue }
      let value = records[offset].value
      let text = line["value"] as? String
      let isKept = value.map { Array((text ?? "?").utf8) == $0 || text == hexadecimal($0) } ?? (text == nil)
      #expect(isKept, "bytes of \(records[offset].name)")
    }
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  "\\x" + bytes.map { String(format: "%02x", $0) }.joined()
}

/// A record and what must become of it.
private struct BadRecord {
  let name: String
  let key: [UInt8]?
  let value: [UInt8]?
  /// Why it is kept aside; `nil`: it is a good row.
  let reason: String?
  /// What the message must say.
  let message: String?
  var goodID: Int?

  private init(_ name: String, _ value: [UInt8]?, key: [UInt8]? = Array("k".utf8), _ reason: String, _ message: String?)
  {
    self.name = name
    self.key = key
    self.value = value
    self.reason = reason
    self.message = message
  }

  private init(_ name: String, _ json: String, _ reason: String, _ message: String? = nil) {
    self.init(name, Array(json.utf8), reason, message)
  }

  private init(good id: Int, second: Int) {
    name = "good row \(id)"
    key = Array("k\(id)".utf8)
    value = Array(
      """
      {"id":\(id),"amount":1.5,"price":9.75,"name":"ä","flag":true,"other":[1,{"a":null}],\
      "ts":"2026-01-01T00:00:\(second < 10 ? "0" : "")\(second)Z"}
      """.utf8)
    reason = nil
    message = nil
    goodID = id
  }

  private static let time = #""ts":"2026-01-01T00:00:02Z""#

  static var all: [BadRecord] {
    [BadRecord(good: 1, second: 1)] + syntax + [BadRecord(good: 2, second: 2)] + values
      + [BadRecord(good: 3, second: 3)] + times
      // After the year 9999 a normal row is neither late nor is its window lost.
      + [BadRecord(good: 4, second: 4), BadRecord(good: 5, second: 14)]
  }

  private static var syntax: [BadRecord] {
    [
      BadRecord("not JSON", "this is not JSON", "malformed", "expected a JSON object"),
      BadRecord("an array", "[1, 2]", "malformed", "expected a JSON object"),
      BadRecord("cut off", #"{"id":8,"#, "malformed", "end of the record"),
      BadRecord("something behind", #"{"id":8,\#(time)} trailing"#, "malformed", "trailing"),
      BadRecord("empty value", [], "tombstone", "an empty one"),
      BadRecord("null value", nil, "tombstone", "a tombstone"),
      BadRecord(
        "ten megabytes", #"{"id":8,"name":"\#(String(repeating: "x", count: 10_000_000))",\#(time)}"#, "too_large",
        "at most 8388608 bytes"),
      BadRecord(
        "deep arrays",
        #"{"id":8,"o":\#(String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)),\#(time)}"#,
        "too_large", "nested"),
      BadRecord(
        "deep objects in a column",
        #"{"id":8,"name":\#(String(repeating: #"{"a":"#, count: 10_000))1\#(String(repeating: "}", count: 10_000)),\#(time)}"#,
        "too_large", "nested"),
      BadRecord(
        "invalid UTF-8", Array(#"{"id":8,"name":""#.utf8) + [0xff, 0xfe] + Array(#"",\#(time)}"#.utf8), "encoding",
        "column 'name'"),
      BadRecord(
        "key not UTF-8", Array(#"{"id":8,\#(time)}"#.utf8), key: [0xc3, 0x28], "encoding", "column '_key'")
    ]
  }

  private static var values: [BadRecord] {
    [
      BadRecord("text for a number", #"{"id":"abc",\#(time)}"#, "type", "column 'id': expected integer"),
      BadRecord("object for a number", #"{"id":{"x":1},\#(time)}"#, "type", "column 'id'"),
      BadRecord("text for a boolean", #"{"id":8,"flag":"maybe",\#(time)}"#, "type", "column 'flag'"),
      BadRecord("no field of a NOT NULL column", #"{"amount":1,\#(time)}"#, "missing", "column 'id'"),
      BadRecord("null in a NOT NULL column", #"{"id":null,\#(time)}"#, "missing", "column 'id'"),
      BadRecord("integer out of range", #"{"id":99999999999,\#(time)}"#, "range", "99999999999"),
      BadRecord("numeric out of range", #"{"id":8,"price":123456.7,\#(time)}"#, "range", "column 'price'"),
      BadRecord("double out of range", #"{"id":8,"amount":1e999,\#(time)}"#, "range", "1e999")
    ]
  }

  private static var times: [BadRecord] {
    [
      BadRecord("no event time", #"{"id":8}"#, "missing", "column 'ts'"),
      BadRecord("not a time", #"{"id":8,"ts":"yesterday"}"#, "type", "yesterday"),
      BadRecord("time out of range", #"{"id":8,"ts":1e300}"#, "range", "1e300"),
      BadRecord("the year 9999", #"{"id":8,"ts":"9999-12-31T23:59:59Z"}"#, "future", "9999-12-31")
    ]
  }
}
