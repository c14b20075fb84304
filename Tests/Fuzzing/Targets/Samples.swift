import Columnar

/// Values and batches to start from; always the same.
enum Samples {
  static let types: [DataType] = [
    .boolean, .integer, .bigint, .real, .double, .numeric, .numeric(precision: 10, scale: 2), .text, .bytea, .date,
    .timestamp, .timestamptz, .interval, .uuid, .jsonb
  ]

  static let integers: [Int64] = [0, 1, -1, 7, 1_000_000, Int64(Int32.max), Int64(Int32.min)]
  static let longs: [Int64] = [0, 1, -1, 86_400_000_000, 1_700_000_000_000_000, .max, .min]
  static let doubles: [Double] = [0, -0.0, 1.5, -1e300, 1e-300, .infinity, -.infinity, .nan, 9.007e15]
  static let texts = ["", "a", "é\u{1F600}", "\0", "\"\\\n", String(repeating: "x", count: 40), "12.5", "2024-02-29"]

  /// A batch of `rows` rows with a column `c0`, `c1` … of each type, in which every third value is NULL.
  static func batch(_ types: [DataType] = types, rows: Int) -> Batch {
    let fields = types.enumerated().map { Field("c\($0.offset)", $0.element) }
    return Batch(schema: Schema(fields), columns: types.map { column($0, rows: rows) }, count: rows)
  }

  static func column(_ type: DataType, rows: Int) -> Column {
    var builder = ColumnBuilder(type)
    for row in 0..<rows {
      if row % 3 == 2 { builder.appendNull() } else { append(type, row, to: &builder) }
    }
    return builder.finish()
  }

  private static func append(_ type: DataType, _ row: Int, to builder: inout ColumnBuilder) {
    switch type {
    case .boolean: builder.append(row % 2 == 0)
    case .integer: builder.append(integers[row % integers.count])
    case .date: builder.append(integers[row % 5])
    case .bigint: builder.append(longs[row % longs.count])
    case .timestamp, .timestamptz: builder.append(longs[row % 5])
    case .real: builder.append(Double(Float(doubles[row % doubles.count])))
    case .double: builder.append(doubles[row % doubles.count])
    case .numeric(_, let scale):
      builder.append(Numeric(unscaled: Int128(integers[row % 5]), scale: Int16(scale ?? row % 7)))
    case .text: builder.append(texts[row % texts.count])
    case .bytea: builder.append(bytes: [0, UInt8(truncatingIfNeeded: row), 255])
    case .interval: builder.append(Interval(months: Int32(row), days: -1, microseconds: 1_500_000))
    case .uuid: builder.append(UUIDValue(high: UInt64(row) &* 0x9E37_79B9_7F4A_7C15, low: ~UInt64(row)))
    case .jsonb: builder.append(["{\"a\": [1, null, \"b\"]}", "null", "1.50", "[]"][row % 4])
    }
  }
}
