import Glibc

extension ChildProcesses {
  /// What a program took from its start to its end.
  package struct Usage: Sendable {
    /// Its exit code; 128 and the signal when a signal ended it.
    package let exitCode: Int32
    /// From the start to the end, in seconds.
    package let seconds: Double
    /// User and system time of all its threads, in seconds.
    package let cpuSeconds: Double
    /// The most memory it had at once, in bytes.
    package let peakBytes: Int
  }

  /// Runs a program to its end, its output in `log`.
  /// - Throws: ``CommandFailure`` when it cannot be started.
  package func measure(_ command: [String], log: String) throws -> Usage {
    let started = Self.now()
    let process = try spawn(["setpriv", "--pdeathsig", "KILL"] + command, log: log)
    var status: Int32 = 0
    var usage = rusage()
    while wait4(process, &status, 0, &usage) < 0, errno == EINTR {}
    let seconds = Double(Self.now() - started) / 1e9
    return Usage(
      exitCode: status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, seconds: seconds,
      cpuSeconds: Self.seconds(usage.ru_utime) + Self.seconds(usage.ru_stime), peakBytes: usage.ru_maxrss * 1024)
  }

  private static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
}
