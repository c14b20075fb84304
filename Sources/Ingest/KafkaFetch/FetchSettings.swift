/// How the fetch client asks.
package struct FetchSettings: Hashable, Sendable {
  /// The name that brokers log.
  package var clientID = "weir"
  /// How long a broker may wait for records before it answers without any.
  package var waitMilliseconds: Int32 = 50
  /// How many bytes of records a partition gets in one answer; a larger record batch comes alone.
  package var partitionBytes: Int32 = 1 << 20
  /// How many bytes of records an answer has.
  package var answerBytes: Int32 = 16 << 20
  /// A longer answer is not read: it is none.
  package var frameBytesMax = 100_000_000
  /// Whether records of open and aborted transactions are read.
  package var readsUncommitted = false
  /// How long a broker may be silent while an answer is due.
  package var silenceMilliseconds: Int64 = 30_000
  /// The pauses between attempts: the first, and the longest that doubling leads to.
  package var retryMilliseconds: ClosedRange<Int64> = 100...2000

  /// The defaults.
  package init() {}

  /// Bounds the buffers for this many partitions: each has at most one answer that is being decoded and one that waits or
  /// arrives, so 128 MiB, or 512 KiB a partition when there are more than 256.
  package mutating func bound(partitions: Int) {
    partitionBytes = Int32(min(1 << 20, max(256 << 10, (64 << 20) / max(1, partitions))))
  }
}

/// Pauses that double, up to a longest one.
package struct Backoff: Hashable, Sendable {
  private let range: ClosedRange<Int64>
  private var current: Int64

  /// Pauses within `range`.
  package init(_ range: ClosedRange<Int64>) {
    self.range = range
    current = range.lowerBound
  }

  /// The pause before the next attempt.
  package mutating func next() -> Int64 {
    defer { current = min(range.upperBound, current * 2) }
    return current
  }

  /// An attempt succeeded.
  package mutating func reset() { current = range.lowerBound }
}
