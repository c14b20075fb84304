import Actors
import Columnar

/// What a simulated job reads, what it computes, and what its sinks must hold in the end.
public struct Workload: Sendable {
  /// The SQL file.
  public var sql: String
  /// The records by source table and partition; times in nanoseconds of virtual time.
  public var topics: [(source: String, partitions: [SimulatedTopic.Partition])]
  /// By sink table: the rows that it must hold, as JSON objects.
  public var expected: [String: [String]]
  /// Records that nobody can read, as `source/partition/offset`.
  public var dead: [String]
  /// Rows that are late, as `source/partition/offset`.
  public var late: [String]
  /// Whether the job reads to the ends that it finds at its start, and fires what is left.
  public var isBounded: Bool
  /// By partition of the built-in source: the offsets of the records that become rows of the table `passed`.
  var passedOffsets: [[Int64]] = []

  /// When the last record becomes visible, in nanoseconds.
  public var lastArrival: Int64 {
    topics.flatMap { $0.partitions.flatMap { $0.records.map(\.visibleAt) } }.max() ?? 0
  }

  /// How many records there are.
  public var records: Int { topics.reduce(0) { $0 + $1.partitions.reduce(0) { $0 + $1.records.count } } }

  /// The source table of the built-in workloads.
  static let source = "readings"
  /// The sink tables of the built-in workloads.
  static let tables = ["passed", "windows"]

  /// A built-in workload that `random` determines.
  ///
  /// - Parameters:
  ///   - sinks: where it delivers to.
  ///   - addsPartition: whether a partition appears while the job runs.
  public init(sinks: SinkKind, addsPartition: Bool, drawing random: inout SeededGenerator) {
    var shape = Shape(&random)
    shape.addsPartition = !shape.isBounded && addsPartition
    let partitions = shape.records(&random)
    topics = [(Self.source, partitions)]
    sql = shape.sql(sinks)
    isBounded = shape.isBounded
    let reference = Reference(
      partitions: partitions, delay: shape.delay, size: shape.size, slide: shape.slide, isBounded: shape.isBounded)
    expected = ["passed": reference.passed, "windows": reference.windows]
    passedOffsets = reference.passedOffsets
    dead = reference.dead.map { "\(Self.source)/\($0)" }
    late = reference.late.map { "\(Self.source)/\($0)" }
  }

  /// What is drawn for one workload.
  private struct Shape {
    let partitionCount: Int
    let recordCount: Int
    let sensorCount: Int
    let isBounded: Bool
    /// Seconds.
    let delay: Int64
    let size: Int64
    let slide: Int64
    let disorder: Int64
    let badShare: Double
    let gapShare: Double
    let duration: Int64
    /// How long the keys are made: with long ones epochs outgrow what fits into a manifest.
    let padding: Int
    var addsPartition = false

    init(_ random: inout SeededGenerator) {
      partitionCount = Int.random(in: 1...4, using: &random)
      recordCount = [20, 60, 150, 400][Int.random(in: 0..<4, using: &random)]
      sensorCount = [1, 3, 20][Int.random(in: 0..<3, using: &random)]
      isBounded = random.chance(0.3)
      delay = [0, 1, 4][Int.random(in: 0..<3, using: &random)]
      slide = [2, 5][Int.random(in: 0..<2, using: &random)]
      size = slide * [1, 1, 3][Int.random(in: 0..<3, using: &random)]
      disorder = [0, 2, 9][Int.random(in: 0..<3, using: &random)]
      badShare = [0, 0.03][Int.random(in: 0..<2, using: &random)]
      gapShare = [0, 0.1][Int.random(in: 0..<2, using: &random)]
      padding = [0, 0, 0, 0, 900][Int.random(in: 0..<5, using: &random)]
      duration = [300, 1000, 4000][Int.random(in: 0..<3, using: &random)] * 1_000_000
    }

