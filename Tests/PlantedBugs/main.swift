// Runs seeds of the simulator with one planted bug switched on, until one breaks an invariant. Built by plant.py only, in a
// copy of the sources: the program that users run has no such switch.
//
//   PlantedBugs BUG LIMIT    BUG: the bug's number in bugs.py, 0 for none; LIMIT: how many seeds to try

import Columnar
import Glibc
import SimulationKit

guard CommandLine.arguments.count == 3, let number = Int(CommandLine.arguments[1]),
  let limit = UInt64(CommandLine.arguments[2])
else {
  print("usage: PlantedBugs BUG LIMIT")
  exit(2)
}
PlantedBug.active = number
for seed in 1...limit {
  // Said before it runs: a bug may end the process.
  print("seed \(seed)")
  fflush(nil)
  let result = try Simulation.run(SimulationOptions(seed: seed))
  if let violation = result.violation {
    print("found \(violation)")
    exit(0)
  }
}
print("nothing")
