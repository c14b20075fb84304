import Checkpointing
import Columnar
import TestTraits
import Testing

@Suite("Manifest and recovery", .fewAtOnce)
struct ManifestTests {
  static func manifest(_ number: UInt64) -> Manifest {
    var account = RowAccount()
    account.filtered = 4
    account.aggregated = 6
    return Manifest(
      job: "job \"ü\"", owner: JobOwner(lineage: "abc", attempt: 3), checkpoint: CheckpointID(number),
      createdMicroseconds: 1_767_882_600_123_456,
      partitions: [
        PartitionState(
          partition: PartitionID(source: "s", name: "t/1"), nextOffset: .max,
          maxEventTime: Timestamp(microseconds: .min),
          isEnded: true, records: 10, accounts: ["q": account]),
        PartitionState(partition: PartitionID(source: "s", name: "t/0"), nextOffset: 5)
      ],
      operators: [
        "w": OperatorState(
          files: [StateFile(file: "f", keyGroups: 3..<64, bytes: 1, contentBytes: 2, checksum: .max)],
          watermark: Timestamp(microseconds: 7))
      ],
      pendingCommits: [
        PendingCommit(
          sink: "x", checkpoint: CheckpointID(number), from: CheckpointID(number - 1),
          sources: SourcePositions(["s": ["t/0": 5]]), rows: 2, payload: [0, 255, 10], files: ["p1"])
      ],
      stateSignature: ["w": "sum(x)"], keyGroupCount: 128, parallelism: 2)
  }

  @Test("a manifest survives JSON, with the greatest and least numbers")
  func roundTrip() throws {
    let manifest = Self.manifest(9)
    #expect(try Manifest(json: manifest.json()) == manifest)
    #expect(manifest.partitions.map(\.partition.name) == ["t/0", "t/1"])
    #expect(manifest.sourcePositions[PartitionID(source: "s", name: "t/0")] == 5)
    #expect(manifest.operators["w"]?.files.first?.keyGroups == 3..<64)
    #expect(manifest.partitions[1].accounts["q"]?.total == manifest.partitions[1].records)
  }

  @Test("another format, cut JSON and other JSON are errors, not crashes")
  func malformed() throws {
    var other = Self.manifest(1)
    other.format = Manifest.currentFormat + 1
    let json = try other.json()
    #expect(throws: ManifestError.self) { try Manifest(json: json) }
    let good = try Self.manifest(1).json()
    for length in stride(from: 0, to: good.count, by: 7) {
      #expect(throws: ManifestError.self) { try Manifest(json: Array(good[..<length])) }
    }
    #expect(throws: ManifestError.self) { try Manifest(json: Array("[1]".utf8)) }
  }

  @Test("recovery takes the newest that holds and reports the newer ones")
  func recovery() {
    let bad3 = CheckpointCandidate(rejected: CheckpointID(3), problems: ["torn"])
    let good2 = CheckpointCandidate(valid: Self.manifest(2))
    let good1 = CheckpointCandidate(valid: Self.manifest(1))
    #expect(RecoveryDecision.decide([]) == .fresh)
    #expect(RecoveryDecision.decide([good1, bad3, good2]) == .restore(Self.manifest(2), rejected: [bad3]))
    #expect(RecoveryDecision.decide([bad3]) == .impossible(rejected: [bad3]))
  }

  @Test("what changed in a plan is said in words")
  func compatibility() {
    #expect(Compatibility.check(stored: ["a": "1"], current: ["a": "1"]) == .compatible)
    let stored = ["a": "sum(x)", "b": "count", "d": "min"]
    guard
      case .refused(let changes) = Compatibility.check(stored: stored, current: ["a": "sum(y)", "c": "max", "d": "min"])
    else {
      Issue.record("expected a refusal")
      return
    }
    #expect(changes.count == 3)
    #expect(changes[0].contains("'a' changed") && changes[0].contains("sum(x)") && changes[0].contains("sum(y)"))
    #expect(changes[1].contains("'b' is gone"))
    #expect(changes[2].contains("'c' is new"))
    func check(keyGroups: Int = 128, sources: Set<String> = ["s"]) -> Compatibility {
      Compatibility.check(
        Self.manifest(1), signature: ["w": "sum(x)"], keyGroupCount: keyGroups, sources: sources)
    }
    #expect(check() == .compatible)
    #expect(check(sources: ["s", "new"]) == .compatible)
    #expect(check(sources: ["renamed"]) == .refused(["source 's' is gone: its positions would be lost"]))
    guard case .refused = check(keyGroups: 64) else {
      Issue.record("expected a refusal of another number of key groups")
      return
    }
  }
}

