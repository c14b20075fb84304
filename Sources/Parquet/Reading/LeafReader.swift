import Columnar

/// A leaf's values over some rows, with the levels that the nodes above need.
struct LeafBatch: Sendable {
  var column: Column
  /// One level per entry; absent when every entry has the greatest.
  var definitions: [UInt8]?
  /// One level per entry; absent when the leaf is not repeated.
  var repetitions: [UInt8]?
}

/// Reads a column chunk, some rows at a time: at most a page and a dictionary are held.
struct LeafReader: Sendable {
  private let info: LeafInfo
  private let conversion: LeafConversion
  private let limits: ParquetLimits
  private let place: String
  private let valueCount: Int64
  private let offsetIndex: OffsetIndex?
  private var pages: PageStream
  private var dictionary: LeafBuilder?
  private var page = LoadedPage()
  private var entriesRead: Int64 = 0
  private var hasJumped = false
  /// The row group's row that comes next.
  private(set) var row: Int64 = 0

  /// A data page that is being read.
  private struct LoadedPage: Sendable {
    /// Entries that are left.
    var left = 0
    var definitions: LevelDecoder?
    var repetitions: LevelDecoder?
    /// Decoded repetition levels from `nextRepetition` on are not consumed yet.
    var upcoming: [UInt8] = []
    var nextRepetition = 0
    /// Entries whose repetition levels are not decoded.
    var undecoded = 0
    var values: (any ValueDecoder)?
  }

  /// - Parameter place: the column and row group, for messages.
  init(
    _ info: LeafInfo, _ chunk: ColumnChunk, pages: PageStream, offsetIndex: OffsetIndex?, limits: ParquetLimits,
    place: String
  ) {
    self.info = info
    self.limits = limits
    self.place = place
    self.pages = pages
    self.offsetIndex = offsetIndex
    conversion = LeafConversion(info)
    valueCount = chunk.valueCount
  }

  /// The next `rows` rows.
  mutating func read(rows: Int) throws(ParquetError) -> LeafBatch {
    do throws(ParquetError) {
      let batch = info.leaf.maximumRepetitionLevel == 0 ? try readFlat(rows) : try readRepeated(rows)
      row += Int64(rows)
      return batch
    } catch {
      throw ParquetError(error.kind, "\(place), page at byte \(pages.pageOffset): \(error.message)")
    }
  }

  /// Passes over rows up to `target`, without reading pages that have none to read if there is an offset index.
  mutating func skip(to target: Int64) throws(ParquetError) {
    do throws(ParquetError) { try jump(to: target) } catch {
      throw ParquetError(error.kind, "\(place), page at byte \(pages.pageOffset): \(error.message)")
    }
    while row < target { _ = try read(rows: Int(min(target - row, 4096))) }
  }

  /// Checks that nothing is left after the row group's last row.
  func checkEnd() throws(ParquetError) {
    guard hasJumped || (page.left == 0 && entriesRead == valueCount) else {
      throw ParquetError(
        .corrupt,
        "\(place): \(entriesRead - Int64(page.left)) values are of the row group's rows, "
          + "the footer says \(valueCount)")
    }
  }

  private mutating func jump(to target: Int64) throws(ParquetError) {
    guard let offsetIndex, let index = offsetIndex.pages.lastIndex(where: { $0.firstRow <= target }) else { return }
    let location = offsetIndex.pages[index]
    guard location.firstRow > row else { return }
    if dictionary == nil, pages.offset < offsetIndex.pages[0].offset {
      // What is before the first data page can only be the dictionary.
      let header = try pages.nextHeader()
      if header.kind == .dictionary { try loadDictionary(header) } else { pages.skipContent(header) }
    }
    try pages.seek(location.offset)
    page = LoadedPage()
    hasJumped = true
    row = location.firstRow
  }

  // MARK: Rows

  private mutating func readFlat(_ rows: Int) throws(ParquetError) -> LeafBatch {
    var output = LeafOutput(info, conversion, capacity: min(rows, 1 << 16))
    var left = rows
    while left > 0 {
      if page.left == 0, try !loadPage() { throw tooFewRows(left) }
      let part = min(left, page.left)
      try readEntries(part, into: &output)
      left -= part
    }
    return output.finish(info)
  }

