import Columnar
import Iceberg
import Parquet

/// Turns columns of batches into those of a table, and finds the rows whose values a table cannot take.
struct IcebergRows {
  let columns: [IcebergColumn]

  /// What is wrong with rows, by row; the first reason of each.
  func problems(_ batch: Batch) -> [Int: String] {
    var problems: [Int: String] = [:]
    for column in columns {
      guard let source = column.source else { continue }
      check(batch.columns[source], column.field, &problems)
    }
    return problems
  }

  private func check(_ column: Column, _ field: NestedField, _ problems: inout [Int: String]) {
    func refuse(_ row: Int, _ reason: String) {
      if problems[row] == nil { problems[row] = "column '\(field.name)': \(reason)" }
    }
    if field.isRequired, let validity = column.validity, !validity.isAllSet {
      for row in 0..<column.count where !validity[row] { refuse(row, "NULL, and the column is required") }
    }
    switch (column.storage, field.type) {
    case (.int64(let values), .int):
      for row in Self.outside(values, Int64(Int32.min)...Int64(Int32.max)) where !column.isNull(row) {
        refuse(row, "\(values[row]) is outside the range of int")
      }
    case (.int64(let values), .date):
      for row in Self.outside(values, Int64(Int32.min)...Int64(Int32.max)) where !column.isNull(row) {
        refuse(row, "the date is outside the range of Iceberg's date")
      }
    case (.int64(let values), .timestampNanos), (.int64(let values), .timestamptzNanos):
      for row in Self.outside(values, Int64.min / 1000...Int64.max / 1000) where !column.isNull(row) {
        refuse(row, "the time is outside the range of nanoseconds: 1677 to 2262")
      }
    case (.int64(let values), .decimal(let precision, let scale)):
      for row in values.indices where !column.isNull(row) {
        if Self.rescaled(Numeric(unscaled: Int128(values[row]), scale: 0), precision, scale) == nil {
          refuse(row, "\(values[row]) does not fit decimal(\(precision), \(scale))")
        }
      }
    case (.numeric(let values), .decimal(let precision, let scale)):
      for row in values.indices where !column.isNull(row) {
        if Self.rescaled(values[row], precision, scale) == nil {
          refuse(row, "\(values[row].description) does not fit decimal(\(precision), \(scale))")
        }
      }
    case (.bytes(let values), .string):
      for row in Self.notUTF8(values) where !column.isNull(row) { refuse(row, "the text is not valid UTF-8") }
    case (.bytes(let values), .fixed(let length)):
      for row in 0..<values.count where !column.isNull(row) && values[row].count != length {
        refuse(row, "expected \(length) bytes, found \(values[row].count)")
      }
    default: break
    }
  }

  private static func outside(_ values: [Int64], _ range: ClosedRange<Int64>) -> [Int] {
    var isInside = true
    for value in values { isInside = isInside && range.contains(value) }
    return isInside ? [] : values.indices.filter { !range.contains(values[$0]) }
  }

  private static func notUTF8(_ values: ByteValues) -> [Int] {
    var union: UInt8 = 0
    for byte in values.bytes { union |= byte }
    guard union & 0x80 != 0 else { return [] }
    return (0..<values.count).filter { row in
      values[row].contains { $0 & 0x80 != 0 } && String(validating: values[row], as: UTF8.self) == nil
    }
  }

  /// `value` with exactly `scale` digits after the point; `nil` when digits would be lost, or there are too many.
  static func rescaled(_ value: Numeric, _ precision: Int, _ scale: Int) -> Numeric? {
    guard value.scale != Numeric.nanScale else { return nil }
    var unscaled = value.unscaled
    var own = Int(value.scale)
    while own < scale {
      let (product, overflow) = unscaled.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      unscaled = product
      own += 1
    }
    while own > scale {
      let (quotient, remainder) = unscaled.quotientAndRemainder(dividingBy: 10)
      if remainder != 0 { return nil }
      unscaled = quotient
      own -= 1
    }
    guard unscaled.magnitude < powers[precision] else { return nil }
    return Numeric(unscaled: unscaled, scale: Int16(scale))
  }

  private static let powers: [UInt128] = (0...38).map { (0..<$0).reduce(UInt128(1)) { power, _ in power * 10 } }

  /// The table's columns; rows with ``problems(_:)`` must not be among them.
  func arrays(_ batch: Batch) -> [ParquetArray] {
    columns.map { column in
      guard let source = column.source else { return Self.nulls(column.field.type, batch.count) }
      return .leaf(Self.converted(batch.columns[source], column.field.type))
    }
  }

  private static func converted(_ column: Column, _ type: IcebergType) -> Column {
    func as64(_ values: [Int64], _ target: DataType) -> Column {
      Column(target, .int64(values), validity: column.validity)
    }
    switch (column.storage, type) {
    case (.int64(let values), .long): return as64(values, .bigint)
    case (.int64(let values), .timestampNanos): return as64(values.map { $0 &* 1000 }, .timestamp)
    case (.int64(let values), .timestamptzNanos): return as64(values.map { $0 &* 1000 }, .timestamptz)
    case (.int64(let values), .decimal(let precision, let scale)):
      let numerics = values.map { rescaled(Numeric(unscaled: Int128($0), scale: 0), precision, scale) ?? zero(scale) }
      return Column(.numeric(precision: precision, scale: scale), .numeric(numerics), validity: column.validity)
    case (.numeric(let values), .decimal(let precision, let scale)):
      let numerics = values.map { rescaled($0, precision, scale) ?? zero(scale) }
      return Column(.numeric(precision: precision, scale: scale), .numeric(numerics), validity: column.validity)
    case (.float64(let values), .double): return Column(.double, .float64(values), validity: column.validity)
    case (.bytes(let values), .string): return Column(.text, .bytes(values), validity: column.validity)
    default: return column
    }
  }

  /// What stands in the place of a NULL.
  private static func zero(_ scale: Int) -> Numeric { Numeric(unscaled: 0, scale: Int16(scale)) }

  private static func nulls(_ type: IcebergType, _ count: Int) -> ParquetArray {
    let none = Bitmap(repeating: false, count: count)
    let offsets = [Int32](repeating: 0, count: count + 1)
    switch type {
    case .structure(let fields):
      return .group(count: count, validity: none, fields.map { nulls($0.type, count) })
    case .list(let element):
      return .list(offsets: offsets, validity: none, element: nulls(element.type, 0))
    case .map(let key, let value):
      return .map(offsets: offsets, validity: none, key: nulls(key.type, 0), value: nulls(value.type, 0))
    default: return .leaf(Column(repeating: .null, type.columnType ?? .text, count: count))
    }
  }
}
