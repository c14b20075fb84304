import Iceberg

/// When a table is looked at, decided by how often it was committed to; pure. Times are milliseconds since the epoch.
package struct TableWatch: Hashable, Sendable {
  /// How often failures double the time to the next look.
  package static let failureDoublingsMax = 5
  /// The shortest time between two looks.
  package static let pauseMilliseconds: Int64 = 500

  /// What maintenance remembers of the table.
  package var history: MaintenanceHistory
  /// When the table is to be looked at.
  package private(set) var nextLook: Int64
  private var failures = 0
  private var seenAt: Int64?
  private var seenSequenceNumber: Int64 = 0

  /// A table that nobody looked at yet.
  ///
  /// Orphans are looked for some minutes after the start, not at once: a job that restarts often does not list its
  /// tables each time.
  /// - Parameter orphanInterval: how often they are looked for; `nil` for never.
  package init(now: Int64, orphanInterval: Int64?) {
    nextLook = now
    history = MaintenanceHistory()
    if let orphanInterval { history.orphansMilliseconds = now - orphanInterval + min(orphanInterval, 600_000) }
  }

  /// Decides when the next look is due.
  ///
  /// - Parameters:
  ///   - start: when this look began.
  ///   - end: when it ended.
  ///   - sequenceNumber: the table's last sequence number when it began; `nil`: the look failed.
  ///   - interval: the longest time between two looks; each failure in a row after the first doubles it, four times at most.
  ///   - commits: after how many commits a look is wanted sooner.
  package mutating func looked(
    from start: Int64, to end: Int64, sequenceNumber: Int64?, interval: Int64, commits: Int
  ) {
    guard let sequenceNumber else {
      failures = min(failures + 1, Self.failureDoublingsMax)
      nextLook = end + interval << Int64(failures - 1)
      return
    }
    failures = 0
    var delay = interval
    if let seenAt, start > seenAt, sequenceNumber > seenSequenceNumber {
      let perCommit = Double(start - seenAt) / Double(sequenceNumber - seenSequenceNumber)
      delay = Int64(min(Double(interval), perCommit * Double(commits)))
    }
    seenAt = start
    seenSequenceNumber = sequenceNumber
    nextLook = max(end + Self.pauseMilliseconds, start + delay)
  }
}
