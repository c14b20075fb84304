import Columnar

/// Text, binary, and what is written as bytes of one length: uuid and large decimals.
final class BytesEncoder: ValueEncoder {
  private let leaf: ParquetLeaf
  private let layout: LeafLayout
  private let settings: ColumnSettings
  private let decimal: DecimalConversion?

  /// The open page: codes while the dictionary is in use, values' bytes and where each ends otherwise.
  private var codes = WriteBuffer<UInt32>()
  private var arena = WriteBuffer<UInt8>()
  private var ends = WriteBuffer<Int>()
  private var marks = WriteBuffer<Bool>()
  private var fixedBytes = WriteBuffer<UInt8>()
  private var fixedOffsets = WriteBuffer<Int32>()

  private var dictionary: BytesDictionary
  private var use: DictionaryUse
  private var direct: Encoding?
  private var filter: BloomFilterBuilder?
  private var filteredEntries = 0

  init(_ leaf: ParquetLeaf, _ layout: LeafLayout, _ settings: ColumnSettings) {
    self.leaf = leaf
    self.layout = layout
    self.settings = settings
    decimal = DecimalConversion(leaf.type)
    dictionary = BytesDictionary(hasLengths: layout.physical == .byteArray)
    use = DictionaryUse(isWanted: settings.usesDictionary)
    if let options = settings.bloomFilter { filter = BloomFilterBuilder(options) }
  }

  private var isFixed: Bool { layout.physical == .fixed }
  var openBytes: Int { use.isInUse ? codes.count * 2 : arena.count + (isFixed ? 0 : ends.count * 4) }
  var dictionaryBytes: Int { dictionary.page.count }
  /// Bytes of the open page's values; limits how large the page can become when a dictionary is given up.
  private(set) var rawBytes = 0

  func byteCount(_ column: Column, _ rows: ValueRows) -> Int {
    guard case .bytes(let values) = column.storage else { return 0 }
    return values.offsets.withUnsafeBufferPointer { offsets in
      offsets.baseAddress.map { Self.byteCount($0, rows) } ?? 0
    }
  }

  private static func byteCount(_ offsets: UnsafePointer<Int32>, _ rows: ValueRows) -> Int {
    guard let indices = rows.indices else { return Int(offsets[rows.start + rows.count]) - Int(offsets[rows.start]) }
    var sum = 0
    for index in 0..<rows.count {
      let row = Int(indices[index])
      sum &+= Int(offsets[row &+ 1]) &- Int(offsets[row])
    }
    return sum
  }

  // MARK: - Values in

  func append(_ column: Column, _ rows: ValueRows) throws(ParquetError) {
    guard rows.count > 0 else { return }
    switch column.storage {
    case .bytes(let values) where decimal == nil && leaf.type != .uuid:
      try check(values, rows)
      values.bytes.withUnsafeBufferPointer { bytes in
        values.offsets.withUnsafeBufferPointer { offsets in
          guard let offsets = offsets.baseAddress else { return }
          // Without any bytes there is no address; none is read then.
          add(bytes.baseAddress ?? UnsafePointer(arena.base), offsets, rows)
        }
      }
    case .uuid(let values) where leaf.type == .uuid:
      beginFixed(rows.count)
      for index in 0..<rows.count {
        let value = values[rows.row(index)]
        fixedBytes.append(littleEndian: value.high.bigEndian)
        fixedBytes.append(littleEndian: value.low.bigEndian)
      }
      addFixed(rows.count)
    case .numeric(let values) where decimal != nil: try appendDecimals(values, rows)
    default: throw leaf.mismatch(column)
    }
  }

