import Columnar

extension Literal {
  /// The value of a column's row; `nil` is NULL.
  ///
  /// Integers, dates and times are taken as they are, in the unit of `type`; a decimal is brought to the type's scale.
  /// - Throws: ``IcebergError`` of kind `invalid` when the value does not fit the type, or the column holds something else.
  public init?(row: Int, of column: Column, type: IcebergType) throws(IcebergError) {
    if column.isNull(row) || type == .unknown { return nil }
    let value: Literal?
    switch column.storage {
    case .boolean(let values): value = type == .boolean ? .boolean(values[row]) : nil
    case .int64(let values): value = Self.integer(values[row], type)
    case .float64(let values): value = Self.floating(values[row], type)
    case .numeric(let values): value = Self.numeric(values[row], type)
    case .bytes(let values): value = Self.bytes(values[row], type)
    case .uuid(let values): value = type == .uuid ? .uuid(values[row]) : nil
    case .interval: value = nil
    }
    guard let value else {
      throw IcebergError(
        .invalid,
        "row \(row): \(Self.describe(column, row)) of type \(column.type.sqlName) does not fit the type \(type.text)")
    }
    self = value
  }

  private static func integer(_ value: Int64, _ type: IcebergType) -> Literal? {
    switch type {
    case .int: Int32(exactly: value).map { .int($0) }
    case .long: .long(value)
    case .date: Int32(exactly: value).map { .date($0) }
    case .time: .time(value)
    case .timestamp: .timestamp(value)
    case .timestamptz: .timestamptz(value)
    case .timestampNanos: .timestampNanos(value)
    case .timestamptzNanos: .timestamptzNanos(value)
    case .decimal(let precision, let scale): rescaled(Int128(value), 0, precision, scale)
    default: nil
    }
  }

  private static func floating(_ value: Double, _ type: IcebergType) -> Literal? {
    switch type {
    case .float: .float(Float(value))
    case .double: .double(value)
    default: nil
    }
  }

  private static func numeric(_ value: Numeric, _ type: IcebergType) -> Literal? {
    guard case .decimal(let precision, let scale) = type, !value.isNaN else { return nil }
    return rescaled(value.unscaled, Int(value.scale), precision, scale)
  }

  private static func bytes(_ value: ArraySlice<UInt8>, _ type: IcebergType) -> Literal? {
    switch type {
    case .string: .string(String(decoding: value, as: UTF8.self))
    case .binary: .binary(Array(value))
    case .fixed(let length): value.count == length ? .fixed(Array(value)) : nil
    case .uuid: value.count == 16 ? try? Literal(binary: Array(value), type: .uuid) : nil
    default: nil
    }
  }

  private static func describe(_ column: Column, _ row: Int) -> String {
    switch column.storage {
    case .boolean(let values): "\(values[row])"
    case .int64(let values): "\(values[row])"
    case .float64(let values): "\(values[row])"
    case .numeric(let values): "\(values[row])"
    case .bytes(let values): "\(values[row].count) bytes"
    case .interval: "an interval"
    case .uuid(let values): "\(values[row])"
    }
  }
}
