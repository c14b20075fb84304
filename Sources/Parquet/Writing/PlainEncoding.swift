/// Numbers one after another (Parquet format, "Plain" and "Byte Stream Split"); little-endian machines only copy.
enum PlainEncoding {
  /// Appends the first `width` bytes, 4 or 8, of each word.
  static func append(
    _ words: UnsafePointer<UInt64>, count: Int, width: Int, into output: inout WriteBuffer<UInt8>
  ) {
    output.reserve(count &* width)
    let target = UnsafeMutableRawPointer(output.base + output.count)
    if width == 8 {
      for index in 0..<count {
        target.storeBytes(of: words[index].littleEndian, toByteOffset: index &* 8, as: UInt64.self)
      }
    } else {
      for index in 0..<count {
        let word = UInt32(truncatingIfNeeded: words[index])
        target.storeBytes(of: word.littleEndian, toByteOffset: index &* 4, as: UInt32.self)
      }
    }
    output.count &+= count &* width
  }

  /// Appends the first bytes of all words, then the second ones, ….
  static func appendSplit(
    _ words: UnsafePointer<UInt64>, count: Int, width: Int, into output: inout WriteBuffer<UInt8>
  ) {
    output.reserve(count &* width)
    for byte in 0..<width {
      let target = output.base + (output.count &+ byte &* count)
      let shift = UInt64(byte &* 8)
      for index in 0..<count { target[index] = UInt8(truncatingIfNeeded: words[index] &>> shift) }
    }
    output.count &+= count &* width
  }
}

/// The smallest and the greatest of some integers; none at first.
struct IntegerBounds {
  private(set) var minimum = Int64.max
  private(set) var maximum = Int64.min

  /// Of no integers.
  init() {}

  /// Of `count` integers.
  init(_ values: UnsafePointer<Int64>, count: Int) {
    var minimum = Int64.max
    var maximum = Int64.min
    for index in 0..<count {
      minimum = min(minimum, values[index])
      maximum = max(maximum, values[index])
    }
    (self.minimum, self.maximum) = (minimum, maximum)
  }

  mutating func merge(_ other: IntegerBounds) {
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }

  /// Plainly encoded in `width` bytes.
  func encoded(_ width: Int) -> ValueBounds {
    var bounds = ValueBounds()
    guard minimum <= maximum else { return bounds }
    bounds.minimum = ValueOrder.bytes(UInt64(bitPattern: minimum), count: width)
    bounds.maximum = ValueOrder.bytes(UInt64(bitPattern: maximum), count: width)
    return bounds
  }
}

/// The smallest and the greatest of some floating-point numbers, NaN left out and counted.
struct FloatingBounds {
  private var minimum = Double.infinity
  private var maximum = -Double.infinity
  private var count = 0
  private var nanCount = 0

  /// Of no numbers.
  init() {}

  /// Of `count` numbers.
  init(_ values: UnsafePointer<Double>, count: Int) {
    // Four independent chains, as a comparison takes several cycles. Comparisons with NaN are false.
    var low = SIMD4<Double>(repeating: .infinity)
    var high = SIMD4<Double>(repeating: -.infinity)
    var nans = 0
    var index = 0
    while index &+ 4 <= count {
      let four = SIMD4(values[index], values[index &+ 1], values[index &+ 2], values[index &+ 3])
      low.replace(with: four, where: four .< low)
      high.replace(with: four, where: four .> high)
      if four != four { nans &+= (0..<4).reduce(0) { $0 &+ (four[$1].isNaN ? 1 : 0) } }
      index &+= 4
    }
    while index < count {
      let value = values[index]
      if value < low[0] { low[0] = value }
      if value > high[0] { high[0] = value }
      if value.isNaN { nans &+= 1 }
      index &+= 1
    }
    minimum = low.min()
    maximum = high.max()
    self.count = count
    nanCount = nans
  }

  mutating func merge(_ other: FloatingBounds) {
    minimum = Swift.min(minimum, other.minimum)
    maximum = Swift.max(maximum, other.maximum)
    count += other.count
    nanCount += other.nanCount
  }

  /// Plainly encoded. A bound that is zero covers both zeros (Parquet format, `ColumnOrder`).
  func encoded(isFloat: Bool) -> ValueBounds {
    var bounds = ValueBounds()
    bounds.nanCount = nanCount
    guard count > nanCount else { return bounds }
    let low = minimum == 0 ? -0.0 : minimum
    let high = maximum == 0 ? 0.0 : maximum
    bounds.minimum = Self.bytes(low, isFloat)
    bounds.maximum = Self.bytes(high, isFloat)
    return bounds
  }

  private static func bytes(_ value: Double, _ isFloat: Bool) -> [UInt8] {
    isFloat
      ? ValueOrder.bytes(UInt64(Float(value).bitPattern), count: 4) : ValueOrder.bytes(value.bitPattern, count: 8)
  }
}
