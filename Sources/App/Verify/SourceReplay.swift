import Actors
import Checkpointing
import Columnar
import Formats
import Operators
import Runtime
import SQL
import Verification

/// Reads partitions from where a job began to where its sinks are, and runs the job's operators over the records.
///
/// The partition whose watermark is least is read next, so that windows close as early as they can and memory is bounded
/// by how far partitions are apart.
struct SourceReplay {
  /// What is known about one partition after it was read.
  struct Partition: Sendable {
    /// The first offset that was read.
    var start: Int64 = 0
    /// The greatest event time of the first records, to tell which windows may lack rows from before them.
    var firstTimes: Int64?
    /// The watermark at each offset that a sink has as its position.
    var watermarks: [Int64: Int64] = [:]
  }

  let graph: JobGraph
  let sources: [String: any SourceConnector]
  let factory: ConnectorFactory
  let decisions: [String: KeptDecisions]
  let clock: any EngineClock
  /// For each partition: the offsets that sinks have as their positions, ascending; the last is where reading ends.
  let cuts: [PartitionID: [Int64]]
  /// Where partitions start that do not start at the first record that the source still has.
  let starts: [PartitionID: ReadPosition]

  private static let batchRows = 8_192
  private static let firstRows = 1_000
  private static let dayMicroseconds: Int64 = 86_400_000_000
  /// How long a partition may stand still.
  private static let stallNanoseconds: Int64 = 120_000_000_000

  /// One open partition.
  private final class Lane {
    let partition: PartitionID
    let reader: any PartitionReader
    let decoder: RecordDecoder
    let signal = Signal()
    let end: Int64
    let maxFuture: Int64
    let future: [Int64]
    var next: Int64
    var seen = 0
    var isAtEnd: Bool
    var pendingCuts: ArraySlice<Int64>

    init(
      _ partition: PartitionID, reader: any PartitionReader, decoder: RecordDecoder, cuts: [Int64], maxFuture: Int64,
      future: Set<Int64>
    ) throws {
      self.partition = partition
      self.reader = reader
      self.decoder = decoder
      self.maxFuture = maxFuture
      self.future = future.sorted()
      end = cuts.last ?? 0
      pendingCuts = cuts[...]
      // A poll for no record tells where the reader stands.
      let place = try reader.poll(limit: 0, into: decoder)
      next = place.nextOffset
      isAtEnd = place.isAtEnd || place.nextOffset >= end
      let signal = signal
      reader.setWakeup { signal.notify() }
    }

    /// How many records may be polled at once, and whether they are refused: those known to have lain in the future were
    /// judged by a clock that has gone on since, and must be met one by one.
    func limits() -> (records: Int, refuses: Bool) {
      guard let last = future.last, next <= last else { return (SourceReplay.batchRows, false) }
      var low = 0
      var high = future.count
      while low < high {
        let middle = (low + high) / 2
        if future[middle] < next { low = middle + 1 } else { high = middle }
      }
      return (1, low < future.count && future[low] == next)
    }
  }

  /// Reads everything, and hands over what comes out.
  ///
  /// - Returns: what is known about each partition.
  /// - Throws: ``Actors/SourceError``, and what `emit` throws.
  func run(
    _ job: inout SequentialJob, emit: (SequentialJob.Output) throws -> Void
  ) async throws -> [PartitionID: Partition] {
    var lanes: [Lane] = []
    defer { for lane in lanes { lane.reader.close() } }
    for partition in cuts.keys.sorted() {
      let lane = try await open(partition, keepsPayloads: job.keepsPayloads(ofSource: partition.source))
      lanes.append(lane)
    }
    var result: [PartitionID: Partition] = [:]
    for lane in lanes { result[lane.partition] = Partition(start: lane.next) }
    let context = EvaluationContext(now: Timestamp(microseconds: clock.wallMicroseconds()))
    var open = lanes
    while let index = open.indices.min(by: { Self.isBehind(open[$0], open[$1]) }) {
      let lane = open[index]
      try await fill(lane)
      let decoded = lane.decoder.finish()
      note(decoded.batch, lane, &result[lane.partition, default: Partition()])
      try job.process(lane.partition, decoded, watermark: lane.decoder.watermark, context, emit: emit)
      guard lane.isAtEnd else { continue }
      for cut in lane.pendingCuts { result[lane.partition]?.watermarks[cut] = lane.decoder.watermark }
      try job.end(lane.partition, context, emit: emit)
      open.remove(at: index)
    }
    return result
  }

