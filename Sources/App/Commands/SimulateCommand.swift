import ArgumentParser
import CPosix
import Glibc
import SimulationKit

/// `weir sim`.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sim", abstract: "Runs the real job in a simulated world that fails in every way, from seeds.")

  @Option(help: "The first seed.") var seed: UInt64 = 1
  @Option(help: "How many seeds to run.") var seeds: Int = 1
  @Option(help: "all, none, or names separated by commas.") var faults = "all"
  @Option(help: "Where to write the trace.") var trace: String?

  func run() throws {
    // Dictionaries and sets must be walked in the same order in every run: that is decided before the process starts.
    if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
      setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
      var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
      arguments.append(nil)
      execv("/proc/self/exe", &arguments)
    }
    let allowed = faults == "all" ? Set(Fault.allCases) : Set(faults.split(separator: ",").compactMap { Fault(rawValue: String($0)) })
    var steps = 0
    var processes = 0
    for seed in seed..<seed + UInt64(seeds) {
      var options = SimulationOptions(seed: seed, faults: allowed)
      options.traceLines = trace == nil ? 0 : .max
      options.directory = "/dev/shm/weir-sim-\(getpid())-\(seed)"
      let result = try SimulationRun(options).run()
      steps += result.steps
      processes += result.processes
      if let violation = result.violation { print("seed \(seed): \(violation)") }
      if let refusal = result.refusal { print("seed \(seed) refused: \(refusal)") }
      if let trace {
        let file = fopen(trace, "w")
        for line in result.trace { fputs(line + "\n", file) }
        fclose(file)
        print("seed \(seed) digest \(result.digest) steps \(result.steps) processes \(result.processes) checkpoints \(result.checkpoints) records \(result.records) virtual \(Double(result.virtualTime) / 1e9) \(result.injected)")
      }
    }
    print("\(seeds) seeds, \(steps) steps, \(processes) processes")
  }
}
