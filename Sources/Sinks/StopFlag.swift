import Synchronization

/// Ends waiting calls of a client from another thread.
final class StopFlag: Sendable {
  private let isSet = Atomic<Bool>(false)

  /// Whether waiting calls must end.
  var isStopping: Bool { isSet.load(ordering: .relaxed) }

  /// Makes waiting calls end within a fraction of a second.
  func stop() { isSet.store(true, ordering: .relaxed) }
}
