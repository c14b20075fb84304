import Actors
import Checkpointing
import Columnar
import Formats
import Runtime

/// A topic of a simulated broker: partitions with records that appear as virtual time passes.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, see ``SimulatedWorld``.
public final class SimulatedTopic: @unchecked Sendable {
  /// A record of a partition.
  public struct Record: Sendable {
    /// Its offset. Offsets grow, with gaps where transactions were aborted or records compacted away.
    public let offset: Int64
    /// Virtual time at which consumers can read it, in nanoseconds.
    public let visibleAt: Int64
    /// Its value.
    public let value: [UInt8]
  }

  /// One partition's log.
  public struct Partition: Sendable {
    /// The records, in the order of their offsets.
    public var records: [Record]
    /// Virtual time at which the partition is created; later than 0 for one that appears while the job runs.
    public var createdAt: Int64 = 0
    /// The first offset that the broker still has.
    public var start: Int64 = 0
  }

  /// The source table that reads the topic.
  public let source: String
  /// The partitions.
  public var partitions: [Partition]
  /// By partition: how far the newest reader has got.
  public private(set) var delivered: [Int64]
  /// By partition: how far the job says that its sinks have got.
  fileprivate var committed: [Int64]
  private weak var newestReader: SimulatedProcess?
  /// Until when the broker does not answer.
  private var outageUntil: Int64 = 0
  fileprivate unowned let world: SimulatedWorld

  /// A topic read by `source`.
  public init(source: String, partitions: [Partition], in world: SimulatedWorld) {
    self.source = source
    self.partitions = partitions
    self.world = world
    delivered = partitions.map { _ in 0 }
    committed = delivered
  }

  /// Whether the sinks have what every record brought.
  var isCommitted: Bool { partitions.indices.allSatisfy { committed[$0] >= finalEnd(of: $0) } }

  /// The offset after the last record of `partition` that exists at `time`.
  public func end(of partition: Int, at time: Int64) -> Int64 {
    let records = partitions[partition].records
    return records.last { $0.visibleAt <= time }.map { $0.offset + 1 } ?? partitions[partition].start
  }

  /// The offset after the last record that will ever be in `partition`.
  public func finalEnd(of partition: Int) -> Int64 { partitions[partition].records.last.map { $0.offset + 1 } ?? 0 }

  /// Deletes the records of `partition` before `offset`.
  public func truncate(_ partition: Int, before offset: Int64) {
    partitions[partition].start = max(partitions[partition].start, offset)
  }

  /// The partitions' identifiers, in order.
  public func identifier(_ partition: Int) -> PartitionID { PartitionID(source: source, name: String(partition)) }

  /// A new process reads from its checkpoint on.
  func forgetDelivery(to process: SimulatedProcess) {
    delivered = partitions.map { _ in 0 }
    newestReader = process
  }

  /// Notes how far `process` has read; a reader that was closed has read nothing that counts.
  fileprivate func note(_ offset: Int64, of partition: Int, by process: SimulatedProcess) {
    if process === newestReader { delivered[partition] = offset }
  }

  fileprivate var isDown: Bool { !world.isCalm && outageUntil > world.now }

  /// Maybe an outage begins here.
  fileprivate func maybeFail(_ place: String) throws(SourceError) {
    if world.strikes(.sourceOutage, place) {
      outageUntil = world.now + Int64.random(in: 1_000_000...3_000_000_000, using: &world.random)
      if Bool.random(using: &world.random) {
        throw SourceError(source: source, severity: .failed, message: "the simulated broker went away")
      }
    }
  }
}

/// A process's connection to a topic.
public struct SimulatedSource: SourceConnector {
  private let topic: SimulatedTopic
  private let process: SimulatedProcess

  /// A connection of `process` to `topic`.
  public init(_ topic: SimulatedTopic, process: SimulatedProcess) {
    self.topic = topic
    self.process = process
  }

  /// The partitions that exist by now.
  public func partitions() async throws -> [PartitionID] {
    try await topic.world.latency(process, "list partitions")
    try topic.maybeFail("list partitions")
    return topic.partitions.indices.filter { topic.partitions[$0].createdAt <= topic.world.now }.map(topic.identifier)
  }

  /// Partitions may appear.
  public var discoversPartitions: Bool { true }

