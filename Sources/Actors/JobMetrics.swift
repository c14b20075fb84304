import Columnar
import Metrics
import Runtime
import Synchronization

/// The job's metrics, through swift-metrics. Actors write to their boards; this turns boards into metrics, so that the
/// hot path never touches a metric.
final class JobMetrics: Sendable {
  private let job: String
  private let counters = Mutex<[String: (counter: Counter, reported: Int64)]>([:])
  private let gauges = Mutex<[String: Gauge]>([:])
  private let checkpointSeconds: Metrics.Timer
  private let checkpointFailures: Counter
  private let checkpointsCompleted: Counter
  private let restarts: Counter

  init(job: String) {
    self.job = job
    let labels = [("job", job)]
    checkpointSeconds = Metrics.Timer(label: "weir_checkpoint_duration_seconds", dimensions: labels)
    checkpointFailures = Counter(label: "weir_checkpoint_failures_total", dimensions: labels)
    checkpointsCompleted = Counter(label: "weir_checkpoints_total", dimensions: labels)
    restarts = Counter(label: "weir_restarts_total", dimensions: labels)
    checkpointFailures.increment(by: 0)
    checkpointsCompleted.increment(by: 0)
    restarts.increment(by: 0)
  }

  func checkpointCompleted(seconds: Double, bytes: Int) {
    checkpointSeconds.recordSeconds(seconds)
    checkpointsCompleted.increment()
    set("weir_checkpoint_size_bytes", Double(bytes), [])
  }

  func checkpointFailed() { checkpointFailures.increment() }

  func accountingMismatch() {
    Counter(label: "weir_accounting_mismatches_total", dimensions: [("job", job)]).increment()
  }

  /// Records how long each job of a lane ran: nothing else of the lane went on meanwhile.
  func laneObserver(_ lane: String) -> @Sendable (Int64) -> Void {
    let timer = Metrics.Timer(label: "weir_lane_job_duration_seconds", dimensions: [("job", job), ("lane", lane)])
    return { timer.recordNanoseconds($0) }
  }

  func restarted() { restarts.increment() }

  func committed(_ sink: String, seconds: Double) {
    Metrics.Timer(label: "weir_commit_duration_seconds", dimensions: [("job", job), ("sink", sink)])
      .recordSeconds(seconds)
  }

  func commitFailed(_ sink: String) {
    Counter(label: "weir_commit_failures_total", dimensions: [("job", job), ("sink", sink)]).increment()
  }

  /// Sets a gauge.
  func set(_ name: String, _ value: Double, _ labels: [(String, String)]) {
    let key = key(name, labels)
    let gauge = gauges.withLock { gauges in
      if let gauge = gauges[key] { return gauge }
      let gauge = Gauge(label: name, dimensions: [("job", job)] + labels)
      gauges[key] = gauge
      return gauge
    }
    gauge.record(value)
  }

  /// Raises a counter to `total`; totals never go back within a process.
  func raise(_ name: String, to total: UInt64, _ labels: [(String, String)]) {
    let key = key(name, labels)
    let total = Int64(clamping: total)
    counters.withLock { counters in
      var entry = counters[key] ?? (Counter(label: name, dimensions: [("job", job)] + labels), 0)
      if total > entry.reported || counters[key] == nil {
        entry.counter.increment(by: max(0, total - entry.reported))
        entry.reported = max(total, entry.reported)
      }
      counters[key] = entry
    }
  }

  private func key(_ name: String, _ labels: [(String, String)]) -> String {
    labels.reduce(name) { $0 + "\u{1}" + $1.1 }
  }
}
