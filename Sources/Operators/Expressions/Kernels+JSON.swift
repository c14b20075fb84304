import Columnar
import SQL

extension Kernels {
  /// `->` and `->>` by key or position.
  static func json(_ signature: FunctionSignature) -> Kernel? {
    guard signature.name == "->" || signature.name == "->>" else { return nil }
    let isText = signature.name == "->>"
    if signature.arguments == [.jsonb, .text] {
      return strict2(signature.result) { (json: Bytes, key: Bytes) in
        (try? JSONTree(json))?.member(key).flatMap { written($0, isText: isText) }
      }
    }
    return strict2(signature.result) { (json: Bytes, position: Int64) in
      (try? JSONTree(json))?.element(position).flatMap { written($0, isText: isText) }
    }
  }

  /// A value as `jsonb`, or as text: a string without its quotes, null as NULL.
  private static func written(_ value: JSONTree, isText: Bool) -> Bytes? {
    if isText {
      if case .null = value { return nil }
      if case .string(let characters) = value { return characters[...] }
    }
    var bytes: [UInt8] = []
    value.append(to: &bytes)
    return bytes[...]
  }

  /// `text::jsonb`: checked, and in the form in which PostgreSQL shows it.
  static func parsingJSON() -> Kernel {
    strict1(.jsonb, canFail: true) { (text: Bytes) throws(RowError) -> Bytes? in
      do throws(ValueTextError) { return written(try JSONTree(text), isText: false) } catch {
        throw error == .outOfRange
          ? RowError("value overflows numeric format") : RowError("invalid input syntax for type json")
      }
    }
  }

  /// Appends a `jsonb`, which may be as a record had it, in the form in which PostgreSQL shows it.
  static func appendJSON(_ text: Bytes, to bytes: inout [UInt8]) {
    if let tree = try? JSONTree(text) { tree.append(to: &bytes) } else { bytes.append(contentsOf: text) }
  }

  /// Whether two `jsonb` are the same value: neither white space, the order of keys nor `1.0` for `1` matter.
  static func isSameJSON(_ left: Bytes, _ right: Bytes) -> Bool {
    if left == right { return true }
    guard let first = try? JSONTree(left, isComparable: true), let second = try? JSONTree(right, isComparable: true)
    else { return false }
    return first == second
  }

  /// A number or a boolean out of a `jsonb` that is one.
  static func fromJSON(_ target: DataType) -> Kernel? {
    let reader: Kernel?
    switch target {
    case .boolean:
      return strict1(.boolean, canFail: true) { (json: Bytes) throws(RowError) -> Bool? in
        let tree = try? JSONTree(json)
        guard case .boolean(let value) = tree else { throw mismatch(tree, target) }
        return value
      }
    // By way of numeric: `1.5` becomes the integer 2.
    case .integer, .bigint: reader = cast(from: .numeric, to: target)
    case .real, .double: reader = cast(from: .text, to: target)
    case .numeric: reader = cast(from: .text, to: target)
    default: return nil
    }
    guard let reader else { return nil }
    let isInteger = target == .integer || target == .bigint
    return Kernel(canFail: true) { operands, count, context, failures in
      let texts = Bytes.vector(operands[0].column.storage)
      let mask = operands[0].mask
      let column: Column
      if isInteger {
        column = fill(.numeric, operands, count, &failures) { row throws(RowError) -> Numeric? in
          let digits = try number(texts[row & mask], target)
          guard let value = try? Numeric(String(decoding: digits, as: UTF8.self)) else {
            throw RowError("\(target.sqlName) out of range")
          }
          return value
        }
      } else {
        column = fill(.text, operands, count, &failures) { row throws(RowError) -> Bytes? in
          try number(texts[row & mask], target)[...]
        }
      }
      // Rows that failed are NULL here, and stay failed.
      return reader.run([.rows(column.maskingFailures(failures))], count, context, &failures)
    }
  }

  private static func number(_ json: Bytes, _ target: DataType) throws(RowError) -> [UInt8] {
    let tree = try? JSONTree(json)
    guard case .number(let digits) = tree else { throw mismatch(tree, target) }
    return digits
  }

  private static func mismatch(_ tree: JSONTree?, _ target: DataType) -> RowError {
    let kind =
      switch tree {
      case .none, .null: "null"
      case .boolean: "boolean"
      case .number: "numeric"
      case .string: "string"
      case .array: "array"
      case .object: "object"
      }
    return RowError("cannot cast jsonb \(kind) to type \(target.unconstrained.sqlName)")
  }
}
