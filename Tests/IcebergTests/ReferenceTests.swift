import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("Branches and tags", .fewAtOnce)
struct ReferenceTests {
  private static func ids(_ range: Range<Int64>) -> [String] {
    let columns = TableAppendTests.columns(range)
    return range.indices.map { index in
      columns.map { $0.text(Int(index - range.lowerBound)) }.joined(separator: "|")
    }
  }

  /// PyIceberg and Java see the same rows at each branch and tag as we do.
  private func expectSame(_ fixture: TableFixture, _ comment: String) async throws {
    let location = fixture.table.loaded.metadataLocation
    var tables: [(location: String, rows: [String])] = []
    for name in fixture.table.metadata.references.keys.sorted() {
      tables.append(("\(location)#\(name)", try await fixture.rows(.reference(name))))
    }
    try RowsJudge.expectSame(tables, comment)
    // A file that was picked into another branch is in two snapshots, with the number that it got in each.
    #expect(try fixture.validate(["--ignore", "entry.immutable"]) == [])
  }

  @Test(
    "are made, written to, moved forward, picked from, rolled back and removed, and other readers see the same rows",
    arguments: [2, 3])
  func lifecycle(version: Int) async throws {
    var fixture = try await TableFixture(TableAppendTests.fields, formatVersion: version)
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    let first = try #require(fixture.table.currentSnapshot?.snapshotID)
    try await fixture.table.commit([
      UpdateReferences([
        .create(name: "release", kind: .tag, snapshotID: nil), .create(name: "audit", kind: .branch, snapshotID: first),
        .setRetention(
          name: "audit", minimumSnapshotsToKeep: 2, maximumSnapshotAgeMilliseconds: 1000,
          maximumReferenceAgeMilliseconds: 1_000_000)
      ])
    ])
    // A branch that exists, and one that begins with the commit, at the current snapshot.
    var files = try await fixture.write(TableAppendTests.columns(10..<20))
    try await fixture.table.commit([AppendFiles(files, branch: "audit")])
    files = try await fixture.write(TableAppendTests.columns(20..<30))
    try await fixture.table.commit([AppendFiles(files, branch: "new")])
    #expect(try await fixture.rows() == Self.ids(0..<10).sorted())
    #expect(try await fixture.rows(.reference("audit")) == Self.ids(0..<20).sorted())
    #expect(try await fixture.rows(.reference("new")) == (Self.ids(0..<10) + Self.ids(20..<30)).sorted())
    #expect(fixture.table.metadata.references["audit"]?.minimumSnapshotsToKeep == 2)
    try await expectSame(fixture, "branches")

    try await fixture.table.commit([FastForward(to: "audit")])
    #expect(try await fixture.rows() == Self.ids(0..<20).sorted())
    let picked = try #require(fixture.table.metadata.references["new"]?.snapshotID)
    try await fixture.table.commit([CherryPick(picked)])
    #expect(try await fixture.rows() == Self.ids(0..<30).sorted())
    #expect(fixture.table.currentSnapshot?.summary["source-snapshot-id"] == String(picked))
    try await expectSame(fixture, "moved")

    try await fixture.table.commit([SetSnapshot(to: .snapshot(first))])
    #expect(try await fixture.rows() == Self.ids(0..<10).sorted())
    try await fixture.table.commit([SetSnapshot(to: .snapshot(picked), requiresAncestor: false)])
    #expect(try await fixture.rows() == (Self.ids(0..<10) + Self.ids(20..<30)).sorted())
    try await fixture.table.commit([
      UpdateReferences([.set(name: "release", kind: .tag, snapshotID: picked), .remove(name: "new")])
    ])
    #expect(fixture.table.metadata.references.keys.sorted() == ["audit", "main", "release"])
    try await expectSame(fixture, "rolled back")
  }

