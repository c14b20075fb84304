import Checkpointing
import Columnar
import Foundation
import Iceberg
import Logging
import Runtime
import Sinks
import TestTraits
import Testing

@Suite("maintenance of a sink's tables", .fewAtOnce)
struct IcebergMaintenanceTests {
  private func defaults(_ world: IcebergWorld) -> SinkDefaults {
    SinkDefaults(checkpointDirectory: "/tmp", warehouse: world.directory)
  }

  @Test("of a name with columns in it, the tables with the sink's position are found, and no others")
  func routed() async throws {
    let options = IcebergSinkTests.events("events_{name}")
    let world = try IcebergWorld(Make.table("sink", IcebergSinkTests.columns, options: options))
    let run = try await world.start()
    try run.write(IcebergSinkTests.rows(0..<9))
    try await run.seal()
    try await run.commit()
    let catalog = try world.catalog()
    let schema = TableSchema(fields: [NestedField(id: 1, name: "id", type: .long)])
    for name in ["events_foreign", "other"] {
      _ = try await catalog.createTable(TableIdentifier(Namespace(["ns"]), name), TableCreation(schema: schema))
    }
    let tables = try #require(try IcebergSinkTables(world.table, job: "job", defaults: defaults(world)))
    #expect(tables.wantsMaintenance && tables.sink == "sink")
    #expect(try await tables.tables(in: catalog).map(\.name) == ["events_n0", "events_n1", "events_n2"])
    let strangers = try #require(try IcebergSinkTables(world.table, job: "another", defaults: defaults(world)))
    #expect(try await strangers.tables(in: catalog) == [])
    await run.close()
  }

  @Test("a fixed table is found once it is there; the option maintenance and other connectors are seen")
  func fixed() async throws {
    let world = try IcebergWorld(
      Make.table("sink", IcebergSinkTests.columns, options: IcebergSinkTests.events(options: ["maintenance": "false"])))
    let tables = try #require(try IcebergSinkTables(world.table, job: "job", defaults: defaults(world)))
    #expect(!tables.wantsMaintenance)
    let catalog = try world.catalog()
    #expect(try await tables.tables(in: catalog) == [])
    let run = try await world.start()
    #expect(try await tables.tables(in: catalog).map(\.description) == ["ns.events"])
    await run.close()
    let other = Make.table("sink", IcebergSinkTests.columns, options: ["connector": "blackhole"])
    #expect(try IcebergSinkTables(other, job: "job", defaults: defaults(world)) == nil)
  }

  @Test(
    "the files of commits to come are found in the checkpoints of jobs that do not run, short payloads and long ones",
    arguments: [3, 500])
  func pending(partitions: Int64) async throws {
    let world = try IcebergWorld(
      Make.table(
        "sink", IcebergSinkTests.columns, options: IcebergSinkTests.events(options: ["partitioning": "name"])))
    let run = try await world.start()
    let directory = world.directory + "/checkpoints"
    let store = try LocalSnapshotStore(directory: directory, job: "a job", random: SystemRandom())
    #expect(try IcebergSinkTables.pendingFiles(directory: directory) == [])
    try run.write([Make.whole((0..<partitions).map { $0 }), Make.text((0..<partitions).map { "n\($0)" })])
    let commit = try await run.seal()
    #expect(commit.files.isEmpty == (partitions == 3))
    for name in commit.files {
      try FileManager.default.copyItem(atPath: world.files.path(name), toPath: store.pendingFiles.path(name))
    }
    // One of another kind of sink, whose rows say nothing about files of tables.
    let header = Array(#"{"rowCount":1,"rows":{"byteCount":9,"checksum":1,"file":"lost"},"version":1}"#.utf8)
    let other = PendingCommit(
      sink: "lines", checkpoint: CheckpointID(1), from: CheckpointID(0), sources: SourcePositions(), rows: 1,
      payload: [0, 0, 0, UInt8(header.count)] + header, files: [])
    let manifest = Manifest(
      job: "a job", owner: store.owner, checkpoint: CheckpointID(1), createdMicroseconds: 0, partitions: [],
      operators: [:], pendingCommits: [commit, other], stateSignature: [:], keyGroupCount: 1, parallelism: 1)
    _ = try store.storeManifest(manifest)
    #expect(try CheckpointDirectory.runningJobs(in: directory) == ["a%20job"])
    store.close()
    #expect(try CheckpointDirectory.runningJobs(in: directory) == [])
    let found = try IcebergSinkTables.pendingFiles(directory: directory)
    #expect(found.count == Int(partitions))
    try await run.commit()
    let table = try await world.load("ns.events")
    #expect(try await TableScan(table).plan().map(\.entry.file.filePath).sorted() == found)
    await run.close()
  }

  @Test("a checkpoint that cannot be read is an error: what it needs is unknown")
  func damaged() throws {
    let world = try IcebergWorld(Make.table("sink", IcebergSinkTests.columns, options: IcebergSinkTests.events()))
    let folder = world.directory + "/checkpoints/job/checkpoints/7"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(try IcebergSinkTables.pendingFiles(directory: world.directory + "/checkpoints") == [])
    try Data("weir-manifest 3 0\n{}".utf8).write(to: URL(fileURLWithPath: folder + "/manifest"))
    #expect(throws: SnapshotStoreError.self) {
      try IcebergSinkTables.pendingFiles(directory: world.directory + "/checkpoints")
    }
    #expect(try IcebergSinkTables.pendingFiles(directory: "/nowhere") == [])
  }
}
