extension Column {
  /// The value of `row`.
  public func value(_ row: Int) -> Value {
    if isNull(row) { return .null }
    return switch storage {
    case .boolean(let values): .boolean(values[row])
    case .int64(let values): .int64(values[row])
    case .float64(let values): .float64(values[row])
    case .numeric(let values): .numeric(values[row])
    case .bytes(let values): .bytes(Array(values[row]))
    case .interval(let values): .interval(values[row])
    case .uuid(let values): .uuid(values[row])
    }
  }

  /// `count` rows of the same value, which is NULL or of the type's storage kind.
  public init(repeating value: Value, _ type: DataType, count: Int) {
    var builder = ColumnBuilder(type, capacity: count)
    for _ in 0..<count { builder.append(value) }
    self = builder.finish()
  }

  /// The rows at `indices`, in that order; an index may come more than once.
  public func gather(_ indices: [Int32]) -> Column {
    let gathered: Storage =
      switch storage {
      case .boolean(let values): .boolean(Columnar.gather(values, indices))
      case .int64(let values): .int64(Columnar.gather(values, indices))
      case .float64(let values): .float64(Columnar.gather(values, indices))
      case .numeric(let values): .numeric(Columnar.gather(values, indices))
      case .bytes(let values): .bytes(values.gather(indices))
      case .interval(let values): .interval(Columnar.gather(values, indices))
      case .uuid(let values): .uuid(Columnar.gather(values, indices))
      }
    return Column(type, gathered, validity: validity.flatMap { $0.gather(indices).droppedWhenAllSet })
  }

  /// The rows of `range`.
  public func slice(_ range: Range<Int>) -> Column {
    if range == 0..<count { return self }
    let sliced: Storage =
      switch storage {
      case .boolean(let values): .boolean(Array(values[range]))
      case .int64(let values): .int64(Array(values[range]))
      case .float64(let values): .float64(Array(values[range]))
      case .numeric(let values): .numeric(Array(values[range]))
      case .bytes(let values): .bytes(values.slice(range))
      case .interval(let values): .interval(Array(values[range]))
      case .uuid(let values): .uuid(Array(values[range]))
      }
    return Column(type, sliced, validity: validity.flatMap { $0.slice(range).droppedWhenAllSet })
  }

  /// The rows of all `columns`, which have the type `type`, one after another.
  public static func concatenate(_ columns: [Column], _ type: DataType) -> Column {
    if columns.count == 1 { return columns[0] }
    let storage: Storage
    switch type.storageKind {
    case .boolean:
      storage = .boolean(join(columns) { if case .boolean(let values) = $0 { return values } else { return nil } })
    case .int64:
      storage = .int64(join(columns) { if case .int64(let values) = $0 { return values } else { return nil } })
    case .float64:
      storage = .float64(join(columns) { if case .float64(let values) = $0 { return values } else { return nil } })
    case .numeric:
      storage = .numeric(join(columns) { if case .numeric(let values) = $0 { return values } else { return nil } })
    case .interval:
      storage = .interval(join(columns) { if case .interval(let values) = $0 { return values } else { return nil } })
    case .uuid:
      storage = .uuid(join(columns) { if case .uuid(let values) = $0 { return values } else { return nil } })
    case .bytes:
      storage = .bytes(
        ByteValues.concatenate(
          columns.compactMap { if case .bytes(let values) = $0.storage { return values } else { return nil } }))
    }
    let count = columns.reduce(0) { $0 + $1.count }
    precondition(storage.count == count, "columns of another type than \(type.sqlName) cannot be joined")
    guard columns.contains(where: { $0.validity != nil }) else { return Column(type, storage) }
    var validity = Bitmap(repeating: true, count: count)
    var start = 0
    for column in columns {
      for row in 0..<column.count where column.isNull(row) { validity[start + row] = false }
      start += column.count
    }
    return Column(type, storage, validity: validity)
  }

  private static func join<Element>(_ columns: [Column], _ values: (Storage) -> [Element]?) -> [Element] {
    var joined: [Element] = []
    joined.reserveCapacity(columns.reduce(0) { $0 + $1.count })
    for column in columns { joined += values(column.storage) ?? [] }
    return joined
  }

