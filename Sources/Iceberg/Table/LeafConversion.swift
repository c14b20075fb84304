import Columnar
import Parquet

/// How the values of a file's leaf become those of a table's type: promotions, and units that other writers choose.
struct LeafConversion: Hashable, Sendable {
  /// What is done to each value.
  enum Step: Hashable, Sendable {
    /// Nothing: only the type's name changes.
    case keep
    /// Integers are multiplied; too great a result is an error.
    case multiply(Int64)
    /// Integers are divided, rounding down.
    case divide(Int64)
    /// Sixteen bytes become a UUID.
    case bytesToUUID
    /// A UUID becomes sixteen bytes.
    case uuidToBytes
    /// Decimals get another scale.
    case rescale(Int)
  }

  let step: Step
  let type: DataType

  /// The conversion; `nil` when there is none.
  init?(from leaf: LeafType, to target: IcebergType) {
    guard let step = Self.step(leaf, target) else { return nil }
    self.step = step
    type = target.leafColumnType
  }

  private static func step(_ leaf: LeafType, _ target: IcebergType) -> Step? {
    switch (target, leaf) {
    case (.boolean, .boolean), (.int, .int32), (.long, .int32), (.long, .int64), (.float, .float), (.double, .float),
      (.double, .double), (.date, .date), (.string, .string), (.string, .json), (.string, .binary),
      (.binary, .binary), (.binary, .string), (.binary, .json), (.binary, .fixed), (.uuid, .uuid):
      return .keep
    case (.int, .unsigned(let bits)): return bits < 32 ? .keep : nil
    case (.long, .unsigned(let bits)): return bits < 64 ? .keep : nil
    case (.fixed(let length), .fixed(let fileLength)): return length == fileLength ? .keep : nil
    case (.fixed(length: 16), .uuid): return .uuidToBytes
    case (.uuid, .fixed(length: 16)): return .bytesToUUID
    case (.decimal(let precision, let scale), .decimal(let filePrecision, let fileScale)):
      guard scale >= fileScale, precision - scale >= filePrecision - fileScale else { return nil }
      return scale == fileScale ? .keep : .rescale(scale)
    case (.time, .time(let unit, _)): return timeStep(unit, toNanoseconds: false)
    case (.timestamp, .timestamp(let unit, _)), (.timestamptz, .timestamp(let unit, _)):
      return timeStep(unit, toNanoseconds: false)
    case (.timestampNanos, .timestamp(let unit, _)), (.timestamptzNanos, .timestamp(let unit, _)):
      return timeStep(unit, toNanoseconds: true)
    case (.timestamptz, .int96), (.timestamp, .int96): return .keep
    case (.timestamp, .date): return .multiply(86_400_000_000)
    case (.timestampNanos, .date): return .multiply(86_400_000_000_000)
    default: return nil
    }
  }

  private static func timeStep(_ unit: LeafType.TimeUnit, toNanoseconds: Bool) -> Step {
    switch (unit, toNanoseconds) {
    case (.milliseconds, false): .multiply(1000)
    case (.milliseconds, true): .multiply(1_000_000)
    case (.microseconds, false), (.nanoseconds, true): .keep
    case (.microseconds, true): .multiply(1000)
    case (.nanoseconds, false): .divide(1000)
    }
  }

  /// The converted values.
  /// - Throws: kind `corrupt`, naming `source`, when a value does not fit.
  func convert(_ column: Column, source: String) throws(IcebergError) -> Column {
    func mismatch() -> IcebergError {
      IcebergError(.corrupt, "\(source): a column of \(type.sqlName) holds values of another kind")
    }
    switch (step, column.storage) {
    case (.keep, let storage):
      guard type.storageKind == column.type.storageKind else { throw mismatch() }
      return column.type == type ? column : Column(type, storage, validity: column.validity)
    case (.multiply(let factor), .int64(var values)):
      for row in values.indices where !column.isNull(row) {
        let (product, overflow) = values[row].multipliedReportingOverflow(by: factor)
        guard !overflow else {
          throw IcebergError(.corrupt, "\(source): the time \(values[row]) × \(factor) does not fit 64 bits")
        }
        values[row] = product
      }
      return Column(type, .int64(values), validity: column.validity)
    case (.divide(let divisor), .int64(var values)):
      for row in values.indices {
        let (quotient, rest) = values[row].quotientAndRemainder(dividingBy: divisor)
        values[row] = rest < 0 ? quotient - 1 : quotient
      }
      return Column(type, .int64(values), validity: column.validity)
    case (.bytesToUUID, .bytes(let values)):
      return Column(type, .uuid(Self.uuids(values)), validity: column.validity)
    case (.uuidToBytes, .uuid(let values)):
      var bytes = ByteValues()
      for value in values {
        bytes.append(contentsOf: Self.bigEndian(value.high) + Self.bigEndian(value.low))
      }
      return Column(type, .bytes(bytes), validity: column.validity)
    case (.rescale(let scale), .numeric(var values)):
      for row in values.indices where !column.isNull(row) {
        guard let value = values[row].rescaled(to: scale) else {
          throw IcebergError(.corrupt, "\(source): the decimal \(values[row]) does not fit scale \(scale)")
        }
        values[row] = value
      }
      return Column(type, .numeric(values), validity: column.validity)
    default: throw mismatch()
    }
  }

  private static func uuids(_ values: ByteValues) -> [UUIDValue] {
    (0..<values.count).map { row in
      let bytes = values[row]
      guard bytes.count == 16 else { return UUIDValue(high: 0, low: 0) }
      func word(_ slice: ArraySlice<UInt8>) -> UInt64 { slice.reduce(0) { $0 << 8 | UInt64($1) } }
      return UUIDValue(high: word(bytes.prefix(8)), low: word(bytes.suffix(8)))
    }
  }

  private static func bigEndian(_ word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
  }
}
