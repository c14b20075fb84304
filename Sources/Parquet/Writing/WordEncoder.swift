import Columnar

/// Numbers of 32 and 64 bits: integers, dates, times, small decimals, and floating-point numbers.
///
/// A value is a 64-bit word on its way: integers sign-extended, floating-point numbers by their bits.
final class WordEncoder: ValueEncoder {
  private let leaf: ParquetLeaf
  private let layout: LeafLayout
  private let settings: ColumnSettings
  private let decimal: DecimalConversion?
  private let isFloating: Bool

  /// The open page: codes while the dictionary is in use, words otherwise.
  private var codes = WriteBuffer<UInt32>()
  private var words = WriteBuffer<UInt64>()
  private var scratch = WriteBuffer<UInt64>()
  private var integers = IntegerBounds()
  private var numbers = FloatingBounds()

  private var dictionary = WordDictionary()
  private var use: DictionaryUse
  private var direct: Encoding?
  private var filter: BloomFilterBuilder?
  private var filteredEntries = 0

  init(_ leaf: ParquetLeaf, _ layout: LeafLayout, _ settings: ColumnSettings) {
    self.leaf = leaf
    self.layout = layout
    self.settings = settings
    decimal = DecimalConversion(leaf.type)
    isFloating = layout.physical == .float || layout.physical == .double
    use = DictionaryUse(isWanted: settings.usesDictionary)
    if let options = settings.bloomFilter { filter = BloomFilterBuilder(options) }
  }

  var openBytes: Int { use.isInUse ? codes.count * 2 : words.count * layout.wordBytes }
  var rawBytes: Int { openBytes }
  var dictionaryBytes: Int { dictionary.count * layout.wordBytes }
  func byteCount(_ column: Column, _ rows: ValueRows) -> Int { 0 }

  // MARK: - Values in

  func append(_ column: Column, _ rows: ValueRows) throws(ParquetError) {
    guard rows.count > 0 else { return }
    switch column.storage {
    case .int64(let values) where decimal == nil && !isFloating:
      try values.withUnsafeBufferPointer { (values) throws(ParquetError) in try appendIntegers(values, rows) }
    case .float64(let values) where isFloating:
      try values.withUnsafeBufferPointer { (values) throws(ParquetError) in try appendFloating(values, rows) }
    case .numeric(let values) where decimal != nil:
      try values.withUnsafeBufferPointer { (values) throws(ParquetError) in try appendDecimals(values, rows) }
    default: throw leaf.mismatch(column)
    }
  }

  private func appendIntegers(_ values: UnsafeBufferPointer<Int64>, _ rows: ValueRows) throws(ParquetError) {
    guard let base = values.baseAddress else { return }
    var source = base + rows.start
    if let indices = rows.indices {
      scratch.removeAll()
      scratch.reserve(rows.count)
      for index in 0..<rows.count { scratch.base[index] = UInt64(bitPattern: base[Int(indices[index])]) }
      source = UnsafePointer(UnsafeRawPointer(scratch.base).assumingMemoryBound(to: Int64.self))
    }
    let bounds = IntegerBounds(source, count: rows.count)
    if bounds.minimum < layout.range.lowerBound || bounds.maximum > layout.range.upperBound {
      let value = bounds.minimum < layout.range.lowerBound ? bounds.minimum : bounds.maximum
      throw ParquetError(.invalid, "column \(leaf.name): \(value) is not within \(layout.range) of \(leaf.type)")
    }
    integers.merge(bounds)
    add(UnsafeRawPointer(source).assumingMemoryBound(to: UInt64.self), count: rows.count)
  }

  private func appendFloating(_ values: UnsafeBufferPointer<Double>, _ rows: ValueRows) throws(ParquetError) {
    guard let base = values.baseAddress else { return }
    if rows.indices == nil, layout.physical == .double {
      numbers.merge(FloatingBounds(base + rows.start, count: rows.count))
      add(UnsafeRawPointer(base + rows.start).assumingMemoryBound(to: UInt64.self), count: rows.count)
      return
    }
    scratch.removeAll()
    scratch.reserve(rows.count)
    for index in 0..<rows.count { scratch.base[index] = base[rows.row(index)].bitPattern }
    let doubles = UnsafeRawPointer(scratch.base).assumingMemoryBound(to: Double.self)
    if layout.physical == .float {
      for index in 0..<rows.count {
        // Rounded to the nearest; the double that it is again is what bounds compare.
        let single = Float(doubles[index])
        if single.isInfinite, doubles[index].isFinite {
          throw ParquetError(.invalid, "column \(leaf.name): \(doubles[index]) is too large for a 32-bit float")
        }
        scratch.base[index] = Double(single).bitPattern
      }
    }
    numbers.merge(FloatingBounds(doubles, count: rows.count))
    if layout.physical == .float {
      for index in 0..<rows.count { scratch.base[index] = UInt64(Float(doubles[index]).bitPattern) }
    }
    add(scratch.base, count: rows.count)
  }

  private func appendDecimals(_ values: UnsafeBufferPointer<Numeric>, _ rows: ValueRows) throws(ParquetError) {
    guard let decimal else { return }
    scratch.removeAll()
    scratch.reserve(rows.count)
    for index in 0..<rows.count {
      let value = values[rows.row(index)]
      guard let unscaled = decimal.unscaled(value) else { throw leaf.notRepresentable(value) }
      scratch.base[index] = UInt64(bitPattern: Int64(truncatingIfNeeded: unscaled))
    }
    let source = UnsafeRawPointer(scratch.base).assumingMemoryBound(to: Int64.self)
    integers.merge(IntegerBounds(source, count: rows.count))
    add(scratch.base, count: rows.count)
  }

