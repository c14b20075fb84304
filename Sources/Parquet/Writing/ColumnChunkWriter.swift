import CZlib
import Columnar

/// A page of an open chunk, as the page index will describe it.
struct PageRecord {
  /// Where it begins, from the first data page of the chunk.
  var offset: Int
  /// Header and body.
  var size: Int
  /// The first row, from the row group's first.
  var firstRow: Int
  var nullCount: Int
  var valueCount: Int
  var bounds: ValueBounds
  var encoding: Encoding
}

/// A finished chunk: what the footer says, and what the page index will say.
struct ChunkRecord {
  var chunk = ColumnChunk()
  var pages: [PageRecord] = []
  var nanCount = 0
  var dictionaryEncoding: Encoding?
  var bounds = ValueBounds()
}

/// Writes one leaf: gathers pages in memory until the row group ends.
final class ColumnChunkWriter {
  let leaf: ParquetLeaf
  let layout: LeafLayout
  let settings: ColumnSettings
  private let context: ParquetWriterContext
  private let encoder: any ValueEncoder

  // The open page. Definition levels are only kept from the first slot on that has no value.
  private var definitions = WriteBuffer<UInt8>()
  private var hasDefinitions = false
  private var repetitions = WriteBuffer<UInt8>()
  private var slotCount = 0
  private var valueCount = 0
  private var pageRows = 0

  // The open chunk.
  private var store = WriteBuffer<UInt8>()
  private var pages: [PageRecord] = []
  private var chunkRows = 0
  private var uncompressedBytes = 0

  // The file.
  private(set) var totals = LeafTotals()

  /// Counts and bounds of all chunks.
  struct LeafTotals {
    var slotCount: Int64 = 0
    var nullCount: Int64 = 0
    var nanCount: Int64 = 0
    var compressedBytes: Int64 = 0
    var bounds = ValueBounds()
  }

  init(_ leaf: ParquetLeaf, _ settings: ColumnSettings, _ context: ParquetWriterContext) throws(ParquetError) {
    self.leaf = leaf
    self.settings = settings
    self.context = context
    layout = try LeafLayout(leaf.type, path: leaf.path)
    guard leaf.maximumDefinitionLevel < 256, leaf.maximumRepetitionLevel < 256 else {
      throw ParquetError(.unsupported, "column \(leaf.name) is nested more than 255 levels deep")
    }
    encoder = makeValueEncoder(leaf, layout, settings)
  }

  /// About how many bytes the chunk will have if it ends now.
  var bufferedBytes: Int { store.count + encoder.openBytes + encoder.dictionaryBytes + slotCount / 8 }

  // MARK: - Slots in

  /// Adds slots, which begin and end with rows.
  func append(_ column: Column, _ slots: LeafSlots) throws(ParquetError) {
    var slot = 0
    var value = 0
    while slot < slots.count {
      var limit = 4096
      var piece = nextPiece(slots, from: slot, limit: limit)
      while limit > 1, encoder.byteCount(column, slots.rows.slice(value, piece.values)) > settings.pageBytes {
        limit /= 2
        piece = nextPiece(slots, from: slot, limit: limit)
      }
      try encoder.append(column, slots.rows.slice(value, piece.values))
      appendLevels(slots, slot, piece)
      slot += piece.slots
      value += piece.values
      if pageRows >= settings.pageRows || encoder.rawBytes + repetitions.count >= settings.pageBytes {
        try endPage(isLast: false)
      }
    }
  }

