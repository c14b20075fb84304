/// A fast 64-bit checksum against torn and mixed-up files; not against intent.
///
/// The result does not depend on how the bytes are cut into pieces.
package struct SpillChecksum: Sendable {
  private var state: UInt64 = 0x9e37_79b9_7f4a_7c15
  private var pending: UInt64 = 0
  private var pendingBytes = 0
  private var length: UInt64 = 0

  package init() {}

  /// Takes in `bytes`.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var position = 0
    while pendingBytes != 0 && position < bytes.count { take(bytes[position], &position) }
    while position + 8 <= bytes.count {
      mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
      position += 8
    }
    while position < bytes.count { take(bytes[position], &position) }
  }

  /// The checksum of everything taken in.
  package var value: UInt64 {
    var copy = self
    copy.mix(pending)
    copy.mix(length)
    return copy.state ^ (copy.state >> 32)
  }

  private mutating func take(_ byte: UInt8, _ position: inout Int) {
    pending |= UInt64(byte) << UInt64(8 * pendingBytes)
    pendingBytes += 1
    position += 1
    if pendingBytes == 8 {
      mix(pending)
      pending = 0
      pendingBytes = 0
    }
  }

  private mutating func mix(_ word: UInt64) {
    let product = (state ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
    state = product.high ^ product.low ^ word.byteSwapped
  }
}
