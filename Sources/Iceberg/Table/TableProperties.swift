/// The settings of a table that writing, committing and maintenance obey, with their defaults.
///
/// Names and defaults are those of the Java library (Iceberg documentation, "Configuration").
public struct TableSettings: Hashable, Sendable {
  /// All properties, as the table has them.
  public var properties: [String: String]

  /// The settings in `properties`.
  public init(_ properties: [String: String]) { self.properties = properties }

  /// The settings of a table.
  public init(_ metadata: TableMetadata) { self.init(metadata.properties) }

  /// The integer `name`, or `fallback` when it is absent.
  /// - Throws: ``IcebergError`` of kind `invalid` when it is not an integer of 64 bits.
  public func integer(_ name: String, default fallback: Int64) throws(IcebergError) -> Int64 {
    guard let text = properties[name] else { return fallback }
    guard let value = Int64(text) else {
      throw IcebergError(.invalid, "table property \(name): expected an integer, got '\(text)'; correct or remove it")
    }
    return value
  }

  /// The positive integer `name`, or `fallback` when it is absent.
  /// - Throws: ``IcebergError`` of kind `invalid` when it is not a positive integer.
  public func positive(_ name: String, default fallback: Int64) throws(IcebergError) -> Int64 {
    let value = try integer(name, default: fallback)
    guard value > 0 else {
      throw IcebergError(.invalid, "table property \(name): expected more than 0, got \(value); correct or remove it")
    }
    return value
  }

  /// The boolean `name`, or `fallback` when it is absent: `true` in any case is true, all else is false, as in Java.
  public func boolean(_ name: String, default fallback: Bool) -> Bool {
    guard let text = properties[name] else { return fallback }
    return text.lowercased() == "true"
  }

  /// The size at which data files are closed, in bytes: `write.target-file-size-bytes`.
  public var targetFileSizeBytes: Int64 {
    get throws(IcebergError) { try positive("write.target-file-size-bytes", default: 512 << 20) }
  }

  /// The size of merged manifests, in bytes: `commit.manifest.target-size-bytes`.
  public var manifestTargetSizeBytes: Int64 {
    get throws(IcebergError) { try positive("commit.manifest.target-size-bytes", default: 8 << 20) }
  }

  /// How many small manifests there must be before a commit merges them: `commit.manifest.min-count-to-merge`.
  public var manifestMinimumCountToMerge: Int {
    get throws(IcebergError) { Int(try positive("commit.manifest.min-count-to-merge", default: 100)) }
  }

  /// Whether commits merge manifests: `commit.manifest-merge.enabled`.
  public var mergesManifests: Bool { boolean("commit.manifest-merge.enabled", default: true) }

  /// How often a commit is tried again after a conflict: `commit.retry.num-retries` and its companions.
  public var commitRetry: CommitRetry {
    get throws(IcebergError) {
      let standard = CommitRetry()
      return CommitRetry(
        attempts: Int(clamping: try integer("commit.retry.num-retries", default: Int64(standard.attempts - 1))) + 1,
        minimumWaitMilliseconds: try positive(
          "commit.retry.min-wait-ms", default: standard.minimumWaitMilliseconds),
        maximumWaitMilliseconds: try positive(
          "commit.retry.max-wait-ms", default: standard.maximumWaitMilliseconds),
        totalMilliseconds: try positive("commit.retry.total-timeout-ms", default: standard.totalMilliseconds))
    }
  }

  /// How old snapshots may be before expiry takes them, in milliseconds: `history.expire.max-snapshot-age-ms`.
  public var maximumSnapshotAgeMilliseconds: Int64 {
    get throws(IcebergError) { try integer("history.expire.max-snapshot-age-ms", default: 5 * 86_400_000) }
  }

  /// How many snapshots expiry keeps on each branch at least: `history.expire.min-snapshots-to-keep`.
  public var minimumSnapshotsToKeep: Int {
    get throws(IcebergError) { Int(clamping: try positive("history.expire.min-snapshots-to-keep", default: 1)) }
  }

  /// How old branches and tags may be, in milliseconds; without end by default: `history.expire.max-ref-age-ms`.
  public var maximumReferenceAgeMilliseconds: Int64 {
    get throws(IcebergError) { try integer("history.expire.max-ref-age-ms", default: .max) }
  }

  /// Whether files may be deleted for good: `gc.enabled`.
  public var allowsGarbageCollection: Bool { boolean("gc.enabled", default: true) }
}

/// How often, and how patiently, a commit is tried again.
public struct CommitRetry: Hashable, Sendable {
  /// How often at most, the first time included.
  public var attempts: Int
  /// The pause after the first failure, in milliseconds; it doubles from there.
  public var minimumWaitMilliseconds: Int64
  /// The longest pause, in milliseconds.
  public var maximumWaitMilliseconds: Int64
  /// After how many milliseconds no attempt begins any more.
  public var totalMilliseconds: Int64

  /// Java's defaults: 4 retries, 100 ms to 60 s, 30 minutes in all.
  public init(
    attempts: Int = 5, minimumWaitMilliseconds: Int64 = 100, maximumWaitMilliseconds: Int64 = 60_000,
    totalMilliseconds: Int64 = 30 * 60_000
  ) {
    self.attempts = max(1, attempts)
    self.minimumWaitMilliseconds = max(1, minimumWaitMilliseconds)
    self.maximumWaitMilliseconds = max(1, maximumWaitMilliseconds)
    self.totalMilliseconds = max(1, totalMilliseconds)
  }

  /// The pause before attempt `attempt` (the second is 2), in milliseconds: exponential, with jitter of up to a tenth.
  ///
  /// - Parameter random: decides the jitter.
  public func waitMilliseconds(beforeAttempt attempt: Int, random: UInt64) -> Int64 {
    let doublings = min(max(0, attempt - 2), 40)
    let (scaled, overflow) = minimumWaitMilliseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
    let base = overflow ? maximumWaitMilliseconds : min(scaled, maximumWaitMilliseconds)
    return base + Int64(random % UInt64(base / 10 + 1))
  }
}