  /// The next slots that fit the page: about `limit` of them, whole rows, at least one row.
  private func nextPiece(
    _ slots: LeafSlots, from start: Int, limit: Int
  ) -> (slots: Int, rows: Int, values: Int) {
    let room = settings.pageRows - pageRows
    var end = start
    var rows = 0
    if let repetitions = slots.repetitions {
      while end < slots.count {
        if repetitions[end] == 0 {
          if rows > 0, rows >= room || end &- start >= limit { break }
          rows &+= 1
        }
        end &+= 1
      }
    } else {
      rows = min(slots.count - start, room, limit)
      end = start + rows
    }
    var values = end - start
    if let definitions = slots.definitions {
      let maximum = UInt8(truncatingIfNeeded: leaf.maximumDefinitionLevel)
      values = 0
      for index in start..<end { values &+= definitions[index] == maximum ? 1 : 0 }
    }
    return (end - start, rows, values)
  }

  private func appendLevels(_ slots: LeafSlots, _ start: Int, _ piece: (slots: Int, rows: Int, values: Int)) {
    let maximum = UInt8(truncatingIfNeeded: leaf.maximumDefinitionLevel)
    if !hasDefinitions, piece.values < piece.slots {
      hasDefinitions = true
      definitions.append(repeating: maximum, count: slotCount)
    }
    if hasDefinitions {
      if let source = slots.definitions {
        definitions.append(source + start, count: piece.slots)
      } else {
        definitions.append(repeating: maximum, count: piece.slots)
      }
    }
    if leaf.maximumRepetitionLevel > 0 {
      if let source = slots.repetitions {
        repetitions.append(source + start, count: piece.slots)
      } else {
        repetitions.append(repeating: 0, count: piece.slots)
      }
    }
    slotCount += piece.slots
    valueCount += piece.values
    pageRows += piece.rows
  }

  // MARK: - Pages out

  private func endPage(isLast: Bool) throws(ParquetError) {
    guard slotCount > 0 else { return }
    let bounds = encoder.takeBounds()
    context.body.removeAll()
    let repetitionBytes = appendLevelSection(isRepetition: true)
    let definitionBytes = appendLevelSection(isRepetition: false)
    let levelBytes = settings.dataPageVersion == .v2 ? repetitionBytes + definitionBytes : 0
    let request = PageRequest(context: context, settings: settings, isLast: isLast && pages.isEmpty)
    let encoding = try encoder.encodePage(request, into: &context.body)
    let body = context.body.bytes
    let isCompressed = try compressBody(after: levelBytes)
    let compressed = context.compressed.bytes
    try checkSize(max(body.count, compressed.count))

    context.header.removeAll()
    context.header.beginElement()
    context.header.int32(1, settings.dataPageVersion == .v2 ? 3 : 0)
    writePageSizes(uncompressed: body.count, compressed)
    if settings.dataPageVersion == .v2 {
      writeHeaderV2(encoding, repetitionBytes, definitionBytes, isCompressed)
    } else {
      context.header.beginStructure(5)
      context.header.int32(1, Int32(truncatingIfNeeded: slotCount))
      context.header.int32(2, encoding.rawValue)
      context.header.int32(3, Encoding.rle.rawValue)
      context.header.int32(4, Encoding.rle.rawValue)
      context.header.endStructure()
    }
    context.header.endStructure()
    pages.append(
      PageRecord(
        offset: store.count, size: context.header.count + compressed.count, firstRow: chunkRows,
        nullCount: slotCount - valueCount, valueCount: slotCount, bounds: bounds, encoding: encoding))
    store.append(context.header.bytes)
    store.append(compressed)
    uncompressedBytes += context.header.count + body.count
    chunkRows += pageRows
    beginPage()
  }

  private func beginPage() {
    (slotCount, valueCount, pageRows, hasDefinitions) = (0, 0, 0, false)
    definitions.removeAll(keepingAtMost: 1 << 16)
    repetitions.removeAll(keepingAtMost: 1 << 16)
  }

  private func writePageSizes(uncompressed: Int, _ compressed: UnsafeRawBufferPointer) {
    context.header.int32(2, Int32(truncatingIfNeeded: uncompressed))
    context.header.int32(3, Int32(truncatingIfNeeded: compressed.count))
    if settings.writesPageChecksums {
      let start = compressed.baseAddress?.assumingMemoryBound(to: UInt8.self)
      let checksum = crc32(0, start, UInt32(truncatingIfNeeded: compressed.count))
      context.header.int32(4, Int32(bitPattern: UInt32(truncatingIfNeeded: checksum)))
    }
  }

