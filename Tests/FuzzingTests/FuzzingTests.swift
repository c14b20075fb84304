import Foundation
import FuzzTargets
import TestTraits
import Testing

/// The driver in a process of its own: what it finds must not end the tests.
private struct Driver {
  let place = FileManager.default.temporaryDirectory.appendingPathComponent("fuzzing-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true) }

  /// Runs it to its end, however long its own limits let that be, on a thread that may be blocked.
  func run(_ arguments: [String]) async throws -> (end: ChildProgram.End, output: String) {
    let output = "\(place)/output"
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("Fuzzing").path
    let end = try await withCheckedThrowingContinuation { continuation in
      Thread {
        continuation.resume(with: Result { try ChildProgram([program] + arguments, output: output).wait() })
      }.start()
    }
    return (end, try String(contentsOfFile: output, encoding: .utf8))
  }

  func remove() { try? FileManager.default.removeItem(atPath: place) }
}

@Suite("Fuzzing", .fewAtOnce, .serialized)
struct FuzzingTests {
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
      let mutator = Mutator(target, corpus: try target.seeds())
      for iteration in 0..<20 as Range<UInt64> {
        var first = FuzzRandom(seed: 7, iteration: iteration)
        var second = first
        #expect(mutator.input(&first) == mutator.input(&second), "\(target.name), iteration \(iteration)")
      }
    }
  }

  @Test("damaged, invented and hostile inputs neither crash nor hang nor take much memory")
  func survives() async throws {
    let driver = try Driver()
    defer { driver.remove() }
    let seed = UInt64.random(in: 1...1_000_000)
    let keep = FileManager.default.temporaryDirectory.appendingPathComponent("weir-fuzzing").path
    let outcome = try await driver.run([
      "run", "all", "--iterations", "300", "--seed", "\(seed)", "--keep", keep
    ])
    #expect(outcome.end == .exit(0), "seed \(seed):\n\(outcome.output)")
    for target in FuzzTarget.all { #expect(outcome.output.contains("\(target.name): "), "\(outcome.output)") }
  }

  @Test("inputs that once failed hold")
  func regressions() async throws {
    let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Corpus/regressions").path
    let driver = try Driver()
    defer { driver.remove() }
    for target in try FileManager.default.contentsOfDirectory(atPath: corpus) {
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(corpus)/\(target)").sorted()
      let outcome = try await driver.run(["replay", target] + files.map { "\(corpus)/\(target)/\($0)" })
      #expect(!files.isEmpty && outcome.end == .exit(0), "\(outcome.output)")
    }
  }

  @Test(
    "a failure, a crash and memory that runs away are reported with the input, which fails again",
    arguments: ["selftest-failure", "selftest-crash", "selftest-memory", "selftest-waiting"])
  func reports(target: String) async throws {
    let driver = try Driver()
    defer { driver.remove() }
    let keep = driver.place + "/keep"
    let outcome = try await driver.run(["run", target, "--iterations", "5000", "--keep", keep])
    #expect(outcome.end == .exit(1) && outcome.output.contains("again: "), "\(outcome.output)")
    let inputs = try FileManager.default.contentsOfDirectory(atPath: keep)
    #expect(inputs.count == 1, "\(inputs)")
    let path = "\(keep)/\(inputs.first ?? "")"
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).first == UInt8(ascii: "!"))
    #expect(try await driver.run(["replay", target, path]).end != .exit(0))
  }

  @Test("an input that does not end is ended, and reported")
  func hang() async throws {
    let driver = try Driver()
    defer { driver.remove() }
    let outcome = try await driver.run([
      "run", "selftest-hang", "--iterations", "5000", "--keep", driver.place, "--patience", "2"
    ])
    #expect(outcome.end == .exit(1) && outcome.output.contains("no end within 2 s"), "\(outcome.output)")
  }
}
