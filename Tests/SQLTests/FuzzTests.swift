import SQL
import TestSupport
import TestTraits
import Testing

@Suite("Damaged files", .fewAtOnce)
struct FuzzTests {
  static let statements = """
    INSERT INTO averages (readings, sensor_id, window_start)
    SELECT count(DISTINCT note) FILTER (WHERE ok IS NOT TRUE), sensor_id || $$x$$, window_start
    FROM hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10' SECOND) AS r
    WHERE battery BETWEEN -5 AND 7 OR note NOT LIKE 'a%' AND price::numeric(5,1) IN (1, 2.5)
    GROUP BY 2, window_start HAVING avg(temperature) > 1e3;
    CREATE VIEW v (a, b) AS SELECT CASE note WHEN 'x' THEN coalesce(battery, 0) END, substring(note from 1 for 2)
      FROM (SELECT * FROM readings UNION ALL SELECT * FROM readings) AS u; -- done
    WITH w AS (SELECT a FROM v) INSERT INTO averages (sensor_id, window_start) SELECT a, now() FROM w;
    """

  /// Whether the text gives a plan or errors that say something; a crash gives neither.
  private func survives(_ text: String) -> Bool {
    do throws(SQLDiagnostics) {
      let job = try SQLFile.plan(text, fileName: "job.sql") { _ in "x" }
      return !job.explained().isEmpty && !job.stateSignature.isEmpty
    } catch {
      return !error.all.isEmpty && error.all.allSatisfy { !$0.message.isEmpty && !$0.description.isEmpty }
    }
  }

  @Test("the text that is damaged is valid")
  func valid() throws { _ = try plan(telemetryTables + Self.statements) }

  @Test("a file cut anywhere gives errors, never a crash")
  func truncation() {
    let text = Array((telemetryTables + Self.statements).utf8)
    for length in 0..<text.count {
      #expect(survives(String(decoding: text[..<length], as: UTF8.self)), "cut at \(length)")
    }
  }

  @Test("a file with random damage gives errors, never a crash", arguments: [1, 2, 3, 4] as [UInt64])
  func mutation(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    let text = telemetryTables + Self.statements
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    let spices: [Substring] = [
      "(", ")", ",", "'", "\"", ";", "NULL", "-", "::", "*", "0", "-1", "99999999999999999999999999999999999999999999",
      "'1'", "window_start", "count(*)", "FROM", "ü", "/*", "$$", "interval", "CASE", "ARRAY[1]", "(SELECT 1)", "$1"
    ]
    for _ in 0..<400 {
      var damaged = words
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let position = Int.random(in: 0..<damaged.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: damaged.remove(at: position)
        case 1: damaged[position] = spices.randomElement(using: &random) ?? ""
        case 2: damaged.insert(spices.randomElement(using: &random) ?? "", at: position)
        default: damaged.swapAt(position, Int.random(in: 0..<damaged.count, using: &random))
        }
      }
      let damagedText = damaged.joined(separator: " ")
      #expect(survives(damagedText), "seed \(seed): \(damagedText)")
    }
  }

  @Test("random bytes give errors, never a crash", arguments: [11, 12] as [UInt64])
  func noise(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    for _ in 0..<300 {
      let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(survives(String(decoding: bytes, as: UTF8.self)), "seed \(seed): \(bytes)")
    }
  }

  @Test(
    "nesting without end is refused",
    arguments: [
      String(repeating: "(", count: 100_000),
      String(repeating: "(", count: 900) + "1" + String(repeating: ")", count: 900),
      "1" + String(repeating: " + 1", count: 5_000), String(repeating: "NOT ", count: 5_000) + "TRUE",
      String(repeating: "-", count: 5_000) + " 1",
      String(repeating: "abs(", count: 3_000) + "1" + String(repeating: ")", count: 3_000)
    ])
  func nesting(expression: String) {
    #expect(
      survives(
        telemetryTables + "INSERT INTO averages (sensor_id, window_start) SELECT \(expression), ts FROM readings"))
    #expect(
      survives(
        telemetryTables
          + "INSERT INTO averages (sensor_id, window_start) SELECT note, ts FROM readings WHERE \(expression)"))
  }

  @Test("sums of 150 terms are not nested too deeply")
  func longSum() throws {
    let sum = (0..<150).map { "battery + \($0)" }.joined(separator: " + ")
    _ = try plan(telemetryTables + "INSERT INTO averages (sensor_id, window_start) SELECT \(sum), ts FROM readings")
  }
}