  @Test("what makes no sense is refused, and the table stays as it is")
  func refused() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    try await fixture.append(TableAppendTests.columns(0..<10))
    let first = try #require(fixture.table.currentSnapshot?.snapshotID)
    try await fixture.append(TableAppendTests.columns(10..<20))
    try await fixture.table.commit([
      UpdateReferences([
        .create(name: "tag", kind: .tag, snapshotID: first), .create(name: "side", kind: .branch, snapshotID: first)
      ])
    ])
    let files = try await fixture.write(TableAppendTests.columns(20..<30))
    try await fixture.table.commit([AppendFiles(files, branch: "side")])
    let overwrite = try await fixture.write(TableAppendTests.columns(30..<40))
    try await fixture.table.commit([
      UpdateReferences([.create(name: "other", kind: .branch, snapshotID: first)]),
      OverwriteFiles(adding: overwrite, matching: .alwaysTrue, branch: "other")
    ])
    let overwritten = try #require(fixture.table.metadata.references["other"]?.snapshotID)
    let before = fixture.table.loaded.metadataLocation
    let names = try fixture.files()
    let cases: [(any TableChange, IcebergError.Kind, String)] = [
      (UpdateReferences([.create(name: "tag", kind: .branch, snapshotID: nil)]), .alreadyExists, "tag 'tag' already"),
      (UpdateReferences([.set(name: "x", kind: .tag, snapshotID: 1)]), .notFound, "no snapshot 1"),
      (UpdateReferences([.remove(name: "main")]), .invalid, "cannot be removed"),
      (AppendFiles(files, branch: "tag"), .invalid, "is a tag"),
      (SetSnapshot(to: .snapshot(first), branch: "tag"), .invalid, "is a tag"),
      (SetSnapshot(to: .snapshot(overwritten)), .notFound, "no such earlier snapshot"),
      (FastForward(to: "side"), .invalid, "without losing them"), (FastForward(to: "nowhere"), .notFound, "'nowhere'"),
      (CherryPick(1), .notFound, "no snapshot 1"), (CherryPick(first), .invalid, "already"),
      (CherryPick(overwritten), .unsupported, "'overwrite'")
    ]
    for (change, kind, text) in cases {
      let error = await #expect(throws: IcebergError.self) { try await fixture.table.commit([change]) }
      #expect(error?.kind == kind, "\(change): \(error?.message ?? "")")
      #expect(error?.message.contains(text) ?? false, "\(change): \(error?.message ?? "")")
    }
    for keep in [0, -1] {
      let change = UpdateReferences([
        .setRetention(
          name: "side", minimumSnapshotsToKeep: keep, maximumSnapshotAgeMilliseconds: nil,
          maximumReferenceAgeMilliseconds: nil)
      ])
      await #expect(throws: IcebergError.self) { try await fixture.table.commit([change]) }
    }
    try await fixture.table.refresh()
    #expect(fixture.table.loaded.metadataLocation == before)
    #expect(try fixture.files() == names)
  }

  @Test("expiry keeps what branches and tags keep: a number of snapshots, their age, the age of the reference itself")
  func expiry() async throws {
    var fixture = try await TableFixture(TableAppendTests.fields)
    defer { fixture.remove() }
    for part in Int64(0)..<4 { try await fixture.append(TableAppendTests.columns(part * 10..<part * 10 + 10)) }
    let line = fixture.table.metadata.snapshots.map(\.snapshotID)
    try await fixture.table.commit([
      UpdateReferences([
        .create(name: "keep", kind: .branch, snapshotID: line[2]),
        .create(name: "old", kind: .tag, snapshotID: line[0]),
        .setRetention(
          name: "keep", minimumSnapshotsToKeep: 2, maximumSnapshotAgeMilliseconds: 1,
          maximumReferenceAgeMilliseconds: nil
        ),
        .setRetention(
          name: "old", minimumSnapshotsToKeep: nil, maximumSnapshotAgeMilliseconds: nil,
          maximumReferenceAgeMilliseconds: 1000 * 3600)
      ])
    ])
    let now = CommitEnvironment.system.nowMilliseconds()
    func environment(_ hours: Int64) -> CommitEnvironment {
      var environment = CommitEnvironment.system
      environment.nowMilliseconds = { now + hours * 3600_000 + 60_000 }
      return environment
    }
    let expiry = SnapshotExpiry(ExpireSnapshots(olderThanMilliseconds: .max, minimumSnapshotsToKeep: 1))
    // Everything is kept by something: the tag the first, the branch the second and third, main the fourth.
    #expect(try await expiry.run(&fixture.table, environment: environment(0)).expiredSnapshots == 0)
    let later = try await expiry.run(&fixture.table, environment: environment(1))
    #expect(later.expiredSnapshots == 1 && later.problems == [])
    #expect(fixture.table.metadata.references.keys.sorted() == ["keep", "main"])
    #expect(fixture.table.metadata.snapshots.map(\.snapshotID) == Array(line[1...]))
    #expect(try await fixture.rows(.id(line[1])).count == 20)
    #expect(try await fixture.rows(.reference("keep")).count == 30)
    #expect(try await fixture.rows().count == 40)
    try await fixture.table.commit([UpdateReferences([.remove(name: "keep")])])
    #expect(try await expiry.run(&fixture.table, environment: environment(1)).expiredSnapshots == 2)
    try await expectSame(fixture, "expired")
  }
}