    func sql(_ sinks: SinkKind) -> String {
      """
      CREATE TABLE \(Workload.source) (id bigint NOT NULL, sensor text NOT NULL, value bigint, ts timestamptz NOT NULL)
      WITH (connector = 'kafka', topic = 'readings', format = 'json', event_time = 'ts',
            watermark_delay = '\(delay) seconds');
      CREATE TABLE passed (id bigint, sensor text, value bigint) WITH (\(sinks.options("passed")));
      CREATE TABLE windows (sensor text, window_start timestamptz, readings bigint, total bigint, least bigint, most bigint,
        PRIMARY KEY (sensor, window_start)) WITH (\(sinks.options("windows")));
      INSERT INTO passed SELECT id, sensor, value * 2 FROM \(Workload.source) WHERE value >= 0;
      INSERT INTO windows
      SELECT sensor, window_start, count(*), CAST(sum(value) AS bigint), min(value), max(value)
      FROM hop(\(Workload.source), ts, INTERVAL '\(slide) seconds', INTERVAL '\(size) seconds')
      GROUP BY sensor, window_start, window_end;
      """
    }

    /// Time is the same for all partitions, with some disorder; what is late in its own partition is late for good.
    func records(_ random: inout SeededGenerator) -> [SimulatedTopic.Partition] {
      var id: Int64 = 0
      var result = (0..<partitionCount).map { _ in
        partition(eventStart: 0, createdAt: 0, arrival: isBounded ? 0 : duration, &id, &random)
      }
      if addsPartition {
        let created = Int64.random(in: 0...duration, using: &random)
        // Its events lie after all others: what it finds closed would depend on the moment.
        result.append(partition(eventStart: 20_000, createdAt: created, arrival: duration, &id, &random))
      }
      return result
    }

    private func partition(
      eventStart: Int64, createdAt: Int64, arrival: Int64, _ id: inout Int64, _ random: inout SeededGenerator
    ) -> SimulatedTopic.Partition {
      var records: [SimulatedTopic.Record] = []
      let count = recordCount / partitionCount
      var offset: Int64 = 0
      for index in 0..<count {
        if random.chance(gapShare) { offset += Int64.random(in: 1...3, using: &random) }
        id += 1
        let event = eventStart * 1000 + Int64(index) * 300 - Int64.random(in: 0...disorder * 1000, using: &random)
        let record = ReferenceRecord(
          id: id,
          sensor: "s\(Int.random(in: 0..<sensorCount, using: &random))" + String(repeating: "x", count: padding),
          value: random.chance(0.1) ? nil : Int64.random(in: -20...100, using: &random),
          time: 1_750_000_000_000 + event)
        let isBad = random.chance(badShare)
        let visible = createdAt + (arrival == 0 ? 0 : arrival * Int64(index) / Int64(max(1, count)))
        records.append(
          SimulatedTopic.Record(offset: offset, visibleAt: visible, value: isBad ? record.damaged : record.json))
        offset += 1
      }
      return SimulatedTopic.Partition(records: records, createdAt: createdAt)
    }
  }
}

/// A record as the workload makes it.
struct ReferenceRecord: Sendable {
  let id: Int64
  let sensor: String
  let value: Int64?
  /// Milliseconds since the epoch.
  let time: Int64

  var json: [UInt8] {
    Array(
      #"{"id":\#(id),"sensor":"\#(sensor)","value":\#(value.map(String.init) ?? "null"),"ts":\#(time)}"#.utf8)
  }

  /// What nobody can read: a dead letter.
  var damaged: [UInt8] { Array(#"{"id":\#(id),"sensor":"\#(sensor)","ts":"#.utf8) }

  /// Reads what ``json`` wrote, by splitting it: on purpose not with the decoder that is under test.
  init?(_ bytes: [UInt8]) {
    let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { ",:{}\"".contains($0) })
    guard parts.count == 8, let id = Int64(parts[1]), let time = Int64(parts[7]) else { return nil }
    self.init(id: id, sensor: String(parts[3]), value: Int64(parts[5]), time: time)
  }

  init(id: Int64, sensor: String, value: Int64?, time: Int64) {
    self.id = id
    self.sensor = sensor
    self.value = value
    self.time = time
  }
}
