/// The 64-bit xxHash with seed 0, which Parquet's bloom filters use (xxHash specification, "XXH64").
package enum XXHash64 {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  @inline(__always)
  private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value &<< bits | value &>> (64 &- bits) }

  @inline(__always)
  private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
    rotate(lane &+ input &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func avalanche(_ hash: UInt64) -> UInt64 {
    var hash = hash
    hash ^= hash &>> 33
    hash = hash &* prime2
    hash ^= hash &>> 29
    hash = hash &* prime3
    return hash ^ (hash &>> 32)
  }

  @inline(__always)
  private static func mix8(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    rotate(hash ^ round(0, word), 27) &* prime1 &+ prime4
  }

  @inline(__always)
  private static func mix4(_ hash: UInt64, _ word: UInt32) -> UInt64 {
    rotate(hash ^ UInt64(word) &* prime1, 23) &* prime2 &+ prime3
  }

  /// The hash of the eight bytes of `word`, little-endian.
  package static func hash(_ word: UInt64) -> UInt64 { avalanche(mix8(prime5 &+ 8, word)) }

  /// The hash of the four bytes of `word`, little-endian.
  package static func hash(_ word: UInt32) -> UInt64 { avalanche(mix4(prime5 &+ 4, word)) }

  /// The hash of `bytes`.
  package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let count = bytes.count
    var offset = 0
    var hash: UInt64
    func word(_ position: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
    if count >= 32 {
      var lanes = (prime1 &+ prime2, prime2, UInt64(0), 0 &- prime1)
      while offset &+ 32 <= count {
        lanes.0 = round(lanes.0, word(offset))
        lanes.1 = round(lanes.1, word(offset &+ 8))
        lanes.2 = round(lanes.2, word(offset &+ 16))
        lanes.3 = round(lanes.3, word(offset &+ 24))
        offset &+= 32
      }
      hash = rotate(lanes.0, 1) &+ rotate(lanes.1, 7) &+ rotate(lanes.2, 12) &+ rotate(lanes.3, 18)
      hash = (hash ^ round(0, lanes.0)) &* prime1 &+ prime4
      hash = (hash ^ round(0, lanes.1)) &* prime1 &+ prime4
      hash = (hash ^ round(0, lanes.2)) &* prime1 &+ prime4
      hash = (hash ^ round(0, lanes.3)) &* prime1 &+ prime4
    } else {
      hash = prime5
    }
    hash = hash &+ UInt64(count)
    while offset &+ 8 <= count {
      hash = mix8(hash, word(offset))
      offset &+= 8
    }
    if offset &+ 4 <= count {
      hash = mix4(hash, UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      offset &+= 4
    }
    while offset < count {
      hash = rotate(hash ^ UInt64(bytes[offset]) &* prime5, 11) &* prime1
      offset &+= 1
    }
    return avalanche(hash)
  }
}
