import FuzzTargets
import Glibc

/// Tries inputs, in the process that may die of them.
struct Worker {
  /// The exit status for an input that breaks a property without a crash.
  static let failureStatus: Int32 = 3
  /// More processor time than any input may take, in seconds.
  static let secondsPerInput = 10.0

  let target: FuzzTarget
  let meter: MemoryMeter

  /// Tries the inputs of iterations `from` up to, but without, `to`; ends the process when one fails.
  func run(seed: UInt64, from: UInt64, to: UInt64, box: BlackBox, corpus: [[UInt8]]) {
    Self.limitMemory()
    let mutator = Mutator(target, corpus: corpus)
    for iteration in from..<max(from, to) {
      var random = FuzzRandom(seed: seed, iteration: iteration)
      let input = mutator.input(&random)
      box.begin(iteration, input)
      guard let problem = attempt(input) else { continue }
      FuzzDriver.complain("\(problem)")
      exit(Self.failureStatus)
    }
  }

  /// Tries one input, and says what is wrong; `nil` when the property holds.
  func attempt(_ input: [UInt8]) -> String? {
    meter.reset()
    let began = Self.processorSeconds()
    do { try target.check(input) } catch { return "\(error)" }
    let seconds = Self.processorSeconds() - began
    if seconds > Self.secondsPerInput {
      return "expected at most \(Self.secondsPerInput) s of processor time, found \(seconds)"
    }
    let allowed = target.memory.base + target.memory.perByte * input.count
    let peak = meter.peak
    if peak > allowed {
      return "expected at most \(allowed) bytes of memory for an input of \(input.count) bytes, found \(peak)"
    }
    return nil
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Lets an allocation that runs away fail in this process, before the machine suffers.
  private static func limitMemory() {
    var limit = rlimit(rlim_cur: 8 << 30, rlim_max: 8 << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
}
