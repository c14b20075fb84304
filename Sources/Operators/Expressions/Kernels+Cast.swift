import Columnar
import SQL

/// Appends the text of one value of a column.
typealias TextWriter = @Sendable (Column, Int, inout [UInt8]) -> Void

extension Kernels {
  /// The conversion between two types; `nil` when there is none.
  static func cast(from source: DataType, to target: DataType) -> Kernel? {
    if source == target { return identity(target) }
    switch (source.unconstrained, target) {
    case (.text, .text), (.jsonb, .jsonb): return identity(target)
    case (.text, _): return parsing(target)
    case (_, .text):
      let write = textWriter(source, isCast: true)
      return Kernel(canFail: false) { operands, count, _, failures in
        let column = operands[0].column
        let mask = operands[0].mask
        var bytes: [UInt8] = []
        return fill(.text, operands, count, &failures) { row throws(RowError) -> Bytes? in
          bytes.removeAll(keepingCapacity: true)
          write(column, row & mask, &bytes)
          return Bytes(bytes)
        }
      }
    case (.integer, .bigint), (.timestamp, .timestamptz), (.timestamptz, .timestamp), (.real, .double):
      return identity(target)
    case (.integer, .boolean): return strict1(.boolean) { (value: Int64) in value != 0 }
    case (.boolean, .integer): return strict1(.integer) { (value: Bool) in value ? 1 : 0 as Int64 }
    case (.date, .timestamp), (.date, .timestamptz):
      return strict1(target, canFail: true) { (days: Int64) throws(RowError) -> Int64? in
        let (result, overflow) = days.multipliedReportingOverflow(by: CivilDateTime.microsecondsPerDay)
        if overflow { throw RowError("date out of range for timestamp") }
        return result
      }
    case (.timestamp, .date), (.timestamptz, .date):
      return strict1(.date) { (time: Int64) in
        Int64(floorDivide(Int(time), Int(CivilDateTime.microsecondsPerDay)))
      }
    case (.jsonb, _): return fromJSON(target)
    default: return numberCast(from: source.unconstrained, to: target)
    }
  }

  private static func identity(_ type: DataType) -> Kernel {
    Kernel(canFail: false) { operands, _, _, _ in operands[0].column.retyped(type) }
  }

  // MARK: Numbers

  private static func numberCast(from source: DataType, to target: DataType) -> Kernel? {
    switch (source, target) {
    case (.bigint, .integer):
      return strict1(.integer, canFail: true) { (value: Int64) throws(RowError) -> Int64? in
        guard Int32(exactly: value) != nil else { throw RowError("integer out of range") }
        return value
      }
    case (.integer, .double), (.bigint, .double): return strict1(.double) { (value: Int64) in Double(value) }
    case (.integer, .real), (.bigint, .real): return strict1(.real) { (value: Int64) in Double(Float(value)) }
    case (.double, .real):
      return strict1(.real, canFail: true) { (value: Double) throws(RowError) -> Double? in
        let result = Double(Float(value))
        if result.isInfinite && value.isFinite { throw RowError("value out of range: overflow") }
        if result == 0 && value != 0 { throw RowError("value out of range: underflow") }
        return result
      }
    case (.double, .integer), (.real, .integer), (.double, .bigint), (.real, .bigint):
      return strict1(target, canFail: true) { (value: Double) throws(RowError) -> Int64? in
        let rounded = value.rounded(.toNearestOrEven)
        guard let result = Int64(exactly: rounded), target == .bigint || Int32(exactly: result) != nil else {
          throw RowError("\(target.sqlName) out of range")
        }
        return result
      }
    case (.numeric, .double): return strict1(.double) { (value: Numeric) in value.doubleValue }
    case (.numeric, .real): return strict1(.real) { (value: Numeric) in Double(Float(value.description) ?? .nan) }
    case (.numeric, .integer), (.numeric, .bigint):
      return strict1(target, canFail: true) { (value: Numeric) throws(RowError) -> Int64? in
        if value.isNaN { throw RowError("cannot convert NaN to \(target.sqlName)") }
        guard let rounded = value.rescaled(to: 0), let result = Int64(exactly: rounded.unscaled),
          target == .bigint || Int32(exactly: result) != nil
        else { throw RowError("\(target.sqlName) out of range") }
        return result
      }
    case (.integer, .numeric(let precision, let scale)), (.bigint, .numeric(let precision, let scale)):
      return strict1(target, canFail: precision != nil) { (value: Int64) throws(RowError) -> Numeric? in
        try constrained(Numeric(value), precision, scale)
      }
    case (.numeric, .numeric(let precision, let scale)):
      if precision == nil { return identity(target) }
      return strict1(target, canFail: true) { (value: Numeric) throws(RowError) -> Numeric? in
        try constrained(value, precision, scale)
      }
    case (.double, .numeric(let precision, let scale)), (.real, .numeric(let precision, let scale)):
      let digits = source == .double ? 15 : 6
      return strict1(target, canFail: true) { (value: Double) throws(RowError) -> Numeric? in
        try constrained(numeric(value, significantDigits: digits), precision, scale)
      }
    default: return nil
    }
  }

