import Columnar
import Foundation
import Parquet
import TestSupport
import TestTraits
import Testing

@Suite("Parquet reader, files of our writer", .fewAtOnce)
struct ReaderRoundTripTests {
  /// Random options that make many small pages and row groups.
  private func options(_ random: inout SeededNumbers, leaves: [ParquetLeaf]) -> ParquetWriterOptions {
    var options = ParquetWriterOptions()
    options.compression = [.none, .snappy, .gzip(level: 1), .zstd(level: 1)].randomElement(using: &random) ?? .none
    options.pageBytes = Int.random(in: 100...20_000, using: &random)
    options.pageRows = Int.random(in: 1...400, using: &random)
    options.rowGroupRows = Int.random(in: 100...2000, using: &random)
    options.dataPageVersion = Bool.random(using: &random) ? .v1 : .v2
    options.usesDictionary = Bool.random(using: &random)
    options.dictionaryBytes = Int.random(in: 10...5000, using: &random)
    options.encodings = ParquetWriterOptions.Encodings(rawValue: Int.random(in: 0...31, using: &random))
    for leaf in leaves where Bool.random(using: &random) && leaf.type != .boolean {
      options.bloomFilters[.path(leaf.path.joined(separator: "."))] = BloomFilterOptions()
    }
    return options
  }

  @Test("rows of any shape come back from our writer's files, whatever its options are")
  func roundTrips() throws {
    var random = SeededNumbers(seed: ReaderJudge.seed)
    let names = try ReaderJudge.names().filter {
      $0.hasPrefix("nested") || $0.hasPrefix("encoding") || $0.hasPrefix("uuid") || $0 == "duckdb-V2-zstd"
        || $0 == "runs-optional"
    }
    for name in names {
      let original = try ParquetFile(FileSource(path: ReaderJudge.path(name)))
      let projection = ParquetProjection.paths(
        original.metadata.schema.fields.filter { !hasReadOnlyLeaf($0) }.map { [$0.name] })
      let schema = original.schema(projection)
      if schema.fields.isEmpty { continue }
      let options = options(&random, leaves: schema.leaves)
      let output = MemoryOutput()
      let writer = try ParquetWriter(schema: schema, options: options, output: output)
      for group in original.metadata.rowGroups.indices {
        try writer.write(original.read(rowGroup: group, projection: projection))
      }
      _ = try writer.finish()
      let file = try ParquetFile(MemorySource(output.bytes))
      #expect(file.metadata.schema == schema, "\(name)")
      #expect(file.leaves == schema.leaves, "\(name)")
      let expected = try readRows(original, projection: projection)
      let rows = try readRows(file, batchRows: Int.random(in: 1...500, using: &random))
      let difference = zip(rows, expected).enumerated().first { $0.element.0 != $0.element.1 }
      #expect(
        rows.count == expected.count && difference == nil,
        "\(name), seed \(ReaderJudge.seed), \(options): row \(difference.map { "\($0)" } ?? "none")")
      try checkIndexes(file, name)
    }
  }

  private func hasReadOnlyLeaf(_ field: ParquetField) -> Bool {
    switch field.kind {
    case .leaf(.unsigned), .leaf(.int96): true
    case .leaf: false
    case .group(let fields): fields.contains(where: hasReadOnlyLeaf)
    case .list(let element): hasReadOnlyLeaf(element)
    case .map(let key, let value): hasReadOnlyLeaf(key) || hasReadOnlyLeaf(value)
    }
  }

  /// Every value of a flat column is within its page's bounds, and in the bloom filter.
  private func checkIndexes(_ file: ParquetFile, _ name: String) throws {
    for (leaf, info) in file.leaves.enumerated() where info.path.count == 1 {
      for group in file.metadata.rowGroups.indices {
        let bloom = try file.bloomFilter(rowGroup: group, leaf: leaf)
        for page in try file.pageBounds(rowGroup: group, leaf: leaf) ?? [] {
          var reader = try file.reader(
            rowGroup: group, projection: .paths([info.path]), batchRows: 1 << 20, rows: [page.rows])
          guard case .leaf(let column) = try reader.next()?.first else { continue }
          let nulls = (0..<column.count).filter { column.isNull($0) }.count
          #expect(page.bounds.nullCount == Int64(nulls), "\(name) \(info.path)")
          for row in 0..<column.count where !column.isNull(row) {
            let value = column.value(row)
            #expect(isWithin(value, page.bounds), "\(name) \(info.path) row \(row): \(value), \(page.bounds)")
            if let bloom, case .bytes(let bytes) = value { #expect(bloom.mayContain(bytes), "\(name) \(info.path)") }
          }
        }
      }
    }
  }
}

/// Whether bounds allow for a value.
func isWithin(_ value: Value, _ bounds: LeafBounds) -> Bool {
  switch (value, bounds.minimum, bounds.maximum) {
  case (.int64(let value), .int64(let lower), .int64(let upper)): lower <= value && value <= upper
  case (.float64(let value), .float64(let lower), .float64(let upper)):
    value.isNaN || (lower <= value && value <= upper)
  case (.numeric(let value), .numeric(let lower), .numeric(let upper)):
    lower.unscaled <= value.unscaled && value.unscaled <= upper.unscaled
  case (.bytes(let value), .bytes(let lower), .bytes(let upper)):
    !value.lexicographicallyPrecedes(lower) && !upper.lexicographicallyPrecedes(value)
  case (.boolean(let value), .boolean(let lower), .boolean(let upper)): (value || !lower) && (upper || !value)
  case (.uuid(let value), .uuid(let lower), .uuid(let upper)):
    (lower.high, lower.low) <= (value.high, value.low) && (value.high, value.low) <= (upper.high, upper.low)
  case (_, nil, _), (_, _, nil): true
  default: false
  }
}
