import CPosix
import Glibc
import Metrics
import Synchronization

/// A counter of whole numbers.
final class CounterMetric: CounterHandler, RenderedMetric {
  private let value = Atomic<Int64>(0)

  func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
  func reset() { value.store(0, ordering: .relaxed) }

  func render(_ name: String, _ labels: String, _ text: inout String) {
    text += "\(name)\(labels) \(value.load(ordering: .relaxed))\n"
  }
}

/// A number that can be set and changed: gauges, and counters of fractions.
final class NumberMetric: MeterHandler, RecorderHandler, FloatingPointCounterHandler, RenderedMetric {
  private let bits = Atomic<UInt64>(0)

  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
  func decrement(by amount: Double) { increment(by: -amount) }
  func reset() { set(0.0) }

  func increment(by amount: Double) {
    var old = bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let (done, current) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
      if done { return }
      old = current
    }
  }

  func render(_ name: String, _ labels: String, _ text: inout String) {
    text += "\(name)\(labels) \(MetricText.number(Double(bitPattern: bits.load(ordering: .relaxed))))\n"
  }
}

/// A histogram with fixed bounds. Meant for a few records a batch: an update takes a lock that nobody holds for long.
final class HistogramMetric: TimerHandler, RecorderHandler, RenderedMetric {
  static let secondBounds = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
  ]
  static let sizeBounds = [1.0, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1_048_576, 16_777_216, 268_435_456]

  private struct State {
    var counts: [UInt64]
    var sum = 0.0
  }

  private let bounds: [Double]
  private let unit: Double
  private let state: Mutex<State>

  /// A histogram; `unit` is what a recorded nanosecond counts.
  init(bounds: [Double], unit: Double) {
    self.bounds = bounds
    self.unit = unit
    state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
  }

  func record(_ value: Int64) { record(Double(value)) }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) * unit) }
  func reset() { state.withLock { $0 = State(counts: Array(repeating: 0, count: bounds.count + 1)) } }

  func record(_ value: Double) {
    guard !value.isNaN else { return }
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock { state in
      state.counts[bucket] += 1
      state.sum += value
    }
  }

  func render(_ name: String, _ labels: String, _ text: inout String) {
    let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
    var total: UInt64 = 0
    for (count, bound) in zip(counts, bounds + [.infinity]) {
      total += count
      text += "\(name)_bucket\(MetricText.labels(labels, bound: bound)) \(total)\n"
    }
    text += "\(name)_sum\(labels) \(MetricText.number(sum))\n\(name)_count\(labels) \(total)\n"
  }
}

/// What the operating system says about this process.
public enum ProcessMetrics {
  struct Metric {
    let name: String
    let help: String
    let type: String
    let value: Double
  }

  /// Resident memory in bytes; 0 when it cannot be read.
  public static var residentBytes: Int64 {
    let pages = words("/proc/self/statm").dropFirst().first.flatMap { Int64($0) } ?? 0
    return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// CPU time that the process has used, user and system, in nanoseconds.
  public static var cpuNanoseconds: Int64 { weir_process_cpu_nanoseconds() }

  static func read() -> [Metric] {
    let descriptors = (try? LocalFileSystem().names(in: "/proc/self/fd").count).map { $0 - 1 } ?? 0
    return [
      Metric(
        name: "process_cpu_seconds_total", help: "CPU time used, user and system.", type: "counter",
        value: Double(cpuNanoseconds) / 1e9),
      Metric(name: "process_open_fds", help: "Open file descriptors.", type: "gauge", value: Double(descriptors)),
      Metric(
        name: "process_resident_memory_bytes", help: "Resident memory.", type: "gauge", value: Double(residentBytes)),
      Metric(
        name: "process_start_time_seconds", help: "When the process started, since the epoch.", type: "gauge",
        value: startSeconds)
    ]
  }

  /// When the process started: its age by the kernel's clock, taken from now.
  private static let startSeconds: Double = {
    // The command's name, in parentheses, may contain spaces: fields are counted after it.
    let text = String(decoding: content("/proc/self/stat"), as: UTF8.self)
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
    var boot = timespec()
    var wall = timespec()
    clock_gettime(CLOCK_BOOTTIME, &boot)
    clock_gettime(CLOCK_REALTIME, &wall)
    let age = Double(boot.tv_sec) + Double(boot.tv_nsec) / 1e9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    return Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9 - age
  }()

  private static func words(_ path: String) -> [Substring] {
    String(decoding: content(path), as: UTF8.self).split(separator: " ")
  }

  /// Files of `/proc` have no size: they are read until they end, at most 4 KiB.
  private static func content(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    return [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = max(0, Glibc.read(descriptor, buffer.baseAddress, 4096))
    }
  }
}
