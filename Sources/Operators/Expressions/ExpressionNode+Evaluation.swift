import Columnar

extension ExpressionNode {
  /// The value of every row of `frame`; rows that fail are added to `failures` and have an unspecified value.
  func evaluate(_ frame: EvaluationFrame, _ failures: inout FailedRows) -> Operand {
    switch kind {
    case .column(let index): return .rows(frame.columns[index])
    case .constant(let operand): return operand
    case .call(let kernel, let arguments): return call(kernel, arguments, frame, &failures)
    case .and(let nodes): return connect(nodes, deciding: false, frame, &failures)
    case .or(let nodes): return connect(nodes, deciding: true, frame, &failures)
    case .not(let node):
      let operand = node.evaluate(frame, &failures)
      guard case .boolean(let values) = operand.column.storage else { return operand }
      let column = Column(.boolean, .boolean(values.map { !$0 }), validity: operand.column.validity)
      return Operand(column: column, isConstant: operand.isConstant)
    case .isNull(let node):
      let operand = node.evaluate(frame, &failures)
      let count = operand.column.count
      guard let validity = operand.column.validity else {
        let column = Column(.boolean, .boolean([Bool](repeating: false, count: count)))
        return Operand(column: column, isConstant: operand.isConstant)
      }
      let column = Column(.boolean, .boolean((0..<count).map { !validity[$0] }))
      return Operand(column: column, isConstant: operand.isConstant)
    case .isTrue(let node):
      let operand = node.evaluate(frame, &failures)
      guard case .boolean(let values) = operand.column.storage, let validity = operand.column.validity else {
        return operand
      }
      let column = Column(.boolean, .boolean(values.indices.map { values[$0] && validity[$0] }))
      return Operand(column: column, isConstant: operand.isConstant)
    case .conditional(let branches, let otherwise): return .rows(choose(branches, otherwise, frame, &failures))
    case .coalesce(let nodes): return .rows(firstNotNull(nodes, frame, &failures))
    case .inIntegers(let node, let set, let hasNull):
      let operand = node.evaluate(frame, &failures)
      guard case .int64(let values) = operand.column.storage else { return operand }
      return membership(operand, values.map { set.contains($0) }, hasNull)
    case .inBytes(let node, let set, let hasNull):
      let operand = node.evaluate(frame, &failures)
      guard case .bytes(let values) = operand.column.storage else { return operand }
      return membership(operand, (0..<values.count).map { set.contains(values[$0]) }, hasNull)
    }
  }

  /// `x IN (list)`: a row that is not found is NULL when the list has a NULL.
  private func membership(_ operand: Operand, _ found: [Bool], _ hasNull: Bool) -> Operand {
    var validity = operand.column.validity
    if hasNull {
      let bits = Bitmap(found)
      validity = validity.map { $0.intersection(bits) } ?? bits
    }
    return Operand(column: Column(.boolean, .boolean(found), validity: validity), isConstant: operand.isConstant)
  }

  private func call(
    _ kernel: Kernel, _ arguments: [ExpressionNode], _ frame: EvaluationFrame, _ failures: inout FailedRows
  ) -> Operand {
    let operands = arguments.map { $0.evaluate(frame, &failures) }
    guard operands.allSatisfy(\.isConstant) else {
      return .rows(kernel.run(operands, frame.count, frame.context, &failures))
    }
    // A constant is computed once; when it fails, every row does.
    var own = FailedRows()
    let column = kernel.run(operands, 1, frame.context, &own)
    if let message = own.first {
      for row in 0..<frame.count { failures.add(row, message) }
      return .constant(.null, type)
    }
    return Operand(column: column, isConstant: true)
  }

  /// Evaluates this node for `rows` only, or for all rows where that cannot fail and saves a copy.
  private func evaluate(_ frame: EvaluationFrame, rows: [Int32], _ failures: inout FailedRows) -> Operand {
    if rows.count == frame.count { return evaluate(frame, &failures) }
    var own = FailedRows()
    let operand = evaluate(frame.gather(rows, columns), &own)
    failures.add(own, rows: rows)
    return operand
  }

