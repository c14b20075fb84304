import Columnar
import SQL

/// Why a row has no value, in PostgreSQL's words.
struct RowError: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

/// The code behind one overload, for whole columns.
struct Kernel: Sendable {
  typealias Body = @Sendable ([Operand], Int, EvaluationContext, inout FailedRows) -> Column
  /// Whether a row can fail.
  let canFail: Bool
  private let body: Body

  init(canFail: Bool, _ body: @escaping Body) {
    self.canFail = canFail
    self.body = body
  }

  /// The result for `count` rows; 1 when all operands are constant.
  func run(
    _ operands: [Operand], _ count: Int, _ context: EvaluationContext, _ failures: inout FailedRows
  ) -> Column { body(operands, count, context, &failures) }
}

/// A value that kernels read from a column's storage and write to one.
protocol KernelValue: Sendable {
  associatedtype Vector
  /// What the storage of a NULL row holds; never read as a value.
  static var nullPlaceholder: Self { get }
  static func vector(_ storage: Column.Storage) -> Vector
  static func read(_ vector: Vector, _ row: Int) -> Self
  static func emptyVector(_ capacity: Int) -> Vector
  static func append(_ value: Self, to vector: inout Vector)
  static func columnStorage(_ vector: Vector) -> Column.Storage
}

/// A value with an array as its vector.
protocol FixedKernelValue: KernelValue where Vector == [Self] {}

extension FixedKernelValue {
  @inline(__always) static func read(_ vector: [Self], _ row: Int) -> Self { vector[row] }
  static func emptyVector(_ capacity: Int) -> [Self] {
    var vector: [Self] = []
    vector.reserveCapacity(capacity)
    return vector
  }
  @inline(__always) static func append(_ value: Self, to vector: inout [Self]) { vector.append(value) }
}

extension Bool: FixedKernelValue {
  static var nullPlaceholder: Bool { false }
  static func vector(_ storage: Column.Storage) -> [Bool] {
    if case .boolean(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [Bool]) -> Column.Storage { .boolean(vector) }
}
extension Int64: FixedKernelValue {
  static var nullPlaceholder: Int64 { 0 }
  static func vector(_ storage: Column.Storage) -> [Int64] {
    if case .int64(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [Int64]) -> Column.Storage { .int64(vector) }
}
extension Double: FixedKernelValue {
  static var nullPlaceholder: Double { 0 }
  static func vector(_ storage: Column.Storage) -> [Double] {
    if case .float64(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [Double]) -> Column.Storage { .float64(vector) }
}
extension Numeric: FixedKernelValue {
  static var nullPlaceholder: Numeric { .zero }
  static func vector(_ storage: Column.Storage) -> [Numeric] {
    if case .numeric(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [Numeric]) -> Column.Storage { .numeric(vector) }
}
extension Interval: FixedKernelValue {
  static var nullPlaceholder: Interval { Interval() }
  static func vector(_ storage: Column.Storage) -> [Interval] {
    if case .interval(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [Interval]) -> Column.Storage { .interval(vector) }
}
extension UUIDValue: FixedKernelValue {
  static var nullPlaceholder: UUIDValue { UUIDValue(high: 0, low: 0) }
  static func vector(_ storage: Column.Storage) -> [UUIDValue] {
    if case .uuid(let values) = storage { values } else { [] }
  }
  static func columnStorage(_ vector: [UUIDValue]) -> Column.Storage { .uuid(vector) }
}

/// A `text`, `bytea` or `jsonb`.
typealias Bytes = ArraySlice<UInt8>

extension ArraySlice: KernelValue where Element == UInt8 {
  static var nullPlaceholder: Bytes { [] }
  static func vector(_ storage: Column.Storage) -> ByteValues {
    if case .bytes(let values) = storage { values } else { ByteValues() }
  }
  @inline(__always) static func read(_ vector: ByteValues, _ row: Int) -> Bytes { vector[row] }
  static func emptyVector(_ capacity: Int) -> ByteValues {
    var values = ByteValues()
    values.offsets.reserveCapacity(capacity + 1)
    return values
  }
  @inline(__always) static func append(_ value: Bytes, to vector: inout ByteValues) { vector.append(contentsOf: value) }
  static func columnStorage(_ vector: ByteValues) -> Column.Storage { .bytes(vector) }
}

/// The kernels by topic; the loops that they share.
enum Kernels {
  /// The rows where no operand is NULL; absent when that is all of them.
  static func validity(_ operands: [Operand], _ count: Int) -> Bitmap? {
    var result: Bitmap?
    for operand in operands {
      guard let own = operand.column.validity else { continue }
      if operand.isConstant {
        if !own[0] { return Bitmap(repeating: false, count: count) }
      } else {
        result = result.map { $0.intersection(own) } ?? own
      }
    }
    return result
  }