  /// About how many bytes of memory the values take.
  public var memoryBytes: Int {
    let values =
      switch storage {
      case .boolean(let values): values.count
      case .int64(let values): values.count * 8
      case .float64(let values): values.count * 8
      case .numeric(let values): values.count * MemoryLayout<Numeric>.stride
      case .bytes(let values): values.memoryBytes
      case .interval(let values): values.count * MemoryLayout<Interval>.stride
      case .uuid(let values): values.count * MemoryLayout<UUIDValue>.stride
      }
    return values + (validity.map { $0.words.count * 8 } ?? 0)
  }
}

/// The elements at `indices`.
func gather<Element>(_ values: [Element], _ indices: [Int32]) -> [Element] {
  [Element](unsafeUninitializedCapacity: indices.count) { target, count in
    // Every index is checked by the subscript of `values`.
    for (position, index) in indices.enumerated() {
      target.initializeElement(at: position, to: values[Int(index)])
    }
    count = indices.count
  }
}

extension ByteValues {
  /// The rows at `indices`, in that order.
  public func gather(_ indices: [Int32]) -> ByteValues {
    var total = 0
    var ends: [Int32] = [0]
    ends.reserveCapacity(indices.count + 1)
    for index in indices {
      total += Int(offsets[Int(index) + 1]) - Int(offsets[Int(index)])
      ends.append(Int32(total))
    }
    let gathered = [UInt8](unsafeUninitializedCapacity: total) { target, count in
      bytes.withUnsafeBufferPointer { source in
        var position = 0
        for index in indices {
          let start = Int(offsets[Int(index)])
          let length = Int(offsets[Int(index) + 1]) - start
          let row = UnsafeBufferPointer(rebasing: source[start..<start + length])
          _ = UnsafeMutableBufferPointer(rebasing: target[position..<position + length]).initialize(fromContentsOf: row)
          position += length
        }
      }
      count = total
    }
    return ByteValues(offsets: ends, bytes: gathered)
  }

  /// The rows of `range`.
  public func slice(_ range: Range<Int>) -> ByteValues {
    let start = offsets[range.lowerBound]
    let end = offsets[range.upperBound]
    return ByteValues(
      offsets: offsets[range.lowerBound...range.upperBound].map { $0 - start },
      bytes: Array(bytes[Int(start)..<Int(end)]))
  }

  /// The rows of all `parts`, one after another.
  static func concatenate(_ parts: [ByteValues]) -> ByteValues {
    var joined = ByteValues()
    joined.offsets.reserveCapacity(parts.reduce(1) { $0 + $1.count })
    joined.bytes.reserveCapacity(parts.reduce(0) { $0 + $1.bytes.count })
    for part in parts {
      let base = Int32(joined.bytes.count)
      joined.bytes += part.bytes[..<Int(part.offsets[part.count])]
      joined.offsets += part.offsets.dropFirst().lazy.map { base + $0 }
    }
    return joined
  }

  /// About how many bytes of memory the values take.
  public var memoryBytes: Int { bytes.count + offsets.count * 4 }
}

extension Bitmap {
  /// The bits at `indices`, in that order.
  public func gather(_ indices: [Int32]) -> Bitmap {
    var words = [UInt64](repeating: 0, count: (indices.count + 63) >> 6)
    for (position, index) in indices.enumerated() where self[Int(index)] {
      words[position >> 6] |= 1 << UInt64(position & 63)
    }
    return Bitmap(words: words, count: indices.count)
  }

  /// The bits of `range`.
  public func slice(_ range: Range<Int>) -> Bitmap {
    precondition(range.upperBound <= count)
    let shift = UInt64(range.lowerBound & 63)
    let first = range.lowerBound >> 6
    let sliced = (0..<(range.count + 63) >> 6).map { index -> UInt64 in
      let low = words[first + index] >> shift
      guard shift > 0, first + index + 1 < words.count else { return low }
      return low | words[first + index + 1] << (64 - shift)
    }
    return Bitmap(words: sliced, count: range.count)
  }

  /// The positions of the set bits, ascending.
  public var setIndices: [Int32] {
    var indices: [Int32] = []
    indices.reserveCapacity(setCount)
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        indices.append(Int32(index << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return indices
  }

  var droppedWhenAllSet: Bitmap? { isAllSet ? nil : self }
}
