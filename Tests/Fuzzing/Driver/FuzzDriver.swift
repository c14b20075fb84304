import Foundation
import FuzzTargets

/// Tries inputs until one fails; see `docs/guarantees.md`.
///
/// ```
/// Fuzzing list
/// Fuzzing run TARGET|all [--iterations N] [--seed N] [--findings N] [--keep DIRECTORY] [--patience SECONDS]
/// Fuzzing replay TARGET FILE…      tries these inputs, in this process
/// Fuzzing corpus TARGET DIRECTORY  writes the inputs to start from
/// ```
@main
struct FuzzDriver {
  static func main() {
    var arguments = CommandLine.arguments.dropFirst()
    do {
      switch arguments.popFirst() {
      case "list":
        guard arguments.isEmpty else { stop("list takes no arguments") }
        for target in FuzzTarget.all { say(target.name) }
      case "run": try run(&arguments)
      case "work": try work(Array(arguments))
      case "replay": try replay(&arguments)
      case "corpus": try writeCorpus(Array(arguments))
      default: stop("expected list, run, replay or corpus")
      }
    } catch {
      stop("\(error)")
    }
  }

  static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

  static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

  private static func stop(_ message: String) -> Never {
    complain("Fuzzing: \(message)")
    exit(2)
  }

  private static func target(_ name: String?) -> FuzzTarget {
    guard let name, let target = FuzzTarget.named(name) else { stop("no target '\(name ?? "")'; see list") }
    return target
  }

  private static func run(_ arguments: inout ArraySlice<String>) throws {
    guard let name = arguments.popFirst() else { stop("expected run TARGET, or run all") }
    let targets = name == "all" ? FuzzTarget.all : [target(name)]
    _ = meter()
    let most: UInt64 = 1_000_000_000_000
    var (iterations, seed, findings): (UInt64, UInt64, Int) = (2000, 1, 1)
    var keep = "\(FileManager.default.temporaryDirectory.path)/weir-fuzzing"
    var patience = 60.0
    while let option = arguments.popFirst() {
      switch option {
      case "--iterations": iterations = value(of: option, &arguments, "1 to \(most)") { (1...most).contains($0) }
      case "--seed": seed = value(of: option, &arguments, "a number") { _ in true }
      case "--findings": findings = value(of: option, &arguments, "a number of at least 1") { $0 >= 1 }
      case "--keep": keep = value(of: option, &arguments, "a directory") { !$0.isEmpty && !$0.hasPrefix("-") }
      case "--patience": patience = value(of: option, &arguments, "seconds") { $0 > 0 && $0 < 1e6 }
      default: stop("no option '\(option)'")
      }
    }
    var failed = 0
    for target in targets {
      let began = Date()
      let count = iterations * UInt64(target.weight)
      let found = try Watch(
        target: target.name, seed: seed, iterations: count, findingsMax: findings, directory: keep,
        patience: patience
      ).run()
      failed += found
      let seconds = String(format: "%.1f", Date().timeIntervalSince(began))
      say("\(target.name): \(count) inputs of seed \(seed), \(found) failed, \(seconds) s")
    }
    if failed > 0 { exit(1) }
  }

  private static func value<Value: LosslessStringConvertible>(
    of option: String, _ arguments: inout ArraySlice<String>, _ expected: String, _ isRight: (Value) -> Bool
  ) -> Value {
    let text = arguments.popFirst() ?? ""
    guard let value = Value(text), isRight(value) else { stop("\(option): expected \(expected), found '\(text)'") }
    return value
  }

  /// Without it a limit would hold for any input.
  private static func meter() -> MemoryMeter {
    guard let meter = MemoryMeter() else {
      stop("memory cannot be measured here: expected jemalloc with statistics, found another allocator")
    }
    return meter
  }

  private static func work(_ arguments: [String]) throws {
    guard arguments.count == 5, let seed = UInt64(arguments[1]), let from = UInt64(arguments[2]),
      let to = UInt64(arguments[3]), let box = BlackBox(path: arguments[4])
    else { stop("work is for the driver itself") }
    let target = target(arguments[0])
    Worker(target: target, meter: meter()).run(seed: seed, from: from, to: to, box: box, corpus: try target.seeds())
  }

  private static func replay(_ arguments: inout ArraySlice<String>) throws {
    let worker = Worker(target: target(arguments.popFirst()), meter: meter())
    guard !arguments.isEmpty else { stop("expected replay TARGET FILE…") }
    var failed = false
    for path in arguments {
      let problem = worker.attempt(Array(try Data(contentsOf: URL(fileURLWithPath: path))))
      say("\(path): \(problem ?? "holds")")
      failed = failed || problem != nil
    }
    if failed { exit(1) }
  }

  private static func writeCorpus(_ arguments: [String]) throws {
    guard arguments.count == 2 else { stop("expected corpus TARGET DIRECTORY") }
    try FileManager.default.createDirectory(atPath: arguments[1], withIntermediateDirectories: true)
    for (index, seed) in try target(arguments[0]).seeds().enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(arguments[1])/seed-\(index)"))
    }
  }
}