  /// Calls `body` for each row where no operand is NULL; `nil` from it is NULL.
  @inline(__always)
  static func fill<R: KernelValue>(
    _ type: DataType, _ operands: [Operand], _ count: Int, _ failures: inout FailedRows,
    _ body: (Int) throws(RowError) -> R?
  ) -> Column {
    var valid = validity(operands, count)
    var vector = R.emptyVector(count)
    for row in 0..<count {
      if let valid, !valid[row] {
        R.append(R.nullPlaceholder, to: &vector)
        continue
      }
      do throws(RowError) {
        if let value = try body(row) {
          R.append(value, to: &vector)
          continue
        }
      } catch {
        failures.add(row, error.message)
      }
      R.append(R.nullPlaceholder, to: &vector)
      if valid == nil { valid = Bitmap(repeating: true, count: count) }
      valid?[row] = false
    }
    return Column(type, R.columnStorage(vector), validity: valid)
  }

  static func strict1<A: KernelValue, R: KernelValue>(
    _ type: DataType, canFail: Bool = false, _ body: @escaping @Sendable (A) throws(RowError) -> R?
  ) -> Kernel {
    Kernel(canFail: canFail) { operands, count, _, failures in
      let first = A.vector(operands[0].column.storage)
      let mask = operands[0].mask
      return fill(type, operands, count, &failures) { row throws(RowError) in try body(A.read(first, row & mask)) }
    }
  }

  static func strict2<A: KernelValue, B: KernelValue, R: KernelValue>(
    _ type: DataType, canFail: Bool = false, _ body: @escaping @Sendable (A, B) throws(RowError) -> R?
  ) -> Kernel {
    Kernel(canFail: canFail) { operands, count, _, failures in
      let first = A.vector(operands[0].column.storage)
      let second = B.vector(operands[1].column.storage)
      let (mask1, mask2) = (operands[0].mask, operands[1].mask)
      return fill(type, operands, count, &failures) { row throws(RowError) in
        try body(A.read(first, row & mask1), B.read(second, row & mask2))
      }
    }
  }

  static func strict3<A: KernelValue, B: KernelValue, C: KernelValue, R: KernelValue>(
    _ type: DataType, canFail: Bool = false, _ body: @escaping @Sendable (A, B, C) throws(RowError) -> R?
  ) -> Kernel {
    Kernel(canFail: canFail) { operands, count, _, failures in
      let first = A.vector(operands[0].column.storage)
      let second = B.vector(operands[1].column.storage)
      let third = C.vector(operands[2].column.storage)
      let (mask1, mask2, mask3) = (operands[0].mask, operands[1].mask, operands[2].mask)
      return fill(type, operands, count, &failures) { row throws(RowError) in
        try body(A.read(first, row & mask1), B.read(second, row & mask2), C.read(third, row & mask3))
      }
    }
  }

  /// The column as it is; rows that are NULL fail.
  private static func notNull(_ constants: [Value?]) -> Kernel {
    var name = ""
    if case .bytes(let bytes)? = constants[constants.count - 1] { name = String(decoding: bytes, as: UTF8.self) }
    let message = "null value in column \"\(name)\" violates not-null constraint"
    return Kernel(canFail: true) { operands, count, _, failures in
      let column = operands[0].column
      if let validity = column.validity {
        for row in 0..<count where !validity[row & operands[0].mask] { failures.add(row, message) }
      }
      return column
    }
  }

  /// The kernel of `signature`; `constants` are the arguments that are literals, so that patterns are compiled once.
  static func kernel(_ signature: FunctionSignature, _ constants: [Value?]) throws(RowError) -> Kernel? {
    if let kernel = comparison(signature) ?? arithmetic(signature) ?? logarithms(signature) { return kernel }
    if let kernel = try pattern(signature, constants) { return kernel }
    if let kernel = text(signature) ?? encoding(signature) ?? variadic(signature) ?? time(signature) { return kernel }
    if signature.name == "not_null" { return notNull(constants) }
    if let kernel = json(signature) { return kernel }
    return try formatting(signature, constants)
  }
}

extension Bytes {
  init(_ string: String) { self = ArraySlice(Array(string.utf8)) }
  var string: String { String(decoding: self, as: UTF8.self) }
}
