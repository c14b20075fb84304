import Verification

/// Counts differences and remembers which rows to describe.
struct DifferenceTally {
  /// Rows of the source that differ, for ranges.
  private(set) var marks: [ComparedEntry: DifferenceKind] = [:]
  /// Differences to show in full.
  private(set) var samples: [RowDifference] = []
  /// Whether some rows had to be left out of ``marks``.
  private(set) var isCut = false
  /// How many rows each table must hold.
  private(set) var expected: [UInt32: Int] = [:]
  private var counts: [UInt32: [DifferenceKind: Int]] = [:]
  /// Surplus copies of rows that come straight from a partition: equal rows may have come before.
  private var sampled: [UInt32: [DifferenceKind: Int]] = [:]
  private let sampleLimit: Int

  /// So many rows are remembered, at most; all are counted.
  static let marksMax = 1_000_000

  init(sampleLimit: Int) { self.sampleLimit = sampleLimit }

  /// How many rows of a table differ in this way.
  func count(_ target: Int, _ kind: DifferenceKind) -> Int { counts[UInt32(target)]?[kind] ?? 0 }

  mutating func add(_ difference: RowDifference) {
    counts[difference.target, default: [:]][difference.kind, default: 0] += difference.count
    if let entry = difference.expected {
      if marks.count < Self.marksMax { marks[entry] = difference.kind } else { isCut = true }
    }
    guard sampled[difference.target]?[difference.kind] ?? 0 < sampleLimit else { return }
    sampled[difference.target, default: [:]][difference.kind, default: 0] += 1
    samples.append(difference)
  }

  /// Counts what the tables must hold; `entries` are ordered by table and key.
  mutating func countExpected(
    _ entries: [ComparedEntry], isKeyed: (UInt32) -> Bool, certainty: (ComparedEntry) -> Certainty
  ) {
    var last: (UInt32, RowDigest)?
    for entry in entries where entry.stream != ComparedEntry.found && certainty(entry) == .certain {
      if isKeyed(entry.target), let last, last == (entry.target, entry.key) { continue }
      last = (entry.target, entry.key)
      expected[entry.target, default: 0] += 1
    }
  }
}
