import App
import Foundation
import TestTraits
import Testing

@Suite("Benchmarks", .fewAtOnce)
struct BenchTests {
  private static let baseline =
    #"{"events":100,"bytes":11100,"rows":2,"late":0,"sums":[100,7500.5,101.25,150],"peak_bytes":4096}"#

  @Test("the C program's line is found behind other output")
  func baselineOutput() {
    let result = BenchResult(baseline: "%4|something of librdkafka\n\(Self.baseline)\n")
    #expect(result == BenchResult(events: 100, rows: 2, sums: [100, 7500.5, 101.25, 150], peakBytes: 4096))
    #expect(BenchResult(baseline: "no memory\n") == nil)
    #expect(BenchResult(baseline: #"{"events":100"#) == nil)
  }

  @Test("the rows of the job's summary are those of the results, not of dead letters")
  func summaryOutput() {
    let text = #"""
      warning: something {"rows_in":1}
      {"accounting":{},"job":"b","rows_in":100,"rows_out":{"readings.dead_letter":7,"results":2},"seconds":0.5}
      """#
    #expect(BenchResult(summary: text) == BenchResult(events: 100, rows: 2, sums: []))
    #expect(BenchResult(summary: "") == nil)
  }

  @Test("a result with other events, rows or sums is wrong; rounding is not")
  func comparison() {
    let right = BenchResult(events: 100, rows: 2, sums: [100, 7500.5])
    #expect(right.problem(expected: right) == nil)
    #expect(BenchResult(events: 100, rows: 2, sums: [100, 7500.500001]).problem(expected: right) == nil)
    #expect(BenchResult(events: 100, rows: 2, sums: []).problem(expected: right) == nil)
    #expect(BenchResult(events: 0, rows: 2, sums: [100, 7500.5]).problem(expected: right, isDigest: true) == nil)
    for wrong in [
      BenchResult(events: 99, rows: 2, sums: [100, 7500.5]), BenchResult(events: 100, rows: 3, sums: [100, 7500.5]),
      BenchResult(events: 100, rows: 2, sums: [100, 7500.51]), BenchResult(events: 100, rows: 2, sums: [100, .nan])
    ] {
      #expect(wrong.problem(expected: right) != nil, "\(wrong)")
    }
  }

  @Test("a spread is the median, the least and the greatest")
  func spreads() {
    let odd = Spread([3, 1, 2])
    #expect([odd.median, odd.least, odd.greatest] == [2, 1, 3])
    #expect(Spread([4, 1, 2, 3]).median == 2.5)
    #expect(Spread([1_234_567]).text(per: 1e6) == "1.23 [1.23..1.23]")
    #expect(Spread.fixed(-0.5, 1) == "-0.5")
    #expect(Spread.fixed(2.999, 2) == "3.00")
    #expect(Spread.fixed(-0.001, 2) == "0.00")
    #expect(Spread.fixed(.infinity, 2) == "–")
  }

  /// Weir takes half of the raw consumer's rate and four fifths of the C program's efficiency, in every round, although the
  /// rounds differ.
  private static let report = BenchReport(
    job: .tumble, events: 1000, partitions: 4, broker: "development", resultRows: 10,
    samples: [
      ("raw", [(1.0, 1.0), (3.0, 2.0), (2.0, 1.5)]), ("C", [(1.5, 4.0), (4.0, 8.0), (3.0, 6.0)]),
      ("Weir", [(2.0, 5.0), (6.0, 10.0), (4.0, 7.5)])
    ].map { name, runs in
      (name, runs.map { BenchSample(seconds: $0.0, cpuSeconds: $0.1, peakBytes: 1_048_576) })
    })

  @Test("ratios are those of the rounds, and the JSON has the keys that scripts read")
  func json() throws {
    let data = Data(HTTPAnswer.json(Self.report).body)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let expected = [
      "events_per_second": 250.0, "events_per_cpu_second": 1000 / 7.5, "ratio_to_raw_consumer": 0.5,
      "ratio_to_c_per_cpu_second": 0.8
    ]
    for (key, value) in expected {
      let found = try #require(object[key] as? Double, "\(key)")
      #expect((found - value).magnitude < 1e-9, "\(key)")
    }
    let contenders = try #require(object["contenders"] as? [[String: Any]])
    #expect(contenders.map { $0["name"] as? String } == ["raw", "C", "Weir"])
    #expect((contenders[2]["peak_bytes"] as? [String: Double])?["median"] == 1_048_576)
  }

  @Test("the table and the chart name every contender, and the chart is well-formed")
  func pictures() {
    for name in ["raw", "C", "Weir"] { #expect(Self.report.text.contains(name)) }
    let parser = MarkupCheck(BenchChart.svg([Self.report, Self.report]))
    #expect(parser.isBalanced)
    #expect(parser.text.components(separatedBy: "<line ").count - 1 == 12)
  }

  @Test("every benchmark's SQL is a correct job, also for the run that is checked", arguments: BenchJob.allCases)
  func sql(job: BenchJob) throws {
    for target in [BenchJob.Target.own, .standardOutput] {
      let text = job.sql(topic: "topic", table: "results_1", target: target)
      #expect(throws: Never.self) { try EngineAdapter.plan(text: text, fileName: "bench.sql", variables: [:]) }
    }
    #expect(job.checkedColumns.count == (job.baseline[0] == "windows" ? 4 : 2))
  }
}

/// Enough of XML to see that elements are closed: Foundation's parser is a library of its own here.
private struct MarkupCheck {
  let text: String

  init(_ text: String) { self.text = text }

  var isBalanced: Bool {
    var open: [Substring] = []
    for part in text.split(separator: "<").dropFirst(text.hasPrefix("<") ? 0 : 1) {
      guard let end = part.firstIndex(of: ">") else { return false }
      let tag = part[..<end]
      if tag.hasPrefix("/") {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if !tag.hasSuffix("/") {
        open.append(tag.split(separator: " ")[0])
      }
    }
    return open.isEmpty
  }
}
