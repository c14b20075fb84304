import Checkpointing

/// Which sinks of a group are due: by their intervals, and together when the intervals are equal, so that no failure
/// moves them apart.
package struct CommitSchedule {
  private var notBefore: [Int64: Int64] = [:]

  /// Everybody is due.
  package init() {}

  /// Whether a sink of `interval` may commit at `now`. What a restored checkpoint left to do is done at once, and nobody
  /// waits when more commits are there than may: the sources would pause.
  package func isDue(_ interval: Int64, at now: Int64, isFull: Bool) -> Bool {
    isFull || notBefore[interval].map { now >= $0 } ?? true
  }

  /// When the first of `intervals` is due.
  package func next(_ intervals: [Int64]) -> Int64? { intervals.compactMap { notBefore[$0] }.min() }

  /// Notes a commit of sinks of `interval`.
  package mutating func committed(_ interval: Int64, at now: Int64) {
    if interval > 0 { notBefore[interval] = now.addingSaturated(interval) }
  }
}

/// The attempts to commit sinks in one act: who takes part in the next one.
///
/// A failure is tried again by all of them, because most are of the catalog that they share. A sink that is named as the
/// reason again and again is left out, so that the others go on; if they fail without it, it was not the reason.
package struct CommitRound {
  /// A sink that is named so often is left out of the next attempt.
  package static let blameMax = 3

  /// The sinks of the round.
  package private(set) var sinks: [String]
  /// How many attempts failed.
  package private(set) var failures = 0
  private var blames: [String: Int] = [:]

  /// The first attempt is made by all of `sinks`.
  package init(_ sinks: [String]) { self.sinks = sinks }

  /// The sinks of the next attempt; never none.
  package var going: [String] {
    let going = sinks.filter { blames[$0, default: 0] < Self.blameMax }
    return going.isEmpty ? sinks : going
  }

  /// The sinks that are left to themselves when the next attempt succeeds.
  package var left: [String] { sinks.filter { !going.contains($0) } }

  /// Notes that an attempt failed because of `sink`; `nil`, or a name that is not in the round: because of none of them.
  package mutating func failed(becauseOf sink: String?) {
    failures += 1
    let hasLeft = !left.isEmpty
    if let sink, going.contains(sink) { blames[sink, default: 0] += 1 } else if hasLeft { blames = [:] }
    if !sinks.contains(where: { blames[$0, default: 0] < Self.blameMax }) { blames = [:] }
  }

  /// Takes `sink` out for good.
  package mutating func remove(_ sink: String) { sinks.removeAll { $0 == sink } }
}

/// How often a commit is tried: without end while its failures are transient. One that may be a defect as well as an
/// accident is not worth more than a few attempts.
package struct CommitPatience {
  /// So many attempts in succession may fail with ``SinkError/Severity/failed``.
  package static let failedMax = 5

  /// How many attempts failed.
  package private(set) var failures = 0
  private var failedInSuccession = 0

  /// Nothing has failed.
  package init() {}

  /// Notes a failure. Returns whether another attempt is worth while.
  package mutating func mayTryAgain(after severity: SinkError.Severity) -> Bool {
    failures += 1
    switch severity {
    case .transient: failedInSuccession = 0
    case .failed: failedInSuccession += 1
    case .fatal: return false
    }
    return failedInSuccession < Self.failedMax
  }
}
