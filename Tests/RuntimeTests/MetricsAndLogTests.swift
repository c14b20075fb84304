import Logging
import Metrics
import Runtime
import TestTraits
import Testing

@Suite("Metrics and logging", .fewAtOnce)
struct MetricsAndLogTests {
  @Test("counters, gauges and histograms are rendered as Prometheus reads them")
  func rendering() {
    let registry = PrometheusRegistry()
    registry.describe("weir_rows_total", "Rows \\ read\nby a source.")
    let rows = Counter(
      label: "weir_rows_total", dimensions: [("source", "a\"b\\c\nd"), ("job", "j")], factory: registry)
    rows.increment(by: 41)
    Counter(label: "weir_rows_total", dimensions: [("source", "a\"b\\c\nd"), ("job", "j")], factory: registry)
      .increment()
    Gauge(label: "weir.fill", dimensions: [], factory: registry).record(0.5)
    let meter = Meter(label: "weir_level", dimensions: [], factory: registry)
    meter.increment(by: 3)
    meter.decrement(by: 1)
    FloatingPointCounter(label: "weir_seconds_total", factory: registry).increment(by: 1.25)
    let timer = Timer(label: "weir_commit_seconds", dimensions: [("sink", "s")], factory: registry)
    timer.recordMilliseconds(3)
    timer.recordMilliseconds(400_000)
    let lines = registry.render().split(separator: "\n").map(String.init)
    for expected in [
      #"# HELP weir_rows_total Rows \\ read\nby a source."#, "# TYPE weir_rows_total counter",
      #"weir_rows_total{job="j",source="a\"b\\c\nd"} 42"#, "# TYPE weir_fill gauge", "weir_fill 0.5", "weir_level 2",
      "weir_seconds_total 1.25", "# TYPE weir_commit_seconds histogram",
      #"weir_commit_seconds_bucket{sink="s",le="0.0025"} 0"#, #"weir_commit_seconds_bucket{sink="s",le="0.005"} 1"#,
      #"weir_commit_seconds_bucket{sink="s",le="300"} 1"#, #"weir_commit_seconds_bucket{sink="s",le="+Inf"} 2"#,
      #"weir_commit_seconds_count{sink="s"} 2"#, #"weir_commit_seconds_sum{sink="s"} 400.003"#
    ] {
      #expect(lines.contains(expected), "missing: \(expected)")
    }
    #expect(lines.filter { $0.hasPrefix("# TYPE weir_rows_total") }.count == 1)
  }

  @Test("a metric that is destroyed is no longer shown, and a name keeps its type")
  func lifecycle() {
    let registry = PrometheusRegistry()
    let counter = Counter(label: "a_total", dimensions: [("p", "1")], factory: registry)
    counter.increment()
    Gauge(label: "a_total", dimensions: [("p", "2")], factory: registry).record(7)
    #expect(registry.render().contains("a_total{p=\"1\"} 1\n"))
    #expect(!registry.render().contains("p=\"2\""))
    registry.destroyCounter(registry.makeCounter(label: "a_total", dimensions: [("p", "1")]))
    #expect(!registry.render().contains("a_total"))
  }

  @Test("concurrent updates are all counted")
  func concurrent() async {
    let registry = PrometheusRegistry()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let counter = FloatingPointCounter(label: "c_total", factory: registry)
          for _ in 0..<2000 { counter.increment(by: 0.5) }
        }
      }
    }
    #expect(registry.render().contains("c_total 8000\n"))
  }

  @Test("the process's own metrics are plausible")
  func process() {
    let text = PrometheusRegistry().render()
    var values: [String: Double] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      values[String(words[0])] = Double(words[1])
    }
    #expect(values["process_resident_memory_bytes"] ?? 0 > 1_000_000)
    #expect(values["process_open_fds"] ?? 0 >= 3)
    #expect(values["process_cpu_seconds_total"] ?? 0 > 0)
    let started = values["process_start_time_seconds"] ?? 0
    let now = Double(SystemClock().wallMicroseconds()) / 1e6
    #expect(started > 1_500_000_000 && started <= now + 1)
    #expect(ProcessMetrics.residentBytes > 1_000_000 && ProcessMetrics.cpuNanoseconds > 0)
  }

  private func lines(_ format: LogFormat, level: Logger.Level = .info, _ body: (Logger) -> Void) -> [String] {
    let output = Shared<[String]>([])
    let clock = ManualClock(wallMicroseconds: 1_767_882_600_123_456)
    let logger = Logger(label: "weir") { label in
      LineLogHandler(label: label, format: format, level: level, clock: clock) { line in
        output.update { $0.append(String(decoding: line, as: UTF8.self)) }
      }
    }
    body(logger)
    return output.value
  }

  @Test("text lines have time, level, message and metadata, and are one line whatever they hold")
  func text() {
    let lines = lines(.text) { logger in
      var logger = logger
      logger[metadataKey: "job"] = "j"
      logger.info("started\nwell", metadata: ["path": "/a b", "n": "3"])
      logger.debug("not shown")
    }
    #expect(lines == ["2026-01-08T14:30:00.123456Z info weir: started | well job=j n=3 path=\"/a b\"\n"])
  }

  @Test("JSON lines are objects, and metadata cannot take the place of the fixed keys")
  func json() {
    let lines = lines(.json) { $0.warning("say \"hi\"\u{1}", metadata: ["level": "x", "list": ["a", "b"]]) }
    #expect(lines.count == 1)
    #expect(
      lines[0]
        == #"{"time":"2026-01-08T14:30:00.123456Z","level":"warning","logger":"weir","message":"say \"hi\"\u0001","#
        + #""level_":"x","list":"[\"a\", \"b\"]"}"# + "\n")
  }
}
