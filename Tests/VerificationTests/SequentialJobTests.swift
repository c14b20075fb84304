import Actors
import Checkpointing
import Columnar
import SQL
import TestSupport
import TestTraits
import Testing
import Verification

@Suite("A job as one reader would run it", .fewAtOnce)
struct SequentialJobTests {
  private static let tumble = """
    INSERT INTO out SELECT k, window_start, count(*), sum(v) FROM tumble(events, ts, INTERVAL '10 seconds')
    WHERE v % 7 <> 0 GROUP BY k, window_start;
    """

  private static func records(_ numbers: inout SeededNumbers) -> [[TestRecord]] {
    (0..<3).map { _ in
      var time: Int64 = 1_000_000_000
      return (0..<400).map { offset in
        time += Int64.random(in: 0...400, using: &numbers) * 1000
        let back = Int.random(in: 0..<20, using: &numbers) == 0 ? Int64(20_000_000) : Int64(0)
        return TestRecord(
          offset: Int64(offset * 2), key: Int.random(in: 0..<5, using: &numbers),
          value: Int64.random(in: 0..<1000, using: &numbers), time: time - back)
      }
    }
  }

  /// Plain loops over the records: what the windows must hold, and how many rows are late.
  private static func expected(_ partitions: [[TestRecord]]) -> (windows: [[Int64]: [Int64]], late: Int) {
    var windows: [[Int64]: [Int64]] = [:]
    var late = 0
    for records in partitions {
      var greatest = Int64.min
      for record in records {
        let watermark = greatest == .min ? Int64.min : greatest - TestJob.delay
        greatest = max(greatest, record.time)
        guard record.value % 7 != 0 else { continue }
        let start = record.time - record.time % 10_000_000
        guard start + 10_000_000 > watermark else {
          late += 1
          continue
        }
        let key = [Int64(record.key), start]
        windows[key] = [(windows[key]?[0] ?? 0) + 1, (windows[key]?[1] ?? 0) + record.value]
      }
    }
    return (windows, late)
  }

  @Test("windows and late rows are those of plain loops, whatever the batches", arguments: [1, 7, 64, 1000])
  func reference(batch: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("sequential job: seed \(seed)")
    var numbers = SeededNumbers(seed: seed)
    let records = Self.records(&numbers)
    let expected = Self.expected(records)
    var job = try TestJob(Self.tumble, partitions: 3)
    try job.run(records, batch: batch)
    var found: [[Int64]: [Int64]] = [:]
    for row in job.rows {
      let values = row.values.map { value -> Int64 in if case .int64(let number) = value { number } else { -1 } }
      #expect(row.order == values[1] + 10_000_000, "a row of a window is placed at the window's end")
      #expect(found.updateValue([values[2], values[3]], forKey: [values[0], values[1]]) == nil)
    }
    #expect(found == expected.windows)
    let late = job.job.accounts.values.reduce(0) { $0 + Int($1["out"]?.late ?? 0) }
    #expect(late == expected.late && job.kept.count == late && late > 0)
    let total = job.job.accounts.values.reduce(0) { $0 + Int($1["out"]?.total ?? 0) }
    #expect(total == 1200, "every record has one fate")
  }

  @Test("rows that the job called late for another reason are left out, and told apart")
  func knownLate() throws {
    let records = (0..<10).map { TestRecord(offset: Int64($0), key: 1, value: 1, time: 1_000_000_000) }
    var job = try TestJob(Self.tumble, partitions: 1)
    let key = SequentialJob.LateKey(partition: TestJob.partition(0), statement: "out")
    job.job.knownLate[key] = [3, 4, 99]
    try job.run([records], batch: 4)
    #expect(job.rows.map { $0.values[2] } == [.int64(8)])
    #expect(job.job.forcedLate[key] == 2)
    #expect(job.job.forcedEnds[0] == [1_010_000_000])
    #expect(job.kept.map(\.offset) == [3, 4])
  }

  @Test("an aggregate over an aggregate, a union and a plain copy come out together")
  func shapes() throws {
    let statements = """
      CREATE VIEW short AS SELECT k, window_start, count(*) AS n FROM tumble(events, ts, INTERVAL '1 second')
      GROUP BY k, window_start;
      INSERT INTO out SELECT k, window_start, max(n), sum(n)
      FROM tumble(short, window_start, INTERVAL '10 seconds') GROUP BY k, window_start;
      INSERT INTO out SELECT k, ts, v, 0 FROM events WHERE v > 5 UNION ALL SELECT k, ts, v, 1 FROM events WHERE v > 8;
      """
    let records = (0..<20).map {
      TestRecord(offset: Int64($0), key: 1, value: Int64($0), time: 1_000_000_000 + Int64($0) * 500_000)
    }
    var job = try TestJob(statements, partitions: 2)
    try job.run([records, []], batch: 3)
    let windows = job.rows.filter {
      if case .stage = job.job.streams[$0.stream] { true } else { false }
    }
    #expect(windows.map { $0.values[2...] } == [[.int64(2), .int64(20)]])
    #expect(job.rows.count - windows.count == 14 + 11)
  }

  @Test("functions of the moment are found wherever they stand", arguments: FunctionCatalog.momentary.sorted())
  func volatile(function: String) throws {
    // The standard writes these without parentheses.
    let isBare = ["current_timestamp", "localtimestamp", "current_date"].contains(function)
    let moment = function + (isBare ? "" : "()")
    let plan = try TestJob.plan(
      """
      INSERT INTO out SELECT k, ts, v, 0 FROM events;
      INSERT INTO out SELECT k, \(moment)::timestamptz, v, 0 FROM events;
      INSERT INTO out SELECT k, ts, v, 0 FROM events WHERE CASE WHEN v > 1 THEN ts < \(moment) ELSE false END;
      """)
    let found = VolatileExpression.all(in: plan)
    #expect(found.map(\.function) == [function, function])
    #expect(found.allSatisfy { $0.description.contains("out") })
  }

  @Test("every function of no argument is one of the moment: otherwise it would be a constant")
  func momentary() {
    let bare = FunctionCatalog.signatures.filter { $0.arguments.isEmpty }.map(\.name)
    #expect(Set(bare) == FunctionCatalog.momentary)
  }
}
