import Actors
import Columnar
import Formats
import Foundation
import Ingest
import TestTraits
import Testing

/// The file source on files of a directory of its own.
@Suite(.fewAtOnce, .timeLimit(.minutes(30)))
final class FileSourceTests {
  private let directory = FileManager.default.temporaryDirectory.appending(path: "weir-\(UUID().uuidString)")

  init() throws { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(at: directory) }

  @discardableResult
  private func write(_ text: String, to name: String) throws -> String {
    let url = directory.appending(path: name)
    try Data(text.utf8).write(to: url)
    return url.path
  }

  private func fixture(_ path: String, _ options: [String: String] = [:], columns: [Field] = [Field("n", .bigint)])
    throws -> SourceFixture
  {
    try SourceFixture(["connector": "file", "path": path].merging(options) { _, new in new }, columns: columns)
  }

  @Test("lines end in LF or CR LF, the last one in nothing, and empty ones are no records")
  func lineEnds() async throws {
    let text = "{\"n\":1}\r\n\n{\"n\":2}\n{\"n\":3}"
    let source = try fixture(try write(text, to: "a.json"))
    let partition = try #require(await source.connector.partitions().first)
    let outcome = try await source.read(partition)
    #expect(outcome.integers() == [1, 2, 3])
    #expect(outcome.offsets == [0, 10, 18])
    #expect(outcome.nextOffset == Int64(text.utf8.count))
    #expect(outcome.rejected.isEmpty)
  }