  private func writeHeaderV2(_ encoding: Encoding, _ repetitionBytes: Int, _ definitionBytes: Int, _ isCompressed: Bool)
  {
    context.header.beginStructure(8)
    context.header.int32(1, Int32(truncatingIfNeeded: slotCount))
    context.header.int32(2, Int32(truncatingIfNeeded: slotCount - valueCount))
    context.header.int32(3, Int32(truncatingIfNeeded: pageRows))
    context.header.int32(4, encoding.rawValue)
    context.header.int32(5, Int32(truncatingIfNeeded: definitionBytes))
    context.header.int32(6, Int32(truncatingIfNeeded: repetitionBytes))
    context.header.boolean(7, isCompressed)
    context.header.endStructure()
  }

  /// Puts the page as it will be in the file into `context.compressed`; the first `levelBytes` stay as they are.
  private func compressBody(after levelBytes: Int) throws(ParquetError) -> Bool {
    let body = context.body.bytes
    let values = UnsafeRawBufferPointer(rebasing: body[levelBytes...])
    context.compressed.removeAll()
    context.compressed.append(UnsafeRawBufferPointer(rebasing: body[..<levelBytes]))
    if settings.dataPageVersion == .v2 {
      if settings.compression == .none || values.isEmpty {
        context.compressed.append(values)
        return false
      }
      try context.compressor.compress(values, settings.compression, into: &context.compressed)
      if context.compressed.count - levelBytes < values.count { return true }
      context.compressed.count = levelBytes
      context.compressed.append(values)
      return false
    }
    try context.compressor.compress(values, settings.compression, into: &context.compressed)
    return true
  }

  private func checkSize(_ bytes: Int) throws(ParquetError) {
    guard bytes <= Int(Int32.max), slotCount <= Int(Int32.max) else {
      throw ParquetError(
        .unsupported,
        "column \(leaf.name): a page of \(bytes) bytes and \(slotCount) values is larger than the format "
          + "allows (2^31 - 1); a single row is too large")
    }
  }

  /// Appends levels to the body; returns how many bytes they have, a length in front included.
  private func appendLevelSection(isRepetition: Bool) -> Int {
    let maximum = isRepetition ? leaf.maximumRepetitionLevel : leaf.maximumDefinitionLevel
    guard maximum > 0 else { return 0 }
    let width = HybridEncoding.width(count: maximum + 1)
    let start = context.body.count
    if settings.dataPageVersion == .v1 { context.body.append(littleEndian: UInt32(0)) }
    let first = context.body.count
    if isRepetition {
      HybridEncoding.append(repetitions.base, count: slotCount, width: width, into: &context.body)
    } else if hasDefinitions {
      HybridEncoding.append(definitions.base, count: slotCount, width: width, into: &context.body)
    } else {
      HybridEncoding.appendRun(UInt8(truncatingIfNeeded: maximum), count: slotCount, width: width, into: &context.body)
    }
    if settings.dataPageVersion == .v1 {
      let length = UInt32(truncatingIfNeeded: context.body.count - first)
      UnsafeMutableRawPointer(context.body.base + start).storeBytes(of: length.littleEndian, as: UInt32.self)
    }
    return context.body.count - start
  }

  // MARK: - Chunks out