  /// The value within `numeric(precision, scale)`.
  static func constrained(_ value: Numeric, _ precision: Int?, _ scale: Int?) throws(RowError) -> Numeric {
    guard let precision else { return value }
    guard let result = value.rescaled(to: scale ?? 0, precision: precision) else {
      throw RowError("numeric field overflow")
    }
    return result
  }

  /// A double as PostgreSQL converts it: rounded to 15 (real: 6) significant digits.
  private static func numeric(_ value: Double, significantDigits: Int) throws(RowError) -> Numeric {
    if value.isNaN { return .nan }
    if value.isInfinite { throw RowError("cannot convert infinity to numeric") }
    guard let result = try? Numeric(FloatText.significant(value, digits: significantDigits)) else {
      throw NumericArithmetic.overflow
    }
    return result.canonical
  }

  // MARK: Texts

  /// Reads `target` from text, with PostgreSQL's messages.
  private static func parsing(_ target: DataType) -> Kernel? {
    switch target {
    case .boolean: return parse(target) { (text: Bytes) throws(RowError) -> Bool in try boolean(text) }
    case .integer, .bigint:
      return parse(target) { (text: Bytes) throws(RowError) -> Int64 in try integer(text, target) }
    case .real, .double: return parse(target) { (text: Bytes) throws(RowError) -> Double in try double(text, target) }
    case .numeric(let precision, let scale):
      return parse(target) { (text: Bytes) throws(RowError) -> Numeric in
        try constrained(
          typed(text, "numeric") { (bytes) throws(ValueTextError) in try Numeric(utf8: bytes) }, precision, scale)
      }
    case .bytea: return parse(target) { (text: Bytes) throws(RowError) -> Bytes in try bytea(text) }
    case .date:
      return parse(target) { (text: Bytes) throws(RowError) -> Int64 in
        try typed(text, "date") { (bytes) throws(ValueTextError) in try TimeText.parseDate(utf8: bytes) }
      }
    case .timestamp:
      return parse(target) { (text: Bytes) throws(RowError) -> Int64 in
        try typed(text, "timestamp") { (bytes) throws(ValueTextError) in try TimeText.parseTimestamp(utf8: bytes).local
        }
      }
    case .timestamptz:
      return parse(target) { (text: Bytes) throws(RowError) -> Int64 in
        try typed(text, "timestamp with time zone") { (bytes) throws(ValueTextError) in
          try TimeText.parseTimestamp(utf8: bytes).utc
        }
      }
    case .interval:
      return parse(target) { (text: Bytes) throws(RowError) -> Interval in
        try typed(text, "interval") { (bytes) throws(ValueTextError) in try Interval(utf8: bytes) }
      }
    case .uuid:
      return parse(target) { (text: Bytes) throws(RowError) -> UUIDValue in
        try typed(text, "uuid") { (bytes) throws(ValueTextError) in try UUIDValue(utf8: bytes) }
      }
    case .jsonb: return parsingJSON()
    case .text: return nil
    }
  }

  private static func parse<R: KernelValue>(
    _ type: DataType, _ body: @escaping @Sendable (Bytes) throws(RowError) -> R
  ) -> Kernel {
    strict1(type, canFail: true) { (text: Bytes) throws(RowError) -> R? in try body(text) }
  }

  private static func invalid(_ text: Bytes, _ type: String) -> RowError {
    RowError("invalid input syntax for type \(type): \"\(text.string)\"")
  }

  private static func typed<R>(
    _ text: Bytes, _ type: String, _ body: (UnsafeBufferPointer<UInt8>) throws(ValueTextError) -> R
  ) throws(RowError) -> R {
    var outcome: Result<R, ValueTextError> = .failure(.malformed)
    text.withUnsafeBufferPointer { buffer in
      do throws(ValueTextError) { outcome = .success(try body(buffer)) } catch { outcome = .failure(error) }
    }
    switch outcome {
    case .success(let value): return value
    case .failure(.malformed): throw invalid(text, type)
    case .failure(.outOfRange):
      throw switch type {
      case "numeric": NumericArithmetic.overflow
      case "interval": RowError("interval field value out of range: \"\(text.string)\"")
      default: RowError("date/time field value out of range: \"\(text.string)\"")
      }
    }
  }

