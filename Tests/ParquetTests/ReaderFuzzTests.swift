import Foundation
import Parquet
import TestSupport
import TestTraits
import Testing

@Suite("Parquet reader, damaged files", .fewAtOnce)
struct ReaderFuzzTests {
  private static let names = [
    "encoding-byte_stream_split-True-1", "encoding-delta_binary_packed-True-2", "encoding-delta_byte_array-False-1",
    "encoding-delta_length_byte_array-True-2", "encoding-rle-True-1", "flat-optional-none-1", "flat-required-lz4-2",
    "flat-optional-snappy-2", "flat-required-gzip-1", "int96", "nested-0", "nested-1", "nested-2", "nested-3", "uuid"
  ]

  /// Reads everything that a file has; only errors of the format may come out.
  private func exercise(_ bytes: [UInt8]) -> Bool {
    var limits = ParquetLimits()
    limits.pageBytes = 1 << 22
    limits.batchValues = 1 << 20
    limits.rowGroupRows = 1 << 16
    do throws(ParquetError) {
      let file = try ParquetFile(MemorySource(bytes), limits: limits)
      for group in file.metadata.rowGroups.indices.prefix(3) {
        for leaf in file.leaves.indices {
          _ = try file.bounds(rowGroup: group, leaf: leaf)
          do throws(ParquetError) { _ = try file.pageBounds(rowGroup: group, leaf: leaf) } catch {}
          do throws(ParquetError) { _ = try file.bloomFilter(rowGroup: group, leaf: leaf) } catch {}
        }
        do throws(ParquetError) {
          var part = try file.reader(rowGroup: group, rows: [3..<5, 20..<30])
          while try part.next() != nil {}
        } catch {}
        var reader = try file.reader(rowGroup: group, batchRows: 100)
        var batches = 0
        while batches < 100, try reader.next() != nil { batches += 1 }
      }
      return true
    } catch {
      return false
    }
  }

  @Test("files with changed bytes give rows or an error, never a crash")
  func survivesChangedBytes() throws {
    var failures = 0
    let files = try Self.names.map { try ReaderJudge.bytes($0) }
    for (name, original) in zip(Self.names, files) { #expect(exercise(original), "\(name)") }
    for seed in ReaderJudge.seed..<ReaderJudge.seed + 4000 {
      var random = SeededNumbers(seed: seed)
      var bytes = files[Int.random(in: files.indices, using: &random)]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        // Half of the changes hit the footer and the indexes.
        let lower = Bool.random(using: &random) ? max(0, bytes.count - 4000) : 0
        let place = Int.random(in: lower..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] = 0xff
        case 2: bytes[place] = 0
        default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
      }
      if !exercise(bytes) { failures += 1 }
    }
    // Most changes break something that a reader must notice.
    #expect(failures > 500, "seed \(ReaderJudge.seed)")
  }

  @Test("files that end early, or lack a part, give an error")
  func survivesTruncation() throws {
    for name in Self.names {
      let bytes = try ReaderJudge.bytes(name)
      var random = SeededNumbers(seed: ReaderJudge.seed)
      for _ in 0..<40 {
        let end = Int.random(in: 0..<bytes.count, using: &random)
        #expect(!exercise(Array(bytes[..<end])), "\(name) cut at \(end)")
        let start = Int.random(in: 0..<end + 1, using: &random)
        _ = exercise(Array(bytes[..<start] + bytes[end...]))
      }
    }
  }
}
