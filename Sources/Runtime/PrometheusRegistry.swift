import Metrics
import Synchronization

/// Metrics of the process, rendered in Prometheus' text format.
///
/// Handles are made once and kept by whoever updates them; an update of a counter or a gauge is one atomic operation.
public final class PrometheusRegistry: MetricsFactory {
  fileprivate enum Kind: String {
    case counter, gauge, histogram
  }

  private struct Series {
    let labels: [(String, String)]
    let value: any RenderedMetric
  }

  private struct Family {
    let kind: Kind
    var series: [String: Series] = [:]
  }

  private struct State {
    var families: [String: Family] = [:]
    var help: [String: String] = [:]
  }

  private let state = Mutex(State())

  /// A registry without metrics.
  public init() {}

  /// Sets the help text of a metric.
  public func describe(_ name: String, _ help: String) {
    state.withLock { $0.help[Self.safeName(name)] = help }
  }

  /// All metrics, and those of the process, as Prometheus reads them.
  public func render() -> String {
    var text = ""
    state.withLock { state in
      for (name, family) in state.families.sorted(by: { $0.key < $1.key }) {
        let help = state.help[name] ?? name.split(separator: "_").joined(separator: " ")
        Self.header(name, help, family.kind.rawValue, &text)
        for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
          series.value.render(name, labels, &text)
        }
      }
    }
    for metric in ProcessMetrics.read() {
      Self.header(metric.name, metric.help, metric.type, &text)
      text += "\(metric.name) \(MetricText.number(metric.value))\n"
    }
    return text
  }

  private static func header(_ name: String, _ help: String, _ type: String, _ text: inout String) {
    let escaped = help.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
      .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
    text += "# HELP \(name) \(escaped)\n# TYPE \(name) \(type)\n"
  }

  private func register<Metric: RenderedMetric>(
    _ label: String, _ dimensions: [(String, String)], _ kind: Kind, make: () -> Metric
  ) -> Metric {
    let name = Self.safeName(label)
    let labels = MetricText.labels(dimensions)
    return state.withLock { state in
      let known = state.families[name]?.series[labels]?.value as? Metric
      if let known { return known }
      let metric = make()
      // A name has one type: who asks for another gets a handle that works and is not shown.
      if state.families[name, default: Family(kind: kind)].kind == kind {
        state.families[name, default: Family(kind: kind)].series[labels] = Series(labels: dimensions, value: metric)
      }
      return metric
    }
  }

  private func unregister(_ handler: AnyObject) {
    state.withLock { state in
      for (name, family) in state.families {
        guard let key = family.series.first(where: { $0.value.value === handler })?.key else { continue }
        state.families[name]?.series[key] = nil
        if state.families[name]?.series.isEmpty == true { state.families[name] = nil }
        return
      }
    }
  }

  private static func safeName(_ label: String) -> String {
    var name = ""
    for scalar in label.unicodeScalars {
      let isLetter = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_" || scalar == ":"
      let isDigit = ("0"..."9").contains(scalar)
      if isLetter || (isDigit && !name.isEmpty) { name.unicodeScalars.append(scalar) } else { name += "_" }
    }
    return name.isEmpty ? "_" : name
  }
}

extension PrometheusRegistry {
  /// A counter of whole numbers.
  public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    register(label, dimensions, .counter) { CounterMetric() }
  }

  /// A counter of fractions.
  public func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    register(label, dimensions, .counter) { NumberMetric() }
  }

  /// A gauge that can also be changed by an amount.
  public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    register(label, dimensions, .gauge) { NumberMetric() }
  }

  /// A histogram, or a gauge when values are not to be aggregated.
  public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    aggregate
      ? register(label, dimensions, .histogram) { HistogramMetric(bounds: HistogramMetric.sizeBounds, unit: 1) }
      : register(label, dimensions, .gauge) { NumberMetric() }
  }

  /// A histogram of seconds.
  public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    register(label, dimensions, .histogram) { HistogramMetric(bounds: HistogramMetric.secondBounds, unit: 1e-9) }
  }

  /// Forgets a counter.
  public func destroyCounter(_ handler: any CounterHandler) { unregister(handler) }

  /// Forgets a counter.
  public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { unregister(handler) }

  /// Forgets a gauge.
  public func destroyMeter(_ handler: any MeterHandler) { unregister(handler) }

  /// Forgets a recorder.
  public func destroyRecorder(_ handler: any RecorderHandler) { unregister(handler) }

  /// Forgets a timer.
  public func destroyTimer(_ handler: any TimerHandler) { unregister(handler) }
}

/// A metric that can write its lines.
protocol RenderedMetric: AnyObject, Sendable {
  func render(_ name: String, _ labels: String, _ text: inout String)
}

/// The pieces of Prometheus' text format.
enum MetricText {
  /// `{a="b",…}` in the order of names, or nothing.
  static func labels(_ dimensions: [(String, String)]) -> String {
    if dimensions.isEmpty { return "" }
    let pairs = dimensions.sorted { $0.0 < $1.0 }.map { "\($0.0)=\"\(escaped($0.1))\"" }
    return "{" + pairs.joined(separator: ",") + "}"
  }

  /// The labels with `le` added.
  static func labels(_ labels: String, bound: Double) -> String {
    let bound = "le=\"\(number(bound))\""
    return labels.isEmpty ? "{\(bound)}" : labels.dropLast() + ",\(bound)}"
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    if let whole = Int64(exactly: value) { return String(whole) }
    return String(value)
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
