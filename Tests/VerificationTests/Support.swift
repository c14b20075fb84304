import Actors
import Checkpointing
import Columnar
import Formats
import Operators
import SQL
import Testing
import Verification

/// One record of a test: everything that a result may depend on.
struct TestRecord: Hashable {
  var offset: Int64
  var key: Int
  var value: Int64
  /// Microseconds.
  var time: Int64
}

/// A job over the table `events (k bigint, v bigint, ts timestamptz)`, fed with records.
struct TestJob {
  static let delay: Int64 = 2_000_000
  static let tables = """
    CREATE TABLE events (k bigint NOT NULL, v bigint, ts timestamptz NOT NULL)
    WITH (connector = 'kafka', topic = 'events', event_time = 'ts', watermark_delay = '2 seconds');
    CREATE TABLE out (a bigint, b timestamptz, c bigint, d bigint) WITH (connector = 'blackhole');

    """

  static func plan(_ statements: String) throws -> JobPlan {
    try SQLFile.plan(tables + statements, fileName: "test.sql") { _ in nil }
  }

  var job: SequentialJob
  /// Every row that came out: stream, place in the stream, values.
  private(set) var rows: [(stream: Int, order: Int64, values: [Value])] = []
  private(set) var kept: [KeptRecord] = []
  private let plan: JobPlan

  init(_ statements: String, partitions: Int) throws {
    plan = try Self.plan(statements)
    job = try SequentialJob(JobGraph(plan), partitions: (0..<partitions).map { Self.partition($0) })
  }

  static func partition(_ number: Int) -> PartitionID { PartitionID(source: "events", name: "events/\(number)") }

  /// Runs the records of all partitions, in batches of the given size, one partition after the other in turns.
  mutating func run(_ partitions: [[TestRecord]], batch: Int) throws {
    let context = EvaluationContext(now: Timestamp(microseconds: 0))
    var decoders: [RecordDecoder] = []
    let scan = try #require(plan.scans["events"])
    for number in partitions.indices {
      let configuration = DecoderConfiguration(
        schema: scan, format: .json, partition: Self.partition(number), eventTimeColumn: scan.index(of: "ts"),
        watermarkDelay: Self.delay)
      decoders.append(try RecordDecoder(configuration))
    }
    var rows = rows
    var kept = kept
    func take(_ output: SequentialJob.Output) {
      switch output {
      case .rows(_, let stream, let batch):
        for row in 0..<batch.count {
          rows.append((stream, batch.origin?.offsets[row] ?? -1, batch.columns.map { $0.value(row) }))
        }
      case .kept(_, _, let records): kept += records
      }
    }
    let longest = partitions.map(\.count).max() ?? 0
    for start in stride(from: 0, to: longest, by: batch) {
      for number in partitions.indices where start < partitions[number].count {
        for record in partitions[number][start..<min(start + batch, partitions[number].count)] {
          let text = Array("{\"k\":\(record.key),\"v\":\(record.value),\"ts\":\(record.time / 1000)}".utf8)
          text.withUnsafeBytes {
            decoders[number].append(RawRecord(key: nil, value: $0, offset: record.offset, timestamp: nil))
          }
        }
        try job.process(
          Self.partition(number), decoders[number].finish(), watermark: decoders[number].watermark, context, emit: take)
      }
    }
    for number in partitions.indices { try job.end(Self.partition(number), context, emit: take) }
    self.rows = rows
    self.kept = kept
  }
}
