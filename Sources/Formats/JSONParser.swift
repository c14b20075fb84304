import Columnar

/// The parser of a record's JSON object: one pass, straight into the columns.
///
/// Positions go in and come out by value, `nil` meaning failure (see ``DecoderState/failure``): a cursor passed `inout` to a function
/// that is not inlined would live in memory, and cost a store and a load a byte.
extension UnsafeMutablePointer where Pointee == DecoderState {
  /// Reads the object in `start ..< end` as row `row`.
  @inline(__always)
  func parseObject(_ start: Bytes, _ end: Bytes, row: Int) -> Bool {
    let generation = pointee.generation
    let fieldCount = pointee.fieldCount
    let (fields, successors, seen) = (pointee.fields, pointee.successors, pointee.seen)
    var position = skipSpace(start, end)
    guard position < end, position.pointee == 0x7b else { return failObject(position) }
    position = skipSpace(position + 1, end)
    var seenCount = 0
    var previous = fieldCount
    if position < end, position.pointee == 0x7d {
      position += 1
    } else {
      while true {
        guard position < end, position.pointee == 0x22 else { return failKey(position) }
        position += 1
        var index = successors[previous]
        if _fastPath(matches(fields + index, position, end)) {
          position += fields[index].length
        } else {
          guard let (found, next) = readKey(position, end) else { return false }
          (index, position) = (found, next)
          if index >= 0 { successors[previous] = index }
        }
        position = skipSpace(position, end)
        if _fastPath(UInt(bitPattern: index) < UInt(bitPattern: fieldCount)) {
          if _fastPath(seen[index] != generation) {
            seen[index] = generation
            seenCount += 1
          } else {
            pointee.columns[pointee.fieldColumns[index]].clear(row)
          }
          guard let next = readValue(position, end, index, row) else { return false }
          position = next
          previous = index
        } else {
          if let next = skipPlain(position, end) {
            position = next
          } else {
            guard let next = skipValue(position, end) else { return false }
            position = next
          }
          if index >= 0 { previous = index }
        }
        position = skipSpace(position, end)
        guard position < end else { return failEnd() }
        if _fastPath(position.pointee == 0x2c) {
          position = skipSpace(position + 1, end)
        } else if position.pointee == 0x7d {
          position += 1
          break
        } else {
          return failMember(position)
        }
      }
    }
    position = skipSpace(position, end)
    guard position == end else { return failTrailing(position) }
    if _slowPath(seenCount != fieldCount) { fillMissing(row) }
    return true
  }

  @inline(__always)
  func skipSpace(_ start: Bytes, _ end: Bytes) -> Bytes {
    var position = start
    while position < end, _slowPath(position.pointee <= 0x20) {
      let byte = position.pointee
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { break }
      position += 1
    }
    return position
  }

  /// Whether the key of `pattern`, its quote and a colon are at `position`.
  @inline(__always)
  private func matches(_ pattern: UnsafeMutablePointer<FieldPattern>, _ position: Bytes, _ end: Bytes) -> Bool {
    let length = pattern.pointee.length
    let left = end - position
    guard left >= 8, left >= length else { return false }
    guard loadWord(position) & pattern.pointee.mask == pattern.pointee.first else { return false }
    if length <= 8 { return true }
    guard loadWord(position + length - 8) == pattern.pointee.last else { return false }
    return length <= 16 || equalMiddle(pattern, position)
  }

  @inline(never)
  private func equalMiddle(_ pattern: UnsafeMutablePointer<FieldPattern>, _ position: Bytes) -> Bool {
    for index in 8..<pattern.pointee.length - 8 where pattern.pointee.bytes[index] != position[index] { return false }
    return true
  }

  /// Reads a key in any form, with the colon; its entry, or -1 for a key that no column takes and that is not noted.
  @inline(never)
  private func readKey(_ start: Bytes, _ end: Bytes) -> (Int, Bytes)? {
    guard let (name, count, next) = readString(start, end, field: -1) else { return nil }
    let index = pointee.field(name, count) ?? pointee.ignore(name, count)
    let position = skipSpace(next, end)
    guard position < end, position.pointee == 0x3a else {
      fail(.malformed, "expected ':' after a key, \(found(at: position))")
      return nil
    }
    return (index, position + 1)
  }