  /// Ends the chunk: writes its pages, the dictionary first, at `offset` of the file.
  func endChunk(at offset: Int64, to output: any ByteOutput) throws(ParquetError) -> ChunkRecord {
    try endPage(isLast: true)
    var record = ChunkRecord()
    record.chunk.codec = settings.compression.codec
    let dictionary = try writeDictionary(to: output)
    try output.write(store.bytes)
    record.chunk.compressedBytes = Int64(dictionary.size + store.count)
    record.chunk.uncompressedBytes = Int64(dictionary.uncompressedSize + uncompressedBytes)
    record.chunk.dataPageOffset = offset + Int64(dictionary.size)
    if dictionary.size > 0 {
      record.chunk.dictionaryPageOffset = offset
      record.dictionaryEncoding = .plain
    }
    summarize(&record)
    record.pages = pages
    encoder.endChunk()
    store.removeAll(keepingAtMost: 1 << 22)
    pages = []
    (chunkRows, uncompressedBytes) = (0, 0)
    return record
  }

  private func summarize(_ record: inout ChunkRecord) {
    var encodings: Set<Encoding> = Set(pages.map(\.encoding))
    encodings.insert(.rle)
    if let encoding = record.dictionaryEncoding { encodings.insert(encoding) }
    record.chunk.encodings = encodings.sorted { $0.rawValue < $1.rawValue }
    var nullCount = 0
    for page in pages {
      record.chunk.valueCount += Int64(page.valueCount)
      nullCount += page.nullCount
      record.bounds.merge(page.bounds, layout.order)
    }
    record.nanCount = record.bounds.nanCount
    record.chunk.statistics = shortened(record.bounds, bytes: settings.statisticsBytes)
    record.chunk.statistics.nullCount = Int64(nullCount)
    totals.slotCount += record.chunk.valueCount
    totals.nullCount += Int64(nullCount)
    totals.nanCount += Int64(record.nanCount)
    totals.compressedBytes += record.chunk.compressedBytes
    totals.bounds.merge(record.bounds, layout.order)
  }

  /// Statistics with bounds of at most `bytes` bytes where values vary in length.
  func shortened(_ bounds: ValueBounds, bytes: Int) -> LeafStatistics {
    var statistics = LeafStatistics()
    guard !bounds.isUnusable, let minimum = bounds.minimum, let maximum = bounds.maximum else { return statistics }
    guard layout.physical == .byteArray else {
      (statistics.minimum, statistics.maximum) = (minimum, maximum)
      (statistics.isMinimumExact, statistics.isMaximumExact) = (true, true)
      return statistics
    }
    statistics.minimum = BoundTruncation.lower(minimum, length: bytes, isText: layout.isText)
    statistics.isMinimumExact = minimum.count <= bytes
    statistics.maximum = BoundTruncation.upper(maximum, length: bytes, isText: layout.isText)
    statistics.isMaximumExact = statistics.maximum.map { _ in maximum.count <= bytes }
    return statistics
  }

  /// Writes the dictionary page, if pages use it; returns its sizes.
  private func writeDictionary(
    to output: any ByteOutput
  ) throws(ParquetError) -> (size: Int, uncompressedSize: Int) {
    context.body.removeAll()
    let entries = encoder.encodeDictionary(into: &context.body)
    guard entries > 0 else { return (0, 0) }
    context.compressed.removeAll()
    try context.compressor.compress(context.body.bytes, settings.compression, into: &context.compressed)
    try checkSize(max(context.body.count, context.compressed.count))
    context.header.removeAll()
    context.header.beginElement()
    context.header.int32(1, 2)
    writePageSizes(uncompressed: context.body.count, context.compressed.bytes)
    context.header.beginStructure(7)
    context.header.int32(1, Int32(truncatingIfNeeded: entries))
    context.header.int32(2, Encoding.plain.rawValue)
    context.header.endStructure()
    context.header.endStructure()
    try output.write(context.header.bytes)
    try output.write(context.compressed.bytes)
    return (context.header.count + context.compressed.count, context.header.count + context.body.count)
  }

  /// The chunk's bloom filter, empty when it has none.
  func encodeBloomFilter(into output: inout WriteBuffer<UInt8>) { encoder.encodeBloomFilter(into: &output) }
}
