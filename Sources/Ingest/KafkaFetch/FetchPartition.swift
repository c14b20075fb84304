import Synchronization

/// A partition that is being fetched: where the fetch thread puts what came, and its reader takes it.
///
/// At most one answer waits here, while the reader decodes the one before: that is all the buffering there is.
final class FetchPartition: Sendable {
  /// Why no more comes.
  enum Failure: Hashable, Sendable {
    /// The broker said so, with this error code.
    case code(Int16)
    /// The answers make no sense, or are not for this client.
    case broker(isFatal: Bool, String)
  }

  private struct State {
    var waiting: FetchedRecords?
    var failure: Failure?
    var highWatermark: Int64 = -1
    var isClosed = false
  }

  let place: KafkaPlace
  /// Where fetching begins.
  let start: Int64
  /// What the reader's owner wants to be called.
  let wakeup = WakeupAction()
  private let state = Mutex(State())

  init(_ place: KafkaPlace, start: Int64) {
    self.place = place
    self.start = start
  }

  // MARK: The fetch thread

  /// Whether the reader has taken what came.
  var hasRoom: Bool { state.withLock { $0.waiting == nil && $0.failure == nil } }

  /// The end of the log, as far as an answer said.
  func sawEnd(_ highWatermark: Int64) {
    state.withLock { $0.highWatermark = highWatermark }
  }

  /// Hands records over; only when there is room.
  func deliver(_ records: FetchedRecords) {
    state.withLock { if !$0.isClosed { $0.waiting = records } }
    wakeup.call()
  }

  /// Ends fetching: the reader throws it once it has read what came before.
  func fail(_ failure: Failure) {
    state.withLock { if $0.failure == nil { $0.failure = failure } }
    wakeup.call()
  }

  // MARK: The reader

  /// What waits, or why nothing more will come.
  func take() -> (records: FetchedRecords?, failure: Failure?) {
    state.withLock { state in
      defer { state.waiting = nil }
      return (state.waiting, state.waiting == nil ? state.failure : nil)
    }
  }

  /// The end of the log; -1 before the first answer.
  var highWatermark: Int64 { state.withLock { $0.highWatermark } }

  /// Nobody reads any more.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.waiting = nil
    }
    wakeup.set {}
  }
}