  /// `AND` (deciding: false) and `OR` (deciding: true): a row that is decided needs no further argument, so that a
  /// later argument cannot fail it.
  private func connect(
    _ nodes: [ExpressionNode], deciding: Bool, _ frame: EvaluationFrame, _ failures: inout FailedRows
  ) -> Operand {
    var decided = [Bool](repeating: false, count: frame.count)
    var unknown = [Bool](repeating: false, count: frame.count)
    var hasUnknown = false
    for (position, node) in nodes.enumerated() {
      let isPartial = node.canFail && position > 0
      let rows: [Int32] = isPartial ? (0..<Int32(frame.count)).filter { !decided[Int($0)] } : []
      if isPartial && rows.isEmpty { break }
      let operand = isPartial ? node.evaluate(frame, rows: rows, &failures) : node.evaluate(frame, &failures)
      guard case .boolean(let values) = operand.column.storage else { continue }
      let mask = operand.mask
      let validity = operand.column.validity
      for index in 0..<(isPartial ? rows.count : frame.count) {
        let row = isPartial ? Int(rows[index]) : index
        if let validity, !validity[index & mask] {
          unknown[row] = true
          hasUnknown = true
        } else if values[index & mask] == deciding {
          decided[row] = true
        }
      }
    }
    let validity = hasUnknown ? Bitmap(decided.indices.map { decided[$0] || !unknown[$0] }) : nil
    let values = deciding ? decided : decided.map { !$0 }
    return .rows(Column(.boolean, .boolean(values), validity: validity))
  }

  /// `CASE`: conditions are evaluated for the rows that no branch has taken, results for those that take the branch.
  private func choose(
    _ branches: [(condition: ExpressionNode, result: ExpressionNode)], _ otherwise: ExpressionNode,
    _ frame: EvaluationFrame, _ failures: inout FailedRows
  ) -> Column {
    var remaining = Array(0..<Int32(frame.count))
    var assembly = ColumnAssembly(count: frame.count)
    for branch in branches where !remaining.isEmpty {
      let operand = branch.condition.evaluate(frame, rows: remaining, &failures)
      guard case .boolean(let values) = operand.column.storage else { continue }
      var taken: [Int32] = []
      var left: [Int32] = []
      for (index, row) in remaining.enumerated() {
        if failures.contains(Int(row)) { continue }
        if values[index & operand.mask] && !operand.column.isNull(index & operand.mask) {
          taken.append(row)
        } else {
          left.append(row)
        }
      }
      if !taken.isEmpty { assembly.add(branch.result.evaluate(frame, rows: taken, &failures), rows: taken) }
      remaining = left
    }
    if !remaining.isEmpty { assembly.add(otherwise.evaluate(frame, rows: remaining, &failures), rows: remaining) }
    return assembly.column(type)
  }

  private func firstNotNull(
    _ nodes: [ExpressionNode], _ frame: EvaluationFrame, _ failures: inout FailedRows
  ) -> Column {
    var remaining = Array(0..<Int32(frame.count))
    var assembly = ColumnAssembly(count: frame.count)
    for node in nodes where !remaining.isEmpty {
      let operand = node.evaluate(frame, rows: remaining, &failures)
      assembly.add(operand, rows: remaining)
      if operand.column.validity == nil { break }
      remaining = remaining.enumerated().filter { index, row in
        operand.column.isNull(index & operand.mask) && !failures.contains(Int(row))
      }.map(\.element)
    }
    return assembly.column(type)
  }
}

/// Puts a column together from the results of branches.
private struct ColumnAssembly {
  private var operands: [Operand] = []
  /// Per row, the operand and the row within it; -1 where nothing was chosen.
  private var sources: [Int32]
  private var positions: [Int32]

  init(count: Int) {
    sources = [Int32](repeating: -1, count: count)
    positions = [Int32](repeating: 0, count: count)
  }

  mutating func add(_ operand: Operand, rows: [Int32]) {
    for (index, row) in rows.enumerated() {
      sources[Int(row)] = Int32(operands.count)
      positions[Int(row)] = Int32(index & operand.mask)
    }
    operands.append(operand)
  }

  func column(_ type: DataType) -> Column {
    if operands.count == 1, !operands[0].isConstant, operands[0].column.count == sources.count,
      !sources.contains(-1)
    {
      return operands[0].column.retyped(type)
    }
    var builder = ColumnBuilder(type, capacity: sources.count)
    for row in sources.indices {
      if sources[row] < 0 {
        builder.appendNull()
      } else {
        builder.append(row: Int(positions[row]), of: operands[Int(sources[row])].column)
      }
    }
    return builder.finish()
  }
}
