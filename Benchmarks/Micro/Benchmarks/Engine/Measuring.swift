import Benchmark
import Glibc

/// CPU time of the process, all threads of it, per row, message, key, file ….
///
/// Other programs of the machine disturb it less than the time of day. A number of its own, because the library's CPU
/// time is counted in the scheduler's ticks of 10 ms.
private let cpuTime = BenchmarkMetric.custom(
  "CPU picoseconds per unit", polarity: .prefersSmaller, useScalingFactor: false)

/// What was measured did not give what it must.
struct WrongResult: Error, CustomStringConvertible {
  let description: String
}

/// Ends the benchmark when its result is wrong: then its time says nothing.
func expect<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
  guard found == expected else { throw WrongResult(description: "\(what): expected \(expected), found \(found)") }
}

/// Registers a benchmark.
///
/// - Parameters:
///   - name: as in `limits.txt`.
///   - units: how many rows, messages, keys … one run works on.
///   - prepare: makes the input; once, before all runs.
///   - work: what is measured.
///   - check: looks at every run's result; its time does not count.
func measure<Input, Output>(
  _ name: String, units: Int, prepare: @escaping () throws -> Input, work: @escaping (Input) async throws -> Output,
  check: @escaping (Input, Output) throws -> Void
) {
  // The duration ends only what a busy machine holds up.
  let configuration = Benchmark.Configuration(
    metrics: [cpuTime, .throughput], warmupIterations: 1, maxDuration: .seconds(20), maxIterations: 12)
  Benchmark(
    name, configuration: configuration,
    closure: { (benchmark: Benchmark, input: Input) async throws in
      benchmark.startMeasurement()
      let start = processNanoseconds()
      let output = try await work(input)
      let nanoseconds = processNanoseconds() - start
      benchmark.stopMeasurement()
      benchmark.measurement(cpuTime, nanoseconds * 1_000 / units)
      try check(input, output)
    }, setup: prepare)
}

private func processNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
