import Foundation
import TestSupport
import TestTraits
import Testing

/// The promise on Iceberg tables, with the real binary: whatever is killed while files are written, committed and
/// compacted, the tables hold every record once, and every reader finds them sound.
///
/// `WEIR_TEST_SEED` repeats a run, `WEIR_TEST_KILLS` and `WEIR_TEST_EVENTS` make it longer.
@Suite("Exactly once into Iceberg", .fewAtOnce, .serialized)
struct IcebergExactlyOnceTests {
  /// Where tables are registered.
  enum Place: String, CaseIterable {
    case filesystem, sql
  }

  @Test("every record is in the tables once, whatever is killed while it is written", arguments: Place.allCases)
  func survivesKills(place: Place) async throws {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["WEIR_TEST_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
    let kills = environment["WEIR_TEST_KILLS"].flatMap(Int.init) ?? 13
    let events = environment["WEIR_TEST_EVENTS"].flatMap(Int.init) ?? 120_000
    print("exactly once into Iceberg (\(place)): WEIR_TEST_SEED=\(seed), \(kills) kills, \(events) events")

    let bench = try Workbench()
    defer { bench.remove() }
    let (broker, bootstrap) = try await bench.broker(topics: ["events:\(IcebergLake.partitions)"])
    defer { broker.signal(SIGKILL) }
    let postgres = place == .sql ? try PostgresServer() : nil
    defer { try? postgres?.stop(mode: .immediate) }
    let file = try bench.write("lake.sql", IcebergLake.pipeline)
    var settings = [
      "WEIR_KAFKA_BROKERS": bootstrap, "WEIR_HTTP_PORT": "0", "WEIR_CHECKPOINT_INTERVAL": "150ms",
      "WEIR_CHECKPOINT_DIR": bench.directory + "/checkpoints", "WEIR_WAREHOUSE": bench.directory + "/warehouse",
      "WEIR_MAINTENANCE_INTERVAL": "1s"
    ]
    if let postgres {
      settings["WEIR_CATALOG"] = "sql"
      settings["WEIR_CATALOG_URL"] = postgres.url
    }

    async let produced = IcebergLake.produce(seed: seed, events: events, kills: kills, bootstrap: bootstrap)
    var numbers = SeededNumbers(seed: seed &+ 1)
    for round in 1...kills {
      let weir = try bench.weir(["run", file], environment: settings)
      try await Task.sleep(nanoseconds: UInt64.random(in: 150...1_800, using: &numbers) * 1_000_000)
      #expect(weir.process.isRunning, "round \(round): the job ended by itself: \(weir.errorText.suffix(2000))")
      await weir.killAndWait()
    }
    let written = try await produced
    let last = try bench.weir(["run", file, "--until-end"], environment: settings)
    #expect(await last.wait() == 0, "\(last.errorText.suffix(4000))")

    let location = { table in try Self.location(table, bench, postgres) }
    let rows = try IcebergLake.writeExpected(written, bench)
    for (table, file) in rows { try await IcebergLake.expectSound(table, rows: file, location(table)) }
    // What the killed attempts left behind is found, and is all that is found.
    var flags = ["maintain", "lake.raw", "lake.windows", "--orphans", "--older-than", "0s"]
    if postgres == nil { flags += ["--warehouse", bench.directory + "/warehouse"] }
    let maintain = try bench.weir(flags, environment: settings)
    #expect(await maintain.wait() == 0, "\(maintain.errorText.suffix(2000))")
    for (table, file) in rows {
      try await IcebergLake.expectSound(table, rows: file, location(table), allowsOrphans: false)
    }
  }

  /// Where the validator finds a table.
  private static func location(_ table: String, _ bench: Workbench, _ postgres: PostgresServer?) throws -> [String] {
    if let postgres { return ["--catalog", IcebergLake.sqlCatalog(postgres), table] }
    let directory = bench.directory + "/warehouse/" + table.replacingOccurrences(of: ".", with: "/") + "/metadata"
    let hint = try String(contentsOfFile: directory + "/version-hint.text", encoding: .utf8)
    return ["\(directory)/v\(hint).metadata.json"]
  }
}
