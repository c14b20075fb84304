/// What to do after a failure.
public enum RestartDecision: Hashable, Sendable {
  /// Start again after so many nanoseconds.
  case restart(after: Int64)
  /// Too many failures in too short a time: hand the failure up. The text says how many and how long.
  case escalate(String)
}

/// How often, and after what delay, a failed part is started again.
///
/// ```
/// failures   x      x           x                          x
///            └100ms─┘└──200ms───┘└───400ms───┘  (quiet)    └100ms─   delays double while failures follow each other
///            └──────────── window ───────────┘                       more than `limit` in a window: escalate
/// ```
public struct RestartPolicy: Hashable, Sendable {
  private let limit: Int
  private let window: Int64
  private let initialDelay: Int64
  private let maximumDelay: Int64
  private let jitter: Double
  private var failures: [Int64] = []
  private var streak = 0

  /// A policy; durations are nanoseconds.
  ///
  /// - Parameters:
  ///   - limit: restarts allowed within `window`.
  ///   - window: a failure is forgotten after this time; after as long without any, delays start anew.
  ///   - initialDelay: before the first restart.
  ///   - maximumDelay: what delays grow to.
  ///   - jitter: up to this share of a delay is added at random.
  public init(limit: Int, window: Int64, initialDelay: Int64, maximumDelay: Int64, jitter: Double = 0.25) {
    precondition(limit >= 0 && window > 0 && initialDelay >= 0 && maximumDelay >= 0 && (0...1).contains(jitter))
    self.limit = limit
    self.window = window
    self.initialDelay = initialDelay
    self.maximumDelay = maximumDelay
    self.jitter = jitter
  }

  /// The policy that the settings ask for.
  public init(_ settings: Settings) {
    self.init(
      limit: settings.maxRestarts, window: settings.restartWindow, initialDelay: settings.restartBackoff,
      maximumDelay: settings.restartBackoffMaximum)
  }

  /// Failures within the window that ended with the last one.
  public var recentFailures: Int { failures.count }

  /// A failure happened at `now` (monotonic nanoseconds); `random` is at least 0 and below 1.
  public mutating func failureRecorded(at now: Int64, random: Double) -> RestartDecision {
    failures.removeAll { now - $0 >= window }
    streak = failures.isEmpty ? 0 : streak
    failures.append(now)
    guard failures.count <= limit else {
      return .escalate("\(failures.count) failures within \(UnitText.duration(window)), \(limit) restarts are allowed")
    }
    let (doubled, overflow) = initialDelay.multipliedReportingOverflow(by: 1 << Int64(min(streak, 40)))
    let delay = min(overflow ? .max : doubled, maximumDelay)
    streak += 1
    return .restart(after: delay + Int64(Double(delay) * jitter * random))
  }
}
