/// How sure it is that a row must be in its sink.
public enum Certainty: Hashable, Sendable {
  /// It must be there.
  case certain
  /// It may be there, with this content: its window may or may not have fired at the position.
  case possible
  /// Nobody can say, and its content may differ: what decides is gone.
  case unknown
  /// It must not be there yet.
  case absent
}

/// What is wrong with a row.
public enum DifferenceKind: String, Hashable, Sendable, CaseIterable {
  /// It must be there, and is not.
  case missing
  /// It is there more often than it must be.
  case doubled
  /// Its key is there with other values.
  case changed
  /// It is there, and nothing in the source explains it: somebody else wrote it, or it was changed beyond recognition.
  case unexplained
  /// It may be wrong, but what would be needed to tell is gone.
  case unverifiable
}

/// One row that differs.
public struct RowDifference: Hashable, Sendable {
  /// What is wrong.
  public let kind: DifferenceKind
  /// The table, by the caller's number.
  public let target: UInt32
  /// What the source makes of it; absent for rows that nothing explains.
  public let expected: ComparedEntry?
  /// What the sink holds; absent for missing rows.
  public let found: ComparedEntry?
  /// How many rows: surplus copies for ``DifferenceKind/doubled``, otherwise 1.
  public let count: Int
}

/// Compares the entries of one table and key; see ``ContentComparison/compare(_:isKeyed:certainty:report:)``.
public enum ContentComparison {
  /// Compares what is expected with what was found, and reports each difference.
  ///
  /// - Parameters:
  ///   - entries: all entries of a bucket, ordered by table and key.
  ///   - isKeyed: whether a table holds one row a key, the last that was written; otherwise all rows.
  ///   - certainty: how sure an expected row is.
  ///   - report: takes each difference.
  /// - Throws: what `report` throws.
  public static func compare(
    _ entries: [ComparedEntry], isKeyed: (UInt32) -> Bool, certainty: (ComparedEntry) -> Certainty,
    report: (RowDifference) throws -> Void
  ) rethrows {
    var start = 0
    while start < entries.count {
      var end = start + 1
      while end < entries.count, entries[end].key == entries[start].key, entries[end].target == entries[start].target {
        end += 1
      }
      let group = Group(entries[start..<end], certainty: certainty)
      if isKeyed(entries[start].target) { try group.compareLast(report) } else { try group.compareAll(report) }
      start = end
    }
  }

  /// Everything of one table and key.
  private struct Group {
    var expected: [(entry: ComparedEntry, certainty: Certainty)] = []
    var found: [ComparedEntry] = []

    init(_ entries: ArraySlice<ComparedEntry>, certainty: (ComparedEntry) -> Certainty) {
      for entry in entries {
        guard entry.stream != ComparedEntry.found else {
          found.append(entry)
          continue
        }
        let own = certainty(entry)
        if own != .absent { expected.append((entry, own)) }
      }
    }

    private func difference(
      _ kind: DifferenceKind, _ expected: ComparedEntry?, _ found: ComparedEntry?, _ count: Int = 1
    ) -> RowDifference {
      RowDifference(
        kind: kind, target: (expected ?? found)?.target ?? 0, expected: expected, found: found, count: count)
    }

    // MARK: One row a key

    /// The last row of each stream may be the one that was written last: streams have no order among themselves.
    private var candidates: [(entry: ComparedEntry, certainty: Certainty)] {
      var last: [UInt32: Int64] = [:]
      for (entry, certainty) in expected where certainty == .certain {
        last[entry.stream] = max(last[entry.stream] ?? .min, entry.order)
      }
      return expected.filter { $0.entry.order >= last[$0.entry.stream] ?? .min }
    }

    func compareLast(_ report: (RowDifference) throws -> Void) rethrows {
      let candidates = candidates
      let isUnknown = candidates.contains { $0.certainty == .unknown }
      guard let first = found.first else {
        if let certain = candidates.last(where: { $0.certainty == .certain }) {
          try report(difference(.missing, certain.entry, nil))
        } else if let unknown = candidates.last(where: { $0.certainty == .unknown }) {
          try report(difference(.unverifiable, unknown.entry, nil))
        }
        return
      }
      guard let likely = candidates.last else {
        for row in found { try report(difference(.unexplained, nil, row)) }
        return
      }
      let match = candidates.first { candidate in found.contains { $0.row == candidate.entry.row } }
      if match == nil { try report(difference(isUnknown ? .unverifiable : .changed, likely.entry, first)) }
      if found.count > 1 {
        let surplus = found.first { $0.row != match?.entry.row } ?? first
        try report(difference(.doubled, (match ?? likely).entry, surplus, found.count - 1))
      }
    }

    // MARK: All rows

    func compareAll(_ report: (RowDifference) throws -> Void) rethrows {
      var missing: [ComparedEntry] = []
      var unknown: [ComparedEntry] = []
      var surplus: [ComparedEntry] = []
      let wanted = Dictionary(grouping: expected) { $0.entry.row }
      let held = Dictionary(grouping: found) { $0.row }
      for (row, wanted) in wanted.sorted(by: { $0.key < $1.key }) {
        let certain = wanted.filter { $0.certainty == .certain }.map(\.entry)
        let count = held[row]?.count ?? 0
        if count < certain.count { missing += certain[count...] }
        if count < wanted.count { unknown += wanted.filter { $0.certainty == .unknown }.map(\.entry) }
        if count > wanted.count {
          try report(difference(.doubled, wanted[0].entry, held[row]?.first, count - wanted.count))
        }
      }
      for (row, rows) in held.sorted(by: { $0.key < $1.key }) where wanted[row] == nil { surplus += rows }
      // With a key, a row that is missing and one that nothing explains are the same row, changed.
      let pairs = min(missing.count, surplus.count)
      for index in 0..<pairs { try report(difference(.changed, missing[index], surplus[index])) }
      for row in missing.dropFirst(pairs) { try report(difference(.missing, row, nil)) }
      for row in surplus.dropFirst(pairs) {
        if let may = unknown.popLast() {
          try report(difference(.unverifiable, may, row))
        } else {
          try report(difference(.unexplained, nil, row))
        }
      }
      for row in unknown { try report(difference(.unverifiable, row, nil)) }
    }
  }
}
