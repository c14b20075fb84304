import Columnar

/// The common forms of values, read without a call. Each returns `nil` for any other form, which is not an error:
/// ``UnsafeMutablePointer/readUncommonValue(_:_:_:_:)`` starts again at the value and has the last word.
extension UnsafeMutablePointer where Pointee == DecoderState {
  /// A string without escapes, copied into the arena.
  @inline(__always)
  func readPlainText(_ start: Bytes, _ end: Bytes, _ column: UnsafeMutablePointer<RawColumn>, _ row: Int) -> Bytes? {
    guard start < end, start.pointee == 0x22 else { return nil }
    let text = start + 1
    guard let (close, hasHighBytes) = plainEnd(text, end) else { return nil }
    let count = close - text
    if _slowPath(hasHighBytes), !isUTF8(text, count) { return nil }
    let position = column.pointee.byteCount
    if _slowPath(position &+ count &+ 16 > column.pointee.byteCapacity) { column.pointee.growBytes(count) }
    let target = UnsafeMutableRawPointer(column.pointee.bytes + position)
    if _fastPath(count <= 16 && end - text >= 16) {
      // Copying 16 bytes always is cheaper than a copy of a length that varies; both sides have room.
      target.storeBytes(of: UnsafeRawPointer(text).loadUnaligned(as: SIMD2<UInt64>.self), as: SIMD2<UInt64>.self)
    } else {
      target.copyMemory(from: text, byteCount: count)
    }
    column.pointee.byteCount = position &+ count
    column.pointee.ends[row &+ 1] = Int32(truncatingIfNeeded: position &+ count)
    return close + 1
  }

  /// Passes over a string of ASCII without escapes, or a number without an exponent.
  @inline(__always)
  func skipPlain(_ start: Bytes, _ end: Bytes) -> Bytes? {
    guard start < end else { return nil }
    if start.pointee == 0x22 {
      guard let (close, hasHighBytes) = plainEnd(start + 1, end), !hasHighBytes else { return nil }
      return close + 1
    }
    let whole = start.pointee == 0x2d ? start + 1 : start
    var position = skipDigits(whole, end)
    let count = position - whole
    guard count > 0, count == 1 || whole.pointee != 0x30, position < end else { return nil }
    if position.pointee == 0x2e {
      let fraction = position + 1
      position = skipDigits(fraction, end)
      guard position > fraction, position < end else { return nil }
    }
    return position.pointee | 0x20 == 0x65 ? nil : position
  }

  @inline(__always)
  private func skipDigits(_ start: Bytes, _ end: Bytes) -> Bytes {
    var position = start
    while position < end, isASCIIDigit(position.pointee) { position += 1 }
    return position
  }

