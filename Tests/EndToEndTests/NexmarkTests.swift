import Foundation
import TestTraits
import Testing

/// The Nexmark queries, against DuckDB over the same events.
@Suite(.fewAtOnce, .timeLimit(.minutes(30)))
struct NexmarkTests {
  @Test("queries without a window, with one, and with a stage above it give what DuckDB computes")
  func results() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let python = try #require(
      ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"],
      "WEIR_JUDGES_PYTHON names the judges' interpreter; ./weir test sets it")
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let arguments = ["--check", "--events", "60000", "--rate", "2000", "--partitions", "3", "--queries", "q1,q5,q17"]
    let check = try ChildProcess(
      python, [root + "/Benchmarks/nexmark.py"] + arguments, environment: ["WEIR_BINARY": bench.binary])
    let code = await check.wait()
    #expect(code == 0, "\(check.lines.joined(separator: "\n"))\n\(check.errorText)")
    #expect(check.lines.count { $0.hasSuffix("as DuckDB") } == 3)
  }
}
