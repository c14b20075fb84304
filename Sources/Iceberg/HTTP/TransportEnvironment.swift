import Glibc

/// Time and chance, as the HTTP layer sees them: tests put their own in.
public struct TransportEnvironment: Sendable {
  /// The wall clock: milliseconds since the epoch.
  public var nowMilliseconds: @Sendable () -> Int64
  /// Waits that many milliseconds; throws when the task is cancelled.
  public var sleep: @Sendable (Int) async throws -> Void
  /// A random number, at least 0 and less than 1.
  public var random: @Sendable () -> Double

  /// An environment.
  public init(
    nowMilliseconds: @escaping @Sendable () -> Int64, sleep: @escaping @Sendable (Int) async throws -> Void,
    random: @escaping @Sendable () -> Double
  ) {
    self.nowMilliseconds = nowMilliseconds
    self.sleep = sleep
    self.random = random
  }

  /// The real clock and the system's random numbers.
  public static let system = TransportEnvironment(
    nowMilliseconds: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    },
    sleep: { try await Task.sleep(nanoseconds: UInt64(max(0, $0)) * 1_000_000) },
    random: { Double.random(in: 0..<1) })
}
