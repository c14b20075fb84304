import Columnar
import Glibc

/// How a value was written.
enum WrittenForm {
  /// A JSON string, or a CSV value.
  case string
  /// A JSON number.
  case number
  /// `true` or `false`.
  case boolean
  /// An object or an array.
  case container
}

/// Conversion of a value's text into its column: everything but the common forms.
extension UnsafeMutablePointer where Pointee == DecoderState {
  /// Reads any JSON value into a column, or says why it does not fit; the position behind it.
  @inline(never)
  func readUncommonValue(_ start: Bytes, _ end: Bytes, _ field: Int, _ row: Int) -> Bytes? {
    guard start < end else { return failValue(start) }
    let column = pointee.columns + pointee.fieldColumns[field]
    let kind = pointee.fields[field].kind
    let form: WrittenForm
    let next: Bytes
    var (text, count) = (start, 0)
    pointee.sawUnstorableEscape = false
    switch start.pointee {
    case 0x22 where kind != .jsonb:
      guard let string = readString(start + 1, end, field: field) else { return nil }
      (text, count, next) = string
      form = .string
    case 0x6e:
      guard let (_, behind) = readLiteral(start, end) else { return failValue(start) }
      column.pointee.setNull(row)
      pointee.rowHasNull = true
      return behind
    default:
      guard let behind = skipValue(start, end) else { return nil }
      (next, count) = (behind, behind - start)
      switch start.pointee {
      case 0x74, 0x66: form = .boolean
      case 0x7b, 0x5b: form = .container
      default: form = .number
      }
    }
    if kind == .jsonb, pointee.sawUnstorableEscape {
      fail(
        .encoding,
        "\(name(field)): expected characters that jsonb can hold (not U+0000, not half a surrogate pair), "
          + found(at: start, count: count))
      return nil
    }
    guard convert(text, count, form, kind, column, row) else {
      failConversion(start, next - start, field)
      return nil
    }
    return next
  }

  /// Stores a value; false, with the reason in ``DecodingFailure/reason``, when it does not fit.
  func convert(
    _ text: Bytes, _ count: Int, _ form: WrittenForm, _ kind: ColumnKind, _ column: UnsafeMutablePointer<RawColumn>,
    _ row: Int
  ) -> Bool {
    pointee.failure.reason = .type
    switch kind {
    case .text, .jsonb:
      column.pointee.store(text, count, row: row)
      return true
    case .boolean: return convertBoolean(text, count, form, column, row)
    default: break
    }
    guard form == .string || form == .number else { return false }
    let bytes = UnsafeBufferPointer(start: text, count: count)
    do throws(ValueTextError) {
      switch kind {
      case .integer, .bigint:
        let value = try integer(bytes)
        if kind == .integer, Int32(exactly: value) == nil { throw .outOfRange }
        store(value, column, row)
      case .double: store(try float(text, count, isReal: false), column, row)
      case .real: store(try float(text, count, isReal: true), column, row)
      case .numeric: store(try numeric(bytes, pointee.schema.fields[column - pointee.columns].type), column, row)
      case .timestamp, .timestamptz: store(try time(bytes, form, kind), column, row)
      default:
        guard form == .string else { return false }
        switch kind {
        case .date: store(try TimeText.parseDate(utf8: bytes), column, row)
        case .interval: store(try Interval(utf8: bytes), column, row)
        case .uuid: store(try UUIDValue(utf8: bytes), column, row)
        default:
          let value = try ByteaText.parse(utf8: bytes)
          value.withUnsafeBufferPointer { value in
            column.pointee.store(value.baseAddress ?? text, value.count, row: row)
          }
        }
      }
    } catch {
      pointee.failure.reason = error == .outOfRange ? .range : .type
      return false
    }
    return true
  }

  private func store<Element>(_ value: Element, _ column: UnsafeMutablePointer<RawColumn>, _ row: Int) {
    (column.pointee.values + row * MemoryLayout<Element>.stride).initializeMemory(as: Element.self, to: value)
  }

