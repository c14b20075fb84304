import Actors
import Checkpointing
import Columnar
import Foundation
import TestTraits
import Testing

@Suite("The file sink", .fewAtOnce)
struct FileSinkTests {
  private static func lines(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
      .filter { !$0.hasPrefix("_") && !$0.hasPrefix(".") }
      .flatMap {
        try String(contentsOfFile: "\(directory)/\($0)", encoding: .utf8).split(separator: "\n").map(String.init)
      }
  }

  @Test("publishes an epoch once, whatever point a crash left it at", arguments: [3, 20_000])
  func crashPoints(rows: Int) async throws {
    let files = try ScratchFileStore()
    let directory = files.directory + "/out"
    let table = Make.table("events", [("a", .bigint), ("t", .text)], options: ["connector": "file", "path": directory])
    let first = try SinkDriver(table, job: "j", files: files)
    try await first.claim()
    try first.write([Make.whole((0..<rows).map { Int64($0) }), Make.text((0..<rows).map { "x\($0)" })])
    let pending = try await first.seal()
    #expect(pending.files.isEmpty == (rows == 3))
    let position = "\(directory)/_weir/j.events.json"
    let before = try Data(contentsOf: URL(fileURLWithPath: position))
    try await first.commit(pending)
    #expect(try Self.lines(directory).count == rows)
    // Crash between the rename and the position: the old position comes back, the commit is tried again.
    try before.write(to: URL(fileURLWithPath: position))
    #expect(try await first.commit(pending).rowsApplied == rows)
    #expect(try Self.lines(directory).count == rows)
    let kept = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/_weir")
    #expect(!kept.contains { $0.hasSuffix(".tmp") })
    #expect(try await first.commit(pending).wasSkipped)
    // Crash while the part was being made: a rest under a name that nobody reads.
    try Data("rest".utf8).write(to: URL(fileURLWithPath: "\(directory)/_weir/part-events-L-000000000002.jsonl.tmp"))
    let second = try SinkDriver(table, job: "j", owner: JobOwner(lineage: "L", attempt: 2), files: files)
    #expect(try await second.claim(newest: 1) == 1)
    try await second.commitEpoch([Make.whole([7]), Make.text([nil])])
    #expect(try Self.lines(directory).last == #"{"a":7,"t":null}"#)
    await #expect(throws: PositionConflict.self) { try await first.commit(await first.seal()) }
    // An epoch without rows makes no file.
    let count = try FileManager.default.contentsOfDirectory(atPath: directory).count
    try await second.commit(await second.seal())
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == count)
    await first.close()
    await second.close()
  }

  @Test("a part whose position was never stored is gone when the job goes on from an older checkpoint")
  func olderCheckpoint() async throws {
    let files = try ScratchFileStore()
    let directory = files.directory + "/out"
    let table = Make.table("events", [("a", .bigint)], options: ["connector": "file", "path": directory])
    let first = try SinkDriver(table, job: "j", files: files)
    try await first.claim()
    try await first.commitEpoch([Make.whole([1])])
    let position = "\(directory)/_weir/j.events.json"
    let before = try Data(contentsOf: URL(fileURLWithPath: position))
    try await first.commitEpoch([Make.whole([2])])
    // Crash between the rename and the position; then checkpoint 2 is damaged, and 1 is restored.
    try before.write(to: URL(fileURLWithPath: position))
    let second = try SinkDriver(table, job: "j", owner: JobOwner(lineage: "L", attempt: 2), files: files)
    #expect(try await second.claim(newest: 1) == 1)
    #expect(try Self.lines(directory) == [#"{"a":1}"#])
    try await second.commitEpoch([Make.whole([2])])
    #expect(try Self.lines(directory) == [#"{"a":1}"#, #"{"a":2}"#])
    await first.close()
    await second.close()
  }

  @Test("refuses a spill file that was cut")
  func damage() async throws {
    let files = try ScratchFileStore()
    let table = Make.table(
      "events", [("a", .bigint)], options: ["connector": "file", "path": files.directory + "/out"])
    let driver = try SinkDriver(table, job: "j", files: files)
    try await driver.claim()
    try driver.write([Make.whole((0..<20_000).map { Int64($0) })])
    let pending = try await driver.seal()
    let path = files.path(pending.files[0])
    try FileManager.default.removeItem(atPath: path)
    try Data("{}".utf8).write(to: URL(fileURLWithPath: path))
    let error = await #expect(throws: SinkError.self) { try await driver.commit(pending) }
    #expect(error?.message.contains("damaged") == true)
    #expect(error?.severity == .fatal)
    await driver.close()
  }
}
