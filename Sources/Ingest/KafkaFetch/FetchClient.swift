import Actors
import CPosix
import Columnar
import Glibc
import Runtime
import Synchronization

/// Fetches the partitions of a source from the brokers that lead them, over connections of its own.
///
/// One thread serves all connections, none of which it waits for; so a partition moves to another leader without changing
/// hands. It starts with the first partition and ends with the last one.
package final class FetchClient: Sendable {
  private struct Inbox {
    var opened: [FetchPartition] = []
    var closed: [FetchPartition] = []
    var leaders: PartitionLeaders?
    /// Partitions that are open; the thread runs while there are any.
    var partitions = 0
    var isRunning = false
  }

  /// What came in since the last look.
  struct Mail {
    let opened: [FetchPartition]
    let closed: [FetchPartition]
    let leaders: PartitionLeaders?
  }

  let environment: any FetchEnvironment
  let settings: FetchSettings
  let clock: any EngineClock
  let tools: RecordTools
  /// Readable when the thread should look around.
  let event: Int32
  private let inbox = Mutex(Inbox())
  private let isWoken = Atomic<Bool>(false)

  /// A client without connections.
  /// - Throws: ``SourceError`` when the process has no descriptors left.
  package init(
    _ settings: FetchSettings, source: String, environment: any FetchEnvironment, clock: any EngineClock
  ) throws(SourceError) {
    event = weir_event_open()
    guard event >= 0 else {
      throw SourceError(
        source: source, severity: .failed, message: "no eventfd for fetching: \(String(cString: strerror(errno)))")
    }
    self.settings = settings
    self.environment = environment
    self.clock = clock
    tools = RecordTools(FetchMemory())
  }

  deinit { Glibc.close(event) }

  /// Starts to fetch a partition at `start`, up to `end`.
  package func open(
    _ partition: PartitionID, place: KafkaPlace, start: Int64, end: Int64?, readsHeaders: Bool
  ) -> any PartitionReader {
    let fetched = FetchPartition(place, start: start)
    let decoder = RecordSetDecoder(start: start, end: end, readsHeaders: readsHeaders, tools: tools)
    if !decoder.isAtEnd { add(fetched) }
    return FetchReader(partition, fetched, decoder, client: self)
  }

  private func add(_ partition: FetchPartition) {
    let mustStart = inbox.withLock { inbox in
      inbox.opened.append(partition)
      inbox.partitions += 1
      defer { inbox.isRunning = true }
      return !inbox.isRunning
    }
    if mustStart { start() } else { wake() }
  }

  /// Stops fetching a partition that ``open(_:place:start:end:readsHeaders:)`` started to.
  func remove(_ partition: FetchPartition) {
    inbox.withLock { inbox in
      inbox.closed.append(partition)
      inbox.partitions -= 1
    }
    wake()
  }

  /// Makes the thread look around. Callable from any thread; never waits.
  func wake() {
    if isWoken.exchange(true, ordering: .acquiringAndReleasing) { return }
    var one: UInt64 = 1
    // It only fails when the counter is full, and then the thread is woken anyway.
    _ = write(event, &one, 8)
  }

  /// What came in; `nil` when the thread must end, because all partitions are closed.
  func takeMail() -> Mail? {
    var count: UInt64 = 0
    _ = read(event, &count, 8)
    isWoken.store(false, ordering: .sequentiallyConsistent)
    return inbox.withLock { inbox in
      if inbox.partitions == 0 {
        inbox = Inbox()
        return nil
      }
      defer { (inbox.opened, inbox.closed, inbox.leaders) = ([], [], nil) }
      return Mail(opened: inbox.opened, closed: inbox.closed, leaders: inbox.leaders)
    }
  }

  /// Looks for the leaders of these topics; they come by mail.
  func findLeaders(of topics: [String]) {
    environment.findLeaders(of: topics) { [weak self] leaders in
      guard let self else { return }
      inbox.withLock { $0.leaders = leaders }
      wake()
    }
  }

  private func start() {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<FetchClient>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    // Without a thread no partition could ever be read, nor a failure be told: as for lanes.
    precondition(status == 0, "cannot start the thread that fetches: error \(status)")
    pthread_detach(thread)
  }

  private func run() {
    weir_thread_set_name("kafka-fetch")
    FetchLoop(self).run()
  }
}