  private func convertBoolean(
    _ text: Bytes, _ count: Int, _ form: WrittenForm, _ column: UnsafeMutablePointer<RawColumn>, _ row: Int
  ) -> Bool {
    guard form == .boolean || form == .string, count <= 5 else { return false }
    switch String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self).lowercased() {
    case "true", "t", "yes", "y", "on", "1": store(UInt8(1), column, row)
    case "false", "f", "no", "n", "off", "0": store(UInt8(0), column, row)
    default: return false
    }
    return true
  }

  /// A whole number in any form: `12`, `12.0`, `1e3`.
  private func integer(_ text: UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> Int64 {
    let number = try Numeric(utf8: text)
    guard !number.isNaN, let whole = number.rescaled(to: 0) else { throw .outOfRange }
    guard whole.compare(number) == 0 else { throw .malformed }
    guard let value = Int64(exactly: whole.unscaled) else { throw .outOfRange }
    return value
  }

  private func numeric(
    _ text: UnsafeBufferPointer<UInt8>, _ type: DataType
  ) throws(ValueTextError) -> Numeric {
    guard case .numeric(let precision, let scale) = type, let precision else { return try Numeric(utf8: text) }
    let number = try Numeric(utf8: text, scale: scale ?? 0)
    guard let fitting = number.rescaled(to: scale ?? 0, precision: precision) else { throw .outOfRange }
    return fitting
  }

  /// The nearest `Double`, or `Float`.
  private func float(
    _ text: Bytes, _ count: Int, isReal: Bool
  ) throws(ValueTextError) -> Double {
    guard let (start, length, isNonzero) = try decimal(text, count) else { return try Self.specialNumber(text, count) }
    // The library's conversion rounds correctly, and needs a terminating zero.
    let value = withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { copy in
      for index in 0..<length { copy[index] = CChar(bitPattern: start[index]) }
      copy[length] = 0
      guard let number = copy.baseAddress else { return Double.nan }
      return isReal ? Double(strtof(number, nil)) : strtod(number, nil)
    }
    if value.isInfinite || (value == 0 && isNonzero) { throw .outOfRange }
    return value
  }

  /// A decimal number without the white space around it, and whether it has a digit other than 0 before its exponent; `nil` for another
  /// text. The grammar is checked here, so that hexadecimal forms are not taken.
  private func decimal(_ text: Bytes, _ count: Int) throws(ValueTextError) -> (Bytes, Int, Bool)? {
    var (start, end) = (text, text + count)
    while start < end, isBlank(start.pointee) { start += 1 }
    while end > start, isBlank((end - 1).pointee) { end -= 1 }
    var digits = start
    if digits < end, digits.pointee == 0x2b || digits.pointee == 0x2d { digits += 1 }
    guard digits < end, isASCIIDigit(digits.pointee) || digits.pointee == 0x2e else { return nil }
    var (isNonzero, hasDigits, hasPoint) = (false, false, false)
    var position = digits
    while position < end, isASCIIDigit(position.pointee) || (position.pointee == 0x2e && !hasPoint) {
      if position.pointee == 0x2e { hasPoint = true } else { hasDigits = true }
      isNonzero = isNonzero || (position.pointee >= 0x31)
      position += 1
    }
    guard hasDigits else { throw .malformed }
    if position < end, position.pointee | 0x20 == 0x65 {
      position += 1
      if position < end, position.pointee == 0x2b || position.pointee == 0x2d { position += 1 }
      guard position < end else { throw .malformed }
      while position < end, isASCIIDigit(position.pointee) { position += 1 }
    }
    guard position == end, isASCIIDigit((end - 1).pointee) || (end - 1).pointee == 0x2e else { throw .malformed }
    return (start, end - start, isNonzero)
  }

  private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }

  private static func specialNumber(_ text: Bytes, _ count: Int) throws(ValueTextError) -> Double {
    guard count <= 16 else { throw .malformed }
    switch String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self).lowercased() {
    case "nan": return .nan
    case "infinity", "inf", "+infinity", "+inf": return .infinity
    case "-infinity", "-inf": return -.infinity
    default: throw .malformed
    }
  }

  /// Microseconds since the epoch: a number counts the table's unit, a string is a date and a time.
  private func time(
    _ text: UnsafeBufferPointer<UInt8>, _ form: WrittenForm, _ kind: ColumnKind
  ) throws(ValueTextError) -> Int64 {
    let value: Int64
    if form == .number {
      value = try Self.epoch(text, pointee.timestampUnit)
    } else {
      let time = try TimeText.parseTimestamp(utf8: text)
      value = kind == .timestamp ? time.local : time.utc
    }
    guard value >= earliestTimestamp else { throw .outOfRange }
    return value
  }

  private static func epoch(
    _ text: UnsafeBufferPointer<UInt8>, _ unit: TimestampUnit
  ) throws(ValueTextError) -> Int64 {
    let scale =
      switch unit {
      case .seconds: 6
      case .milliseconds: 3
      case .microseconds, .nanoseconds: 0
      }
    let number = try Numeric(utf8: text, scale: scale)
    guard let value = Int64(exactly: number.unscaled) else { throw .outOfRange }
    return unit == .nanoseconds ? Int64(floorDivide(Int(value), 1_000)) : value
  }

  @inline(never)
  func failConversion(_ start: Bytes, _ count: Int, _ field: Int) {
    let type = pointee.schema.fields[pointee.fieldColumns[field]].type.sqlName
    fail(pointee.failure.reason, "\(name(field)): expected \(type), \(found(at: start, count: count))")
  }
}

/// PostgreSQL's first timestamp, 4714-11-24 BC, in microseconds since 1970.
let earliestTimestamp: Int64 = -210_866_803_200_000_000
