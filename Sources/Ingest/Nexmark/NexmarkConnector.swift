import Actors
import Checkpointing
import Columnar
import Formats
import Runtime

/// The events of the Nexmark benchmark: persons, auctions and bids in one table.
///
/// An event depends on the seed and its number alone, so that a job that goes on from a checkpoint reads the same rows, and
/// jobs with other partitions the same events.
public struct NexmarkConnector: SourceConnector {
  private let settings: NexmarkSettings
  private let texts: NexmarkTexts
  private let clock: any EngineClock
  private let pacer: Pacer

  /// Partitions are as many as the options say.
  public var discoversPartitions: Bool { false }

  init(_ settings: NexmarkSettings, clock: any EngineClock) {
    self.settings = settings
    self.clock = clock
    texts = NexmarkTexts(settings.model)
    pacer = Pacer(name: "make-\(settings.source)")
  }

  /// The partitions, called by their numbers.
  public func partitions() async throws -> [PartitionID] {
    (0..<settings.partitions).map { PartitionID(source: settings.source, name: String($0)) }
  }

  /// How many rows each partition has.
  /// - Throws: ``SourceError`` when events have no end.
  public func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    var ends: [PartitionID: Int64] = [:]
    for partition in partitions {
      guard let rows = settings.rows(of: try number(of: partition)) else {
        throw SourceError(
          source: settings.source, severity: .fatal,
          message: "events have no end; set the option 'events' to read until it")
      }
      ends[partition] = rows
    }
    return ends
  }

  /// Partitions do not go away by themselves.
  /// - Throws: ``SourceError``.
  public func checkMissing(_ partitions: [PartitionID], found: [PartitionID]) async throws(SourceError) {
    for partition in partitions { _ = try number(of: partition) }
  }

  /// Opens a partition at a row.
  /// - Throws: ``SourceError`` when the partition or the row does not exist.
  public func open(_ partition: PartitionID, at position: ReadPosition, end: Int64?) async throws
    -> sending any PartitionReader
  {
    let number = try number(of: partition)
    let rows = settings.rows(of: number)
    var start: Int64 = 0
    if case .offset(let offset) = position { start = offset }
    if let rows, start > rows {
      throw SourceError(
        source: settings.source, partition: partition, severity: .fatal,
        message: "the checkpoint goes on at row \(start) of \(rows): the option 'events' or 'partitions' was changed")
    }
    return NexmarkReader(
      number, start: start, end: min(rows ?? .max, end ?? .max), settings: settings, texts: texts, clock: clock,
      pacer: pacer)
  }

  /// Nothing.
  public func report(committed positions: SourcePositions) async {}

  /// Nothing.
  public func close() async {}

  private func number(of partition: PartitionID) throws(SourceError) -> Int {
    if let number = Int(partition.name), (0..<settings.partitions).contains(number) { return number }
    throw SourceError(
      source: settings.source, partition: partition, severity: .fatal,
      message: "partitions are 0 to \(settings.partitions - 1): the option 'partitions' was changed")
  }
}

/// One partition of Nexmark's events, made as columns when they are asked for.
final class NexmarkReader: PartitionReader {
  /// So many rows are made at a time: what they take stays in the processor's cache.
  private static let chunkRows = 2048

  private let number: Int
  private let start: Int64
  private let end: Int64
  private let settings: NexmarkSettings
  private let texts: NexmarkTexts
  private let clock: any EngineClock
  private let pacer: Pacer
  private let wakeup = WakeupAction()
  private let startedAt: Int64
  private var next: Int64

  init(
    _ number: Int, start: Int64, end: Int64, settings: NexmarkSettings, texts: NexmarkTexts, clock: any EngineClock,
    pacer: Pacer
  ) {
    self.number = number
    self.start = start
    self.end = end
    self.settings = settings
    self.texts = texts
    self.clock = clock
    self.pacer = pacer
    startedAt = clock.monotonicNanoseconds()
    next = start
  }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    let count = Int(max(0, min(Int64(limit), end - next, dueRows())))
    var (made, bytes) = (0, 0)
    while made < count {
      let chunk = min(count - made, Self.chunkRows)
      bytes += append(chunk, to: decoder)
      made += chunk
    }
    if count == 0 && next < end && limit > 0 { pacer.call(wakeup, afterNanoseconds: nanosecondsToNextRow()) }
    return PollResult(records: count, bytes: bytes, nextOffset: next, isAtEnd: next >= end)
  }

  private func append(_ count: Int, to decoder: RecordDecoder) -> Int {
    let rows = NexmarkRows(next, count: count, partition: number, settings: settings, texts: texts)
    let columns = decoder.schema.fields.map { field in settings.columns[field.name]?.values(rows, field.type) }
    defer { next += Int64(count) }
    return decoder.append(columns: columns, count: count, firstOffset: next, timestamps: rows.times)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { self.wakeup.set(wakeup) }

  /// Nothing to do: rows are made when they are asked for.
  func setPaused(_ isPaused: Bool) {}

  func lag() -> Int64? {
    if settings.isPaced { return min(end - next, dueRows()) }
    return end == .max ? nil : end - next
  }

  func close() { wakeup.set {} }

  private var partitionRate: Double { settings.eventsPerSecond / Double(settings.partitions) }

  /// How many rows the clock lets be made now.
  private func dueRows() -> Int64 {
    guard settings.isPaced else { return .max }
    let allowed = Double(clock.monotonicNanoseconds() - startedAt) / 1e9 * partitionRate
    return allowed < 9e18 ? max(0, Int64(allowed) - (next - start)) : .max
  }

  private func nanosecondsToNextRow() -> Int64 {
    let due = Double(next - start + 1) / partitionRate * 1e9
    return due < 9e18 ? startedAt + Int64(due) - clock.monotonicNanoseconds() : .max
  }
}
