import Columnar
import TestSupport
import TestTraits
import Testing
import Verification

@Suite("Comparing what must be there with what is there", .fewAtOnce)
struct ContentComparisonTests {
  private static func digest(_ number: Int) -> RowDigest {
    RowDigester(columns: [0]).digests(
      Batch(
        schema: Schema([Field("a", .bigint)]), columns: [Column(.bigint, .int64([Int64(number)]))], count: 1))[0]
  }

  private static func row(_ key: Int, _ value: Int, order: Int? = nil, stream: Int = 0) -> ComparedEntry {
    ComparedEntry(
      key: digest(key), row: digest(key * 1000 + value), target: 0,
      stream: order == nil ? ComparedEntry.found : UInt32(stream), order: Int64(order ?? 0))
  }

  private static func compare(
    _ entries: [ComparedEntry], isKeyed: Bool, budget: Int = 1 << 20,
    certainty: (ComparedEntry) -> Certainty = { _ in .certain }
  ) throws -> [RowDifference] {
    var buckets = EntryBuckets(spill: MemorySpill(), budgetBytes: budget)
    for entry in entries { try buckets.add(entry) }
    var found: [RowDifference] = []
    for bucket in 0..<EntryBuckets.count {
      ContentComparison.compare(try buckets.takeEntries(bucket), isKeyed: { _ in isKeyed }, certainty: certainty) {
        found.append($0)
      }
    }
    return found
  }

  @Test("every row that was taken out, put in twice, changed or added is found, and no other", arguments: [true, false])
  func mutations(isKeyed: Bool) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("content comparison: seed \(seed)")
    var numbers = SeededNumbers(seed: seed)
    var entries: [ComparedEntry] = []
    var wanted: [DifferenceKind: Set<Int64>] = [:]
    for key in 0..<3_000 {
      entries.append(Self.row(key, 1, order: key))
      switch Int.random(in: 0..<20, using: &numbers) {
      case 0: wanted[.missing, default: []].insert(Int64(key))
      case 1:
        entries += [Self.row(key, 1), Self.row(key, 1)]
        wanted[.doubled, default: []].insert(Int64(key))
      case 2:
        entries.append(Self.row(key, 2))
        wanted[.changed, default: []].insert(Int64(key))
      default: entries.append(Self.row(key, 1))
      }
    }
    entries.append(Self.row(5_000, 1))
    entries.shuffle(using: &numbers)
    // A budget of a few entries: nearly all of them go through the spill area.
    let found = try Self.compare(entries, isKeyed: isKeyed, budget: 400)
    for kind in [DifferenceKind.missing, .doubled, .changed] {
      #expect(Set(found.filter { $0.kind == kind }.compactMap { $0.expected?.order }) == wanted[kind] ?? [], "\(kind)")
    }
    #expect(found.filter { $0.kind == .unexplained }.map(\.found) == [Self.row(5_000, 1)])
  }

  @Test("of several versions of a key the last of each stream may stand there, and no other")
  func versions() throws {
    let versions = [
      Self.row(1, 1, order: 1), Self.row(1, 2, order: 2), Self.row(1, 3, order: 1, stream: 1),
      Self.row(1, 4, order: 9, stream: 1)
    ]
    #expect(try Self.compare(versions + [Self.row(1, 2)], isKeyed: true).isEmpty)
    #expect(try Self.compare(versions + [Self.row(1, 4)], isKeyed: true).isEmpty)
    #expect(try Self.compare(versions + [Self.row(1, 3)], isKeyed: true).map(\.kind) == [.changed])
    #expect(try Self.compare(versions, isKeyed: true).map(\.kind) == [.missing])
  }

  @Test("windows that may have fired are compared where they are there; unknown ones are no difference")
  func certainty() throws {
    let expected = [Self.row(1, 1, order: 1), Self.row(2, 1, order: 2)]
    let possible = try Self.compare(expected + [Self.row(2, 1)], isKeyed: false) { _ in .possible }
    #expect(possible.isEmpty)
    let changed = try Self.compare(expected + [Self.row(2, 5)], isKeyed: true) { _ in .possible }
    #expect(changed.map(\.kind) == [.changed])
    let unknown = try Self.compare(expected + [Self.row(2, 5)], isKeyed: true) { _ in .unknown }
    #expect(unknown.map(\.kind) == [.unverifiable, .unverifiable])
    let absent = try Self.compare(expected + [Self.row(2, 1)], isKeyed: false) { _ in .absent }
    #expect(absent.map(\.kind) == [.unexplained])
  }

  @Test("digests take for equal what PostgreSQL does, and tell apart what differs")
  func digests() {
    func digest(_ columns: [Column]) -> RowDigest {
      let fields = columns.enumerated().map { Field("c\($0)", $1.type) }
      return RowDigester(columns: Array(columns.indices)).digests(
        Batch(schema: Schema(fields), columns: columns, count: 1))[0]
    }
    func text(_ value: String) -> Column { Column(repeating: .text(value), .text, count: 1) }
    func numeric(_ unscaled: Int128, _ scale: Int16) -> Column {
      Column(.numeric, .numeric([Numeric(unscaled: unscaled, scale: scale)]))
    }
    #expect(digest([numeric(150, 2)]) == digest([numeric(15, 1)]))
    #expect(digest([numeric(0, 2)]) == digest([numeric(0, 0)]))
    #expect(digest([numeric(15, 1)]) != digest([numeric(15, 2)]))
    #expect(digest([text("ab"), text("c")]) != digest([text("a"), text("bc")]))
    #expect(digest([text("a"), text("b")]) != digest([text("b"), text("a")]))
    #expect(digest([text("")]) != digest([Column(repeating: .null, .text, count: 1)]))
    #expect(digest([Column(.bigint, .int64([0]))]) != digest([Column(repeating: .null, .bigint, count: 1)]))
    let signalling = Double(nan: 1, signaling: false)
    #expect(digest([Column(.double, .float64([signalling]))]) == digest([Column(.double, .float64([.nan]))]))
    var seen: Set<RowDigest> = []
    for high in 0..<300 {
      for low in 0..<300 {
        seen.insert(digest([Column(.bigint, .int64([Int64(high)])), Column(.bigint, .int64([Int64(low)]))]))
      }
    }
    #expect(seen.count == 90_000)
  }
}
