import Columnar

/// 128 bits that stand for a row, or for its key: equal values have equal digests, different ones practically never.
///
/// It is no defence against somebody who builds rows with equal digests on purpose.
public struct RowDigest: Hashable, Sendable, Comparable {
  /// The first half.
  public var high: UInt64
  /// The second half.
  public var low: UInt64

  /// A digest of two halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Orders by the first half, then by the second.
  public static func < (left: RowDigest, right: RowDigest) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  /// Takes a value in.
  @inline(__always)
  mutating func mix(_ value: UInt64) {
    high = Self.fold(high ^ value, 0x9FB2_1C65_1E98_DF25)
    low = Self.fold(low &+ value, 0xE703_7ED1_A0B4_28DB) ^ value.byteSwapped
  }

  /// Both halves of the product, laid over one another.
  @inline(__always)
  private static func fold(_ value: UInt64, _ secret: UInt64) -> UInt64 {
    let product = (value ^ 0x8EBC_6AF0_9C88_C6E3).multipliedFullWidth(by: secret)
    return product.high ^ product.low &+ secret
  }

  mutating func mix(_ bytes: ArraySlice<UInt8>) {
    mix(UInt64(bytes.count) | 1 << 63)
    var word: UInt64 = 0
    var filled: UInt64 = 0
    for byte in bytes {
      word |= UInt64(byte) << (8 * filled)
      filled += 1
      if filled == 8 {
        mix(word)
        word = 0
        filled = 0
      }
    }
    if filled > 0 { mix(word) }
  }
}

/// Computes the digests of rows over some columns of a batch.
///
/// What PostgreSQL takes for equal is equal: a numeric's trailing zeros, and every NaN.
public struct RowDigester: Sendable {
  private let columns: [Int]
  private let salt: UInt64

  /// A digester over the columns at these positions.
  ///
  /// - Parameter salt: rows of different tables get different digests by it.
  public init(columns: [Int], salt: UInt64 = 0) {
    self.columns = columns
    self.salt = salt
  }

  /// The digest of every row.
  public func digests(_ batch: Batch) -> [RowDigest] {
    var start = RowDigest(high: 0x2D35_8DCC_AA6C_78A5, low: 0x8BB8_4B93_962E_ACC9)
    start.mix(salt)
    var digests = [RowDigest](repeating: start, count: batch.count)
    for column in columns { add(batch.columns[column], to: &digests) }
    return digests
  }

  private func add(_ column: Column, to digests: inout [RowDigest]) {
    let count = digests.count
    func forEachValue(_ body: (inout RowDigest, Int) -> Void) {
      for row in 0..<count {
        if column.isNull(row) { digests[row].mix(0x6E75_6C6C) } else { body(&digests[row], row) }
      }
    }
    switch column.storage {
    case .boolean(let values): forEachValue { $0.mix(values[$1] ? 3 : 2) }
    case .int64(let values): forEachValue { $0.mix(UInt64(bitPattern: values[$1])) }
    case .float64(let values): forEachValue { $0.mix(values[$1].isNaN ? Double.nan.bitPattern : values[$1].bitPattern) }
    case .numeric(let values): forEachValue { Self.mix(values[$1], &$0) }
    case .bytes(let values): forEachValue { $0.mix(values[$1]) }
    case .interval(let values):
      forEachValue { digest, row in
        digest.mix(UInt64(bitPattern: values[row].microseconds))
        digest.mix(UInt64(UInt32(bitPattern: values[row].days)) << 32 | UInt64(UInt32(bitPattern: values[row].months)))
      }
    case .uuid(let values):
      forEachValue { digest, row in
        digest.mix(values[row].high)
        digest.mix(values[row].low)
      }
    }
  }

  private static func mix(_ value: Numeric, _ digest: inout RowDigest) {
    guard value.scale != Numeric.nanScale else {
      digest.mix(0x4E61_4E)
      return
    }
    var unscaled = value.unscaled
    var scale = value.scale
    while scale > 0 {
      let (quotient, remainder) = unscaled.quotientAndRemainder(dividingBy: 10)
      guard remainder == 0 else { break }
      unscaled = quotient
      scale -= 1
    }
    digest.mix(UInt64(truncatingIfNeeded: unscaled))
    digest.mix(UInt64(truncatingIfNeeded: unscaled >> 64))
    digest.mix(UInt64(unscaled == 0 ? 0 : Int64(scale).magnitude))
  }
}
