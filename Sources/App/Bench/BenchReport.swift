import Runtime

/// The median, the least and the greatest of some runs.
package struct Spread: Encodable, Hashable, Sendable {
  /// Half of the runs are below.
  package let median: Double
  /// The least.
  package let least: Double
  /// The greatest.
  package let greatest: Double

  /// Of at least one value.
  package init(_ values: [Double]) {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    median =
      sorted.isEmpty
      ? .nan : sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    least = sorted.first ?? .nan
    greatest = sorted.last ?? .nan
  }

  /// `median [least..greatest]`, each divided by `unit`.
  package func text(per unit: Double = 1, decimals: Int = 2) -> String {
    let parts = [median, least, greatest].map { Self.fixed($0 / unit, decimals) }
    return "\(parts[0]) [\(parts[1])..\(parts[2])]"
  }

  /// The number with so many decimals.
  package static func fixed(_ number: Double, _ decimals: Int) -> String {
    guard number.isFinite, number.magnitude < 1e15 else { return "–" }
    var scale = 1
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int((number.magnitude * Double(scale)).rounded())
    let sign = number < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(scaled)" }
    let fraction = String(scaled % scale)
    return "\(sign)\(scaled / scale).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
  }
}

/// One measured run.
package struct BenchSample: Hashable, Sendable {
  /// From the start of the process to its end.
  package let seconds: Double
  /// Of all threads.
  package let cpuSeconds: Double
  /// The most memory at once.
  package let peakBytes: Int

  /// A run.
  package init(seconds: Double, cpuSeconds: Double, peakBytes: Int) {
    self.seconds = seconds
    self.cpuSeconds = cpuSeconds
    self.peakBytes = peakBytes
  }
}

/// What one benchmark found.
package struct BenchReport: Encodable, Sendable {
  /// Who was measured.
  package struct Contender: Encodable, Sendable {
    /// What it is called.
    package let name: String
    /// Events by the time of a run, the start of the process included.
    package let eventsPerSecond: Spread
    /// Events by the CPU time of the process.
    package let eventsPerCpuSecond: Spread
    /// The most memory at once.
    package let peakBytes: Spread
    /// Events per second, against the raw consumer in the same round.
    package let ratioToRawConsumer: Spread
    /// Events per CPU-second, against the C program in the same round.
    package let ratioToCPerCpuSecond: Spread
  }

  /// The benchmark.
  package let name: String
  /// What the job does.
  package let summary: String
  /// How many events the topic has.
  package let events: Int
  /// How many partitions the topic has.
  package let partitions: Int
  /// How often each was run.
  package let runs: Int
  /// `development`, or where the broker is.
  package let broker: String
  /// How many rows each result has.
  package let resultRows: Int
  /// Weir without checkpoints but the last: the median.
  package let eventsPerSecond: Double
  /// Weir without checkpoints but the last: the median.
  package let eventsPerCpuSecond: Double
  /// Weir without checkpoints but the last, by the time of a run: the median of the rounds.
  package let ratioToRawConsumer: Double
  /// Weir without checkpoints but the last, by CPU time: the median of the rounds.
  package let ratioToCPerCpuSecond: Double
  /// All that were measured: the raw consumer, the C program, and Weir with one or more intervals between checkpoints.
  package let contenders: [Contender]

  /// Computes the ratios.
  ///
  /// - Parameters:
  ///   - samples: by contender, of as many rounds each. The first is the raw consumer, the second the C program, the third
  ///     Weir without checkpoints.
  package init(
    job: BenchJob, events: Int, partitions: Int, broker: String, resultRows: Int,
    samples: [(name: String, runs: [BenchSample])]
  ) {
    precondition(samples.count >= 3, "the raw consumer, the C program and Weir")
    let (raw, baseline) = (samples[0].runs, samples[1].runs)
    contenders = samples.map { name, runs in
      Contender(
        name: name, eventsPerSecond: Spread(runs.map { Double(events) / $0.seconds }),
        eventsPerCpuSecond: Spread(runs.map { Double(events) / $0.cpuSeconds }),
        peakBytes: Spread(runs.map { Double($0.peakBytes) }),
        ratioToRawConsumer: Spread(zip(raw, runs).map { $0.seconds / $1.seconds }),
        ratioToCPerCpuSecond: Spread(zip(baseline, runs).map { $0.cpuSeconds / $1.cpuSeconds }))
    }
    self.name = job.rawValue
    summary = job.summary
    self.events = events
    self.partitions = partitions
    runs = raw.count
    self.broker = broker
    self.resultRows = resultRows
    let weir = contenders[2]
    eventsPerSecond = weir.eventsPerSecond.median
    eventsPerCpuSecond = weir.eventsPerCpuSecond.median
    ratioToRawConsumer = weir.ratioToRawConsumer.median
    ratioToCPerCpuSecond = weir.ratioToCPerCpuSecond.median
  }

  /// A table for people.
  package var text: String {
    let header = ["", "M events/s", "M events per CPU-second", "peak MiB", "rate to raw", "CPU efficiency to C"]
    let rows =
      [header]
      + contenders.map { row in
        [
          row.name, row.eventsPerSecond.text(per: 1e6), row.eventsPerCpuSecond.text(per: 1e6),
          row.peakBytes.text(per: 1_048_576, decimals: 0), row.ratioToRawConsumer.text(),
          row.ratioToCPerCpuSecond.text()
        ]
      }
    let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
    }
    return """
      \(name): \(summary)
      \(DemoLine.grouped(events)) events, \(partitions) partitions, \(runs) run\(runs == 1 ? "" : "s") each, alternating; \
      median [least..greatest], starts included; \
      \(DemoLine.grouped(resultRows)) result rows, checked against the C program
      \(lines.joined(separator: "\n"))
      """
  }
}
