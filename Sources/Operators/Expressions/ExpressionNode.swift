import Columnar
import SQL

/// The columns that an expression reads, and how many rows they have.
struct EvaluationFrame {
  let columns: [Column]
  let count: Int
  let context: EvaluationContext

  /// The frame of some rows; only `needed` columns are copied, the others must not be read.
  func gather(_ rows: [Int32], _ needed: Set<Int>) -> EvaluationFrame {
    var gathered = columns
    for index in needed { gathered[index] = columns[index].gather(rows) }
    return EvaluationFrame(columns: gathered, count: rows.count, context: context)
  }
}

/// An argument of a kernel: a column, or one value for all rows (a column of one row).
struct Operand: Sendable {
  let column: Column
  let isConstant: Bool

  /// 0 for a constant, all ones otherwise: `row & mask` is the row to read.
  @inline(__always) var mask: Int { isConstant ? 0 : -1 }

  static func constant(_ value: Value, _ type: DataType) -> Operand {
    Operand(column: Column(repeating: value, type, count: 1), isConstant: true)
  }

  static func rows(_ column: Column) -> Operand { Operand(column: column, isConstant: false) }

  var isConstantNull: Bool { isConstant && column.isNull(0) }

  func expanded(to count: Int, _ type: DataType) -> Column {
    guard isConstant else { return column.type == type ? column : column.retyped(type) }
    return Column(repeating: column.value(0), type, count: count)
  }
}

/// A node of a compiled expression.
struct ExpressionNode: Sendable {
  indirect enum Kind: Sendable {
    case column(Int)
    case constant(Operand)
    case call(Kernel, [ExpressionNode])
    case and([ExpressionNode])
    case or([ExpressionNode])
    case not(ExpressionNode)
    case isNull(ExpressionNode)
    case isTrue(ExpressionNode)
    case conditional([(condition: ExpressionNode, result: ExpressionNode)], ExpressionNode)
    case coalesce([ExpressionNode])
    case inIntegers(ExpressionNode, Set<Int64>, hasNull: Bool)
    case inBytes(ExpressionNode, Set<ArraySlice<UInt8>>, hasNull: Bool)
  }

  let kind: Kind
  let type: DataType
  let canFail: Bool
  /// The columns that the node reads.
  let columns: Set<Int>

  private init(_ kind: Kind, _ type: DataType, canFail: Bool, columns: Set<Int>) {
    self.kind = kind
    self.type = type
    self.canFail = canFail
    self.columns = columns
  }

  private init(_ kind: Kind, _ type: DataType, of children: [ExpressionNode], canFail: Bool = false) {
    self.init(
      kind, type, canFail: canFail || children.contains { $0.canFail },
      columns: children.reduce(into: []) { $0.formUnion($1.columns) })
  }

  init(_ expression: Expression) throws(CompileError) {
    let type = expression.type
    switch expression.kind {
    case .column(let index):
      self.init(.column(index), type, canFail: false, columns: [index])
    case .literal(let value):
      self.init(.constant(.constant(value, type)), type, canFail: false, columns: [])
    case .call(let signature, let arguments):
      self = try ExpressionNode.call(signature, arguments, expression)
    case .and(let arguments):
      let nodes = try ExpressionNode.all(arguments)
      self.init(.and(nodes), type, of: nodes)
    case .or(let arguments):
      let nodes = try ExpressionNode.all(arguments)
      self.init(.or(nodes), type, of: nodes)
    case .not(let argument):
      let node = try ExpressionNode(argument)
      self.init(.not(node), type, of: [node])
    case .isNull(let argument):
      let node = try ExpressionNode(argument)
      self.init(.isNull(node), type, of: [node])
    case .isTrue(let argument):
      let node = try ExpressionNode(argument)
      self.init(.isTrue(node), type, of: [node])
    case .conditional(let branches, let otherwise):
      var compiled: [(condition: ExpressionNode, result: ExpressionNode)] = []
      for branch in branches {
        compiled.append((try ExpressionNode(branch.condition), try ExpressionNode(branch.result)))
      }
      let last = try ExpressionNode(otherwise)
      self.init(.conditional(compiled, last), type, of: compiled.flatMap { [$0.condition, $0.result] } + [last])
    case .coalesce(let arguments):
      let nodes = try ExpressionNode.all(arguments)
      self.init(.coalesce(nodes), type, of: nodes)
    case .inList(let value, let list):
      self = try ExpressionNode.inList(value, list, expression)
    case .cast(let argument):
      self = try ExpressionNode.cast(argument, expression)
    }
  }

  private static func all(_ expressions: [Expression]) throws(CompileError) -> [ExpressionNode] {
    var nodes: [ExpressionNode] = []
    for expression in expressions { nodes.append(try ExpressionNode(expression)) }
    return nodes
  }

  private static func call(
    _ signature: FunctionSignature, _ arguments: [Expression], _ expression: Expression
  ) throws(CompileError) -> ExpressionNode {
    let nodes = try all(arguments)
    let constants: [Value?] = arguments.map { if case .literal(let value) = $0.kind { value } else { nil } }
    do throws(RowError) {
      guard let kernel = try Kernels.kernel(signature, constants) else {
        let types = signature.arguments.map(\.sqlName).joined(separator: ", ")
        throw RowError("\(signature.name)(\(types)) cannot be evaluated")
      }
      return ExpressionNode(.call(kernel, nodes), expression.type, of: nodes, canFail: kernel.canFail)
    } catch {
      throw CompileError(message: error.message, location: expression.location)
    }
  }

  private static func cast(_ argument: Expression, _ expression: Expression) throws(CompileError) -> ExpressionNode {
    let node = try ExpressionNode(argument)
    if case .literal(.null) = argument.kind {
      return ExpressionNode(
        .constant(.constant(.null, expression.type)), expression.type, canFail: false, columns: [])
    }
    guard let kernel = Kernels.cast(from: argument.type, to: expression.type) else {
      throw CompileError(
        message: "cannot cast type \(argument.type.sqlName) to \(expression.type.sqlName)",
        location: expression.location)
    }
    return ExpressionNode(.call(kernel, [node]), expression.type, of: [node], canFail: kernel.canFail)
  }

  /// A set of constants is looked up; anything else is a chain of comparisons, which short-circuits as `OR` does.
  private static func inList(
    _ value: Expression, _ list: [Expression], _ expression: Expression
  ) throws(CompileError) -> ExpressionNode {
    let constants: [Value] = list.compactMap { if case .literal(let value) = $0.kind { value } else { nil } }
    if constants.count == list.count {
      let node = try ExpressionNode(value)
      let hasNull = constants.contains(.null)
      var integers = Set<Int64>()
      var bytes = Set<ArraySlice<UInt8>>()
      for constant in constants {
        if case .int64(let value) = constant { integers.insert(value) }
        if case .bytes(let value) = constant { bytes.insert(value[...]) }
      }
      switch value.type {
      case .integer, .bigint, .date, .timestamp, .timestamptz:
        return ExpressionNode(.inIntegers(node, integers, hasNull: hasNull), .boolean, of: [node])
      case .text, .bytea:
        return ExpressionNode(.inBytes(node, bytes, hasNull: hasNull), .boolean, of: [node])
      default: break
      }
    }
    let type = value.type.unconstrained
    let equal = FunctionSignature(name: "=", arguments: [type, type], result: .boolean)
    return try ExpressionNode(
      Expression(
        .or(list.map { Expression(.call(equal, [value, $0]), type: .boolean, location: expression.location) }),
        type: .boolean, location: expression.location))
  }
}
