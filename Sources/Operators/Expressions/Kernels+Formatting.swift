import Columnar
import SQL

extension Kernels {
  /// `to_char`, `to_timestamp(text, text)` and `to_date`; a constant pattern is read once.
  static func formatting(_ signature: FunctionSignature, _ constants: [Value?]) throws(RowError) -> Kernel? {
    var pattern: Bytes?
    if constants.count == 2, case .bytes(let bytes)? = constants[1] { pattern = bytes[...] }
    switch (signature.name, signature.arguments[...].first) {
    case ("to_char", .timestamp), ("to_char", .timestamptz):
      let hasZone = signature.arguments[0] == .timestamptz
      let constant = pattern.map { TimeFormat($0.string, hasZone: hasZone) }
      return strict2(.text) { (time: Int64, format: Bytes) -> Bytes? in
        if format.isEmpty { return nil }
        return (constant ?? TimeFormat(format.string, hasZone: hasZone)).text(CivilDateTime(microseconds: time))
      }
    case ("to_char", .some(let type)): return try numberText(type, pattern)
    case ("to_timestamp", .text), ("to_date", .text):
      let constant = try pattern.map { bytes throws(RowError) in try TimePattern(bytes) }
      let isDate = signature.name == "to_date"
      return strict2(signature.result, canFail: true) { (text: Bytes, pattern: Bytes) throws(RowError) -> Int64? in
        let pattern = if let constant { constant } else { try TimePattern(pattern) }
        return try isDate ? pattern.day(text) : pattern.time(text)
      }
    default: return nil
    }
  }

  private static func numberText(_ type: DataType, _ pattern: Bytes?) throws(RowError) -> Kernel? {
    let constant = try pattern.map { bytes throws(RowError) in try NumberFormat(bytes) }
    switch type {
    case .integer, .bigint:
      return strict2(.text, canFail: constant == nil) { (value: Int64, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return format.text(value)
      }
    case .real, .double:
      let digits = type == .real ? 6 : 15
      return strict2(.text, canFail: constant == nil) { (value: Double, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return format.text(value, significant: digits)
      }
    case .numeric:
      return strict2(.text, canFail: true) { (value: Numeric, pattern: Bytes) throws(RowError) -> Bytes? in
        let format = if let constant { constant } else { try NumberFormat(pattern) }
        return try format.text(value)
      }
    default: return nil
    }
  }
}
