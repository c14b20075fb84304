import Glibc
import Synchronization

/// Reads a file, from an offset on, in blocks on a thread that may block, at most two blocks ahead of the reader.
///
/// The descriptor is closed on the same thread, after the last read.
final class ReadAhead: Sendable {
  /// What ``take()`` found.
  enum Taken {
    case block([UInt8])
    /// Being read; the wake-up says when to look again.
    case pending
    case end
    case failed(Int32)
  }

  private struct State {
    var ready: [[UInt8]] = []
    var isReading = false
    var isAtEnd = false
    var failure: Int32?
    var isClosed = false
    var wakeup: @Sendable () -> Void = {}
  }

  private static let blocksMax = 2

  private let descriptor: Int32
  private let isSeekable: Bool
  private let blockBytes: Int
  private let thread: BlockingThread
  private let state = Mutex(State())
  /// Where the next read starts; only touched on the thread. For a stream: bytes still to be skipped.
  private let position: Atomic<Int64>

  /// Reads `descriptor`, which this object closes, from `offset` on; a stream is read and skipped up to there.
  init(descriptor: Int32, isSeekable: Bool, offset: Int64, blockBytes: Int, thread: BlockingThread) {
    self.descriptor = descriptor
    self.isSeekable = isSeekable
    self.blockBytes = blockBytes
    self.thread = thread
    position = Atomic(offset)
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { state.withLock { $0.wakeup = wakeup } }

  /// Takes the next block, if it is there, and sees to it that the following ones are read.
  func take() -> Taken {
    let (taken, mustRead) = state.withLock { state -> (Taken, Bool) in
      let taken: Taken
      if !state.ready.isEmpty {
        taken = .block(state.ready.removeFirst())
      } else if let failure = state.failure {
        taken = .failed(failure)
      } else {
        taken = state.isAtEnd ? .end : .pending
      }
      let mustRead = !state.isReading && !state.isAtEnd && state.failure == nil && !state.isClosed
      if mustRead { state.isReading = true }
      return (taken, mustRead)
    }
    if mustRead { thread.submit { self.fill() } }
    return taken
  }

  func close() {
    let mayCloseNow = state.withLock { state in
      if state.isClosed { return false }
      state.isClosed = true
      state.ready = []
      state.wakeup = {}
      return true
    }
    guard mayCloseNow else { return }
    thread.submit { [descriptor] in _ = Glibc.close(descriptor) }
  }

  /// Reads until two blocks wait, or nothing is left. On the thread.
  private func fill() {
    while state.withLock({ !$0.isClosed }) {
      let (block, failure) = readBlock()
      let isDone = state.withLock { state in
        if let failure { state.failure = failure } else if block.isEmpty { state.isAtEnd = true }
        if !block.isEmpty { state.ready.append(block) }
        let isDone = block.isEmpty || failure != nil || state.ready.count >= Self.blocksMax
        if isDone { state.isReading = false }
        return isDone
      }
      let wakeup = state.withLock { $0.wakeup }
      wakeup()
      if isDone { return }
    }
  }

  /// The next block; empty at the end of the file.
  private func readBlock() -> (bytes: [UInt8], failure: Int32?) {
    while true {
      guard isSeekable || waitForInput() else { return ([], nil) }
      var failure: Int32?
      let offset = position.load(ordering: .relaxed)
      let bytes = [UInt8](unsafeUninitializedCapacity: blockBytes) { buffer, count in
        var status: Int
        repeat {
          status =
            isSeekable
            ? pread(descriptor, buffer.baseAddress, buffer.count, Int(offset))
            : read(descriptor, buffer.baseAddress, buffer.count)
        } while status < 0 && errno == EINTR
        if status < 0 { failure = errno }
        count = max(0, status)
      }
      if let failure { return ([], failure) }
      if isSeekable || offset == 0 || bytes.isEmpty {
        if isSeekable { position.store(offset + Int64(bytes.count), ordering: .relaxed) }
        // A stream that ends before the place to go on from is not the stream of the checkpoint.
        return bytes.isEmpty && !isSeekable && offset > 0 ? ([], ESPIPE) : (bytes, nil)
      }
      position.store(max(0, offset - Int64(bytes.count)), ordering: .relaxed)
      if offset < Int64(bytes.count) { return (Array(bytes[Int(offset)...]), nil) }
    }
  }

  /// Waits for a stream in short steps, so that closing it does not wait for its next line. `false` once it is closed.
  private func waitForInput() -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while state.withLock({ !$0.isClosed }) {
      if poll(&request, 1, 100) != 0 { return true }
    }
    return false
  }
}
