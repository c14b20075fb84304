#if canImport(Glibc)
  import Glibc
#endif

/// Growable memory of plain elements, for bytes and numbers on their way into a file.
///
/// The memory is owned by this value alone and freed with it; `base` is valid until the next call that may grow.
struct WriteBuffer<Element: BitwiseCopyable>: ~Copyable {
  /// The elements; `capacity` of them are allocated, `count` are in use.
  private(set) var base: UnsafeMutablePointer<Element>
  /// How many elements are in use.
  var count = 0
  private var capacity: Int

  /// An empty buffer with room for `capacity` elements.
  init(capacity: Int = 16) {
    self.capacity = max(capacity, 16)
    base = .allocate(capacity: self.capacity)
  }

  deinit { base.deallocate() }

  /// The elements in use.
  var elements: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: base, count: count) }

  /// The bytes in use.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: count &* MemoryLayout<Element>.stride)
  }

  /// How many bytes are in use.
  var byteCount: Int { count &* MemoryLayout<Element>.stride }

  /// Makes room for `additional` elements after the ones in use.
  @inline(__always)
  mutating func reserve(_ additional: Int) {
    if _slowPath(count &+ additional > capacity) { grow(additional) }
  }

  @inline(never)
  private mutating func grow(_ additional: Int) {
    let capacity = max(self.capacity * 2, count + additional)
    let grown = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    grown.update(from: base, count: count)
    base.deallocate()
    base = grown
    self.capacity = capacity
  }

  /// Adds one element.
  @inline(__always)
  mutating func append(_ element: Element) {
    reserve(1)
    base[count] = element
    count &+= 1
  }

  /// Adds `count` elements.
  mutating func append(_ source: UnsafePointer<Element>, count added: Int) {
    reserve(added)
    (base + count).update(from: source, count: added)
    count &+= added
  }

  /// Adds `element` `times` times.
  mutating func append(repeating element: Element, count times: Int) {
    reserve(times)
    (base + count).update(repeating: element, count: times)
    count &+= times
  }

  /// Forgets the elements; keeps the memory when it is not more than `limit` elements.
  mutating func removeAll(keepingAtMost limit: Int = .max) {
    count = 0
    guard capacity > limit else { return }
    base.deallocate()
    capacity = 16
    base = .allocate(capacity: capacity)
  }
}

extension WriteBuffer where Element == UInt8 {
  /// Adds raw bytes.
  @inline(__always)
  mutating func append(_ source: UnsafeRawBufferPointer) {
    guard let start = source.baseAddress else { return }
    reserve(source.count)
    memcpy(base + count, start, source.count)
    count &+= source.count
  }

  /// Adds the bytes of `value`, little-endian.
  @inline(__always)
  mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(littleEndian value: Value) {
    reserve(MemoryLayout<Value>.size)
    UnsafeMutableRawPointer(base + count).storeBytes(of: value.littleEndian, as: Value.self)
    count &+= MemoryLayout<Value>.size
  }

  /// Adds an unsigned LEB128 number.
  mutating func append(varint value: UInt64) {
    reserve(10)
    var rest = value
    while rest >= 0x80 {
      base[count] = UInt8(truncatingIfNeeded: rest) | 0x80
      count &+= 1
      rest &>>= 7
    }
    base[count] = UInt8(truncatingIfNeeded: rest)
    count &+= 1
  }

  /// Adds a signed number, zigzag and LEB128.
  mutating func append(zigzag value: Int64) {
    append(varint: UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)))
  }
}
