/// Why a text is not a value of a type.
public enum ValueTextError: Error, Hashable, Sendable {
  /// The text does not have the form of the type.
  case malformed
  /// The text has the right form, but the value is outside the type's range.
  case outOfRange
}

/// A place in a text that is being read; the bytes stay the caller's.
///
/// A value type over memory that the caller keeps alive: it must not outlive the call that made it.
struct TextCursor {
  private let bytes: UnsafeBufferPointer<UInt8>
  private(set) var position = 0
  private var end: Int

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    end = bytes.count
  }

  /// Drops white space at both ends.
  mutating func trim() {
    while position < end, Self.isSpace(bytes[position]) { position += 1 }
    while end > position, Self.isSpace(bytes[end - 1]) { end -= 1 }
  }

  var isAtEnd: Bool { position >= end }
  /// The next byte; 0 at the end.
  var current: UInt8 { position < end ? bytes[position] : 0 }
  /// The byte `distance` after the next one; 0 beyond the end.
  func peek(_ distance: Int) -> UInt8 { position + distance < end ? bytes[position + distance] : 0 }
  /// How many bytes are left.
  var remaining: Int { end - position }

  mutating func advance(_ count: Int = 1) { position = min(position + count, end) }

  mutating func skipSpaces() {
    while position < end, Self.isSpace(bytes[position]) { position += 1 }
  }

  /// Takes `byte` if it is next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard position < end, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  /// Takes an ASCII word, compared without case; `word` is lower case.
  mutating func take(word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard remaining >= length else { return false }
    for index in 0..<length where bytes[position + index] | 0x20 != word.utf8Start[index] { return false }
    position += length
    return true
  }

  /// Takes exactly two digits.
  mutating func twoDigits() -> Int? {
    guard isDigit(current), isDigit(peek(1)) else { return nil }
    let value = Int(current &- 0x30) * 10 + Int(peek(1) &- 0x30)
    position += 2
    return value
  }

  /// Takes up to `limit` digits; how many there were, and their value.
  mutating func digits(limit: Int = 18) -> (count: Int, value: Int64) {
    var count = 0
    var value: Int64 = 0
    while count < limit, position < end, isDigit(bytes[position]) {
      value = value * 10 + Int64(bytes[position] &- 0x30)
      position += 1
      count += 1
    }
    return (count, value)
  }

  /// Takes the digits after a decimal point as millionths, rounded half up on the seventh.
  mutating func millionths() -> Int64 {
    var value: Int64 = 0
    var count = 0
    while position < end, isDigit(bytes[position]) {
      if count < 6 {
        value = value * 10 + Int64(bytes[position] &- 0x30)
      } else if count == 6, bytes[position] >= 0x35 {
        value += 1
      }
      count += 1
      position += 1
    }
    while count < 6 {
      value *= 10
      count += 1
    }
    return value
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
}

@inline(__always)
func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 <= 9 }

extension [UInt8] {
  /// Appends a decimal integer.
  package mutating func appendDecimal(_ value: Int64) {
    if value < 0 { append(0x2d) }
    appendDecimal(magnitude: value.magnitude)
  }

  /// Appends a decimal integer without sign.
  package mutating func appendDecimal(magnitude: UInt64) {
    if magnitude < 10 {
      append(0x30 &+ UInt8(truncatingIfNeeded: magnitude))
      return
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = magnitude
      var start = 20
      while rest > 0 {
        start -= 1
        digits[start] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      append(contentsOf: UnsafeBufferPointer(rebasing: digits[start..<20]))
    }
  }

  /// Appends a non-negative integer, filled with zeros to `width` digits; wider values are not cut.
  package mutating func appendDecimal(_ value: Int, width: Int) {
    var limit = 10
    for _ in 1..<width {
      if value < limit { append(0x30) }
      limit *= 10
    }
    appendDecimal(magnitude: UInt64(value.magnitude))
  }

  /// Appends millionths as `.123456`, without trailing zeros; nothing when there are none.
  package mutating func appendFraction(_ millionths: Int) {
    guard millionths != 0 else { return }
    append(0x2e)
    var rest = millionths
    var width = 6
    while rest % 10 == 0 {
      rest /= 10
      width -= 1
    }
    appendDecimal(rest, width: width)
  }
}

extension String {
  /// A string of the bytes that `write` appends, all of them UTF-8.
  package init(writing write: (inout [UInt8]) -> Void) {
    var bytes: [UInt8] = []
    write(&bytes)
    self.init(decoding: bytes, as: UTF8.self)
  }
}

/// Calls `body` with the UTF-8 bytes of `text`.
func withBytes<Result>(
  of text: some StringProtocol, _ body: (UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> Result
) throws(ValueTextError) -> Result {
  var bytes = Array(text.utf8)
  var outcome: Swift.Result<Result, ValueTextError> = .failure(.malformed)
  bytes.withUnsafeMutableBufferPointer { buffer in
    do throws(ValueTextError) { outcome = .success(try body(UnsafeBufferPointer(buffer))) } catch {
      outcome = .failure(error)
    }
  }
  return try outcome.get()
}