  private mutating func readRepeated(_ rows: Int) throws(ParquetError) -> LeafBatch {
    var output = LeafOutput(info, conversion, capacity: min(rows, 1 << 16))
    output.repetitions = []
    var started = 0
    while true {
      if page.left == 0 {
        if try loadPage() { continue }
        guard started == rows else { throw tooFewRows(rows - started) }
        return output.finish(info)
      }
      try decodeRepetitions()
      var next = page.nextRepetition
      while next < page.upcoming.count {
        if page.upcoming[next] == 0 {
          if started == rows { break }
          started += 1
        }
        next += 1
      }
      let count = next - page.nextRepetition
      if count == 0 { return output.finish(info) }
      guard started > 0 else { throw ParquetError(.corrupt, "the first value continues a row") }
      output.repetitions?.append(contentsOf: page.upcoming[page.nextRepetition..<next])
      page.nextRepetition = next
      try readEntries(count, into: &output)
      guard output.repetitions?.count ?? 0 <= limits.batchValues else {
        throw ParquetError(
          .unsupported, "more than \(limits.batchValues) values at once (ParquetLimits); read fewer rows at a time")
      }
    }
  }

  private mutating func decodeRepetitions() throws(ParquetError) {
    guard page.nextRepetition == page.upcoming.count else { return }
    page.upcoming.removeAll(keepingCapacity: true)
    page.nextRepetition = 0
    let count = min(page.undecoded, 4096)
    try page.repetitions?.append(count, to: &page.upcoming)
    page.undecoded -= count
  }

  private func tooFewRows(_ missing: Int) -> ParquetError {
    ParquetError(.corrupt, "the column chunk ends \(missing) rows before the row group does")
  }

  // MARK: Entries

  /// Moves `count` entries of the page, which has as many, to `output`.
  private mutating func readEntries(_ count: Int, into output: inout LeafOutput) throws(ParquetError) {
    page.left -= count
    guard page.definitions != nil else {
      try page.values?.append(count, to: &output.builder)
      output.appendPresent(count)
      return
    }
    var left = count
    while left > 0 {
      if let run = try page.definitions?.nextRun(limit: left) {
        if run.level == info.leaf.maximumDefinitionLevel {
          try page.values?.append(run.count, to: &output.builder)
          output.appendPresent(run.count)
        } else {
          output.appendAbsent(run.count, level: UInt8(truncatingIfNeeded: run.level), info)
        }
        left -= run.count
      } else {
        // Bit-packed levels, in pieces that stay in the processor's cache.
        let part = min(left, 4096)
        try readLevels(part, into: &output)
        left -= part
      }
    }
  }

  private mutating func readLevels(_ count: Int, into output: inout LeafOutput) throws(ParquetError) {
    output.levels.removeAll(keepingCapacity: true)
    try page.definitions?.append(count, to: &output.levels)
    let maximum = UInt8(info.leaf.maximumDefinitionLevel)
    var present = 0
    for level in output.levels where level == maximum { present += 1 }
    let start = output.builder.count
    try page.values?.append(present, to: &output.builder)
    output.spreadLevels(from: start, info)
  }

  // MARK: Pages

  /// Loads the next data page; false when there is none.
  private mutating func loadPage() throws(ParquetError) -> Bool {
    while !pages.isAtEnd, hasJumped || entriesRead < valueCount {
      let header = try pages.nextHeader()
      switch header.kind {
      case .dictionary: try loadDictionary(header)
      case .other: pages.skipContent(header)
      case .data, .dataV2:
        guard hasJumped || Int64(header.valueCount) <= valueCount - entriesRead else {
          throw ParquetError(
            .corrupt, "a page of \(header.valueCount) values where the chunk has \(valueCount - entriesRead) left")
        }
        let content = try pages.content(header)
        page = LoadedPage()
        try (header.kind == .data ? loadV1(header, content.values) : loadV2(header, content))
        page.left = header.valueCount
        page.undecoded = header.valueCount
        entriesRead += Int64(header.valueCount)
        if header.valueCount > 0 { return true }
      }
    }
    return false
  }

  private mutating func loadDictionary(_ header: PageHeader) throws(ParquetError) {
    guard dictionary == nil else { throw ParquetError(.corrupt, "a second dictionary page") }
    guard header.encoding == Encoding.plain.rawValue || header.encoding == Encoding.plainDictionary.rawValue else {
      throw ParquetError(.unsupported, "a dictionary of encoding \(header.encoding)")
    }
    let values = try pages.content(header).values
    guard header.valueCount <= values.count, info.physical != .boolean else {
      throw ParquetError(.corrupt, "a dictionary of \(header.valueCount) entries in \(values.count) bytes")
    }
    var builder = LeafBuilder(conversion, capacity: header.valueCount)
    var decoder = plainDecoder(values, from: 0)
    try decoder.append(header.valueCount, to: &builder)
    dictionary = builder
  }

  private mutating func loadV1(_ header: PageHeader, _ bytes: PageBytes) throws(ParquetError) {
    var position = 0
    let leaf = info.leaf
    page.repetitions = try levels(
      bytes, &position, header, encoding: header.repetitionEncoding, maximum: leaf.maximumRepetitionLevel)
    page.definitions = try levels(
      bytes, &position, header, encoding: header.definitionEncoding, maximum: leaf.maximumDefinitionLevel)
    page.values = try valueDecoder(header, bytes, from: position)
  }

