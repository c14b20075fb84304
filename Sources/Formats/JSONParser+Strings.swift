import Columnar

/// Strings and values that are skipped.
extension UnsafeMutablePointer where Pointee == DecoderState {
  /// Reads a string whose opening quote is before `start`: its bytes without escapes, in the record or in the scratch
  /// buffer (until the next call), and the position behind the closing quote.
  ///
  /// - Parameter field: the field, for messages; -1 for a key.
  @inline(never)
  func readString(_ start: Bytes, _ end: Bytes, field: Int) -> (Bytes, Int, Bytes)? {
    if let (close, hasHighBytes) = plainEnd(start, end) {
      if hasHighBytes, !isUTF8(start, close - start) {
        failEncoding(start, close, field)
        return nil
      }
      return (start, close - start, close + 1)
    }
    guard let next = skipString(start, end, field: field) else { return nil }
    let length = next - 1 - start
    pointee.reserveScratch(length)
    let scratch = pointee.scratch
    var (source, count) = (start, 0)
    let close = next - 1
    while source < close {
      if source.pointee != 0x5c {
        scratch[count] = source.pointee
        source += 1
        count += 1
        continue
      }
      guard let (scalar, behind) = unescape(source + 1) else {
        failUnstorable(source, field)
        return nil
      }
      source = behind
      count += store(scalar, at: scratch + count)
    }
    return (Bytes(scratch), count, next)
  }

  /// The character of an escape that was checked, behind its backslash; `nil` for U+0000 and for half a surrogate pair.
  private func unescape(_ start: Bytes) -> (UInt32, Bytes)? {
    switch start.pointee {
    case 0x62: return (0x08, start + 1)
    case 0x66: return (0x0c, start + 1)
    case 0x6e: return (0x0a, start + 1)
    case 0x72: return (0x0d, start + 1)
    case 0x74: return (0x09, start + 1)
    case 0x75: return unicodeEscape(start + 1)
    default: return (UInt32(start.pointee), start + 1)
    }
  }

  /// The character of the four digits at `start`, and of the second half of a surrogate pair behind them. A string's quote is always
  /// behind the digits, so that two bytes may be looked at.
  private func unicodeEscape(_ start: Bytes) -> (UInt32, Bytes)? {
    guard let first = fourHexadecimalDigits(start), first != 0 else { return nil }
    guard first & 0xf800 == 0xd800 else { return (first, start + 4) }
    guard first < 0xdc00, start[4] == 0x5c, start[5] == 0x75 else { return nil }
    guard let second = fourHexadecimalDigits(start + 6), second & 0xfc00 == 0xdc00 else { return nil }
    return (0x10000 + ((first & 0x3ff) << 10 | second & 0x3ff), start + 10)
  }