  static func trimmedSpaces(_ text: Bytes) -> Bytes {
    var text = text
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }
    while let first = text.first, isSpace(first) { text.removeFirst() }
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }

  private static func boolean(_ text: Bytes) throws(RowError) -> Bool {
    let word = trimmedSpaces(text).string.lowercased()
    guard !word.isEmpty else { throw invalid(text, "boolean") }
    if "true".hasPrefix(word) || "yes".hasPrefix(word) || word == "on" || word == "1" { return true }
    if "false".hasPrefix(word) || "no".hasPrefix(word) || word == "off" || word == "of" || word == "0" { return false }
    throw invalid(text, "boolean")
  }

  private static func integer(_ text: Bytes, _ type: DataType) throws(RowError) -> Int64 {
    var digits = trimmedSpaces(text)
    let isNegative = digits.first == 0x2D
    if isNegative || digits.first == 0x2B { digits.removeFirst() }
    guard !digits.isEmpty, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { throw invalid(text, type.sqlName) }
    var value: Int64 = 0
    for digit in digits {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let step = Int64(digit - 0x30)
      let (sum, sumOverflow) =
        isNegative ? product.subtractingReportingOverflow(step) : product.addingReportingOverflow(step)
      if overflow || sumOverflow { throw outOfRange(text, type) }
      value = sum
    }
    if type == .integer && Int32(exactly: value) == nil { throw outOfRange(text, type) }
    return value
  }

  private static func outOfRange(_ text: Bytes, _ type: DataType) -> RowError {
    RowError("value \"\(text.string)\" is out of range for type \(type.sqlName)")
  }

  private static func double(_ text: Bytes, _ type: DataType) throws(RowError) -> Double {
    let word = trimmedSpaces(text).string
    switch word.lowercased() {
    case "infinity", "inf", "+infinity", "+inf": return .infinity
    case "-infinity", "-inf": return -.infinity
    case "nan": return .nan
    default: break
    }
    guard word.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }),
      let value = type == .real ? Float(word).map(Double.init) : Double(word)
    else { throw invalid(text, type.sqlName) }
    let hasDigit = word.utf8.prefix { $0 != 0x45 && $0 != 0x65 }.contains { $0 >= 0x31 && $0 <= 0x39 }
    if value.isInfinite || (value == 0 && hasDigit) {
      throw RowError("\"\(word)\" is out of range for type \(type.sqlName)")
    }
    return value
  }

  /// The hexadecimal form `\x…`, or PostgreSQL's older escape form: `\\` and `\ooo`.
  private static func bytea(_ text: Bytes) throws(RowError) -> Bytes {
    if text.starts(with: [0x5C, 0x78]) {
      return try Bytes(typed(text, "bytea") { (bytes) throws(ValueTextError) in try ByteaText.parse(utf8: bytes) })
    }
    var result: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      if byte != 0x5C {
        result.append(byte)
      } else if rest.first == 0x5C {
        result.append(0x5C)
        rest.removeFirst()
      } else {
        let digits = rest.prefix(3)
        guard digits.count == 3, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x37 }), let first = digits.first, first < 0x34
        else { throw invalid(text, "bytea") }
        result.append(digits.reduce(0) { $0 << 3 | ($1 - 0x30) })
        rest.removeFirst(3)
      }
    }
    return Bytes(result)
  }

  /// How a type's values are written; a boolean is `true` after a cast, and `t` in `concat`.
  static func textWriter(_ type: DataType, isCast: Bool) -> TextWriter {
    let isTimeWithZone = type == .timestamptz
    return { column, row, bytes in
      switch (type, column.storage) {
      case (_, .boolean(let values)):
        bytes.append(contentsOf: (isCast ? (values[row] ? "true" : "false") : (values[row] ? "t" : "f")).utf8)
      case (.date, .int64(let values)): TimeText.appendDate(values[row], to: &bytes)
      case (.timestamp, .int64(let values)), (.timestamptz, .int64(let values)):
        TimeText.appendTimestamp(values[row], withZone: isTimeWithZone, to: &bytes)
      case (_, .int64(let values)): bytes.appendDecimal(values[row])
      case (.real, .float64(let values)): FloatText.append(Float(values[row]), to: &bytes)
      case (_, .float64(let values)): FloatText.append(values[row], to: &bytes)
      case (_, .numeric(let values)): values[row].appendText(to: &bytes)
      case (.bytea, .bytes(let values)): ByteaText.append(values[row], to: &bytes)
      case (.jsonb, .bytes(let values)): appendJSON(values[row], to: &bytes)
      case (_, .bytes(let values)): bytes.append(contentsOf: values[row])
      case (_, .interval(let values)): values[row].appendText(to: &bytes)
      case (_, .uuid(let values)): values[row].appendText(to: &bytes)
      }
    }
  }
}
