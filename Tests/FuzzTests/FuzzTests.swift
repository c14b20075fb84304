import Foundation
import FuzzTargets
import Testing

/// The driver in a process of its own: what it finds must not end the tests.
private enum Driver {
  struct Outcome {
    let status: Int32
    let output: String
  }

  private static var path: String {
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("Fuzzing").path
  }

  /// Runs it to its end, however long its own limits let that be.
  static func run(_ arguments: [String]) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
  }

  /// How many inputs a target of weight 1 gets; `WEIR_FUZZ_ITERATIONS` asks for more.
  static var iterations: String { ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"] ?? "200" }
}

@Suite("Fuzzing")
struct FuzzTests {
  private static let regressions =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Corpus/regressions")

  @Test("every target has a name of its own, and inputs to start from that hold")
  func targets() throws {
    #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
    for target in FuzzTarget.all {
      let seeds = try target.seeds()
      #expect(!seeds.isEmpty, "\(target.name)")
      for seed in seeds { #expect(throws: Never.self, "\(target.name)") { try target.check(seed) } }
    }
  }

  @Test("an input follows from target, seed and iteration alone")
  func reproducible() throws {
    for target in FuzzTarget.all {
      let mutator = Mutator(target, corpus: try target.seeds().sorted { $0.count < $1.count })
      for iteration in 0..<20 as Range<UInt64> {
        var first = FuzzRandom(seed: 7, iteration: iteration)
        var second = first
        #expect(mutator.input(&first) == mutator.input(&second), "\(target.name), iteration \(iteration)")
      }
    }
  }

  @Test(
    "damaged, invented and hostile inputs neither crash nor hang nor take much memory",
    arguments: FuzzTarget.all.map(\.name))
  func survives(target: String) throws {
    let outcome = try Driver.run(["run", target, "--iterations", Driver.iterations, "--seed", "1"])
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  @Test("inputs that once failed hold", arguments: FuzzTarget.all.map(\.name))
  func regression(target: String) throws {
    let directory = Self.regressions.appendingPathComponent(target).path
    let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    guard !files.isEmpty else { return }
    let outcome = try Driver.run(["replay", target] + files.sorted().map { "\(directory)/\($0)" })
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  @Test(
    "a failure, a crash and memory that runs away are reported with the input, which fails again",
    arguments: ["selftest-failure", "selftest-crash", "selftest-memory"])
  func reports(target: String) throws {
    let keep = FileManager.default.temporaryDirectory.appendingPathComponent("fuzz-\(target)-\(getpid())").path
    defer { try? FileManager.default.removeItem(atPath: keep) }
    let outcome = try Driver.run(["run", target, "--iterations", "5000", "--keep", keep])
    #expect(outcome.status == 1, "\(outcome.output)")
    #expect(outcome.output.contains("again: "), "\(outcome.output)")
    let inputs = try FileManager.default.contentsOfDirectory(atPath: keep)
    #expect(inputs.count == 1, "\(inputs)")
    let path = "\(keep)/\(inputs.first ?? "")"
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).first == UInt8(ascii: "!"))
    #expect(try Driver.run(["replay", target, path]).status != 0)
  }

  @Test("an input that does not end is ended, and reported")
  func hang() throws {
    let keep = FileManager.default.temporaryDirectory.appendingPathComponent("fuzz-hang-\(getpid())").path
    defer { try? FileManager.default.removeItem(atPath: keep) }
    let outcome = try Driver.run([
      "run", "selftest-hang", "--iterations", "5000", "--keep", keep, "--patience", "2"
    ])
    #expect(outcome.status == 1 && outcome.output.contains("no end within 2 s"), "\(outcome.output)")
  }
}
