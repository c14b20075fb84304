import CZlib

/// Reads the pages of a column chunk one after another, a window of the file at a time.
struct PageStream: Sendable {
  /// How much is read at once, unless a page is larger.
  private static let windowBytes: Int64 = 256 << 10
  /// Headers hold bounds of values; none is near this size.
  private static let maximumHeaderBytes: Int64 = 16 << 20

  private let source: any ByteSource
  private let codec: Int32
  private let limits: ParquetLimits
  /// Where the chunk ends.
  let end: Int64
  /// Where the next page begins.
  private(set) var offset: Int64
  /// Where the page that was read last begins.
  private(set) var pageOffset: Int64
  private var window: [UInt8] = []
  private var windowStart: Int64 = 0

  init(_ source: any ByteSource, _ range: Range<Int64>, codec: Int32, limits: ParquetLimits) {
    self.source = source
    self.codec = codec
    self.limits = limits
    offset = range.lowerBound
    pageOffset = range.lowerBound
    end = range.upperBound
  }

  /// Whether no page is left.
  var isAtEnd: Bool { offset >= end }

  /// Goes to the page at `newOffset`.
  mutating func seek(_ newOffset: Int64) throws(ParquetError) {
    guard newOffset >= offset, newOffset < end else {
      throw ParquetError(.corrupt, "a page at \(newOffset), which is not between \(offset) and the chunk's end \(end)")
    }
    offset = newOffset
  }

  /// The header of the next page; its content must be read or skipped then.
  mutating func nextHeader() throws(ParquetError) -> PageHeader {
    pageOffset = offset
    var wanted: Int64 = 1 << 10
    while true {
      let available = min(wanted, end - offset)
      try load(available)
      let start = Int(offset - windowStart)
      var thrift = ThriftDecoder(window, from: start)
      do throws(ParquetError) {
        let header = try thrift.pageHeader()
        offset += Int64(thrift.position - start)
        try check(header)
        return header
      } catch {
        let hasMore = Int64(window.count - start) < end - offset
        guard thrift.ranOut, hasMore, wanted < Self.maximumHeaderBytes else { throw error }
        wanted = max(wanted, Int64(window.count - start)) * 4
      }
    }
  }

  private func check(_ header: PageHeader) throws(ParquetError) {
    guard Int64(header.compressedBytes) <= end - offset else {
      throw ParquetError(.corrupt, "a page of \(header.compressedBytes) bytes where the chunk has \(end - offset) left")
    }
    guard header.uncompressedBytes <= limits.pageBytes else {
      throw ParquetError(
        .unsupported, "a page of \(header.uncompressedBytes) bytes, the limit is \(limits.pageBytes) (ParquetLimits)")
    }
    guard header.definitionBytes + header.repetitionBytes <= min(header.compressedBytes, header.uncompressedBytes)
    else { throw ParquetError(.corrupt, "levels of more bytes than the page has") }
  }

  /// Passes over a page's content.
  mutating func skipContent(_ header: PageHeader) { offset += Int64(header.compressedBytes) }

  /// A page's content: the levels of a page of version 2, which are never compressed, and the rest, decompressed.
  mutating func content(_ header: PageHeader) throws(ParquetError) -> (levels: PageBytes, values: PageBytes) {
    try load(Int64(header.compressedBytes))
    let start = Int(offset - windowStart)
    offset += Int64(header.compressedBytes)
    let (codec, window) = (codec, window)
    return try window.withRawBytes { raw throws(ParquetError) in
      let content = UnsafeRawBufferPointer(rebasing: raw[start..<start + header.compressedBytes])
      if let checksum = header.checksum {
        let actual = crc32(0, content.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(content.count))
        guard content.isEmpty || UInt32(truncatingIfNeeded: actual) == checksum else {
          throw ParquetError(.corrupt, "the page's checksum is \(actual), the header says \(checksum)")
        }
      }
      let levelBytes = header.definitionBytes + header.repetitionBytes
      let count = header.uncompressedBytes - levelBytes
      let stored = UnsafeRawBufferPointer(rebasing: content[levelBytes...])
      // An empty page is written with and without a compressed form of nothing.
      let values =
        count == 0
        ? PageBytes.empty
        : try Decompressor.decompress(stored, codec: header.isCompressed ? codec : 0, count: count)
      let levels =
        levelBytes == 0 ? .empty : PageBytes(copying: UnsafeRawBufferPointer(rebasing: content[..<levelBytes]))
      return (levels, values)
    }
  }

  /// Makes sure that `count` bytes from `offset` on are in the window.
  private mutating func load(_ count: Int64) throws(ParquetError) {
    let windowEnd = windowStart + Int64(window.count)
    if offset >= windowStart, offset + count <= windowEnd { return }
    let upper = min(end, offset + max(count, Self.windowBytes))
    window = try source.read(offset..<upper)
    guard window.count == Int(upper - offset) else {
      throw ParquetError(.io, "the source gave \(window.count) bytes where \(upper - offset) were asked for")
    }
    windowStart = offset
  }
}