  /// Checks that offsets ascend within the bytes, so that a broken column cannot make the writer read elsewhere, and
  /// that values have the leaf's length.
  private func check(_ values: ByteValues, _ rows: ValueRows) throws(ParquetError) {
    let (length, limit) = (Int32(layout.length), values.bytes.count)
    let (signs, differences, end) = values.offsets.withUnsafeBufferPointer { offsets in
      // The sign bit of `signs` is set by an offset that is negative or smaller than the one before.
      var (signs, differences, end): (Int32, Int32, Int32) = (0, 0, 0)
      if rows.indices == nil {
        for row in rows.start..<rows.start &+ rows.count {
          let size = offsets[row &+ 1] &- offsets[row]
          signs |= size | offsets[row]
          differences |= size ^ length
        }
        end = offsets[rows.start &+ rows.count]
      } else {
        for index in 0..<rows.count {
          let row = rows.row(index)
          let size = offsets[row &+ 1] &- offsets[row]
          signs |= size | offsets[row]
          differences |= size ^ length
          end = max(end, offsets[row &+ 1])
        }
      }
      return (signs, differences, end)
    }
    let isAscending = signs >= 0 && Int(end) <= limit
    let fits = !isFixed || differences == 0
    guard isAscending else {
      throw ParquetError(.invalid, "column \(leaf.name): the offsets do not ascend within \(limit) bytes")
    }
    guard fits else {
      throw ParquetError(.invalid, "column \(leaf.name): a value does not have the \(length) bytes of \(leaf.type)")
    }
  }

  private func appendDecimals(_ values: [Numeric], _ rows: ValueRows) throws(ParquetError) {
    guard let decimal else { return }
    beginFixed(rows.count)
    for index in 0..<rows.count {
      guard let unscaled = decimal.unscaled(values[rows.row(index)]) else {
        throw leaf.notRepresentable(values[rows.row(index)])
      }
      var shift = (layout.length - 1) * 8
      while shift >= 0 {
        fixedBytes.append(UInt8(truncatingIfNeeded: unscaled >> Int128(shift)))
        shift -= 8
      }
    }
    addFixed(rows.count)
  }

  private func beginFixed(_ count: Int) {
    fixedBytes.removeAll()
    fixedBytes.reserve(count * layout.length)
  }

  private func addFixed(_ count: Int) {
    fixedOffsets.removeAll()
    for index in 0...count { fixedOffsets.append(Int32(truncatingIfNeeded: index * layout.length)) }
    add(fixedBytes.base, fixedOffsets.base, ValueRows(indices: nil, start: 0, count: count))
  }

  private func add(_ bytes: UnsafePointer<UInt8>, _ offsets: UnsafePointer<Int32>, _ rows: ValueRows) {
    var done = 0
    rawBytes += isFixed ? rows.count * layout.length : Self.byteCount(offsets, rows) + rows.count * 4
    if use.isInUse {
      codes.reserve(rows.count)
      done = dictionary.encode(
        bytes, offsets, rows, into: codes.base + codes.count, limit: settings.dictionaryBytes)
      codes.count += done
      filterEntries()
      if done == rows.count { return }
      leaveDictionary()
    }
    ends.reserve(rows.count - done)
    for index in done..<rows.count {
      let row = rows.row(index)
      let value = UnsafeRawBufferPointer(
        start: bytes + Int(offsets[row]), count: Int(offsets[row &+ 1]) &- Int(offsets[row]))
      arena.append(value)
      ends.append(arena.count)
      if filter != nil { filter?.insert(XXHash64.hash(value)) }
    }
  }

  private func leaveDictionary() {
    let isUnused = use.leave()
    for index in 0..<codes.count {
      arena.append(dictionary.entry(Int(codes.base[index])))
      ends.append(arena.count)
    }
    codes.removeAll()
    if isUnused { dictionary.removeAll() }
  }

  // MARK: - Pages out