  private func add(_ source: UnsafePointer<UInt64>, count: Int) {
    var done = 0
    if use.isInUse {
      codes.reserve(count)
      done = dictionary.encode(
        source, count: count, into: codes.base + codes.count, limit: settings.dictionaryBytes / layout.wordBytes)
      codes.count += done
      filterEntries()
      if done == count { return }
      leaveDictionary()
    }
    words.append(source + done, count: count - done)
    if filter != nil {
      for index in done..<count { filter?.insert(hash(source[index])) }
    }
  }

  /// Goes on without dictionary in this chunk; the open page's values become words again.
  private func leaveDictionary() {
    let isUnused = use.leave()
    words.reserve(codes.count)
    for index in 0..<codes.count { words.append(dictionary.values.base[Int(codes.base[index])]) }
    codes.removeAll()
    if isUnused { dictionary.removeAll() }
  }

  // MARK: - Pages out

  func takeBounds() -> ValueBounds {
    defer {
      integers = IntegerBounds()
      numbers = FloatingBounds()
    }
    return isFloating ? numbers.encoded(isFloat: layout.physical == .float) : integers.encoded(layout.wordBytes)
  }

  func encodePage(_ request: PageRequest, into output: inout WriteBuffer<UInt8>) throws(ParquetError) -> Encoding {
    defer {
      codes.removeAll()
      words.removeAll()
    }
    if codes.count + words.count == 0 { return .plain }
    if use.decides(), try !dictionaryPays(request) { leaveDictionary() }
    if use.isInUse { return use.encodePage(codes, entryCount: dictionary.count, into: &output) }
    let sampled = min(words.count, EncodingChoice.sampleCount)
    let encoding: Encoding
    if let direct {
      encoding = direct
    } else {
      encoding = try smallest(words.base + (words.count - sampled), count: sampled, request).encoding
    }
    direct = encoding
    encode(words.base, count: words.count, encoding, into: &output)
    return encoding
  }

  private func dictionaryPays(_ request: PageRequest) throws(ParquetError) -> Bool {
    let sampled = min(codes.count, EncodingChoice.sampleCount)
    scratch.removeAll()
    for index in codes.count - sampled..<codes.count {
      scratch.append(dictionary.values.base[Int(codes.base[index])])
    }
    let direct = try smallest(scratch.base, count: sampled, request)
    return try EncodingChoice.dictionaryPays(
      codes.elements, known: dictionary.count, entryBytes: Double(layout.wordBytes), directBytes: direct.size, request)
  }

  /// The encoding that makes the sample smallest, and that size.
  private func smallest(
    _ sample: UnsafePointer<UInt64>, count: Int, _ request: PageRequest
  ) throws(ParquetError) -> (encoding: Encoding, size: Int) {
    var best = (encoding: Encoding.plain, size: Int.max)
    for encoding in candidates {
      let size = try EncodingChoice.sampleSize(request) { encode(sample, count: count, encoding, into: &$0) }
      if size < best.size { best = (encoding, size) }
    }
    return best
  }

  private var candidates: [Encoding] {
    if isFloating { return settings.encodings.contains(.byteStreamSplit) ? [.plain, .byteStreamSplit] : [.plain] }
    return settings.encodings.contains(.deltaBinaryPacked) ? [.plain, .deltaBinaryPacked] : [.plain]
  }

  private func encode(
    _ source: UnsafePointer<UInt64>, count: Int, _ encoding: Encoding, into output: inout WriteBuffer<UInt8>
  ) {
    let isWide = layout.wordBytes == 8
    switch encoding {
    case .deltaBinaryPacked where isWide: DeltaEncoding.append(source, count: count, as: Int64.self, into: &output)
    case .deltaBinaryPacked: DeltaEncoding.append(source, count: count, as: Int32.self, into: &output)
    case .byteStreamSplit: PlainEncoding.appendSplit(source, count: count, width: layout.wordBytes, into: &output)
    default: PlainEncoding.append(source, count: count, width: layout.wordBytes, into: &output)
    }
  }

  // MARK: - Chunks

  func encodeDictionary(into output: inout WriteBuffer<UInt8>) -> Int {
    guard use.pageCount > 0 else { return 0 }
    PlainEncoding.append(dictionary.values.base, count: dictionary.count, width: layout.wordBytes, into: &output)
    return dictionary.count
  }

  @inline(__always)
  private func hash(_ word: UInt64) -> UInt64 {
    layout.wordBytes == 8 ? XXHash64.hash(word) : XXHash64.hash(UInt32(truncatingIfNeeded: word))
  }

  private func filterEntries() {
    guard filter != nil else { return }
    for code in filteredEntries..<max(dictionary.count, filteredEntries) {
      filter?.insert(hash(dictionary.values.base[code]))
    }
    filteredEntries = dictionary.count
  }

  func encodeBloomFilter(into output: inout WriteBuffer<UInt8>) { filter?.finish(&output) }

  func endChunk() {
    dictionary.removeAll()
    filteredEntries = 0
    direct = nil
    use.endChunk()
  }
}

extension ParquetLeaf {
  /// The error for a number that a decimal leaf cannot hold.
  func notRepresentable(_ value: Numeric) -> ParquetError {
    let text = value.scale < 0 ? "NaN" : "\(value.unscaled) / 10^\(value.scale)"
    return ParquetError(.invalid, "column \(name): \(text) is not a value of \(type)")
  }
}
