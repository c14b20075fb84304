import Foundation
import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite(.fewAtOnce) struct DeleteVectorTests {
  private static func bytes(_ base64: String) throws -> [UInt8] { Array(try #require(Data(base64Encoded: base64))) }

  /// Sets of all shapes: sparse, dense, with runs, beyond 32 bits.
  static func positions(_ generator: inout SeededNumbers) -> [Int64] {
    var result: Set<Int64> = []
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
      let base = Int64.random(in: 0...(1 << Int64.random(in: 1...46, using: &generator)), using: &generator)
      switch Int.random(in: 0...2, using: &generator) {
      case 0: for index in 0..<Int64.random(in: 1...9000, using: &generator) { result.insert(base + index) }
      case 1: for _ in 0..<6000 { result.insert(base + Int64.random(in: 0...70000, using: &generator)) }
      default: for index in 0..<Int64(5000) { result.insert(base + index * 2) }
      }
    }
    return result.sorted()
  }

  @Test("The vectors of Iceberg's own tests are read, and written to the same positions")
  func knownVectors() throws {
    let small = try Self.bytes("AAAAKtHTOWQBAAAAAAAAAAAAAAA6MAAAAQAAAAAABAAQAAAAAQADAAUABwAJALP7IL4=")
    #expect(try DeletionVector.decode(small, source: "t").positions == [1, 3, 5, 7, 9])
    #expect(DeletionVector.encode(PositionSet([1, 3, 5, 7, 9])) == small)
    let large = try Self.bytes("AAAAMNHTOWQBAAAAAAAAAAAAAAA6MAAAAgAAAAAAAQAAgAEAGAAAABwAAABkAGUAYwBkABXrHHw=")
    let expected: [Int64] = [100, 101, 2_147_483_747, 2_147_483_748]
    #expect(try DeletionVector.decode(large, source: "t").positions == expected)
    let empty = try Self.bytes("AAAADNHTOWQAAAAAAAAAAL8YSAw=")
    #expect(try DeletionVector.decode(empty, source: "t").isEmpty)
    #expect(DeletionVector.encode(PositionSet()) == empty)
    let all = try Self.bytes(
      "AAAAVtHTOWQCAAAAAAAAAAAAAAA7MAIABgAAAQABAOYDAgD9/wUABwABAAEA5gMBAAEA/f8BAAAAOzACAAYAAAEAAQDpAQIA/f8KABQAAQAKAOkBAQABAP3/"
        + "yJvjlw==")
    let set = try DeletionVector.decode(all, source: "t")
    #expect(set.contains(5) && set.contains(7) && !set.contains(6) && set.contains(1 << 32 | 20))
    #expect(try DeletionVector.decode(DeletionVector.encode(set), source: "t") == set)
  }

  @Test("A set holds what a Swift set holds; its vector gives it back")
  func model() throws {
    for seed in UInt64(1)...25 {
      var generator = SeededNumbers(seed: seed)
      let values = Self.positions(&generator)
      let set = PositionSet(values.shuffled(using: &generator))
      #expect(set.positions == values && set.count == Int64(values.count), "seed \(seed)")
      let decoded = try DeletionVector.decode(DeletionVector.encode(set), source: "t", cardinality: set.count)
      #expect(decoded == set && decoded.hashValue == set.hashValue, "seed \(seed)")
      let others = Self.positions(&generator)
      var union = decoded
      union.formUnion(PositionSet(others))
      let expected = Set(values).union(others)
      #expect(union.positions == expected.sorted(), "seed \(seed)")
      let members = Set(values)
      for probe in values.prefix(50) + others.prefix(50) { #expect(set.contains(probe) == members.contains(probe)) }
      let middle = values.isEmpty ? 0 : values[values.count / 2]
      var part: [Int64] = []
      union.forEach(in: middle..<middle + 3000) { part.append($0) }
      #expect(part == expected.filter { (middle..<middle + 3000).contains($0) }.sorted(), "seed \(seed)")
      var ranged = decoded
      ranged.insert(contentsOf: middle..<middle + 200_000)
      ranged.insert(-1)
      #expect(ranged.count == Int64(Set(values).union(middle..<middle + 200_000).count), "seed \(seed)")
    }
  }

  @Test("Damaged vectors are errors or refused by their checksum, and never end the process")
  func fuzz() throws {
    var generator = SeededNumbers(seed: 77)
    for _ in 0..<200 {
      let blob = DeletionVector.encode(PositionSet(Self.positions(&generator)))
      var damaged = blob
      damaged[Int.random(in: 0..<damaged.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
      let bytes = damaged
      #expect(throws: IcebergError.self) { try DeletionVector.decode(bytes, source: "t") }
      let cut = Array(blob.prefix(Int.random(in: 0..<blob.count, using: &generator)))
      #expect(throws: IcebergError.self) { try DeletionVector.decode(cut, source: "t") }
    }
  }

  @Test("Damaged bitmaps under a right checksum are errors or other positions, and never end the process")
  func fuzzedBitmaps() throws {
    var generator = SeededNumbers(seed: 78)
    for _ in 0..<2000 {
      var body = Array(DeletionVector.encode(PositionSet([1, 2, 3, 9, 70000, 1 << 34])).dropFirst(4).dropLast(4))
      for _ in 0..<3 {
        body[Int.random(in: 4..<body.count, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
      }
      let blob = Self.framed(body)
      do { _ = try DeletionVector.decode(blob, source: "t").count } catch { #expect(error.kind == .corrupt) }
    }
  }

  private static func framed(_ body: [UInt8]) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in body {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    crc = ~crc
    func big(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    return big(UInt32(body.count)) + body + big(crc)
  }

  @Test("pyroaring reads our bitmaps, and we read those of pyroaring, with and without runs")
  func pyroaring() throws {
    try ManifestJudge.withDirectory { directory in
      var generator = SeededNumbers(seed: 4)
      let values = Self.positions(&generator) + [1 << 50]
      let bitmap = Array(DeletionVector.encode(PositionSet(values)).dropFirst(8).dropLast(4))
      try ManifestJudge.write(bitmap, "\(directory)/ours.bin")
      let answer = try ManifestJudge.run(["roaring", "\(directory)/ours.bin"])
      let areSame = answer.arrayValue?.compactMap(\.integerValue) == values
      #expect(areSame)
      let files = try ManifestJudge.run(["roaring-write", directory]).arrayValue ?? []
      #expect(files.count == 14)
      for file in files {
        let bytes = try ManifestJudge.read(try file.string("file"))
        let set = try DeletionVector.decode(Self.framed([0xD1, 0xD3, 0x39, 0x64] + bytes), source: "t")
        let isRead = try set.positions == file.array("positions").compactMap(\.integerValue)
        #expect(isRead)
      }
    }
  }

  @Test("The empty Puffin file of the specification's samples is read")
  func emptyPuffin() throws {
    let empty = try PuffinFile.read(try Self.bytes("UEZBMVBGQTF7ImJsb2JzIjpbXX0MAAAAAAAAAFBGQTE="), path: "p")
    #expect(empty.blobs.isEmpty)
  }

  @Test("Blobs and footers of Puffin files that PyArrow compressed are read; damage never ends the process")
  func compressedPuffin() throws {
    try ManifestJudge.withDirectory { directory in
      let files = try ManifestJudge.run(["puffin-write", directory]).arrayValue ?? []
      #expect(files.count == 4)
      var generator = SeededNumbers(seed: 9)
      for item in files {
        let bytes = try ManifestJudge.read(try item.string("file"))
        let expected = try item.array("blobs").compactMap(\.stringValue)
        let file = try PuffinFile.read(bytes, path: "p")
        #expect(file.blobs.map(\.compressionCodec) == [nil, "lz4", "zstd"])
        #expect(file.properties == ["created-by": "judge"])
        for (blob, text) in zip(file.blobs, expected) {
          #expect(try PuffinFile.content(of: blob, in: bytes, path: "p") == Array(text.utf8))
        }
        for _ in 0..<(bytes.count < 5000 ? 300 : 5) {
          var damaged = bytes
          damaged[Int.random(in: 0..<damaged.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
          guard let read = try? PuffinFile.read(damaged, path: "p") else { continue }
          for blob in read.blobs { _ = try? PuffinFile.content(of: blob, in: damaged, path: "p") }
        }
      }
    }
  }

  @Test("Deletion vectors are found in the Puffin file at the offsets that the writer gave")
  func puffin() throws {
    var writer = PuffinWriter(createdBy: "test")
    let first = try writer.appendDeletionVector(PositionSet([1, 5]), referencedDataFile: "s3://b/1.parquet")
    let second = try writer.appendDeletionVector(PositionSet([7, 1 << 33]), referencedDataFile: "s3://b/2.parquet")
    let bytes = writer.finish()
    let file = try PuffinFile.read(bytes, path: "p")
    #expect(file.blobs == [first, second] && file.properties == ["created-by": "test"])
    #expect(second.fields == [2_147_483_645] && second.snapshotID == -1 && second.sequenceNumber == -1)
    #expect(second.properties == ["referenced-data-file": "s3://b/2.parquet", "cardinality": "2"])
    let content = try PuffinFile.content(of: second, in: bytes, path: "p")
    #expect(try DeletionVector.decode(content, source: "p", cardinality: 2).positions == [7, 1 << 33])
    var generator = SeededNumbers(seed: 1)
    for _ in 0..<500 {
      var damaged = bytes
      damaged[Int.random(in: 0..<damaged.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
      if let read = try? PuffinFile.read(damaged, path: "p") {
        for blob in read.blobs { _ = try? PuffinFile.content(of: blob, in: damaged, path: "p") }
      }
    }
  }
}
