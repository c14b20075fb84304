import Actors
import App
import Foundation
import Runtime
import TestTraits
import Testing

@Suite("The command", .fewAtOnce)
struct CommandTests {
  @Test("a job is named after its file, and a pipeline.sql after its directory")
  func names() throws {
    #expect(try JobName.derived(fromFile: "/a/b/sensors.sql") == "sensors")
    #expect(try JobName.derived(fromFile: "/a/weather/pipeline.sql") == "weather")
    #expect(try JobName.derived(fromFile: "/a/.hidden") == ".hidden")
    #expect(throws: CommandFailure.self) { try JobName.derived(fromFile: "-") }
  }

  @Test("the README's table of settings is what the settings are")
  func readme() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    #expect(readme.contains(SettingsTable.markdown), "run `weir config --format markdown` and put it into README.md")
  }

  @Test("an SQL file that is too long is refused, not cut")
  func longFile() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "weir-long-\(UUID().uuidString).sql").path
    try Data(repeating: UInt8(ascii: "\n"), count: 16 << 20 + 1).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let failure = #expect(throws: CommandFailure.self) { try EngineAdapter.plan(path) }
    #expect(failure?.code == .usage && failure?.message.contains("longer than 16 MiB") == true)
  }

  @Test("the last lines of a long output are its last, those of a short one all")
  func lastLines() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "weir-log-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try (1...50_000).map { "line \($0)" }.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    #expect(DemoPlace.lastLines(path, count: 2) == "line 49999\nline 50000")
    try "one\ntwo\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(DemoPlace.lastLines(path) == "one\ntwo")
    #expect(DemoPlace.lastLines(path + "-none") == "")
  }

  @Test("large numbers are grouped by thousands")
  func grouping() {
    let pairs = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1000, "-1,000"), (-100, "-100")]
    for (number, text) in pairs { #expect(DemoLine.grouped(number) == text) }
  }

  @Test("a time is read back as it was written", arguments: [0, 1_700_000_000_123_456, -1])
  func times(microseconds: Int64) throws {
    let time = WallTime(microseconds: microseconds)
    #expect(try JSONDecoder().decode([WallTime].self, from: JSONEncoder().encode([time])) == [time])
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([WallTime].self, from: Data(#"["soon"]"#.utf8)) }
  }
}
