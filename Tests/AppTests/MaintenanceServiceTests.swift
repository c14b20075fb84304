import App
import Foundation
import Iceberg
import Logging
import Runtime
import Synchronization
import TestTraits
import Testing

@Suite("Maintenance beside a job", .fewAtOnce, .serialized)
struct MaintenanceServiceTests {
  private func service(
    _ fixture: MaintenanceFixture, _ time: VirtualTime, _ policy: MaintenancePolicy,
    pending: @escaping @Sendable () async throws(IcebergError) -> [String] = { () throws(IcebergError) in [] },
    failures: @escaping @Sendable () -> Bool = { false }
  ) -> MaintenanceService {
    let catalog = fixture.catalog
    let tables = MaintainedTables(
      name: "test",
      open: { () async throws(IcebergError) -> any Catalog in
        if failures() { throw IcebergError(.transient, "nobody answers") }
        return catalog
      },
      list: { (_, _) throws(IcebergError) in [MaintenanceFixture.identifier] })
    let options = MaintenanceService.Options(
      policy: policy, intervalMilliseconds: 30_000, commitsBetweenLooks: 8, share: 0.25,
      scratchDirectory: fixture.scratch)
    return MaintenanceService(
      [tables], options: options, environment: time.environment, metrics: MaintenanceMetrics(job: "job"),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, pending: pending)
  }

  private static let policy = MaintenancePolicy(
    compaction: CompactionPolicy(minimumInputFiles: 4, growthRatio: 2), commitsBetweenCompactions: 4,
    retention: SnapshotRetention(ageMilliseconds: 60_000), minimumExpiredSnapshots: 10, minimumSmallManifests: 20)

  @Test(
    "a table that gets a file every two seconds keeps few files and snapshots, all rows, and the sink's position",
    arguments: [2, 3])
  func keepsUp(version: Int) async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("maintenance beside a writer: seed \(seed)")
    let numbers = SeededRandom(seed: seed)
    // An hour ago, so that no snapshot is of the future.
    let time = VirtualTime(Int64(Date().timeIntervalSince1970 * 1000) - 3_600_000)
    let fixture = try await MaintenanceFixture(
      spec: "bucket(2, id)", properties: ["write.metadata.delete-after-commit.enabled": "true"],
      formatVersion: version, environment: writing(time))
    defer { fixture.remove() }
    let service = service(fixture, time, Self.policy)
    let commits = 120
    var mostFiles = 0
    var mostSnapshots = 0
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await service.run() }
      await time.idle()
      var ahead = 0
      for commit in 0..<commits {
        let ids = Int64(commit) * 10..<Int64(commit + 1) * 10
        let table = try await fixture.append(ids, position: commit)
        mostSnapshots = max(mostSnapshots, table.metadata.snapshots.count)
        if commit % 5 == 4 { mostFiles = max(mostFiles, try await fixture.filesOfFullestPartition()) }
        time.advance(2000)
        // Now and then the writer goes on while a round is under way, so that both commit at the same time.
        ahead += 1
        if numbers.next() % 2 == 0 || ahead == 3 {
          await time.idle()
          ahead = 0
        }
      }
      // A last round, undisturbed.
      for _ in 0..<2 {
        await time.idle()
        time.advance(30_000)
      }
      await time.idle()
      group.cancelAll()
    }
    #expect(mostFiles <= 20, "\(mostFiles) files in a partition")
    #expect(mostSnapshots <= 80, "\(mostSnapshots) snapshots")
    #expect(try await fixture.ids() == Array(0..<Int64(commits) * 10))
    let table = try await fixture.table()
    #expect(table.metadata.properties[MaintenanceFixture.position] == "\(commits - 1)")
    #expect(try await fixture.filesOfFullestPartition() <= 8)
    let verdict = try await fixture.judge()
    #expect(verdict == "sound")
  }

  /// The writer takes its time from the clock, and does not wait for it: it is what moves it.
  private func writing(_ time: VirtualTime) -> CommitEnvironment {
    var environment = time.environment
    environment.sleep = { _ in try await Task.sleep(for: .milliseconds(1)) }
    return environment
  }

  @Test("a catalog that cannot be reached is tried again, more and more seldom; then the tables are maintained")
  func retries() async throws {
    let time = VirtualTime(Int64(Date().timeIntervalSince1970 * 1000))
    let fixture = try await MaintenanceFixture(environment: writing(time))
    defer { fixture.remove() }
    for part in 0..<6 { try await fixture.append(Int64(part) * 10..<Int64(part + 1) * 10) }
    let attempts = Mutex<[Int64]>([])
    let service = service(
      fixture, time, Self.policy,
      failures: {
        attempts.withLock { attempts in
          attempts.append(time.now)
          return attempts.count <= 3
        }
      })
    let start = time.now
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await service.run() }
      for _ in 0..<24 {
        await time.idle()
        time.advance(10_000)
      }
      await time.idle()
      group.cancelAll()
    }
    #expect(attempts.withLock { $0.map { ($0 - start) / 1000 } } == [0, 30, 90, 210])
    #expect(try await fixture.filesOfFullestPartition() == 1)
    #expect(try await fixture.ids() == Array(0..<60))
  }

  @Test("while it is unknown which files jobs still need, no orphan is removed; the rest is done")
  func unknownPending() async throws {
    let time = VirtualTime(Int64(Date().timeIntervalSince1970 * 1000) + 86_400_000)
    let fixture = try await MaintenanceFixture(environment: writing(time))
    defer { fixture.remove() }
    for part in 0..<6 { try await fixture.append(Int64(part) * 10..<Int64(part + 1) * 10) }
    let pending = try await fixture.write(100..<110, fixture.table())
    let lost = try await fixture.write(200..<210, fixture.table())
    try fixture.backdate(pending + lost, by: 3600)
    var policy = Self.policy
    policy.orphanIntervalMilliseconds = 60_000
    policy.orphanGraceMilliseconds = 1000
    let isKnown = Mutex(false)
    let paths = pending.map(\.filePath)
    let service = service(fixture, time, policy) { () throws(IcebergError) in
      guard isKnown.withLock({ $0 }) else { throw IcebergError(.io, "the checkpoints cannot be read") }
      return paths
    }
    let name = try #require(lost.first?.filePath.split(separator: "/").last).description
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await service.run() }
      for _ in 0..<4 {
        await time.idle()
        time.advance(60_000)
      }
      await time.idle()
      #expect((try? fixture.files().contains { $0.hasSuffix(name) }) == true)
      isKnown.withLock { $0 = true }
      for _ in 0..<2 {
        time.advance(60_000)
        await time.idle()
      }
      group.cancelAll()
    }
    let files = try fixture.files()
    #expect(!files.contains { $0.hasSuffix(name) })
    #expect(paths.allSatisfy { path in files.contains { path.hasSuffix($0) } })
    #expect(try await fixture.filesOfFullestPartition() == 1)
    #expect(try await fixture.ids() == Array(0..<60))
  }
}
