import Columnar

/// The fixed number of slices that keyed state is split into, and how they are dealt to parallel shards.
///
/// The hash of a key and this arithmetic decide where a row of a checkpoint belongs: they are part of the state's
/// format and must not change.
public struct KeyGroups: Hashable, Sendable {
  /// The number of key groups of a job that does not say otherwise.
  public static let defaultCount = 128

  /// How many key groups there are, at least 1.
  public let count: Int

  /// `count` key groups; less than 1 counts as 1.
  public init(count: Int = KeyGroups.defaultCount) { self.count = max(1, min(count, 1 << 15)) }

  /// The key group of a key with this hash: `0 ..< count`.
  @inline(__always)
  public func group(of hash: UInt64) -> Int {
    // The upper half decides, so that the lower half stays evenly spread within one key group's table.
    Int(((hash >> 32) &* UInt64(count)) >> 32)
  }

  /// The shard that owns `group` when there are `parallelism` shards: contiguous ranges of nearly equal length.
  @inline(__always)
  public func shard(ofGroup group: Int, parallelism: Int) -> Int { group * parallelism / count }

  /// The shard that owns a key with this hash.
  @inline(__always)
  public func shard(of hash: UInt64, parallelism: Int) -> Int {
    shard(ofGroup: group(of: hash), parallelism: parallelism)
  }

  /// The key groups that `shard` owns when there are `parallelism` shards.
  public func groups(ofShard shard: Int, parallelism: Int) -> Range<Int> {
    let lower = (shard * count + parallelism - 1) / parallelism
    let upper = ((shard + 1) * count + parallelism - 1) / parallelism
    return lower..<upper
  }
}

extension KeyGroups {
  /// The rows of `batch`, whose first `keyCount` columns are the keys, that belong to the key groups of `range`.
  public func rows(of batch: Batch, keyCount: Int, in range: Range<Int>) -> Batch {
    var keys = EncodedKeys()
    keys.encode(Array(batch.columns.prefix(keyCount)), count: batch.count)
    let rows = (0..<batch.count).filter { range.contains(group(of: keys.hashes[$0])) }
    return rows.count == batch.count ? batch : batch.gather(rows.map { Int32($0) })
  }
}