  private func fourHexadecimalDigits(_ start: Bytes) -> UInt32? {
    var value: UInt32 = 0
    for index in 0..<4 {
      guard let digit = hexadecimalValue(start[index]) else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  /// Writes a character as UTF-8, which is never longer than its escape.
  private func store(_ scalar: UInt32, at target: UnsafeMutablePointer<UInt8>) -> Int {
    func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift) & 0x3f) }
    if scalar < 0x80 {
      target[0] = UInt8(scalar)
      return 1
    }
    if scalar < 0x800 {
      target[0] = UInt8(0xc0 | scalar >> 6)
      target[1] = continuation(0)
      return 2
    }
    if scalar < 0x10000 {
      target[0] = UInt8(0xe0 | scalar >> 12)
      target[1] = continuation(6)
      target[2] = continuation(0)
      return 3
    }
    target[0] = UInt8(0xf0 | scalar >> 18)
    target[1] = continuation(12)
    target[2] = continuation(6)
    target[3] = continuation(0)
    return 4
  }

  /// Checks a string whose opening quote is before `start`; the position behind the closing quote.
  func skipString(_ start: Bytes, _ end: Bytes, field: Int = -1) -> Bytes? {
    if let (close, hasHighBytes) = plainEnd(start, end), !hasHighBytes { return close + 1 }
    var position = start
    var hasHighBytes = false
    while position < end {
      let byte = position.pointee
      if byte == 0x22 {
        if hasHighBytes, !isUTF8(start, position - start) {
          failEncoding(start, position, field)
          return nil
        }
        return position + 1
      }
      if byte == 0x5c {
        guard let next = skipEscape(position + 1, end) else { return nil }
        position = next
        continue
      }
      if byte < 0x20 {
        fail(.malformed, "expected control characters in a string to be escaped, \(found(at: position))")
        return nil
      }
      hasHighBytes = hasHighBytes || byte >= 0x80
      position += 1
    }
    fail(.malformed, "expected the closing quote of a string, \(found(at: end))")
    return nil
  }

  private func skipEscape(_ start: Bytes, _ end: Bytes) -> Bytes? {
    if start < end {
      switch start.pointee {
      case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: return start + 1
      case 0x75:
        // Behind the digits is at least the closing quote; with it, `\uDC00` can be looked for.
        if end - start >= 6, let unit = fourHexadecimalDigits(start + 1) {
          if unit == 0 { pointee.sawUnstorableEscape = true }
          guard unit & 0xf800 == 0xd800 else { return start + 5 }
          if unit < 0xdc00, end - start >= 12, start[5] == 0x5c, start[6] == 0x75,
            let low = fourHexadecimalDigits(start + 7), low & 0xfc00 == 0xdc00
          {
            return start + 11
          }
          pointee.sawUnstorableEscape = true
          return start + 5
        }
      default: break
      }
    }
    fail(.malformed, "expected an escape that JSON knows, \(found(at: start - 1))")
    return nil
  }

  private func failEncoding(_ start: Bytes, _ close: Bytes, _ field: Int) {
    fail(.encoding, "\(name(field)): expected UTF-8, \(found(at: start, count: close - start))")
  }

  private func failUnstorable(_ position: Bytes, _ field: Int) {
    let expected = "expected a character that text can hold (not U+0000, not half a surrogate pair)"
    fail(.encoding, "\(name(field)): \(expected), \(found(at: position))")
  }

  /// How a message names a field.
  func name(_ field: Int) -> String {
    field < 0 ? "a key or skipped value" : "column '\(pointee.schema.fields[pointee.fieldColumns[field]].name)'"
  }

  /// Checks a value of any kind, without recursion; the position behind it.
  @inline(never)
  func skipValue(_ start: Bytes, _ end: Bytes) -> Bytes? {
    var position = start
    var depth = 0
    let stack = pointee.stack
    while true {
      // Here a value is due.
      guard position < end else { return failValue(position) }
      switch position.pointee {
      case 0x22:
        guard let next = skipString(position + 1, end) else { return nil }
        position = next
      case 0x7b, 0x5b:
        // The record's own object is open as well.
        guard depth + 1 < pointee.maxDepth else {
          fail(.tooLarge, "expected at most \(pointee.maxDepth) nested objects and arrays, \(found(at: position))")
          return nil
        }
        let isObject = position.pointee == 0x7b
        position = skipSpace(position + 1, end)
        if position < end, position.pointee == (isObject ? 0x7d : 0x5d) {
          position += 1
        } else {
          stack[depth] = isObject ? 0x7d : 0x5d
          depth += 1
          if isObject {
            guard let next = skipKey(position, end) else { return nil }
            position = next
          }
          continue
        }
      case 0x74, 0x66, 0x6e:
        guard let (_, next) = readLiteral(position, end) else { return failValue(position) }
        position = next
      default:
        guard let next = skipNumber(position, end) else { return failValue(position) }
        position = next
      }
      guard let next = skipClosers(position, end, &depth) else { return nil }
      position = next
      if depth == 0 { return position }
    }
  }

  /// Whether bytes are one JSON value that `jsonb` can hold; if not, the failure says why.
  func isWholeJSON(_ start: Bytes, _ count: Int) -> Bool {
    let end = start + count
    pointee.sawUnstorableEscape = false
    guard let next = skipValue(skipSpace(start, end), end) else { return false }
    let behind = skipSpace(next, end)
    guard behind == end else {
      return fail(.malformed, "expected nothing after the JSON value, \(found(at: behind))")
    }
    guard !pointee.sawUnstorableEscape else {
      return fail(.encoding, "expected characters that jsonb can hold, \(found(at: start, count: count))")
    }
    return true
  }

  /// Behind a value: closes containers until another value is due or none is open.
  private func skipClosers(_ start: Bytes, _ end: Bytes, _ depth: inout Int) -> Bytes? {
    var position = start
    while depth > 0 {
      position = skipSpace(position, end)
      let closer = pointee.stack[depth - 1]
      guard position < end, position.pointee == 0x2c || position.pointee == closer else {
        fail(.malformed, "expected ',' or '\(Character(Unicode.Scalar(closer)))', \(found(at: position))")
        return nil
      }
      let isComma = position.pointee == 0x2c
      position += 1
      guard isComma else {
        depth -= 1
        continue
      }
      position = skipSpace(position, end)
      return closer == 0x7d ? skipKey(position, end) : position
    }
    return position
  }

  /// Checks a key and its colon; the position of its value.
  private func skipKey(_ start: Bytes, _ end: Bytes) -> Bytes? {
    guard start < end, start.pointee == 0x22 else {
      fail(.malformed, "expected a key in quotes, \(found(at: start))")
      return nil
    }
    guard let next = skipString(start + 1, end) else { return nil }
    let position = skipSpace(next, end)
    guard position < end, position.pointee == 0x3a else {
      fail(.malformed, "expected ':' after a key, \(found(at: position))")
      return nil
    }
    return skipSpace(position + 1, end)
  }

  /// `true`, `false` or `null`: the first byte, and the position behind it.
  func readLiteral(_ start: Bytes, _ end: Bytes) -> (UInt8, Bytes)? {
    let word: StaticString = start.pointee == 0x74 ? "true" : start.pointee == 0x66 ? "false" : "null"
    let count = word.utf8CodeUnitCount
    guard end - start >= count else { return nil }
    for index in 0..<count where start[index] != word.utf8Start[index] { return nil }
    return (start.pointee, start + count)
  }

  /// Checks a number by JSON's grammar; the position behind it.
  func skipNumber(_ start: Bytes, _ end: Bytes) -> Bytes? {
    var position = start
    func digits() -> Int {
      let first = position
      while position < end, isASCIIDigit(position.pointee) { position += 1 }
      return position - first
    }
    if position < end, position.pointee == 0x2d { position += 1 }
    let whole = position
    let count = digits()
    guard count > 0, count == 1 || whole.pointee != 0x30 else { return nil }
    if position < end, position.pointee == 0x2e {
      position += 1
      guard digits() > 0 else { return nil }
    }
    if position < end, position.pointee | 0x20 == 0x65 {
      position += 1
      if position < end, position.pointee == 0x2b || position.pointee == 0x2d { position += 1 }
      guard digits() > 0 else { return nil }
    }
    return position
  }

  func failValue(_ position: Bytes) -> Bytes? {
    fail(.malformed, "expected a JSON value, \(found(at: position))")
    return nil
  }
}
