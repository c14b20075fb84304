import Columnar
import Foundation
import Parquet
import TestSupport
import TestTraits
import Testing

@Suite("Parquet reader", .fewAtOnce)
struct ReaderTests {
  @Test("every file of PyArrow and DuckDB gives the rows that they put into it, whole and in batches")
  func readsFilesOfOthers() throws {
    let names = try ReaderJudge.names()
    #expect(names.count > 80)
    for name in names {
      let expected = try ReaderJudge.rows(name)
      let file = try ParquetFile(FileSource(path: ReaderJudge.path(name)))
      #expect(file.metadata.rowCount == expected.count, "\(name)")
      do {
        for batchRows in [1 << 20, 37] {
          let rows = try readRows(file, batchRows: batchRows)
          let difference = zip(rows, expected).enumerated().first { $0.element.0 != $0.element.1 }
          #expect(
            rows.count == expected.count && difference == nil,
            "\(name), seed \(ReaderJudge.seed), row \(difference?.offset ?? -1): \(difference.map { "\($0.element)" } ?? "")"
          )
        }
      } catch {
        Issue.record("\(name), seed \(ReaderJudge.seed): \(error)")
      }
    }
  }

  @Test("a projection gives the same values as reading everything, and reads no other chunk")
  func projects() throws {
    let bytes = try ReaderJudge.bytes("duckdb-V1-snappy")
    let file = try ParquetFile(MemorySource(bytes))
    let everything = try file.read(rowGroup: 0)
    let projection = ParquetProjection.paths([["struct", "b", "element", "d"], ["list"], ["i"]])
    let ranges = try file.byteRanges(rowGroup: 0, leaves: file.leafIndices(projection), maximumGap: 0)
    let fetched = FetchedSource(
      size: Int64(bytes.count),
      parts: ranges.map { ($0.lowerBound, Array(bytes[Int($0.lowerBound)..<Int($0.upperBound)])) })
    let some = try file.read(rowGroup: 0, projection: projection, from: fetched)
    #expect(file.schema(projection).fields.map(\.name) == ["i", "list", "struct"])
    let names = file.metadata.schema.fields.map(\.name)
    #expect(some[0] == everything[try #require(names.firstIndex(of: "i"))])
    #expect(some[1] == everything[try #require(names.firstIndex(of: "list"))])
    guard case .group(_, let validity, let fields) = some[2],
      case .group(_, let allValidity, let all) = everything[try #require(names.firstIndex(of: "struct"))],
      case .list(let offsets, _, .group(_, _, let kept)) = fields[0],
      case .list(let allOffsets, _, .group(_, _, let allKept)) = all[1]
    else {
      Issue.record("the struct has another shape: \(file.schema(projection))")
      return
    }
    #expect(validity == allValidity && offsets == allOffsets && kept == [allKept[1]])
    let error = #expect(throws: ParquetError.self) { try file.read(rowGroup: 0, from: fetched) }
    #expect(error?.kind == .invalid)
  }

  @Test("row ranges give the rows that they name, with page skipping and without")
  func readsRanges() throws {
    var random = SeededNumbers(seed: ReaderJudge.seed)
    for name in ["flat-optional-snappy-1", "flat-required-zstd-2", "nested-3", "nested-8", "duckdb-V2-zstd"] {
      let source = MemorySource(try ReaderJudge.bytes(name))
      let file = try ParquetFile(source)
      let all = try file.read(rowGroup: 0)
      let count = file.metadata.rowGroups[0].rowCount
      let expected = rowTexts(all, count: Int(count))
      for _ in 0..<10 {
        let cuts = (0..<6).map { _ in Int64.random(in: 0...count, using: &random) }.sorted()
        let ranges = [cuts[0]..<cuts[1], cuts[2]..<cuts[3], cuts[4]..<cuts[5]]
        var reader = try file.reader(rowGroup: 0, batchRows: 50, rows: ranges)
        var rows: [String] = []
        var numbers: [Int64] = []
        while let columns = try reader.next() {
          rows += rowTexts(columns, count: reader.lastRowCount)
          numbers += reader.firstRow..<reader.firstRow + Int64(reader.lastRowCount)
        }
        let wanted = ranges.flatMap { Array($0) }
        #expect(numbers == wanted)
        #expect(rows == wanted.map { expected[Int($0)] }, "\(name), seed \(ReaderJudge.seed), rows \(ranges)")
      }
    }
  }

  @Test("a changed byte of a page with a checksum is reported with its column, row group and page")
  func verifiesChecksums() throws {
    var bytes = try ReaderJudge.bytes("flat-required-none-1")
    let file = try ParquetFile(MemorySource(bytes))
    let chunk = file.metadata.rowGroups[1].columns[4]
    bytes[Int(chunk.startOffset + chunk.compressedBytes) - 1] ^= 0x10
    let damaged = try ParquetFile(MemorySource(bytes))
    let error = #expect(throws: ParquetError.self) { try damaged.read(rowGroup: 1) }
    #expect(error?.kind == .corrupt)
    for part in ["checksum", "column c4", "row group 1", "page at byte"] {
      #expect(error?.message.contains(part) == true, "\(error?.message ?? "no error")")
    }
  }

  @Test("the footer can be fetched apart, and then only the chunks that are wanted")
  func opensFromFooter() throws {
    let bytes = try ReaderJudge.bytes("flat-optional-zstd-2")
    let size = Int64(bytes.count)
    let range = try ParquetFile.footerRange(fileSize: size, tail: Array(bytes.suffix(8)))
    let file = try ParquetFile(
      footerBytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]), fileSize: size)
    let whole = try ParquetFile(MemorySource(bytes))
    #expect(file.metadata == whole.metadata && file.leaves == whole.leaves)
    #expect(throws: ParquetError.self) { try file.read(rowGroup: 0) }
    let count = Int(file.metadata.rowGroups[0].rowCount)
    let rows = rowTexts(try file.read(rowGroup: 0, from: MemorySource(bytes)), count: count)
    #expect(rows == rowTexts(try whole.read(rowGroup: 0), count: count))
  }
}
