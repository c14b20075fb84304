import Columnar
import Glibc

/// The first pass: sizes, and the values that the target cannot take.
extension CopyEncoder {
  /// The microseconds, and the days, from Weir's epoch (1970) to PostgreSQL's (2000).
  static let epochShift: (microseconds: Int64, days: Int64) = (946_684_800_000_000, 10_957)
  /// What PostgreSQL's `timestamp` can hold, in microseconds since 2000: from 4713 BC to 294276 AD.
  private static let timestampRange: Range<Int64> = -211_813_488_000_000_000..<9_223_371_331_200_000_000
  /// What PostgreSQL's `date` can hold, in days since 2000.
  private static let dateRange: Range<Int64> = -2_451_545..<2_145_031_949

  /// Adds the size of the column's field to every row, and rejects the rows whose value does not fit.
  mutating func measure(_ column: Column, as target: PostgresTargetColumn) {
    let name = target.column.name
    switch (target.wire, column.storage) {
    case (.boolean, _): addToAll(1, validity: column.validity)
    case (.int2, .int64(let values)):
      addToAll(2, validity: column.validity)
      checkRange(values, column.validity, name, "smallint", Int64(Int16.min)..<Int64(Int16.max) + 1)
    case (.int4, .int64(let values)):
      addToAll(4, validity: column.validity)
      if column.type != .integer {
        checkRange(values, column.validity, name, "integer", Int64(Int32.min)..<Int64(Int32.max) + 1)
      }
    case (.int8, _), (.float8, _): addToAll(8, validity: column.validity)
    case (.float4, .float64(let values)):
      addToAll(4, validity: column.validity)
      for row in values.indices where values[row].isFinite && Float(values[row]).isInfinite && !column.isNull(row) {
        reject(row, "column '\(name)' takes real, and \(values[row]) is outside its range")
      }
    case (.date, .int64(let values)):
      addToAll(4, validity: column.validity)
      let range = CopyEncoder.dateRange
      let shift = CopyEncoder.epochShift.days
      checkRange(values, column.validity, name, "date", range.lowerBound + shift..<range.upperBound + shift)
    case (.timestamp, .int64(let values)):
      addToAll(8, validity: column.validity)
      let range = CopyEncoder.timestampRange
      let shift = CopyEncoder.epochShift.microseconds
      let upper = range.upperBound.addingReportingOverflow(shift)
      checkRange(
        values, column.validity, name, "timestamp (4713 BC to 294276 AD)",
        range.lowerBound + shift..<(upper.overflow ? .max : upper.partialValue))
    case (.interval, _), (.uuid, _): addToAll(16, validity: column.validity)
    case (.numeric(let precision, let scale), _): measureNumeric(column, name, precision, scale)
    case (.text(let maximum), .bytes(let values)):
      measureBytes(values, column.validity, prefix: 0)
      checkText(values, column.validity, name, maximum)
    case (.jsonb, .bytes(let values)):
      measureBytes(values, column.validity, prefix: 1)
      checkText(values, column.validity, name, nil)
    case (.bytea, .bytes(let values)): measureBytes(values, column.validity, prefix: 0)
    default: preconditionFailure("column '\(name)' is held as \(column.type), but sent as \(target.wire)")
    }
  }

  private mutating func checkRange(
    _ values: [Int64], _ validity: Bitmap?, _ name: String, _ type: String, _ range: Range<Int64>
  ) {
    for row in values.indices where !range.contains(values[row]) {
      if let validity, !validity[row] { continue }
      reject(row, "column '\(name)' takes \(type), and \(values[row]) is outside its range")
    }
  }

  private mutating func measureBytes(_ values: ByteValues, _ validity: Bitmap?, prefix: Int) {
    values.offsets.withUnsafeBufferPointer { offsets in
      for row in 0..<values.count {
        let isNull = validity.map { !$0[row] } ?? false
        add(isNull ? 4 : 4 &+ prefix &+ Int(offsets[row + 1] &- offsets[row]), to: row)
      }
    }
  }

  /// PostgreSQL's text cannot hold a zero byte, and a `varchar(n)` no more than n characters.
  private mutating func checkText(_ values: ByteValues, _ validity: Bitmap?, _ name: String, _ maximum: Int?) {
    let hasZero = values.bytes.withUnsafeBytes { CopyEncoder.containsZero($0) }
    guard hasZero || maximum != nil else { return }
    for row in 0..<values.count {
      if let validity, !validity[row] { continue }
      let bytes = values[row]
      if hasZero, bytes.contains(0) {
        reject(row, "column '\(name)' has a zero byte in its text, which PostgreSQL cannot store")
      }
      guard let maximum, bytes.count > maximum else { continue }
      let length = bytes.count { $0 & 0xc0 != 0x80 }
      guard length > maximum else { continue }
      // As in PostgreSQL: spaces beyond the limit are cut, anything else is an error.
      let text = bytes.reversed().drop { $0 == 0x20 }
      if text.count(where: { $0 & 0xc0 != 0x80 }) > maximum {
        reject(row, "column '\(name)' takes at most \(maximum) characters, and the value has \(length)")
      }
    }
  }

  private static func containsZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return false }
    return memchr(start, 0, bytes.count) != nil
  }

  private mutating func measureNumeric(_ column: Column, _ name: String, _ precision: Int?, _ scale: Int) {
    for row in 0..<column.count {
      guard !column.isNull(row) else {
        add(4, to: row)
        continue
      }
      let value = CopyEncoder.numeric(column.storage, row)
      add(4 + (value.scale == Numeric.nanScale ? 8 : NumericDigits(value).wireSize), to: row)
      if let precision, !value.fits(precision: precision, scale: scale) {
        reject(row, "column '\(name)' takes numeric(\(precision),\(scale)), and the value has too many digits")
      }
    }
  }

  /// The value of `row` as a numeric.
  static func numeric(_ storage: Column.Storage, _ row: Int) -> Numeric {
    switch storage {
    case .numeric(let values): values[row]
    case .int64(let values): Numeric(unscaled: Int128(values[row]), scale: 0)
    default: preconditionFailure("only whole numbers and numerics are sent as numeric")
    }
  }
}
