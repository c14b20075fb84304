import Actors
import Runtime
import ServiceLifecycle
import Synchronization

/// Writes a line a second about a job, ends the demo after its time, and notices children that died.
final class DemoWatch: Service {
  private let engine: any JobHandle
  private let children: ChildProcesses
  private let clock: any EngineClock
  private let limit: Int64?
  private let problem = Mutex<CommandFailure?>(nil)

  init(engine: any JobHandle, children: ChildProcesses, clock: any EngineClock, limit: Int64?) {
    self.engine = engine
    self.children = children
    self.clock = clock
    self.limit = limit
  }

  /// Why the demo could not go on.
  var failure: CommandFailure? { problem.withLock { $0 } }

  func run() async throws {
    await cancelWhenGracefulShutdown { await self.watch() }
  }

  /// Returning ends the demo in good order.
  private func watch() async {
    let started = clock.monotonicNanoseconds()
    var previous: JobStatus?
    while limit.map({ clock.monotonicNanoseconds() - started < $0 }) ?? true {
      guard (try? await clock.sleep(for: 1_000_000_000)) != nil else { return }
      if let child = await children.ended().first {
        let failure = CommandFailure(
          .job, "\(child.name) ended by itself; its last lines:\n\(DemoPlace.lastLines(child.log))")
        problem.withLock { $0 = failure }
        return
      }
      let status = await engine.status()
      Terminal.say(DemoLine.text(status, after: previous))
      previous = status
    }
  }
}

/// One line about a job.
package enum DemoLine {
  /// Rates since `previous`, totals, and how far behind.
  package static func text(_ status: JobStatus, after previous: JobStatus?) -> String {
    let read = status.partitions.reduce(0) { $0 + $1.rowsIn }
    let written = status.sinks.filter { !$0.name.contains(".") }.reduce(0) { $0 + $1.rowsOut }
    let before = previous?.partitions.reduce(0) { $0 + $1.rowsIn } ?? 0
    let time = previous.map { Double(status.reportedAt.microseconds - $0.reportedAt.microseconds) / 1e6 } ?? 0
    let rate = time > 0 && read >= before ? Int(Double(read - before) / time) : 0
    let lag = status.partitions.compactMap(\.lag).reduce(0, +)
    var parts = [
      String(status.reportedAt.description.dropFirst(11).prefix(8)), status.state.rawValue, "\(grouped(rate)) rows/s",
      "\(grouped(read)) read", "\(grouped(written)) written", "lag \(grouped(lag))"
    ]
    if let checkpoint = status.checkpoints.first(where: { $0.state == .completed }) {
      parts.append("checkpoint \(checkpoint.id) in \(Int(checkpoint.durationSeconds * 1000)) ms")
    }
    let late = status.partitions.reduce(0) { $0 + $1.lateRows }
    let dead = status.partitions.reduce(0) { $0 + $1.deadRows }
    if late + dead > 0 { parts.append("kept aside: \(grouped(late)) late, \(grouped(dead)) dead") }
    return parts.joined(separator: "  ")
  }

  /// The number with commas.
  package static func grouped(_ number: some BinaryInteger) -> String {
    let digits = Array(String(number))
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3), digits[index - 1] != "-" { result.append(",") }
      result.append(digit)
    }
    return result
  }
}
