import Foundation
import TestTraits
import Testing

@Suite("weir bench", .fewAtOnce)
struct BenchCommandTests {
  /// A whole round over few events: broker, events, C programs, the checked run, Weir with and without checkpoints.
  @Test("measures, checks its results against the C program's, and prints one object", .timeLimit(.minutes(30)))
  func tumble() async throws {
    let bench = try Workbench()
    defer { try? FileManager.default.removeItem(atPath: bench.directory) }
    let chart = bench.directory + "/chart.svg"
    let process = try bench.weir([
      "bench", "tumble", "--events", "20000", "--partitions", "4", "--runs", "1", "--json", "--chart", chart,
      "--directory", bench.directory + "/runs"
    ])
    let code = await process.wait()
    let explanation = process.errorText
    try #require(code == 0, "\(explanation)")
    #expect(process.lines.count == 1)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(process.lines[0].utf8)) as? [String: Any])
    for key in ["events_per_second", "events_per_cpu_second", "ratio_to_raw_consumer", "ratio_to_c_per_cpu_second"] {
      #expect((object[key] as? Double ?? 0) > 0, "\(key)")
    }
    #expect(object["events"] as? Int == 20_000)
    #expect((object["contenders"] as? [Any])?.count == 4)
    #expect(try String(contentsOfFile: chart, encoding: .utf8).hasPrefix("<svg"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.directory + "/runs").isEmpty)
  }
}
