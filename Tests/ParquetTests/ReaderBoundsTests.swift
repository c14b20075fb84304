import Columnar
import Foundation
import Parquet
import TestTraits
import Testing

@Suite("Parquet reader, bounds and skipping", .fewAtOnce)
struct ReaderBoundsTests {
  @Test("all values of PyArrow's files are within the bounds of their row groups and pages")
  func boundsHold() throws {
    var checked = 0
    for name in ["flat-optional-snappy-1", "flat-required-zstd-2", "integers-optional", "duckdb-V1-zstd", "uuid"] {
      let file = try ParquetFile(FileSource(path: ReaderJudge.path(name)))
      for (leaf, info) in file.leaves.enumerated() where info.path.count == 1 {
        for group in file.metadata.rowGroups.indices {
          let whole = try file.bounds(rowGroup: group, leaf: leaf)
          let pages = try file.pageBounds(rowGroup: group, leaf: leaf) ?? []
          guard case .leaf(let column) = try file.read(rowGroup: group, projection: .paths([info.path])).first else {
            continue
          }
          for (rows, bounds) in pages + [(0..<Int64(column.count), whole)] {
            if bounds.minimum != nil { checked += 1 }
            let nulls = rows.filter { column.isNull(Int($0)) }.count
            #expect(bounds.nullCount == nil || bounds.nullCount == Int64(nulls), "\(name) \(info.path)")
            for row in rows where !column.isNull(Int(row)) {
              #expect(isWithinUnsigned(column.value(Int(row)), bounds, info.type), "\(name) \(info.path) \(row)")
            }
          }
        }
      }
    }
    #expect(checked > 200)
  }

  private func isWithinUnsigned(_ value: Value, _ bounds: LeafBounds, _ type: LeafType) -> Bool {
    guard case .unsigned = type, case .int64(let value) = value, case .int64(let lower) = bounds.minimum,
      case .int64(let upper) = bounds.maximum
    else { return isWithin(value, bounds) }
    let bits = UInt64(bitPattern: value)
    return UInt64(bitPattern: lower) <= bits && bits <= UInt64(bitPattern: upper)
  }

  /// A file with ascending numbers, in small pages and three row groups.
  private func ascending() throws -> [UInt8] {
    var options = ParquetWriterOptions()
    options.pageRows = 100
    options.rowGroupRows = 1000
    options.bloomFilters[.path("text")] = BloomFilterOptions()
    let output = MemoryOutput()
    let schema = ParquetSchema([
      ParquetField("number", .leaf(.int64), isRequired: true), ParquetField("text", .leaf(.string), isRequired: true)
    ])
    let writer = try ParquetWriter(schema: schema, options: options, output: output)
    var texts = ByteValues()
    for number in 0..<3000 { texts.append(contentsOf: Array("text \(number)".utf8)) }
    try writer.write([
      .leaf(Column(.bigint, .int64(Array(0..<3000)))), .leaf(Column(.text, .bytes(texts)))
    ])
    _ = try writer.finish()
    return output.bytes
  }

  private func contains(_ wanted: Int64) -> (LeafBounds) -> Bool {
    { bounds in
      guard case .int64(let lower) = bounds.minimum, case .int64(let upper) = bounds.maximum else { return true }
      return lower <= wanted && wanted <= upper
    }
  }

  @Test("row groups and pages that cannot have a value are skipped, and their bytes are not read")
  func skips() throws {
    let source = RecordingSource(try ascending())
    let file = try ParquetFile(source)
    #expect(try file.rowGroups(where: [0: contains(1250)]) == [1])
    #expect(try file.rowGroups(where: [0: contains(5000)]) == [])
    let rows = try file.rows(rowGroup: 1, where: [0: contains(1250)])
    #expect(rows == [200..<300])
    source.clear()
    var reader = try file.reader(
      rowGroup: 1, projection: .paths([["text"]]), rows: [rows[0].lowerBound + 50..<rows[0].lowerBound + 51])
    guard case .leaf(let column) = try reader.next()?.first else {
      Issue.record("no rows")
      return
    }
    #expect(column.value(0) == .text("text 1250"))
    #expect(try reader.next() == nil)
    let index = try #require(try file.offsetIndex(rowGroup: 1, leaf: 1))
    #expect(!source.ranges.contains { $0.contains(index.pages[1].offset) })
  }

  @Test("a bloom filter has every value of its column chunk, and few others")
  func bloomFilter() throws {
    let file = try ParquetFile(MemorySource(ascending()))
    let filter = try #require(try file.bloomFilter(rowGroup: 1, leaf: 1))
    for number in 1000..<2000 { #expect(filter.mayContain(Array("text \(number)".utf8))) }
    let others = (2000..<12_000).filter { filter.mayContain(Array("text \($0)".utf8)) }
    #expect(others.count < 500)
    #expect(try file.bloomFilter(rowGroup: 1, leaf: 0) == nil)
  }
}

/// Remembers what was read.
final class RecordingSource: ByteSource {
  private let source: MemorySource
  private let recorded = Recorded()

  private final class Recorded: @unchecked Sendable {
    // Guarded by the lock.
    var ranges: [Range<Int64>] = []
    let lock = NSLock()
  }

  init(_ bytes: [UInt8]) { source = MemorySource(bytes) }

  var size: Int64 { source.size }
  var ranges: [Range<Int64>] { recorded.lock.withLock { recorded.ranges } }
  func clear() { recorded.lock.withLock { recorded.ranges = [] } }

  func read(_ range: Range<Int64>) throws(ParquetError) -> [UInt8] {
    recorded.lock.withLock { recorded.ranges.append(range) }
    return try source.read(range)
  }
}