  @Test("records that span blocks arrive whole, and every offset is a place to go on from")
  func blockEdges() async throws {
    // Blocks have 256 KiB: records of all lengths fall on their edges.
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    print("seed \(seed)")
    var state = seed
    func random(_ bound: UInt64) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % bound)
    }
    let lines = (0..<3000).map { #"{"n":\#($0),"x":"\#(String(repeating: "y", count: random(900)))"}"# }
    let source = try fixture(try write(lines.joined(separator: "\n") + "\n", to: "b.json"))
    let partition = try #require(await source.connector.partitions().first)
    let all = try await source.read(partition, limit: 100)
    #expect(all.integers() == Array(0..<3000))
    for _ in 0..<20 {
      let row = random(3000)
      let rest = try await source.read(partition, at: .offset(all.offsets[row]))
      #expect(rest.integers() == Array(Int64(row)..<3000))
    }
    let size = try #require(try await source.connector.endOffsets([partition])[partition])
    #expect(size == all.nextOffset)
    #expect(try await source.read(partition, at: .offset(size), end: size).records == 0)
  }

  @Test("a line beyond max_record_bytes is rejected without being held, and reading goes on")
  func hugeLine() async throws {
    let huge = #"{"n":2,"x":"\#(String(repeating: "z", count: 3_000_000))"}"#
    let path = try write("{\"n\":1}\n\(huge)\n{\"n\":3}\n", to: "c.json")
    let source = try fixture(path, ["max_record_bytes": "1000"])
    let outcome = try await source.read(try #require(await source.connector.partitions().first))
    #expect(outcome.integers() == [1, 3])
    #expect(outcome.rejected.map(\.reason) == [.tooLarge])
    #expect(outcome.offsets == [0, 8 + Int64(huge.utf8.count) + 1])
  }

  @Test("a directory and a pattern give a partition a file, and an interval finds new ones")
  func directories() async throws {
    try write("{\"n\":1}\n", to: "x1.json")
    try write("{\"n\":2}\n", to: "x2.json")
    try write("{\"n\":3}\n", to: "other.txt")
    try write("hidden", to: ".hidden")
    let pattern = try fixture(directory.path + "/x*.json")
    #expect(
      try await pattern.connector.partitions().map(\.name) == ["x1.json", "x2.json"].map { directory.path + "/" + $0 })
    let source = try fixture(directory.path, ["discovery_interval": "1 s"])
    #expect(source.connector.discoversPartitions && source.connector.discoveryInterval == 1_000_000_000)
    #expect(pattern.connector.discoversPartitions == false)
    #expect(try await source.connector.partitions().map(\.name) == ["other.txt", "x1.json", "x2.json"])
    try write("{\"n\":4}\n", to: "x3.json")
    #expect(try await source.connector.partitions().count == 4)
    #expect(try await source.read(source.partition("x3.json"), at: .beginning).integers() == [4])
    let nothing = try fixture(directory.path + "/none*")
    await #expect(throws: SourceError.self) { _ = try await nothing.connector.partitions() }
  }

  @Test("files may be deleted; another spelling of the path, which would read all of them again, is refused")
  func missingFiles() async throws {
    for name in ["m1.json", "m2.json"] { try write("{\"n\":1}\n", to: name) }
    let path = directory.path
    func check(_ path: String, missing: [String], found: [String] = []) async throws {
      let source = try fixture(path)
      try await source.connector.checkMissing(missing.map(source.partition), found: found.map(source.partition))
    }
    try await check(path, missing: ["old.json"])
    try await check(path + "/*.json", missing: [path + "/old.json"])
    try await check(path + "/m1*", missing: [path + "/m2.json"], found: [path + "/m1.json"])
    let respelt = [
      (path, [path + "/m1.json"]), (path + "/*.json", ["m1.json", "m2.json"]), (path + "/m1.json", ["m1.json"]),
      (path + "/m1.json", ["-"]), ("-", [path + "/m1.json"])
    ]
    for (path, known) in respelt {
      let error = await #expect(throws: SourceError.self) { try await check(path, missing: known) }
      #expect(error?.severity == .fatal && error?.message.contains("'path' was changed") == true)
    }
  }

  @Test("a CSV file's header names its values, in any order; quoted values may contain line ends")
  func csv() async throws {
    let text = "name,ignored,n\r\n\"a, \"\"b\"\"\nc\",x,1\r\nd,,2\n"
    let source = try fixture(
      try write(text, to: "d.csv"), ["format": "csv"], columns: [Field("n", .bigint), Field("name", .text)])
    let partition = try #require(await source.connector.partitions().first)
    let outcome = try await source.read(partition)
    #expect(outcome.rejected.isEmpty)
    #expect(outcome.integers() == [1, 2])
    #expect(outcome.strings(1) == ["a, \"b\"\nc", "d"])
    let rest = try await source.read(partition, at: .offset(outcome.offsets[1]))
    #expect(rest.integers() == [2])
  }

  @Test("a pipe, whose header would be gone for its rows, is refused without waiting for a writer")
  func csvFromPipe() throws {
    let path = try write("", to: "pipe.csv") + ".fifo"
    try #require(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: SourceError.self) {
      let source = try fixture(path, ["format": "csv"])
      _ = try source.decoder(source.partition(path))
    }
    #expect(error?.message.contains("is not a regular file") == true)
  }

  @Test("a CSV file without a header has the table's columns in order")
  func csvWithoutHeader() async throws {
    let source = try fixture(
      try write("1;a\n2;b", to: "e.csv"), ["format": "csv", "header": "false", "delimiter": ";"],
      columns: [Field("n", .bigint), Field("name", .text)])
    let outcome = try await source.read(try #require(await source.connector.partitions().first))
    #expect(outcome.integers() == [1, 2])
    #expect(outcome.strings(1) == ["a", "b"])
  }

  @Test("a file that was cut or changed since the checkpoint is refused")
  func changedFiles() async throws {
    let path = try write("{\"n\":1}\n{\"n\":2}\n", to: "f.json")
    let source = try fixture(path)
    let partition = try #require(await source.connector.partitions().first)
    for offset in [Int64(17), 3] {
      let error = try await #require(throws: SourceError.self) {
        _ = try await source.connector.open(partition, at: .offset(offset), end: nil)
      }
      #expect(error.severity == .fatal)
      #expect(error.message.contains("byte \(offset)"))
    }
  }

  @Test("wrong options are errors that name the option and where it stands")
  func wrongOptions() throws {
    let wrong: [([String: String], String)] = [
      (["connector": "carrier-pigeon"], "option connector"), (["connector": "file"], "option path"),
      (["connector": "file", "path": "x", "format": "xml"], "option format"),
      (["connector": "file", "path": "x", "delimiter": "ab"], "option delimiter"),
      (["connector": "file", "path": "x", "discovery_interval": "0 s"], "option discovery_interval"),
      (["connector": "kafka", "topic": "t"], "'brokers'"),
      (["connector": "kafka", "brokers": "b:1"], "option topic"),
      (["connector": "kafka", "brokers": "b:1", "topic": "t", "kafka.no.such": "1"], "'kafka.no.such'"),
      (["connector": "kafka", "brokers": "b:1", "topic": "t", "kafka.enable.auto.commit": "true"], "checkpoints"),
      (
        ["connector": "kafka", "brokers": "b:1", "topic": "t", "starting_position": "middle"],
        "option starting_position"
      ),
      (
        ["connector": "kafka", "brokers": "b:1", "topic": "t", "starting_position": "timestamp"],
        "option starting_timestamp"
      ),
      (["connector": "generator", "rows": "many"], "option rows"),
      (["connector": "generator", "fields.n.kind": "now"], "option fields.n.kind")
    ]
    for (options, text) in wrong {
      let error = #expect(throws: SourceError.self) { _ = try SourceFixture(options) }
      #expect(error?.severity == .fatal)
      #expect(error?.description.contains(text) == true, "\(String(describing: error))")
    }
    let secret = #expect(throws: SourceError.self) {
      _ = try SourceFixture([
        "connector": "kafka", "brokers": "b:1", "topic": "t", "kafka.sasl.oauthbearer.config": "hunter2",
        "kafka.ssl.key.password": "hunter2", "kafka.security.protocol": "hunter"
      ])
    }
    #expect(secret?.description.contains("hunter2") == false)
  }
}
