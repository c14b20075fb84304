import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite(.fewAtOnce) struct ManifestPruningTests {
  private static let schema = TableSchema(fields: [
    NestedField(id: 1, name: "i", type: .long), NestedField(id: 2, name: "d", type: .double),
    NestedField(id: 3, name: "s", type: .string)
  ])
  private static let spec = PartitionSpec(fields: [
    PartitionField(sourceID: 1, fieldID: 1000, name: "i", transform: .truncate(10)),
    PartitionField(sourceID: 2, fieldID: 1001, name: "d", transform: .identity)
  ])

  static func value(_ id: Int, _ generator: inout SeededNumbers) -> Literal {
    let number = Int64.random(in: -12...12, using: &generator)
    switch id {
    case 1: return .long(number)
    case 2: return .double(number == 12 ? .nan : number == 0 ? -0.0 : Double(number) / 2)
    default: return .string(String(["a", "ab", "abc", "b", "é", "\u{10FFFF}"][Int(abs(number)) % 6]))
    }
  }

  static func predicate(_ depth: Int, _ generator: inout SeededNumbers) -> Predicate {
    let id = Int.random(in: 1...3, using: &generator)
    let comparisons: [Predicate.Comparison] = [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual]
    switch Int.random(in: 0...(depth > 0 ? 8 : 5), using: &generator) {
    case 0: return .isNull(id)
    case 1: return .isNotNull(id)
    case 2: return .isIn(id, (0..<2).map { _ in value(id, &generator) })
    case 3: return id == 2 ? .isNaN(2) : .startsWith(3, value(3, &generator))
    case 4, 5: return .compare(id, comparisons.randomElement(using: &generator) ?? .equal, value(id, &generator))
    case 6: return .not(predicate(depth - 1, &generator))
    case 7: return .and(predicate(depth - 1, &generator), predicate(depth - 1, &generator))
    default: return .or(predicate(depth - 1, &generator), predicate(depth - 1, &generator))
    }
  }

  /// SQL's three-valued logic, with NaN as the greatest value and -0.0 equal to 0.0.
  static func matches(_ predicate: Predicate, _ row: [Int: Literal]) -> Bool? {
    switch predicate {
    case .alwaysTrue: return true
    case .alwaysFalse: return false
    case .and(let a, let b):
      let (left, right) = (matches(a, row), matches(b, row))
      return left == false || right == false ? false : left == true && right == true ? true : nil
    case .or(let a, let b):
      let (left, right) = (matches(a, row), matches(b, row))
      return left == true || right == true ? true : left == false && right == false ? false : nil
    case .not(let inner): return matches(inner, row).map { !$0 }
    case .isNull(let id): return row[id] == nil
    case .isNotNull(let id): return row[id] != nil
    case .isNaN(let id): return row[id].map { $0 == .double(.nan) }
    case .compare(let id, let comparison, let literal):
      guard let value = row[id] else { return nil }
      let order = Literal.compare(positiveZero(value), positiveZero(literal))
      switch comparison {
      case .equal: return order == 0
      case .notEqual: return order != 0
      case .less: return order < 0
      case .lessOrEqual: return order <= 0
      case .greater: return order > 0
      case .greaterOrEqual: return order >= 0
      }
    case .isIn(let id, let literals):
      guard let value = row[id] else { return nil }
      return literals.contains { positiveZero($0) == positiveZero(value) }
    case .startsWith(let id, let prefix):
      guard case .string(let text)? = row[id], case .string(let start) = prefix else { return nil }
      return Array(text.utf8).starts(with: Array(start.utf8))
    }
  }

  private static func positiveZero(_ literal: Literal) -> Literal { literal == .double(-0.0) ? .double(0.0) : literal }

  /// A file of rows of one partition, with metrics of which some are left out.
  private static func file(_ rows: [[Int: Literal]], _ generator: inout SeededNumbers) -> DataFile {
    let truncated = rows[0][1].flatMap { Transform.truncate(10).apply($0) }
    var file = DataFile(
      filePath: "f", specID: 0, partition: PartitionTuple([truncated, rows[0][2]]), recordCount: Int64(rows.count),
      fileSizeInBytes: 1)
    (file.valueCounts, file.nullValueCounts, file.nanValueCounts) = ([:], [:], [:])
    (file.lowerBounds, file.upperBounds) = ([:], [:])
    for id in 1...3 where Int.random(in: 0...4, using: &generator) > 0 {
      let values = rows.compactMap { $0[id] }
      let plain = values.filter { $0 != .double(.nan) }.sorted { Literal.compare($0, $1) < 0 }
      file.valueCounts?[id] = Int64(rows.count)
      file.nullValueCounts?[id] = Int64(rows.count - values.count)
      if Bool.random(using: &generator) { file.nanValueCounts?[id] = Int64(values.count - plain.count) }
      file.lowerBounds?[id] = plain.first?.binary
      file.upperBounds?[id] = plain.last?.binary
    }
    return file
  }

  @Test("No file, and no manifest, with a matching row is left out; many without one are")
  func inclusive() throws {
    let pruned = try Self.prunedFiles()
    #expect(pruned > 1000, "\(pruned) files were left out")
  }

  private static func prunedFiles() throws -> Int {
    var pruned = 0
    for seed in UInt64(0)..<3000 {
      var generator = SeededNumbers(seed: seed)
      let partition = (i: value(1, &generator), d: value(2, &generator))
      let isNull = (i: seed % 7 == 0, d: seed % 5 == 0)
      var rows: [[Int: Literal]] = []
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        var row: [Int: Literal] = [:]
        if !isNull.i { row[1] = partition.i }
        if !isNull.d { row[2] = partition.d }
        if Bool.random(using: &generator) { row[3] = value(3, &generator) }
        rows.append(row)
      }
      let file = file(rows, &generator)
      let predicate = predicate(3, &generator)
      let evaluator = InclusiveMetricsEvaluator(predicate, specs: [0: spec], schemas: [schema])
      var writer = try ManifestWriter(
        formatVersion: 2, schema: schema, spec: spec, content: .data, snapshotID: 1, codec: .null)
      try writer.append(
        ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file))
      let manifest = try writer.finish(path: "m").manifest
      if rows.contains(where: { matches(predicate, $0) == true }) {
        #expect(evaluator.mayMatch(file), "seed \(seed): \(predicate), \(file)")
        #expect(evaluator.mayMatch(manifest), "seed \(seed): \(predicate), \(manifest)")
      } else if !evaluator.mayMatch(file) {
        pruned += 1
      }
    }
    return pruned
  }

  @Test("Cut bounds, missing metrics and unknown summaries never exclude")
  func unknown() {
    var file = DataFile(filePath: "f", specID: 9, partition: PartitionTuple(), recordCount: 3, fileSizeInBytes: 1)
    func mayMatch(_ predicate: Predicate) -> Bool {
      InclusiveMetricsEvaluator(predicate, specs: [0: Self.spec], schemas: [Self.schema]).mayMatch(file)
    }
    #expect(mayMatch(.compare(1, .greater, .long(5))))
    file.lowerBounds = [3: Array("abc".utf8), 1: [1, 2]]
    file.upperBounds = [3: Array("abd".utf8)]
    #expect(mayMatch(.compare(3, .equal, .string("abcz"))))
    #expect(mayMatch(.startsWith(3, .string("abcz"))))
    #expect(!mayMatch(.startsWith(3, .string("abe"))))
    #expect(mayMatch(.compare(1, .equal, .long(7))))
    var manifest = ManifestFile(
      manifestPath: "m", manifestLength: 1, specID: 0, content: .data, sequenceNumber: 1, minimumSequenceNumber: 1,
      addedSnapshotID: 1)
    let evaluator = InclusiveMetricsEvaluator(
      .compare(1, .equal, .long(7)), specs: [0: Self.spec], schemas: [Self.schema])
    #expect(evaluator.mayMatch(manifest))
    // No bounds and no nulls: some writer left the bounds out.
    let silent = PartitionFieldSummary(containsNull: false, containsNaN: nil, lowerBound: nil, upperBound: nil)
    manifest.partitions = [silent, silent]
    #expect(evaluator.mayMatch(manifest))
    manifest.partitions?[0].containsNull = true
    #expect(!evaluator.mayMatch(manifest))
  }
}
