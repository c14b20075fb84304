import Formats
import TestTraits
import Testing

@Suite("Zstandard frames", .fewAtOnce)
struct ZstandardTests {
  @Test("what is compressed comes back", arguments: [0, 1, 100_000])
  func roundTrips(count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let frame = try Zstandard.compress(bytes, level: 3)
    #expect(try Zstandard.decompress(frame, maximumSize: count) == bytes)
  }

  @Test("more content than allowed, cut frames, bytes behind a frame and other bytes are refused")
  func refuses() throws {
    let frame = try Zstandard.compress([UInt8](repeating: 7, count: 1_000))
    #expect(throws: FormatError.self) { try Zstandard.decompress(frame, maximumSize: 999) }
    #expect(throws: FormatError.self) { try Zstandard.decompress(frame + [0], maximumSize: 1_000) }
    #expect(throws: FormatError.self) { try Zstandard.decompress([], maximumSize: 1_000) }
    #expect(throws: FormatError.self) { try Zstandard.decompress([1, 2, 3, 4, 5, 6, 7, 8, 9], maximumSize: 1_000) }
    for count in 0..<frame.count {
      #expect(throws: FormatError.self) { try Zstandard.decompress(Array(frame[..<count]), maximumSize: 1_000) }
    }
  }

  @Test("a changed byte of the content is found by the checksum")
  func checks() throws {
    let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: ($0 &* $0) >> 3) }
    let frame = try Zstandard.compress(bytes)
    for index in frame.indices {
      var changed = frame
      changed[index] ^= 0x10
      if let content = try? Zstandard.decompress(changed, maximumSize: 1_000) { #expect(content == bytes) }
    }
  }
}