  private func levels(
    _ bytes: PageBytes, _ position: inout Int, _ header: PageHeader, encoding: Int32, maximum: Int
  ) throws(ParquetError) -> LevelDecoder? {
    if maximum == 0 { return nil }
    let start: Int
    switch Encoding(rawValue: encoding) {
    case .rle:
      guard bytes.count - position >= 4 else { throw ParquetError(.corrupt, "the page ends before its levels") }
      let length = Int(bytes.int32(at: position))
      start = position + 4
      guard length >= 0, length <= bytes.count - start else {
        throw ParquetError(.corrupt, "levels of \(length) bytes where the page has \(bytes.count - start) left")
      }
      position = start + length
      return try LevelDecoder(runs: bytes, from: start, to: position, maximum: maximum)
    case .bitPacked:
      let size = LevelDecoder.packedSize(count: header.valueCount, maximum: maximum)
      guard size <= bytes.count - position else { throw ParquetError(.corrupt, "the page ends before its levels") }
      start = position
      position += size
      return LevelDecoder(packed: bytes, from: start, maximum: maximum)
    default: throw ParquetError(.unsupported, "levels of encoding \(encoding)")
    }
  }

  private mutating func loadV2(
    _ header: PageHeader, _ content: (levels: PageBytes, values: PageBytes)
  ) throws(ParquetError) {
    let leaf = info.leaf
    let middle = header.repetitionBytes
    if leaf.maximumRepetitionLevel > 0 {
      page.repetitions = try LevelDecoder(
        runs: content.levels, from: 0, to: middle, maximum: leaf.maximumRepetitionLevel)
    }
    if leaf.maximumDefinitionLevel > 0 {
      page.definitions = try LevelDecoder(
        runs: content.levels, from: middle, to: middle + header.definitionBytes, maximum: leaf.maximumDefinitionLevel)
    }
    page.values = try valueDecoder(header, content.values, from: 0)
  }

  // MARK: Values

  private func plainDecoder(_ bytes: PageBytes, from position: Int) -> any ValueDecoder {
    if info.physical == .boolean { return PlainBooleanDecoder(bytes: bytes, bit: position << 3, end: bytes.count) }
    if let width = info.physical.width(length: info.length) {
      return PlainFixedDecoder(bytes: bytes, position: position, end: bytes.count, width: width)
    }
    return PlainBytesDecoder(bytes: bytes, position: position, end: bytes.count)
  }

  private func valueDecoder(
    _ header: PageHeader, _ bytes: PageBytes, from position: Int
  ) throws(ParquetError) -> any ValueDecoder {
    let end = bytes.count
    // A page of nulls has no values, and not even their headers.
    if position == end { return PlainFixedDecoder(bytes: bytes, position: end, end: end, width: 1) }
    switch (Encoding(rawValue: header.encoding), info.physical) {
    case (.plain, _): return plainDecoder(bytes, from: position)
    case (.plainDictionary, _), (.rleDictionary, _):
      guard let dictionary else { throw ParquetError(.corrupt, "a page of dictionary entries without a dictionary") }
      let width = Int(bytes.storage[position])
      return DictionaryDecoder(
        runs: try RunLengthDecoder(bytes, from: position + 1, to: end, width: width), dictionary: dictionary)
    case (.rle, .boolean):
      guard end - position >= 4, case let length = Int(bytes.int32(at: position)), length >= 0,
        length <= end - position - 4
      else { throw ParquetError(.corrupt, "booleans whose length does not fit the page") }
      return RunLengthBooleanDecoder(
        runs: try RunLengthDecoder(bytes, from: position + 4, to: position + 4 + length, width: 1))
    case (.deltaBinaryPacked, .int32), (.deltaBinaryPacked, .int64):
      return DeltaIntegerDecoder(try DeltaDecoder(bytes, from: position, to: end))
    case (.deltaLengthByteArray, .byteArray): return try DeltaLengthDecoder(bytes, from: position, to: end)
    case (.deltaByteArray, .byteArray), (.deltaByteArray, .fixedLengthByteArray):
      return try DeltaBytesDecoder(bytes, from: position, to: end)
    case (.byteStreamSplit, .float), (.byteStreamSplit, .double), (.byteStreamSplit, .int32),
      (.byteStreamSplit, .int64), (.byteStreamSplit, .fixedLengthByteArray):
      return try ByteStreamSplitDecoder(
        bytes, from: position, to: end, width: info.physical.width(length: info.length) ?? 1)
    case (let encoding, let physical):
      let name = encoding.map { "\($0)" } ?? "number \(header.encoding)"
      throw ParquetError(.unsupported, "encoding \(name) of \(physical) values")
    }
  }
}
