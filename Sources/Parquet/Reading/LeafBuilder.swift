import Columnar

/// How a leaf's stored values become a column's.
enum LeafConversion: Hashable, Sendable {
  case boolean
  case int32, unsigned32, int64
  case float, double
  case int96
  /// Variable bytes as they are.
  case bytes
  case fixed(Int)
  case uuid
  case decimal32(Int16), decimal64(Int16), decimalBytes(Int16)
  case decimalFixed(Int, Int16)

  init(_ info: LeafInfo) {
    switch (info.leaf.type, info.physical) {
    case (.decimal(_, let scale), .int32): self = .decimal32(Int16(scale))
    case (.decimal(_, let scale), .int64): self = .decimal64(Int16(scale))
    case (.decimal(_, let scale), .byteArray): self = .decimalBytes(Int16(scale))
    case (.decimal(_, let scale), .fixedLengthByteArray): self = .decimalFixed(info.length, Int16(scale))
    case (.uuid, _): self = .uuid
    case (.unsigned, .int32): self = .unsigned32
    case (_, .boolean): self = .boolean
    case (_, .int32): self = .int32
    case (_, .int64): self = .int64
    case (_, .int96): self = .int96
    case (_, .float): self = .float
    case (_, .double): self = .double
    case (_, .byteArray): self = .bytes
    case (_, .fixedLengthByteArray): self = .fixed(info.length)
    }
  }

  /// How a column holds the values.
  enum Storage: Hashable, Sendable { case boolean, int64, float64, numeric, bytes, uuid }

  var storage: Storage {
    switch self {
    case .boolean: .boolean
    case .int32, .unsigned32, .int64, .int96: .int64
    case .float, .double: .float64
    case .bytes, .fixed: .bytes
    case .uuid: .uuid
    case .decimal32, .decimal64, .decimalBytes, .decimalFixed: .numeric
    }
  }
}

/// Collects a leaf's values, converted to what the column holds. Only the array of its storage is used.
struct LeafBuilder: Sendable {
  let conversion: LeafConversion
  let storage: LeafConversion.Storage
  var booleans: [Bool] = []
  var int64s: [Int64] = []
  var float64s: [Double] = []
  var numerics: [Numeric] = []
  var uuids: [UUIDValue] = []
  var offsets: [Int32] = [0]
  var bytes: [UInt8] = []

  init(_ conversion: LeafConversion, capacity: Int = 0) {
    self.conversion = conversion
    storage = conversion.storage
    switch storage {
    case .boolean: booleans.reserveCapacity(capacity)
    case .int64: int64s.reserveCapacity(capacity)
    case .float64: float64s.reserveCapacity(capacity)
    case .numeric: numerics.reserveCapacity(capacity)
    case .uuid: uuids.reserveCapacity(capacity)
    case .bytes: offsets.reserveCapacity(capacity + 1)
    }
  }

  /// How many values there are.
  var count: Int {
    switch storage {
    case .boolean: booleans.count
    case .int64: int64s.count
    case .float64: float64s.count
    case .numeric: numerics.count
    case .uuid: uuids.count
    case .bytes: offsets.count - 1
    }
  }

  /// Adds `count` values that mean nothing, for nulls.
  mutating func appendNulls(_ count: Int) {
    switch storage {
    case .boolean: booleans.append(contentsOf: repeatElement(false, count: count))
    case .int64: int64s.append(contentsOf: repeatElement(0, count: count))
    case .float64: float64s.append(contentsOf: repeatElement(0, count: count))
    case .numeric: numerics.append(contentsOf: repeatElement(.zero, count: count))
    case .uuid: uuids.append(contentsOf: repeatElement(UUIDValue(high: 0, low: 0), count: count))
    case .bytes: offsets.append(contentsOf: repeatElement(offsets[offsets.count - 1], count: count))
    }
  }

  /// Spreads the values from `start` on over the places of `levels` that are `level` or greater.
  ///
  /// There must be as many values as such places; the other places get values that mean nothing.
  mutating func spread(from start: Int, over levels: ArraySlice<UInt8>, atLeast level: UInt8) {
    let values = count - start
    if values == levels.count { return }
    appendNulls(levels.count - values)
    switch storage {
    case .boolean: spreadValues(&booleans, from: start, values, levels, level)
    case .int64: spreadValues(&int64s, from: start, values, levels, level)
    case .float64: spreadValues(&float64s, from: start, values, levels, level)
    case .numeric: spreadValues(&numerics, from: start, values, levels, level)
    case .uuid: spreadValues(&uuids, from: start, values, levels, level)
    case .bytes:
      var left = values
      let first = levels.startIndex
      for index in stride(from: levels.count - 1, through: 0, by: -1) where left <= index {
        offsets[start + index + 1] = offsets[start + left]
        if levels[first + index] >= level { left -= 1 }
      }
    }
  }

  /// The column.
  consuming func finish(_ type: DataType, validity: Bitmap?) -> Column {
    let values: Column.Storage =
      switch storage {
      case .boolean: .boolean(booleans)
      case .int64: .int64(int64s)
      case .float64: .float64(float64s)
      case .numeric: .numeric(numerics)
      case .uuid: .uuid(uuids)
      case .bytes: .bytes(ByteValues(offsets: offsets, bytes: bytes))
      }
    return Column(type, values, validity: validity)
  }
}

/// Moves `count` values at `start` to the places that `levels` name, from the last to the first.
private func spreadValues<T>(
  _ array: inout [T], from start: Int, _ count: Int, _ levels: ArraySlice<UInt8>, _ level: UInt8
) {
  array.withUnsafeMutableBufferPointer { array in
    levels.withUnsafeBufferPointer { levels in
      var source = start + count - 1
      for index in stride(from: levels.count - 1, through: 0, by: -1) where levels[index] >= level {
        array[start + index] = array[source]
        source -= 1
      }
    }
  }
}