@Suite("Positions and claims", .fewAtOnce)
struct PositionTests {
  private let owner = JobOwner(lineage: "l", attempt: 2)

  private func commit(_ number: UInt64, from: UInt64) -> PendingCommit {
    PendingCommit(
      sink: "s", checkpoint: CheckpointID(number), from: CheckpointID(from), sources: SourcePositions(), rows: 1,
      payload: [], files: [])
  }

  private func position(_ number: UInt64, _ owner: JobOwner) -> SinkPosition {
    SinkPosition(owner: owner, checkpoint: CheckpointID(number), sources: SourcePositions())
  }

  @Test("a commit applies at its start, is skipped beyond it, and is refused elsewhere")
  func decisions() {
    #expect(commit(5, from: 4).decide(stored: position(4, owner), owner: owner) == .apply)
    #expect(commit(5, from: 4).decide(stored: position(5, owner), owner: owner) == .skip)
    #expect(commit(5, from: 4).decide(stored: position(6, owner), owner: owner) == .skip)
    #expect(commit(1, from: 0).decide(stored: nil, owner: owner) == .apply)
    for (commit, stored) in [
      (commit(5, from: 4), position(3, owner)),
      (commit(5, from: 4), position(4, JobOwner(lineage: "l", attempt: 3))),
      (commit(5, from: 4), position(4, JobOwner(lineage: "other", attempt: 2))),
      (commit(5, from: 4), nil)
    ] {
      guard case .conflict = commit.decide(stored: stored, owner: owner) else {
        Issue.record("expected a conflict with \(String(describing: stored))")
        return
      }
    }
  }

  @Test("of several commits in one act, those that were applied before are left out, and a gap is refused")
  func groups() {
    let group = [commit(5, from: 4), commit(6, from: 5), commit(8, from: 6)]
    func decide(_ stored: SinkPosition?) -> GroupCommitDecision {
      PendingCommit.decide(group, stored: stored, owner: owner)
    }
    #expect(decide(position(4, owner)) == .apply(group))
    #expect(decide(position(5, owner)) == .apply(Array(group[1...])))
    #expect(decide(position(6, owner)) == .apply([group[2]]))
    #expect(decide(position(8, owner)) == .skip && decide(position(9, owner)) == .skip)
    #expect(PendingCommit.decide([], stored: nil, owner: owner) == .skip)
    for stored in [position(3, owner), position(7, owner), position(4, JobOwner(lineage: "l", attempt: 3)), nil] {
      guard case .conflict = decide(stored) else {
        Issue.record("expected a conflict with \(String(describing: stored))")
        return
      }
    }
  }

  @Test("an attempt takes over from an older one and from nobody else")
  func claims() {
    #expect(owner.claim(sink: "s", stored: nil, newest: CheckpointID(0)) == .claim(position(0, owner)))
    let older = position(4, JobOwner(lineage: "l", attempt: 1))
    #expect(owner.claim(sink: "s", stored: older, newest: CheckpointID(4)) == .claim(position(4, owner)))
    for (stored, newest) in [
      (position(5, JobOwner(lineage: "l", attempt: 1)), 4),
      (position(4, JobOwner(lineage: "l", attempt: 3)), 4),
      (position(0, JobOwner(lineage: "m", attempt: 1)), 4)
    ] as [(SinkPosition, UInt64)] {
      guard case .conflict = owner.claim(sink: "s", stored: stored, newest: CheckpointID(newest)) else {
        Issue.record("expected a conflict with \(stored)")
        return
      }
    }
  }
}