  /// Reads the value of a column; forms that are not common are left to ``readUncommonValue(_:_:_:_:)``.
  @inline(__always)
  private func readValue(_ start: Bytes, _ end: Bytes, _ field: Int, _ row: Int) -> Bytes? {
    let column = pointee.columns + pointee.fieldColumns[field]
    switch pointee.fields[field].kind {
    case .text:
      if let next = readPlainText(start, end, column, row) { return next }
    case .double:
      if let (value, next) = plainDouble(start, end) {
        column.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Double.self)
        return next
      }
    case .bigint:
      if let (value, next) = plainInteger(start, end) {
        column.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        return next
      }
    case .integer:
      if let (value, next) = plainInteger(start, end), value == Int64(Int32(truncatingIfNeeded: value)) {
        column.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        return next
      }
    case .timestamp, .timestamptz:
      if let (value, next) = plainTime(start, end) {
        column.pointee.values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        return next
      }
    case .boolean:
      if let (value, next) = plainBoolean(start, end) {
        column.pointee.values.storeBytes(of: value, toByteOffset: row, as: UInt8.self)
        return next
      }
    default: break
    }
    return readUncommonValue(start, end, field, row)
  }

  /// Sets columns whose field the record does not have to NULL.
  @inline(never)
  private func fillMissing(_ row: Int) {
    for field in 0..<pointee.fieldCount where pointee.seen[field] != pointee.generation {
      pointee.columns[pointee.fieldColumns[field]].setNull(row)
      pointee.rowHasNull = true
    }
  }

  @inline(never)
  private func failObject(_ position: Bytes) -> Bool {
    fail(.malformed, "expected a JSON object, \(found(at: position))")
  }

  @inline(never)
  private func failKey(_ position: Bytes) -> Bool {
    fail(.malformed, "expected a key in quotes, \(found(at: position))")
  }

  @inline(never)
  private func failMember(_ position: Bytes) -> Bool {
    fail(.malformed, "expected ',' or '}' after a value, \(found(at: position))")
  }

  @inline(never)
  private func failTrailing(_ position: Bytes) -> Bool {
    fail(.malformed, "expected nothing after the object, \(found(at: position))")
  }

  @inline(never)
  private func failEnd() -> Bool {
    fail(.malformed, "expected ',' or '}' after a value, \(found(at: pointee.recordEnd))")
  }
}

extension UnsafeMutablePointer where Pointee == DecoderState {
  /// Keeps why the record has no row. Always false, to be returned.
  @inline(never)
  @discardableResult
  func fail(_ reason: RejectionReason, _ message: String) -> Bool {
    pointee.failure = DecodingFailure(reason: reason, message: message)
    return false
  }

  /// `found "…" at byte 12`, shortened to 80 bytes.
  @inline(never)
  func found(at position: Bytes, count: Int? = nil) -> String {
    // A value without its CSV quotes is in the scratch buffer: it has no place in the record.
    guard position >= pointee.recordStart, position <= pointee.recordEnd else { return "found other text" }
    let offset = position - pointee.recordStart
    let left = pointee.recordEnd - position
    guard left > 0 else { return "found the end of the record at byte \(offset)" }
    let length = min(count ?? left, left)
    let shown = shortened(UnsafeBufferPointer(start: position, count: length))
    return "found \(shown) at byte \(offset)"
  }
}

/// At most 80 bytes of `bytes` for a message; control characters are replaced.
func shortened(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
  let cut = UnsafeBufferPointer(rebasing: bytes[..<min(bytes.count, 80)])
  let visible = cut.map { $0 < 0x20 || $0 == 0x7f ? UInt8(0x20) : $0 }
  return String(decoding: visible, as: UTF8.self) + (bytes.count > 80 ? "…" : "")
}
