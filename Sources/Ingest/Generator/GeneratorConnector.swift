import Actors
import Checkpointing
import Columnar
import Formats
import Glibc
import Runtime
import Synchronization

/// A table of made-up rows. Row *n* of partition *p* depends on the seed, *p* and *n* alone, so that a job that goes on from
/// a checkpoint reads the same rows again (columns of the kind `now` excepted).
public struct GeneratorConnector: SourceConnector {
  private let settings: GeneratorSettings
  private let clock: any EngineClock
  private let pacer: Pacer

  /// Partitions are as many as the options say.
  public var discoversPartitions: Bool { false }

  init(_ settings: GeneratorSettings, clock: any EngineClock) {
    self.settings = settings
    self.clock = clock
    pacer = Pacer(name: "make-\(settings.source)")
  }

  /// The partitions, called by their numbers.
  public func partitions() async throws -> [PartitionID] {
    (0..<settings.partitions).map { PartitionID(source: settings.source, name: String($0)) }
  }

  /// How many rows each partition has.
  /// - Throws: ``SourceError`` when rows have no end.
  public func endOffsets(_ partitions: [PartitionID]) async throws -> [PartitionID: Int64] {
    var ends: [PartitionID: Int64] = [:]
    for partition in partitions {
      guard let rows = settings.rows(of: try number(of: partition)) else {
        throw SourceError(
          source: settings.source, severity: .fatal, message: "rows have no end; set the option 'rows' to read until it"
        )
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
        message: "the checkpoint goes on at row \(start) of \(rows): the option 'rows' or 'partitions' was changed")
    }
    let last = min(rows ?? .max, end ?? .max)
    return GeneratorReader(number, start: start, end: last, settings: settings, clock: clock, pacer: pacer)
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

/// One partition of made-up rows, as JSON objects in a buffer that every row reuses.
final class GeneratorReader: PartitionReader {
  private let number: Int
  private let end: Int64
  private let settings: GeneratorSettings
  private let columns: [GeneratorColumn]
  private let clock: any EngineClock
  private let pacer: Pacer
  private let wakeup = WakeupAction()
  private let start: Int64
  private let startedAt: Int64
  private let rowSeed: UInt64
  private var next: Int64
  private var text: [UInt8] = []

  init(
    _ number: Int, start: Int64, end: Int64, settings: GeneratorSettings, clock: any EngineClock, pacer: Pacer
  ) {
    self.number = number
    self.start = start
    self.end = end
    self.settings = settings
    columns = settings.columns
    self.clock = clock
    self.pacer = pacer
    startedAt = clock.monotonicNanoseconds()
    rowSeed = GeneratorColumn.mix(settings.seed, UInt64(number))
    next = start
    text.reserveCapacity(512)
  }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    let count = min(Int64(max(0, limit)), end - next, dueRows())
    var bytes = 0
    if count > 0 {
      for _ in 0..<count {
        render(next)
        text.withUnsafeBytes { value in
          decoder.append(RawRecord(key: nil, value: value, offset: next, timestamp: time(of: next)))
        }
        bytes += text.count
        next += 1
      }
    } else if next < end && limit > 0 {
      pacer.call(wakeup, afterNanoseconds: nanosecondsToNextRow())
    }
    return PollResult(records: Int(max(0, count)), bytes: bytes, nextOffset: next, isAtEnd: next >= end)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { self.wakeup.set(wakeup) }

  /// Nothing to do: rows are made when they are asked for.
  func setPaused(_ isPaused: Bool) {}

  func lag() -> Int64? {
    if let rate = partitionRate { return min(end - next, max(0, rowsAllowed(rate) - (next - start))) }
    return end == .max ? nil : end - next
  }

  func close() { wakeup.set {} }

  private var partitionRate: Double? { settings.rowsPerSecond.map { $0 / Double(settings.partitions) } }

  /// How many rows may have been made since the reader was opened.
  private func rowsAllowed(_ rate: Double) -> Int64 {
    let allowed = Double(clock.monotonicNanoseconds() - startedAt) / 1e9 * rate
    return allowed < 9e18 ? Int64(allowed) : .max
  }

  private func dueRows() -> Int64 { partitionRate.map { max(0, rowsAllowed($0) - (next - start)) } ?? .max }

  private func nanosecondsToNextRow() -> Int64 {
    guard let rate = partitionRate else { return 0 }
    let due = Double(next - start + 1) / rate * 1e9
    return due < 9e18 ? startedAt + Int64(due) - clock.monotonicNanoseconds() : .max
  }

  /// The row's number over all partitions, which take turns.
  private func jobRow(_ row: Int64) -> Int64 { row &* Int64(settings.partitions) &+ Int64(number) }

  private func time(of row: Int64) -> Int64 {
    let elapsed = Double(jobRow(row)) * settings.microsecondsPerRow
    return settings.start &+ Int64(min(elapsed, 4e18))
  }

  private func render(_ row: Int64) {
    text.removeAll(keepingCapacity: true)
    let rowBits = GeneratorColumn.mix(rowSeed, UInt64(bitPattern: row))
    let (number, time) = (jobRow(row), time(of: row))
    for index in columns.indices {
      text.append(UInt8(ascii: index == 0 ? "{" : ","))
      columns[index].append(
        to: &text, bits: GeneratorColumn.mix(rowBits, UInt64(index)), number: number, time: time, clock: clock)
    }
    if columns.isEmpty { text.append(UInt8(ascii: "{")) }
    text.append(UInt8(ascii: "}"))
  }
}

/// Wakes the readers that wait for their next row: one thread for all, which sleeps for 1 to 50 ms at a time.
///
/// A reader that is woken too early finds nothing and asks again, so the engine's clock alone decides.
final class Pacer: Sendable {
  private struct State {
    var waiting: [ObjectIdentifier: WakeupAction] = [:]
    var isSleeping = false
  }

  private let thread: BlockingThread
  private let state = Mutex(State())

  init(name: String) { thread = BlockingThread(name: name) }

  func call(_ wakeup: WakeupAction, afterNanoseconds nanoseconds: Int64) {
    let mustSleep = state.withLock { state in
      state.waiting[ObjectIdentifier(wakeup)] = wakeup
      defer { state.isSleeping = true }
      return !state.isSleeping
    }
    guard mustSleep else { return }
    let microseconds = UInt32(min(50_000, max(1000, nanoseconds / 1000)))
    thread.submit {
      // Blocks nothing but this thread, which only paces. The clock cannot do it: it notifies a signal, and the reader has
      // a wake-up to call.
      usleep(microseconds)
      let waiting = self.state.withLock { state in
        defer { state = State() }
        return state.waiting
      }
      for wakeup in waiting.values { wakeup.call() }
    }
  }
}