  /// The ends of partitions now.
  public func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    try await topic.world.latency(process, "list offsets")
    var ends: [PartitionID: Int64] = [:]
    for partition in partitions { ends[partition] = topic.end(of: try index(partition), at: topic.world.now) }
    return ends
  }

  /// Partitions stay.
  public func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError) {
    throw SourceError(source: topic.source, partition: partitions.first, severity: .fatal, message: "it went away")
  }

  /// Opens a partition.
  public func open(_ partition: PartitionID, at position: ReadPosition, end: Int64?) async throws
    -> sending any PartitionReader
  {
    let index = try index(partition)
    try await topic.world.latency(process, "open partition")
    try topic.maybeFail("open partition")
    let start = topic.partitions[index].start
    var next = start
    if case .offset(let offset) = position { next = offset }
    guard next >= start else {
      throw SourceError(
        source: topic.source, partition: partition, severity: .fatal,
        message: "offset \(next) is not there any more: the first one is \(start)")
    }
    return SimulatedReader(topic, index: index, next: next, end: end, process: process)
  }

  /// Maybe the broker deletes what every sink has committed.
  public func report(committed positions: SourcePositions) async {
    guard !process.isDead else { return }
    for index in topic.partitions.indices {
      guard let offset = positions[topic.identifier(index)] else { continue }
      topic.committed[index] = max(topic.committed[index], offset)
      guard topic.world.strikes(.retention, "\(topic.source)/\(index)") else { continue }
      topic.truncate(index, before: offset)
    }
  }

  /// Nothing.
  public func close() async {}

  private func index(_ partition: PartitionID) throws -> Int {
    guard let index = Int(partition.name), topic.partitions.indices.contains(index) else {
      throw SourceError(source: topic.source, partition: partition, severity: .fatal, message: "no such partition")
    }
    return index
  }
}

/// Reads one partition: a few records a poll, and those only that are visible by now.
final class SimulatedReader: PartitionReader {
  private let topic: SimulatedTopic
  private let index: Int
  private let end: Int64?
  private let process: SimulatedProcess
  private var wakeup: (@Sendable () -> Void)?
  private var next: Int64
  private var cursor: Int

  init(_ topic: SimulatedTopic, index: Int, next: Int64, end: Int64?, process: SimulatedProcess) {
    self.topic = topic
    self.index = index
    self.next = next
    self.end = end
    self.process = process
    cursor = topic.partitions[index].records.firstIndex { $0.offset >= next } ?? topic.partitions[index].records.count
  }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    if process.isDead { throw ProcessDied() }
    let world = topic.world
    try topic.maybeFail("poll \(topic.source)/\(index)")
    var result = PollResult(records: 0, bytes: 0, nextOffset: next, isAtEnd: isAtEnd)
    let records = topic.partitions[index].records
    // A fetch brings what it brings: batches must not depend on it.
    let most = min(limit, Int.random(in: 1...64, using: &world.random))
    while !topic.isDown, result.records < most, cursor < records.count, records[cursor].visibleAt <= world.now,
      end.map({ records[cursor].offset < $0 }) ?? true
    {
      let record = records[cursor]
      record.value.withUnsafeBytes {
        decoder.append(RawRecord(key: nil, value: $0, offset: record.offset, timestamp: record.visibleAt / 1_000_000))
      }
      result.records += 1
      result.bytes += record.value.count
      cursor += 1
      next = record.offset + 1
    }
    if let end, cursor == records.count || records[cursor].offset >= end { next = max(next, end) }
    topic.note(next, of: index, by: process)
    result.nextOffset = next
    result.isAtEnd = isAtEnd
    if result.records == 0, !result.isAtEnd { arm() }
    return result
  }

  private var isAtEnd: Bool { end.map { next >= $0 } ?? false }

  /// Asks to be woken when the next record becomes visible.
  private func arm() {
    let records = topic.partitions[index].records
    guard cursor < records.count else { return }
    let soon = topic.world.now + 10_000_000
    topic.world.timers.add(at: max(records[cursor].visibleAt, topic.isDown ? soon : 0), owner: process) { [weak self] in
      self?.wakeup?()
    }
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { self.wakeup = wakeup }

  /// Nothing to do: a record that nobody polls for waits in its topic.
  func setPaused(_ isPaused: Bool) {}

  func lag() -> Int64? { topic.end(of: index, at: topic.world.now) - next }

  func close() {
    wakeup = nil
    topic.note(0, of: index, by: process)
  }
}
