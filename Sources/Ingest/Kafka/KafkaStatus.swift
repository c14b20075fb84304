import Actors
import CRdkafka
import Logging
import Runtime
import Synchronization

/// What librdkafka's own threads report about a consumer: errors and log lines. Target of its callbacks.
///
/// Log lines wait in a bounded buffer for the blocking thread, so that a slow log never holds up fetching.
final class KafkaStatus: Sendable {
  /// How many log lines wait at most; further ones are counted and left out.
  private static let waitingLinesMax = 256

  private struct State {
    /// `nil` before the consumer exists and once it is being destroyed.
    var client: SendablePointer?
    var brokersDownSince: Int64?
    var failure: (severity: SourceError.Severity, message: String)?
    var lastError: String?
    var lines: [(level: Logger.Level, text: String)] = []
    var linesLeftOut = 0
  }

  private let state = Mutex(State())
  private let isServiceRequested = Atomic<Bool>(false)
  /// Whether ``failure`` or ``brokersDownSince`` is set: lets a poll look without taking the lock.
  private let needsAttention = Atomic<Bool>(false)
  private let thread: BlockingThread
  private let logger: Logger
  private let clock: any EngineClock

  init(thread: BlockingThread, logger: Logger, clock: any EngineClock) {
    self.thread = thread
    self.logger = logger
    self.clock = clock
  }

  /// Since when no broker can be reached, in microseconds since the epoch; `nil` while one can.
  var brokersDownSince: Int64? { state.withLock { $0.brokersDownSince } }

  /// The newest error that librdkafka reported, for messages.
  var lastError: String? { state.withLock { $0.lastError } }

  /// An error that librdkafka cannot recover from by itself.
  var failure: (severity: SourceError.Severity, message: String)? {
    guard needsAttention.load(ordering: .relaxed) else { return nil }
    return state.withLock { $0.failure }
  }

  /// A broker has answered.
  func brokerAnswered() {
    guard needsAttention.load(ordering: .relaxed) else { return }
    let since = state.withLock { state in
      let since = state.brokersDownSince
      state.brokersDownSince = nil
      needsAttention.store(state.failure != nil, ordering: .relaxed)
      return since
    }
    guard let since else { return }
    append(.info, "a broker answers again after \((clock.wallMicroseconds() - since) / 1000) ms")
  }

  func attach(_ client: OpaquePointer?) {
    state.withLock { $0.client = client.map(SendablePointer.init) }
  }

  /// An error that concerns the whole client. Called on the thread that serves the consumer's queue.
  func errorReported(_ code: rd_kafka_resp_err_t, _ reason: String) {
    let now = clock.wallMicroseconds()
    state.withLock { state in
      state.lastError = "\(reason) (\(String(cString: rd_kafka_err2name(code))))"
      switch code {
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        if state.brokersDownSince == nil { state.brokersDownSince = now }
      case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__SSL, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        state.failure = (.fatal, "the broker refused the connection: \(reason); check the 'kafka.…' security options")
      case RD_KAFKA_RESP_ERR__FATAL:
        state.failure = (.failed, "the Kafka client failed: \(reason)")
      default:
        // Everything else, librdkafka retries by itself for as long as it takes.
        break
      }
      needsAttention.store(state.failure != nil || state.brokersDownSince != nil, ordering: .relaxed)
    }
    // The library's own log has the same line at its own level.
    append(.debug, reason)
  }

  /// Keeps a line for the log. Callable from any thread; never waits for the log.
  func append(_ level: Logger.Level, _ text: String) {
    if level < logger.logLevel { return }
    state.withLock { state in
      if state.lines.count < Self.waitingLinesMax {
        state.lines.append((level, text))
      } else {
        state.linesLeftOut += 1
      }
    }
    requestService()
  }

  /// Asks the blocking thread to call ``serve()``. Callable from any thread, also from within librdkafka's callbacks.
  func requestService() {
    if isServiceRequested.exchange(true, ordering: .acquiringAndReleasing) { return }
    thread.submit { self.serve() }
  }

  /// Runs librdkafka's callbacks and writes the log. On the blocking thread only, where the client is destroyed as well.
  func serve() {
    isServiceRequested.store(false, ordering: .sequentiallyConsistent)
    if let client = state.withLock({ $0.client }) {
      // Partitions have queues of their own: what arrives here are errors only.
      while let message = rd_kafka_consumer_poll(client.pointer, 0) {
        let code = message.pointee.err
        if code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__PARTITION_EOF {
          errorReported(code, String(cString: rd_kafka_message_errstr(message)))
        }
        rd_kafka_message_destroy(message)
      }
    }
    let (lines, leftOut) = state.withLock { state in
      defer { (state.lines, state.linesLeftOut) = ([], 0) }
      return (state.lines, state.linesLeftOut)
    }
    for line in lines { logger.log(level: line.level, "\(line.text)") }
    if leftOut > 0 { logger.warning("\(leftOut) lines of the Kafka client were left out") }
  }
}

/// A pointer to an object of librdkafka that may be used from any thread.
///
/// `@unchecked Sendable`: librdkafka's handles are thread-safe; whoever sends one sees to its lifetime.
struct SendablePointer: @unchecked Sendable {
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }
}
