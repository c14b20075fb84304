import Synchronization

/// What a reader calls, from any thread, when records may have arrived.
final class WakeupAction: Sendable {
  private let action = Mutex<@Sendable () -> Void>({})

  func set(_ action: @escaping @Sendable () -> Void) { self.action.withLock { $0 = action } }

  func call() {
    let action = action.withLock { $0 }
    action()
  }
}
