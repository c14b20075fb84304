import Columnar

/// What is written to one leaf in one call: levels, and where the values are (Parquet format, "Nested Encoding").
///
/// A slot is a value or the place of one that is not there. The pointers are valid during the call that got this value.
struct LeafSlots {
  /// The definition levels; `nil` when every slot has a value.
  let definitions: UnsafePointer<UInt8>?
  /// The repetition levels; `nil` when nothing repeats.
  let repetitions: UnsafePointer<UInt8>?
  /// How many slots.
  let count: Int
  /// Where the values are.
  let rows: ValueRows
}

/// Memory for the levels of flat columns, kept between calls.
final class SlotBuffers {
  var definitions = WriteBuffer<UInt8>()
  var rows = WriteBuffer<Int32>()
}

/// The rows that a call writes.
enum RowSelection {
  /// Adjacent rows.
  case range(Range<Int>)
  /// Single rows, in the order in which they are written.
  case indices(UnsafeBufferPointer<Int32>)

  /// How many rows.
  var count: Int {
    switch self {
    case .range(let range): range.count
    case .indices(let indices): indices.count
    }
  }

  /// The rows, none of which is null.
  var valueRows: ValueRows {
    switch self {
    case .range(let range): ValueRows(indices: nil, start: range.lowerBound, count: range.count)
    case .indices(let indices): ValueRows(indices: indices.baseAddress, start: 0, count: indices.count)
    }
  }

  /// Whether all rows are within `0 ..< count`.
  func isWithin(_ count: Int) -> Bool {
    switch self {
    case .range(let range): return range.lowerBound >= 0 && range.upperBound <= count
    case .indices(let indices):
      var (low, high): (Int32, Int32) = (0, -1)
      for index in indices {
        low = min(low, index)
        high = max(high, index)
      }
      return low >= 0 && Int(high) < count
    }
  }
}

/// Makes the slots of a top-level leaf.
enum FlatSlots {
  /// The slots of `column`'s selected rows; memory for them is in `buffers`, which must not be used until they are
  /// written.
  static func make(
    _ column: Column, _ selection: RowSelection, _ leaf: ParquetLeaf, _ buffers: SlotBuffers
  ) throws(ParquetError) -> LeafSlots {
    let all = selection.valueRows
    let present = LeafSlots(definitions: nil, repetitions: nil, count: all.count, rows: all)
    guard let validity = column.validity else { return present }
    buffers.definitions.removeAll()
    buffers.rows.removeAll()
    buffers.definitions.reserve(all.count)
    buffers.rows.reserve(all.count)
    let definitions = buffers.definitions.base
    let rows = buffers.rows.base
    var valueCount = 0
    validity.words.withUnsafeBufferPointer { words in
      for index in 0..<all.count {
        let row = all.row(index)
        let bit = UInt8(truncatingIfNeeded: words[row &>> 6] &>> UInt64(row & 63)) & 1
        definitions[index] = bit
        rows[valueCount] = Int32(truncatingIfNeeded: row)
        valueCount &+= Int(bit)
      }
    }
    if valueCount == all.count { return present }
    guard leaf.maximumDefinitionLevel > 0 else {
      let index = (0..<all.count).first { definitions[$0] == 0 } ?? 0
      throw ParquetError(.invalid, "column \(leaf.name) is required, but row \(all.row(index)) of the batch is null")
    }
    return LeafSlots(
      definitions: definitions, repetitions: nil, count: all.count,
      rows: ValueRows(indices: rows, start: 0, count: valueCount))
  }
}

/// The slots at one node of a nested column; refined from the root to the leaves.
struct NestedSlots: ~Copyable {
  /// The row of the node's array, or -1 where an ancestor is null or empty.
  private(set) var rows: WriteBuffer<Int32>
  private(set) var definitions: WriteBuffer<UInt8>
  private(set) var repetitions: WriteBuffer<UInt8>