  private static func isBehind(_ left: Lane, _ right: Lane) -> Bool {
    (left.decoder.watermark, left.seen) < (right.decoder.watermark, right.seen)
  }

  private func open(_ partition: PartitionID, keepsPayloads: Bool) async throws -> Lane {
    guard let source = graph.sources.first(where: { $0.table.name == partition.source }),
      let connector = sources[partition.source]
    else {
      throw CannotVerify("a sink's position names \(partition), and no table of the SQL file is called so")
    }
    let reader = try await openReader(partition, connector)
    var configuration = try factory.decoder(source.table, source.scan, partition)
    configuration.keepsPayloads = keepsPayloads
    return try Lane(
      partition, reader: reader, decoder: try RecordDecoder(configuration), cuts: cuts[partition] ?? [],
      maxFuture: try source.table.options.duration("max_future", default: Self.dayMicroseconds),
      future: decisions[partition.source]?.future[partition.name] ?? [])
  }

  private func openReader(
    _ partition: PartitionID, _ connector: any SourceConnector
  ) async throws -> any PartitionReader {
    let end = cuts[partition]?.last
    guard let start = starts[partition] else { return try await connector.open(partition, at: .beginning, end: end) }
    do {
      return try await connector.open(partition, at: start, end: end)
    } catch let error as SourceError where error.severity == .fatal {
      // Where the job began is gone: what is left is read. Any other failure says nothing about what is there.
      return try await connector.open(partition, at: .beginning, end: end)
    }
  }

  /// Polls until there is a batch, or the end.
  private func fill(_ lane: Lane) async throws {
    var progressedAt = clock.monotonicNanoseconds()
    while !lane.isAtEnd, lane.decoder.recordCount < Self.batchRows {
      let limits = lane.limits()
      let now = clock.wallMicroseconds()
      let (latest, overflow) = now.addingReportingOverflow(lane.maxFuture)
      lane.decoder.eventTimeLimit = limits.refuses ? .min : overflow ? .max : latest
      let limit = min(limits.records, Self.batchRows - lane.decoder.recordCount)
      let polled = try lane.reader.poll(limit: limit, into: lane.decoder)
      let moved = polled.nextOffset > lane.next
      lane.next = polled.nextOffset
      lane.seen += polled.records
      lane.isAtEnd = polled.isAtEnd || polled.nextOffset >= lane.end
      if polled.records > 0 || moved {
        progressedAt = clock.monotonicNanoseconds()
        continue
      }
      if lane.isAtEnd || lane.decoder.isFull || lane.decoder.recordCount > 0 { return }
      guard clock.monotonicNanoseconds() - progressedAt < Self.stallNanoseconds else {
        throw SourceError(
          source: lane.partition.source, partition: lane.partition, severity: .failed,
          message: "nothing came for 120 s at offset \(lane.next), and the sinks are at \(lane.end)")
      }
      clock.notify(lane.signal, at: clock.monotonicNanoseconds() + 250_000_000)
      try await lane.signal.wait()
    }
  }

  private func note(_ batch: Batch, _ lane: Lane, _ partition: inout Partition) {
    if partition.firstTimes == nil, lane.seen >= Self.firstRows || lane.isAtEnd, lane.decoder.maxEventTime > .min {
      partition.firstTimes = lane.decoder.maxEventTime
    }
    guard let origin = batch.origin, let watermarks = origin.watermarks, let last = origin.offsets.last else { return }
    while let cut = lane.pendingCuts.first, cut <= last {
      if let row = origin.offsets.firstIndex(where: { $0 >= cut }) { partition.watermarks[cut] = watermarks[row] }
      lane.pendingCuts = lane.pendingCuts.dropFirst()
    }
  }
}

/// Why nothing can be said about a job's sinks.
package struct CannotVerify: Error, CustomStringConvertible, Sendable {
  /// What is missing and what to do.
  package let description: String

  /// A reason.
  package init(_ description: String) { self.description = description }
}
