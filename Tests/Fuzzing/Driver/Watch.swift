import Foundation
import FuzzTargets

/// Runs workers, restarts them behind inputs that ended them, and reports those inputs.
struct Watch {
  let target: String
  let seed: UInt64
  let iterations: UInt64
  /// Goes on behind an input that failed, up to so many of them.
  let findingsMax: Int
  /// Where inputs that fail are kept.
  let directory: String
  /// How long an input may take before its worker is ended, in seconds.
  let patience: Double

  /// Runs all iterations.
  /// - Returns: how many inputs failed.
  func run() throws -> Int {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let path = "\(directory)/\(target)-\(seed)-\(getpid()).box"
    defer { for suffix in ["", ".log"] { unlink(path + suffix) } }
    guard let box = BlackBox(path: path) else { throw CocoaError(.fileWriteUnknown) }
    var (next, findings): (UInt64, Int) = (0, 0)
    while next < iterations, findings < findingsMax {
      guard let outcome = try work(from: next, box: box, path: path) else { break }
      findings += 1
      try report(outcome, box, log: path + ".log")
      next = box.iteration + 1
    }
    return findings
  }

  /// What ended the worker; `nil` when it did all of its work.
  private func work(from: UInt64, box: BlackBox, path: String) throws -> String? {
    let program = try ChildProgram(
      [try Self.program, "work", target, "\(seed)", "\(from)", "\(iterations)", path], output: path + ".log",
      environment: [
        "SWIFT_BACKTRACE": "enable=yes,color=no,threads=crashed,images=none,interactive=no,limit=24"
      ])
    var (tries, since) = (box.tries, Date())
    while true {
      switch program.end() {
      case .exit(0): return nil
      case .exit(Worker.failureStatus): return "the property does not hold"
      case .exit(let status): return "exit status \(status)"
      case .signal(let signal): return "ended by signal \(signal)"
      case nil: break
      }
      usleep(20_000)
      if box.tries != tries { (tries, since) = (box.tries, Date()) }
      if Date().timeIntervalSince(since) > patience {
        program.kill()
        return "no end within \(Int(patience)) s"
      }
    }
  }

  private static var program: String {
    get throws { try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") }
  }

  private func report(_ outcome: String, _ box: BlackBox, log: String) throws {
    let path = "\(directory)/\(target)-\(seed)-\(box.iteration).input"
    try Data(box.input).write(to: URL(fileURLWithPath: path))
    let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    let shown = String(decoding: box.input.prefix(400), as: UTF8.self)
    FuzzDriver.say(
      """
      \(target): \(outcome), iteration \(box.iteration) of seed \(seed), input of \(box.input.count) bytes in \(path)
        again: \(CommandLine.arguments[0]) replay \(target) \(path)
        input begins: \(shown.debugDescription)
      \(said.prefix(6000))
      """)
  }
}
