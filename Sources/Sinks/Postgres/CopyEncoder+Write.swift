import Columnar
import Glibc

/// The second pass: the bytes of every field, in network order.
extension CopyEncoder {
  /// Writes the column's field of every row that is not left out.
  mutating func write(_ column: Column, as wire: PostgresWireType, to base: UnsafeMutableRawPointer) {
    let validity = column.validity
    switch column.storage {
    case .boolean(let values):
      forEachField(validity, base) { row, field in
        field.storeBytes(of: values[row] ? 1 : 0, as: UInt8.self)
        return 1
      }
    case .int64(let values): writeWhole(values, validity, wire, base)
    case .float64(let values):
      if wire == .float4 {
        forEachField(validity, base) { row, field in
          field.storeBytes(of: Float(values[row]).bitPattern.bigEndian, as: UInt32.self)
          return 4
        }
      } else {
        forEachField(validity, base) { row, field in
          field.storeBytes(of: values[row].bitPattern.bigEndian, as: UInt64.self)
          return 8
        }
      }
    case .numeric(let values):
      forEachField(validity, base) { row, field in CopyEncoder.store(values[row], field) }
    case .bytes(let values): writeBytes(values, validity, isJSONB: wire == .jsonb, base)
    case .interval(let values):
      forEachField(validity, base) { row, field in
        field.storeBytes(of: values[row].microseconds.bigEndian, as: Int64.self)
        (field + 8).storeBytes(of: values[row].days.bigEndian, as: Int32.self)
        (field + 12).storeBytes(of: values[row].months.bigEndian, as: Int32.self)
        return 16
      }
    case .uuid(let values):
      forEachField(validity, base) { row, field in
        field.storeBytes(of: values[row].high.bigEndian, as: UInt64.self)
        (field + 8).storeBytes(of: values[row].low.bigEndian, as: UInt64.self)
        return 16
      }
    }
  }

  private mutating func writeWhole(
    _ values: [Int64], _ validity: Bitmap?, _ wire: PostgresWireType, _ base: UnsafeMutableRawPointer
  ) {
    switch wire {
    case .int2:
      forEachField(validity, base) { row, field in
        field.storeBytes(of: Int16(truncatingIfNeeded: values[row]).bigEndian, as: Int16.self)
        return 2
      }
    case .int4, .date:
      let shift = wire == .date ? CopyEncoder.epochShift.days : 0
      forEachField(validity, base) { row, field in
        field.storeBytes(of: Int32(truncatingIfNeeded: values[row] &- shift).bigEndian, as: Int32.self)
        return 4
      }
    case .float8:
      forEachField(validity, base) { row, field in
        field.storeBytes(of: Double(values[row]).bitPattern.bigEndian, as: UInt64.self)
        return 8
      }
    case .numeric:
      forEachField(validity, base) { row, field in
        CopyEncoder.store(Numeric(unscaled: Int128(values[row]), scale: 0), field)
      }
    default:
      let shift = wire == .timestamp ? CopyEncoder.epochShift.microseconds : 0
      forEachField(validity, base) { row, field in
        field.storeBytes(of: (values[row] &- shift).bigEndian, as: Int64.self)
        return 8
      }
    }
  }

  private mutating func writeBytes(
    _ values: ByteValues, _ validity: Bitmap?, isJSONB: Bool, _ base: UnsafeMutableRawPointer
  ) {
    let prefix = isJSONB ? 1 : 0
    values.bytes.withUnsafeBytes { bytes in
      values.offsets.withUnsafeBufferPointer { offsets in
        forEachField(validity, base) { row, field in
          // The version of the binary form of jsonb.
          if isJSONB { field.storeBytes(of: 1, as: UInt8.self) }
          let start = Int(offsets[row])
          let length = Int(offsets[row + 1]) &- start
          if length > 0, let source = bytes.baseAddress { memcpy(field + prefix, source + start, length) }
          return prefix &+ length
        }
      }
    }
  }

  /// Writes the number of groups, the weight, the sign, the display scale and the groups of `value`.
  private static func store(_ value: Numeric, _ field: UnsafeMutableRawPointer) -> Int {
    if value.scale == Numeric.nanScale {
      field.storeBytes(of: 0, as: UInt32.self)
      (field + 4).storeBytes(of: UInt16(0xc000).bigEndian, as: UInt16.self)
      (field + 6).storeBytes(of: 0, as: UInt16.self)
      return 8
    }
    let digits = NumericDigits(value)
    field.storeBytes(of: Int16(digits.count).bigEndian, as: Int16.self)
    (field + 2).storeBytes(of: Int16(truncatingIfNeeded: digits.weight).bigEndian, as: Int16.self)
    (field + 4).storeBytes(of: UInt16(value.unscaled < 0 ? 0x4000 : 0).bigEndian, as: UInt16.self)
    (field + 6).storeBytes(of: value.scale.bigEndian, as: Int16.self)
    for index in 0..<digits.count {
      (field + 8 + 2 * index).storeBytes(of: digits.groups[index].bigEndian, as: UInt16.self)
    }
    return digits.wireSize
  }
}
