// Runs seeds of the simulator with one planted bug switched on, until one breaks an invariant; then makes that run shorter,
// and repeats the short one from what `weir sim` would be told. Built by plant.py only, in a copy of the sources: the program
// that users run has no such switch.
//
//   PlantedBugs BUG LIMIT    BUG: the bug's number in bugs.py, 0 for none; LIMIT: how many seeds to try
//
// Exit codes: 0 a violation was found and repeated, or there is none; 2 a run could not begin; 3 the violation was not
// repeated. A seed that takes too long is ended by SIGXCPU.

import Columnar
import Glibc
import SimulationKit

/// More processor time than a seed may take, and than making a run shorter may.
let secondsPerSeed: rlim_t = 60
let secondsToShorten: rlim_t = 300
let candidatesMax = 16

/// Ends the process when it goes on for longer than this.
func allow(_ seconds: rlim_t) {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
  limit.rlim_cur = rlim_t(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1) + seconds
  setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
}

/// Said at once: a bug may end the process.
func say(_ text: String) {
  print(text)
  fflush(nil)
}

func stop(_ code: Int32, _ text: String) -> Never {
  say(text)
  exit(code)
}

/// Makes the run that failed shorter, and repeats it.
func shorten(_ options: SimulationOptions, _ failed: SimulationResult) throws {
  allow(secondsToShorten)
  let short = try Simulation.shrink(options, failed, candidatesMax: candidatesMax)
  let struck = short.result.injected.values.reduce(0, +)
  say("shortened to \(struck) of \(failed.injected.values.reduce(0, +)) faults")
  var told = SimulationOptions(seed: options.seed)
  told.faultBudget = short.options.faultBudget
  told.withheld = short.options.withheld
  told.traceLines = .max
  let again = try Simulation.run(told)
  guard let violation = short.result.violation, again.violation == violation, again.digest == short.result.digest else {
    stop(3, "not repeated: \(short.result.violation ?? "no violation"), then \(again.violation ?? "no violation")")
  }
}

guard CommandLine.arguments.count == 3, let number = Int(CommandLine.arguments[1]),
  let limit = UInt64(CommandLine.arguments[2]), limit >= 1
else { stop(2, "usage: PlantedBugs BUG LIMIT") }
PlantedBug.active = number
do {
  for seed in 1...limit {
    say("seed \(seed)")
    allow(secondsPerSeed)
    let options = SimulationOptions(seed: seed)
    let result = try Simulation.run(options)
    if let violation = result.violation {
      say("found \(violation)")
      try shorten(options, result)
      break
    }
  }
} catch {
  stop(2, "the run cannot begin: \(error)")
}
