import Synchronization

/// Memory for the bytes of one partition's answer, or for what one record batch holds decompressed.
///
/// `@unchecked Sendable`: it has one owner at a time. The fetch thread fills it before it hands it over under a lock, and
/// does not touch it afterwards; what is decompressed, and what is kept to be used again, changes hands under a lock too.
package final class FetchBuffer: @unchecked Sendable {
  /// The memory; freed with this object.
  package let start: UnsafeMutableRawPointer
  /// Its size in bytes.
  package let capacity: Int

  /// Uninitialized memory.
  package init(capacity: Int) {
    self.capacity = capacity
    start = .allocate(byteCount: capacity, alignment: 16)
  }

  deinit { start.deallocate() }
}

/// Buffers that were used and can be again: fresh memory costs a page fault every 4 KiB. The one that was given back last is
/// the first to be taken, because it is most likely still in the processor's cache.
package final class FetchMemory: Sendable {
  private static let leastBytes = 4096
  private static let keptBufferBytesMax = 8 << 20
  private static let keptBytesMax = 64 << 20

  private struct Kept {
    var buffers: [FetchBuffer] = []
    var bytes = 0
  }

  private let kept = Mutex(Kept())

  /// No buffers yet.
  package init() {}

  /// A buffer of at least `count` bytes.
  package func take(_ count: Int) -> FetchBuffer {
    let found: FetchBuffer? = kept.withLock { kept in
      // One that is much too large would be missed by somebody else.
      let fits = kept.buffers.lastIndex { $0.capacity >= count && $0.capacity / 8 <= max(count, Self.leastBytes) }
      guard let fits else { return nil }
      let buffer = kept.buffers.remove(at: fits)
      kept.bytes -= buffer.capacity
      return buffer
    }
    return found ?? FetchBuffer(capacity: Self.rounded(count))
  }

  /// Takes back a buffer that nobody uses any more.
  package func giveBack(_ buffer: FetchBuffer) {
    guard buffer.capacity <= Self.keptBufferBytesMax else { return }
    kept.withLock { kept in
      kept.buffers.append(buffer)
      kept.bytes += buffer.capacity
      while kept.bytes > Self.keptBytesMax { kept.bytes -= kept.buffers.removeFirst().capacity }
    }
  }

  /// The next power of two.
  private static func rounded(_ count: Int) -> Int {
    let least = max(count, leastBytes)
    return 1 << (Int.bitWidth - (least - 1).leadingZeroBitCount)
  }
}

/// The records of one partition's answer: record batches as they came, the last one perhaps cut.
package struct FetchedRecords: Sendable {
  /// Where they are.
  package let buffer: FetchBuffer
  /// How many bytes of it.
  package let count: Int
  /// The aborted transactions among them, by their first offset.
  package let aborted: [AbortedTransaction]

  /// `count` bytes of `buffer`.
  package init(buffer: FetchBuffer, count: Int, aborted: [AbortedTransaction] = []) {
    self.buffer = buffer
    self.count = count
    self.aborted = aborted.sorted { $0.firstOffset < $1.firstOffset }
  }
}