  /// The closing quote of a string without escapes and control characters, and whether it has bytes beyond ASCII.
  @inline(__always)
  func plainEnd(_ start: Bytes, _ end: Bytes) -> (Bytes, Bool)? {
    var position = start
    var high: UInt64 = 0
    while end - position >= 8 {
      let word = loadWord(position)
      let quote = word ^ 0x2222_2222_2222_2222
      let backslash = word ^ 0x5c5c_5c5c_5c5c_5c5c
      let ones: UInt64 = 0x0101_0101_0101_0101
      // The top bit of each byte that is a quote, a backslash or a control character; exact for the first such byte.
      let hits =
        (((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((word &- (ones &* 0x20)) & ~word))
        & (ones &* 0x80)
      if hits == 0 {
        high |= word
        position += 8
        continue
      }
      let skipped = hits.trailingZeroBitCount >> 3
      if skipped > 0 { high |= word &<< UInt64(64 &- skipped &* 8) }
      position += skipped
      return position.pointee == 0x22 ? (position, high & (ones &* 0x80) != 0) : nil
    }
    while position < end {
      let byte = position.pointee
      if byte == 0x22 { return (position, high & 0x8080_8080_8080_8080 != 0) }
      if byte == 0x5c || byte < 0x20 { return nil }
      high |= UInt64(byte)
      position += 1
    }
    return nil
  }

  /// An integer of at most 18 digits.
  @inline(__always)
  func plainInteger(_ start: Bytes, _ end: Bytes) -> (Int64, Bytes)? {
    guard start < end else { return nil }
    let isNegative = start.pointee == 0x2d
    let digits = isNegative ? start + 1 : start
    var position = digits
    var magnitude: UInt64 = 0
    while end - position >= 8, let eight = eightDigits(loadWord(position)), position - digits <= 8 {
      magnitude = magnitude &* 100_000_000 &+ eight
      position += 8
    }
    while position < end {
      let digit = position.pointee &- 0x30
      if digit > 9 { break }
      magnitude = magnitude &* 10 &+ UInt64(digit)
      position += 1
    }
    let count = position - digits
    guard count > 0, count <= 18, position < end, count == 1 || digits.pointee != 0x30 else { return nil }
    guard position.pointee != 0x2e, position.pointee | 0x20 != 0x65 else { return nil }
    let value = Int64(truncatingIfNeeded: magnitude)
    return (isNegative ? 0 &- value : value, position)
  }

  /// A number whose digits and power of ten are both exact in a `Double`, so that one operation rounds once.
  @inline(__always)
  func plainDouble(_ start: Bytes, _ end: Bytes) -> (Double, Bytes)? {
    guard start < end else { return nil }
    let isNegative = start.pointee == 0x2d
    let whole = isNegative ? start + 1 : start
    var position = whole
    var mantissa: UInt64 = 0
    while position < end {
      let digit = position.pointee &- 0x30
      if digit > 9 { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      position += 1
    }
    var digits = position - whole
    guard digits > 0, digits == 1 || whole.pointee != 0x30 else { return nil }
    var fraction = 0
    if position < end, position.pointee == 0x2e {
      position += 1
      let first = position
      while position < end {
        let digit = position.pointee &- 0x30
        if digit > 9 { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        position += 1
      }
      fraction = position - first
      guard fraction > 0 else { return nil }
      digits &+= fraction
    }
    guard position < end, position.pointee | 0x20 != 0x65 else { return nil }
    guard digits <= 19, mantissa <= 1 << 53, fraction <= 22 else { return nil }
    let magnitude = Double(Int64(truncatingIfNeeded: mantissa)) / exactPower(fraction)
    return (isNegative ? -magnitude : magnitude, position)
  }

  /// A whole number of the table's unit, or `2026-01-08T14:30:00[.123456]Z`.
  @inline(__always)
  func plainTime(_ start: Bytes, _ end: Bytes) -> (Int64, Bytes)? {
    guard start < end else { return nil }
    if _slowPath(start.pointee == 0x22) { return plainISO8601(start + 1, end) }
    guard let (value, next) = plainInteger(start, end) else { return nil }
    switch pointee.timestampUnit {
    case .milliseconds:
      guard value.magnitude < 210_000_000_000_000 else { return nil }
      return (value &* 1_000, next)
    case .seconds:
      guard value.magnitude < 210_000_000_000 else { return nil }
      return (value &* 1_000_000, next)
    case .microseconds:
      guard value.magnitude < 210_000_000_000_000_000 else { return nil }
      return (value, next)
    case .nanoseconds: return nil
    }
  }

  /// `true` or `false`, as 1 or 0.
  @inline(__always)
  func plainBoolean(_ start: Bytes, _ end: Bytes) -> (UInt8, Bytes)? {
    guard end - start >= 5 else { return nil }
    let word = UInt32(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt32.self))
    if word == 0x6575_7274 { return (1, start + 4) }
    return word == 0x736c_6166 && start[4] == 0x65 ? (0, start + 5) : nil
  }

  /// The rest of a string `2026-01-08T14:30:00`, a fraction of up to six digits, and `Z`.
  @inline(never)
  private func plainISO8601(_ text: Bytes, _ end: Bytes) -> (Int64, Bytes)? {
    guard end - text >= 21 else { return nil }
    var isValid = text[4] == 0x2d && text[7] == 0x2d && text[10] == 0x54 && text[13] == 0x3a && text[16] == 0x3a
    func pair(_ offset: Int) -> Int {
      let (tens, ones) = (text[offset] &- 0x30, text[offset + 1] &- 0x30)
      isValid = isValid && tens <= 9 && ones <= 9
      return Int(tens) &* 10 &+ Int(ones)
    }
    let (year, month, day) = (pair(0) * 100 + pair(2), pair(5), pair(8))
    let (hour, minute, second) = (pair(11), pair(14), pair(17))
    guard isValid, hour < 24, minute < 60, second < 60 else { return nil }
    guard let date = CivilDate(year: year, month: month, day: day) else { return nil }
    var position = text + 19
    var micros: Int64 = 0
    if position.pointee == 0x2e {
      position += 1
      var unit: Int64 = 100_000
      while position < end, isASCIIDigit(position.pointee) {
        guard unit > 0 else { return nil }
        micros += Int64(position.pointee &- 0x30) * unit
        unit /= 10
        position += 1
      }
    }
    guard end - position >= 2, position[0] == 0x5a, position[1] == 0x22 else { return nil }
    let seconds = date.daysSinceEpoch * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    return (seconds * 1_000_000 + micros, position + 2)
  }
}

/// Eight digits at once, if all eight bytes are digits.
@inline(__always)
private func eightDigits(_ word: UInt64) -> UInt64? {
  let isDigits =
    (word & 0xf0f0_f0f0_f0f0_f0f0) | (((word &+ 0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) &>> 4)
  guard isDigits == 0x3333_3333_3333_3333 else { return nil }
  // Neighbours are joined into pairs, pairs into fours, fours into eight.
  var value = word &- 0x3030_3030_3030_3030
  value = (value &* 10) &+ (value &>> 8)
  let odd = (value & 0x0000_00ff_0000_00ff) &* 0x000f_4240_0000_0064
  let even = ((value &>> 16) & 0x0000_00ff_0000_00ff) &* 0x0000_2710_0000_0001
  return (odd &+ even) &>> 32
}

/// 10^`exponent` for exponents from 0 to 22: those that a `Double` holds exactly.
@inline(__always)
private func exactPower(_ exponent: Int) -> Double {
  switch exponent {
  case 0: return 1
  case 1: return 10
  case 2: return 100
  case 3: return 1_000
  case 4: return 10_000
  case 5: return 100_000
  case 6: return 1_000_000
  default:
    var power = 1e6
    for _ in 6..<exponent { power *= 10 }
    return power
  }
}

@inline(__always)
func isASCIIDigit(_ byte: UInt8) -> Bool { byte &- 0x30 <= 9 }
