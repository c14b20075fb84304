import Columnar

/// Builds nested arrays from leaves' levels (Parquet format, "Nested Encoding"). The reverse of record shredding.
struct Assembly {
  let leaves: [Int: LeafBatch]

  /// The values of `node` in `count` slots.
  func array(_ node: SchemaNode, count: Int) throws(ParquetError) -> ParquetArray {
    let result: ParquetArray
    switch node.kind {
    case .leaf(let index):
      guard let batch = leaves[index] else { throw ParquetError(.invalid, "leaf \(index) was not read") }
      result = .leaf(batch.column)
    case .group(let fields):
      var children: [ParquetArray] = []
      for field in fields { children.append(try array(field, count: count)) }
      result = .group(count: count, validity: try groupValidity(node, count), children)
    case .list(let element, let repeated):
      let rows = try offsets(node, repeated)
      let elements = try array(element, count: rows.elementCount)
      result = .list(offsets: rows.offsets, validity: rows.validity, element: elements)
    case .map(let key, let value, let repeated):
      let rows = try offsets(node, repeated)
      result = .map(
        offsets: rows.offsets, validity: rows.validity, key: try array(key, count: rows.elementCount),
        value: try array(value, count: rows.elementCount))
    }
    guard result.count == count else {
      throw ParquetError(
        .corrupt, "column \(node.name): its levels give \(result.count) values, those beside it \(count)")
    }
    return result
  }

  /// A leaf below `node`: all of them tell the same of it.
  private func representative(_ node: SchemaNode) throws(ParquetError) -> LeafBatch {
    var node = node
    while true {
      switch node.kind {
      case .leaf(let index):
        guard let batch = leaves[index] else { throw ParquetError(.invalid, "leaf \(index) was not read") }
        return batch
      case .group(let fields):
        guard let first = fields.first else { throw ParquetError(.invalid, "group \(node.name) has no fields") }
        node = first
      case .list(let element, _): node = element
      case .map(let key, _, _): node = key
      }
    }
  }

  private func groupValidity(_ node: SchemaNode, _ count: Int) throws(ParquetError) -> Bitmap? {
    guard node.isOptional else { return nil }
    let batch = try representative(node)
    guard let definitions = batch.definitions else { return nil }
    var bits = BitmapBuilder()
    guard let repetitions = batch.repetitions else {
      bits.append(definitions[...], atLeast: UInt8(node.definition))
      return try checked(bits, node, count)
    }
    guard definitions.count == repetitions.count else { throw differs(node) }
    for (definition, repetition) in zip(definitions, repetitions)
    where repetition <= node.repetition && definition >= node.slotDefinition {
      bits.append(repeating: definition >= node.definition, count: 1)
    }
    return try checked(bits, node, count)
  }

  private func checked(_ bits: BitmapBuilder, _ node: SchemaNode, _ count: Int) throws(ParquetError) -> Bitmap? {
    guard bits.count == count else { throw differs(node) }
    return bits.finish()
  }

  private func differs(_ node: SchemaNode) -> ParquetError {
    ParquetError(.corrupt, "column \(node.name): its leaves have levels that do not fit together")
  }

  private struct Rows {
    var offsets: [Int32]
    var validity: Bitmap?
    var elementCount: Int
  }

  /// Where the rows of a list or map begin, from the levels of a leaf below it.
  private func offsets(_ node: SchemaNode, _ repeated: Int) throws(ParquetError) -> Rows {
    let batch = try representative(node)
    guard let repetitions = batch.repetitions else { throw differs(node) }
    let definitions = batch.definitions
    guard definitions.map({ $0.count == repetitions.count }) ?? true else { throw differs(node) }
    guard repetitions.count <= Int(Int32.max) else {
      throw ParquetError(.unsupported, "column \(node.name): too many values at once; read fewer rows at a time")
    }
    let level = node.repetition + 1
    var offsets: [Int32] = [0]
    var bits = BitmapBuilder()
    var elements: Int32 = 0
    // Whether the row that was begun last has elements, so that it can be continued.
    var isOpen = false
    for index in 0..<repetitions.count {
      let definition = definitions.map { Int($0[index]) } ?? Int.max
      let repetition = Int(repetitions[index])
      if repetition < level {
        isOpen = definition >= repeated
        if definition < node.slotDefinition { continue }
        if isOpen { elements += 1 }
        offsets.append(elements)
        bits.append(repeating: definition >= node.definition, count: 1)
      } else {
        guard isOpen else { throw differs(node) }
        if repetition == level {
          guard definition >= repeated else { throw differs(node) }
          elements += 1
          offsets[offsets.count - 1] = elements
        }
      }
    }
    return Rows(offsets: offsets, validity: bits.finish(), elementCount: Int(elements))
  }
}