  func takeBounds() -> ValueBounds {
    var bounds = BytesBounds(isSigned: layout.order == .signedBytes)
    if use.isInUse {
      marks.removeAll()
      marks.append(repeating: false, count: dictionary.count)
      for code in codes.elements { marks.base[Int(code)] = true }
      for code in 0..<dictionary.count where marks.base[code] {
        bounds.add(dictionary.prefixes.base[code], dictionary.entry(code))
      }
    } else {
      var start = 0
      for end in ends.elements {
        let value = UnsafeRawBufferPointer(start: arena.base + start, count: end &- start)
        bounds.add(BytesOrder.prefix(arena.base + start, end &- start), value)
        start = end
      }
    }
    return bounds.encoded(isText: layout.isText)
  }

  func encodePage(_ request: PageRequest, into output: inout WriteBuffer<UInt8>) throws(ParquetError) -> Encoding {
    defer {
      codes.removeAll()
      rawBytes = 0
      arena.removeAll(keepingAtMost: 1 << 22)
      ends.removeAll()
    }
    if codes.count + ends.count == 0 { return .plain }
    if use.decides(), try !dictionaryPays(request) { leaveDictionary() }
    if use.isInUse { return use.encodePage(codes, entryCount: dictionary.count, into: &output) }
    let encoding: Encoding
    if let direct { encoding = direct } else { encoding = try smallest(request).encoding }
    direct = encoding
    encode(count: ends.count, encoding, into: &output)
    return encoding
  }

  private func dictionaryPays(_ request: PageRequest) throws(ParquetError) -> Bool {
    let sampled = min(codes.count, EncodingChoice.sampleCount)
    for index in codes.count - sampled..<codes.count {
      arena.append(dictionary.entry(Int(codes.base[index])))
      ends.append(arena.count)
    }
    let direct = try smallest(request)
    arena.removeAll()
    ends.removeAll()
    let entryBytes = Double(dictionary.page.count) / Double(max(dictionary.count, 1))
    return try EncodingChoice.dictionaryPays(
      codes.elements, known: dictionary.count, entryBytes: entryBytes, directBytes: direct.size, request)
  }

  /// The encoding that makes the open page's first values smallest, and that size.
  private func smallest(_ request: PageRequest) throws(ParquetError) -> (encoding: Encoding, size: Int) {
    var best = (encoding: Encoding.plain, size: Int.max)
    let count = min(ends.count, EncodingChoice.sampleCount)
    for encoding in candidates {
      let size = try EncodingChoice.sampleSize(request) { encode(count: count, encoding, into: &$0) }
      if size < best.size { best = (encoding, size) }
    }
    return best
  }

  private var candidates: [Encoding] {
    var candidates = [Encoding.plain]
    guard !isFixed else { return candidates }
    if settings.encodings.contains(.deltaLengthByteArray) { candidates.append(.deltaLengthByteArray) }
    if settings.encodings.contains(.deltaByteArray) { candidates.append(.deltaByteArray) }
    return candidates
  }

  private func encode(count: Int, _ encoding: Encoding, into output: inout WriteBuffer<UInt8>) {
    switch encoding {
    case .deltaLengthByteArray: DeltaEncoding.appendLengths(arena.base, ends: ends.base, count: count, into: &output)
    case .deltaByteArray: DeltaEncoding.appendPrefixed(arena.base, ends: ends.base, count: count, into: &output)
    default:
      var start = 0
      for index in 0..<count {
        let end = ends.base[index]
        if !isFixed { output.append(littleEndian: UInt32(truncatingIfNeeded: end &- start)) }
        output.append(UnsafeRawBufferPointer(start: arena.base + start, count: end &- start))
        start = end
      }
    }
  }

  // MARK: - Chunks

  func encodeDictionary(into output: inout WriteBuffer<UInt8>) -> Int {
    guard use.pageCount > 0 else { return 0 }
    output.append(dictionary.page.bytes)
    return dictionary.count
  }

  private func filterEntries() {
    guard filter != nil else { return }
    for code in filteredEntries..<max(dictionary.count, filteredEntries) {
      filter?.insert(XXHash64.hash(dictionary.entry(code)))
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
