import Columnar
import TestSupport

/// Every type once.
let everyType: [DataType] = [
  .boolean, .integer, .bigint, .real, .double, .numeric, .numeric(precision: 12, scale: 3), .text, .bytea, .date,
  .timestamp, .timestamptz, .interval, .uuid, .jsonb
]

/// A value of `type`, or NULL one time in eight.
func randomValue(_ type: DataType, _ random: inout SeededNumbers) -> Value {
  if Int.random(in: 0..<8, using: &random) == 0 { return .null }
  switch type.storageKind {
  case .boolean: return .boolean(.random(using: &random))
  case .int64:
    if type == .integer { return .int64(Int64(Int32.random(in: .min ... .max, using: &random))) }
    return .int64(.random(in: -200_000_000_000_000_000...(.max), using: &random))
  case .float64: return .float64(Double(Float.random(in: -1e9...1e9, using: &random)))
  case .numeric:
    return .numeric(Numeric(unscaled: Int128(Int64.random(in: -999_999_999...999_999_999, using: &random)), scale: 3))
  case .bytes:
    return .bytes((0..<Int.random(in: 0..<40, using: &random)).map { _ in .random(in: 0x20...0x7e, using: &random) })
  case .interval:
    return .interval(
      Interval(
        months: .random(in: -100...100, using: &random), days: .random(in: -100...100, using: &random),
        microseconds: .random(in: -99_999_999_999...99_999_999_999, using: &random)))
  case .uuid: return .uuid(UUIDValue(high: random.next(), low: random.next()))
  }
}

/// A batch with a column of every type.
func randomBatch(rows: Int, _ random: inout SeededNumbers) -> Batch {
  let schema = Schema(everyType.enumerated().map { Field("c\($0)", $1) })
  let columns = everyType.map { type in
    var builder = ColumnBuilder(type)
    for _ in 0..<rows { builder.append(randomValue(type, &random)) }
    return builder.finish()
  }
  let kinds = (0..<rows).map { _ in RowKind(rawValue: .random(in: 0...3, using: &random)) ?? .insert }
  return Batch(schema: schema, columns: columns, count: rows, rowKinds: Bool.random(using: &random) ? kinds : nil)
}
