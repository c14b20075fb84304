import Columnar

/// Numbers the distinct results of a transform over a column; null is one of them.
struct PartitionKeys {
  private let transform: Transform
  private let type: IcebergType
  private let column: Column

  init(_ transform: Transform, _ type: IcebergType, _ column: Column) {
    self.transform = transform
    self.type = type
    self.column = column
  }

  /// A code for each row; rows have the same code exactly when the transform has the same result.
  func codes(_ count: Int) -> (codes: [Int32], distinct: Int) {
    switch column.storage {
    case .boolean(let values): return integers(count) { values[$0] ? 1 : 0 }
    case .int64(let values): return int64(values, count)
    case .float64(let values): return integers(count) { Self.bits(values[$0], self.type) }
    case .numeric(let values): return numeric(values, count)
    case .bytes(let values): return bytes(values, count)
    case .uuid(let values):
      if case .bucket(let buckets) = transform {
        return integers(count) { Int64(Transform.bucket(Murmur3.hash(values[$0].bigEndianBytes), buckets)) }
      }
      return hashed(count) { values[$0] }
    case .interval(let values): return hashed(count) { values[$0] }
    }
  }

  /// NaNs are one value; both zeros are two.
  private static func bits(_ value: Double, _ type: IcebergType) -> Int64 {
    let value = type == .float ? Double(Float(value)) : value
    return Int64(bitPattern: value.isNaN ? Double.nan.bitPattern : value.bitPattern)
  }

  private func int64(_ values: [Int64], _ count: Int) -> (codes: [Int32], distinct: Int) {
    switch transform {
    case .bucket(let buckets):
      switch type {
      case .timestampNanos, .timestamptzNanos:
        return integers(count) { Int64(Transform.bucket(Murmur3.hash(floorDivide(values[$0], 1000)), buckets)) }
      case .decimal: return integers(count) { values[$0] }
      default: return integers(count) { Int64(Transform.bucket(Murmur3.hash(values[$0]), buckets)) }
      }
    case .truncate(let width):
      // Of a 32-bit integer near the minimum the result wraps around, but rows stay in the same groups.
      guard type == .int || type == .long else { return integers(count) { values[$0] } }
      return integers(count) { Transform.truncate(values[$0], Int64(width)) }
    case .year, .month, .day, .hour:
      let unit = sourceUnit
      // A result that does not fit gets a code of its own and is reported, or null, with its literal.
      return integers(count) { row in
        self.transform.ordinal(values[row], unit).map { Int64($0) } ?? Int64.max
      }
    default: return integers(count) { values[$0] }
    }
  }

  private var sourceUnit: Transform.SourceUnit {
    switch type {
    case .date: .days
    case .timestampNanos, .timestamptzNanos: .nanoseconds
    default: .microseconds
    }
  }

  private func integers(_ count: Int, _ key: (Int) -> Int64) -> (codes: [Int32], distinct: Int) {
    var table = IntegerTable()
    var codes = [Int32](repeating: 0, count: count)
    var hasNull = false
    for row in 0..<count {
      if column.isNull(row) {
        hasNull = true
      } else {
        codes[row] = table.code(key(row)).code + 1
      }
    }
    return (codes, Int(table.count) + (hasNull ? 1 : 0))
  }

  private func hashed<Key: Hashable>(_ count: Int, _ key: (Int) -> Key) -> (codes: [Int32], distinct: Int) {
    var table: [Key: Int32] = [:]
    var codes = [Int32](repeating: 0, count: count)
    var hasNull = false
    for row in 0..<count {
      if column.isNull(row) {
        hasNull = true
        continue
      }
      let next = Int32(table.count) + 1
      let value = key(row)
      if let known = table[value] {
        codes[row] = known
      } else {
        table[value] = next
        codes[row] = next
      }
    }
    return (codes, table.count + (hasNull ? 1 : 0))
  }

  private func numeric(_ values: [Numeric], _ count: Int) -> (codes: [Int32], distinct: Int) {
    // The scale is part of the key until values are brought to the column's: those that cannot be are reported later.
    let type = self.type
    return hashed(count) { row in
      let value = values[row]
      guard case .decimal(let precision, let scale) = type,
        let literal = Literal.rescaled(value.unscaled, Int(value.scale), precision, scale),
        let result = self.transform.apply(literal)
      else { return Literal.decimal(unscaled: value.unscaled, scale: 100 + Int(value.scale)) }
      return result
    }
  }

  private func bytes(_ values: ByteValues, _ count: Int) -> (codes: [Int32], distinct: Int) {
    switch transform {
    case .bucket(let buckets):
      return integers(count) { Int64(Transform.bucket(Murmur3.hash(values[$0]), buckets)) }
    case .truncate(let width) where type == .string:
      return slices(values, count) { slice in Self.prefix(slice, codePoints: width) }
    case .truncate(let width): return slices(values, count) { $0.prefix(width) }
    default: return slices(values, count) { $0 }
    }
  }

  /// The first code points of UTF-8. Bytes that are not UTF-8 stay as they are: equal ones have equal results.
  private static func prefix(_ slice: ArraySlice<UInt8>, codePoints: Int) -> ArraySlice<UInt8> {
    if slice.count <= codePoints { return slice }
    var rest = codePoints
    for index in slice.indices where slice[index] & 0xC0 != 0x80 {
      if rest == 0 { return slice[..<index] }
      rest -= 1
    }
    return slice
  }

  private func slices(
    _ values: ByteValues, _ count: Int, _ cut: (ArraySlice<UInt8>) -> ArraySlice<UInt8>
  ) -> (codes: [Int32], distinct: Int) {
    var table: [ArraySlice<UInt8>: Int32] = [:]
    var codes = [Int32](repeating: 0, count: count)
    var hasNull = false
    var previous: ArraySlice<UInt8>?
    var previousCode: Int32 = 0
    for row in 0..<count {
      if column.isNull(row) {
        hasNull = true
        continue
      }
      let key = cut(values[row])
      if let previous, previous == key {
        codes[row] = previousCode
        continue
      }
      let code = table[key] ?? Int32(table.count) + 1
      if code > table.count { table[key] = code }
      codes[row] = code
      previous = key
      previousCode = code
    }
    return (codes, table.count + (hasNull ? 1 : 0))
  }
}