  private init(capacity: Int) {
    rows = WriteBuffer(capacity: capacity)
    definitions = WriteBuffer(capacity: capacity)
    repetitions = WriteBuffer(capacity: capacity)
  }

  /// The slots of a top-level field's selected rows.
  init(_ selection: RowSelection) {
    let all = selection.valueRows
    self.init(capacity: all.count)
    for index in 0..<all.count { append(row: Int32(truncatingIfNeeded: all.row(index)), definition: 0, repetition: 0) }
  }

  /// How many slots.
  var count: Int { rows.count }

  private mutating func append(row: Int32, definition: UInt8, repetition: UInt8) {
    rows.append(row)
    definitions.append(definition)
    repetitions.append(repetition)
  }

  /// The row of the batch that slot `index` belongs to, counted from the first one written.
  private func topLevelRow(_ index: Int) -> Int {
    (0...index).reduce(-1) { $0 + (repetitions.base[$1] == 0 ? 1 : 0) }
  }

  /// The slots with the nulls of a field applied: a level more where it is there.
  func entering(
    _ field: ParquetField, path: [String], _ array: ParquetArray
  ) throws(ParquetError) -> NestedSlots {
    var result = NestedSlots(capacity: count)
    let validity = array.validity
    let step: UInt8 = field.isRequired ? 0 : 1
    let arrayCount = min(array.count, validity?.count ?? .max)
    for index in 0..<count {
      let row = rows.base[index]
      guard Int(row) < arrayCount else {
        throw ParquetError(
          .invalid, "column \(path.joined(separator: ".")): row \(row) is used, but the array has \(arrayCount) rows")
      }
      let isPresent = row >= 0 && (validity.map { $0[Int(row)] } ?? true)
      if row >= 0, !isPresent, field.isRequired {
        throw ParquetError(
          .invalid,
          "column \(path.joined(separator: ".")) is required, but is null in row \(topLevelRow(index)) of those written"
        )
      }
      result.append(
        row: isPresent ? row : -1, definition: definitions.base[index] &+ (isPresent ? step : 0),
        repetition: repetitions.base[index])
    }
    return result
  }

  /// The slots of the elements of lists or maps: `offsets` says where each row's are.
  func expanding(
    _ offsets: [Int32], elementCount: Int, repetition: UInt8, path: [String]
  ) throws(ParquetError) -> NestedSlots {
    var result = NestedSlots(capacity: count)
    for index in 0..<count {
      let row = Int(rows.base[index])
      let (definition, outer) = (definitions.base[index], repetitions.base[index])
      guard row >= 0 else {
        result.append(row: -1, definition: definition, repetition: outer)
        continue
      }
      let (start, end) = (offsets[row], offsets[row + 1])
      guard start >= 0, start <= end, Int(end) <= elementCount else {
        throw ParquetError(
          .invalid,
          "column \(path.joined(separator: ".")): row \(row) has the offsets \(start) to \(end), "
            + "but there are \(elementCount) elements")
      }
      if start == end { result.append(row: -1, definition: definition, repetition: outer) }
      for element in start..<end {
        result.append(row: element, definition: definition &+ 1, repetition: element == start ? outer : repetition)
      }
    }
    return result
  }

  /// The slots at a leaf, for `body`; `rows` gets the rows of the values.
  func withLeafSlots(
    _ leaf: ParquetLeaf, rows valueRows: inout WriteBuffer<Int32>,
    _ body: (LeafSlots) throws(ParquetError) -> Void
  ) throws(ParquetError) {
    valueRows.removeAll()
    for row in rows.elements where row >= 0 { valueRows.append(row) }
    try body(
      LeafSlots(
        definitions: leaf.maximumDefinitionLevel > 0 ? UnsafePointer(definitions.base) : nil,
        repetitions: leaf.maximumRepetitionLevel > 0 ? UnsafePointer(repetitions.base) : nil, count: count,
        rows: ValueRows(indices: UnsafePointer(valueRows.base), start: 0, count: valueRows.count)))
  }
}
