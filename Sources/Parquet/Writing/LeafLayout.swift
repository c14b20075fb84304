import Columnar

/// How the values of a leaf are in a file: the physical type and what follows from it.
struct LeafLayout {
  /// Parquet's `Type`.
  enum Physical: Int32 {
    case boolean = 0
    case int32 = 1
    case int64 = 2
    case float = 4
    case double = 5
    case byteArray = 6
    case fixed = 7
  }

  let physical: Physical
  /// The length of a fixed value; 0 for others.
  let length: Int
  let order: ValueOrder
  /// Whether values are UTF-8.
  let isText: Bool
  /// What integers may be.
  let range: ClosedRange<Int64>
  /// What is expected of a column, for messages.
  let expected: String

  /// The layout of `type`, unless it is one that is only read.
  init(_ type: LeafType, path: [String]) throws(ParquetError) {
    let name = path.joined(separator: ".")
    var range = Int64.min...Int64.max
    var length = 0
    switch type {
    case .boolean: (physical, order) = (.boolean, .boolean)
    case .int32(let bits):
      guard [8, 16, 32].contains(bits) else {
        throw ParquetError(.invalid, "column \(name): an int32 has 8, 16 or 32 bits, not \(bits)")
      }
      (physical, order) = (.int32, .signed32)
      range = -(1 << Int64(bits - 1))...(1 << Int64(bits - 1)) - 1
    case .int64, .timestamp: (physical, order) = (.int64, .signed64)
    case .date:
      (physical, order) = (.int32, .signed32)
      range = Int64(Int32.min)...Int64(Int32.max)
    case .time(let unit, _):
      (physical, order) = unit == .milliseconds ? (.int32, .signed32) : (.int64, .signed64)
      range = 0...unit.perDay
    case .float: (physical, order) = (.float, .float)
    case .double: (physical, order) = (.double, .double)
    case .decimal(let precision, let scale):
      guard 1...38 ~= precision, 0...precision ~= scale else {
        throw ParquetError(
          .invalid, "column \(name): decimal(\(precision), \(scale)) needs a precision of 1 to 38 and a scale within it"
        )
      }
      if precision <= 9 {
        (physical, order) = (.int32, .signed32)
      } else if precision <= 18 {
        (physical, order) = (.int64, .signed64)
      } else {
        (physical, order) = (.fixed, .signedBytes)
        length = DecimalConversion.byteCount(precision: precision)
      }
    case .string, .json, .binary: (physical, order) = (.byteArray, .unsignedBytes)
    case .fixed(let given):
      guard 1...Int(Int32.max) ~= given else {
        throw ParquetError(.invalid, "column \(name): a fixed value has at least one byte, not \(given)")
      }
      (physical, order) = (.fixed, .unsignedBytes)
      length = given
    case .uuid:
      (physical, order) = (.fixed, .unsignedBytes)
      length = 16
    case .unsigned, .int96:
      throw ParquetError(.unsupported, "column \(name): \(type) is read, but not written; use a signed type")
    }
    self.range = range
    self.length = length
    isText = type == .string || type == .json
    expected = type.columnType.sqlName
  }

  /// The bytes of a plainly encoded number.
  var wordBytes: Int { physical == .int32 || physical == .float ? 4 : 8 }
}

extension LeafType.TimeUnit {
  /// How many there are in a day.
  var perDay: Int64 {
    switch self {
    case .milliseconds: 86_400_000
    case .microseconds: 86_400_000_000
    case .nanoseconds: 86_400_000_000_000
    }
  }
}
