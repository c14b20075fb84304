/// Where a job began to read a partition of which it did not read the first records, as far as a checkpoint tells: that
/// says how many records were read up to which offset, not which was the first.
public struct PartitionBeginning: Hashable, Sendable {
  /// What reading from ``offset`` shows.
  public enum Proof: Hashable, Sendable {
    /// Exactly the job's records were read.
    case confirmed
    /// The source no longer has the first of them.
    case truncated
    /// Other records were read: some offsets have none, or the topic is another one.
    case refuted
  }

  /// The offset behind the last record.
  public let end: Int64
  /// How many records the job read before it.
  public let records: UInt64

  /// The beginning of a job that read `records` records before the offset `end`.
  public init(end: Int64, records: UInt64) {
    self.end = end
    self.records = records
  }

  /// The first offset, if every offset has a record. Compaction and transactions leave gaps, with which it lies too late.
  public var offset: Int64 { max(0, end - Int64(clamping: records)) }

  /// Judges a reading up to ``end``.
  ///
  /// - Parameters:
  ///   - start: the offset at which it began; behind ``offset`` when the source had that no longer.
  ///   - count: how many records it met.
  public func proof(start: Int64, records count: UInt64) -> Proof {
    if start > offset { return count < records ? .truncated : .refuted }
    return count == records ? .confirmed : .refuted
  }
}
