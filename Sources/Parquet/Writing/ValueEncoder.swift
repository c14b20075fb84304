import Columnar

/// Which rows of a column hold the values that are to be written, in order.
///
/// The pointer, where there is one, is valid during the call that got this value.
struct ValueRows {
  /// The rows, or `nil` for those from ``start`` on.
  let indices: UnsafePointer<Int32>?
  /// The first row when there are no indices.
  let start: Int
  /// How many values.
  let count: Int

  /// The row of value `index`.
  @inline(__always)
  func row(_ index: Int) -> Int { indices.map { Int($0[index]) } ?? start &+ index }

  /// The `count` values from `offset` on.
  func slice(_ offset: Int, _ count: Int) -> ValueRows {
    ValueRows(indices: indices.map { $0 + offset }, start: start + offset, count: count)
  }
}

/// What a page needs to be encoded.
struct PageRequest {
  let context: ParquetWriterContext
  let settings: ColumnSettings
  /// Whether the chunk ends with this page, so that a dictionary will not pay later.
  let isLast: Bool
}

/// Turns the values of one leaf into the values part of pages.
protocol ValueEncoder: AnyObject {
  /// Adds values to the open page.
  ///
  /// - Throws: ``ParquetError`` of kind `invalid` when a value does not fit the leaf.
  func append(_ column: Column, _ rows: ValueRows) throws(ParquetError)

  /// The bytes of those values, where they vary; 0 elsewhere.
  func byteCount(_ column: Column, _ rows: ValueRows) -> Int

  /// About how many bytes the open page has.
  var openBytes: Int { get }
  /// How many bytes the page must be taken to have when it is to end at a size: those before any dictionary, where
  /// values can be long.
  var rawBytes: Int { get }
  /// About how many bytes the dictionary will take.
  var dictionaryBytes: Int { get }

  /// The bounds of the open page, which is about to be encoded.
  func takeBounds() -> ValueBounds

  /// Appends the open page's values to `output` and begins a new page.
  func encodePage(_ request: PageRequest, into output: inout WriteBuffer<UInt8>) throws(ParquetError) -> Encoding

  /// Appends the chunk's dictionary; returns how many entries it has, 0 when no page uses it.
  func encodeDictionary(into output: inout WriteBuffer<UInt8>) -> Int

  /// Appends the chunk's bloom filter, if it has one.
  func encodeBloomFilter(into output: inout WriteBuffer<UInt8>)

  /// Begins a new chunk.
  func endChunk()
}

/// Makes the encoder of a leaf.
func makeValueEncoder(_ leaf: ParquetLeaf, _ layout: LeafLayout, _ settings: ColumnSettings) -> any ValueEncoder {
  switch layout.physical {
  case .boolean: BooleanEncoder(leaf, settings)
  case .int32, .int64, .float, .double: WordEncoder(leaf, layout, settings)
  case .byteArray, .fixed: BytesEncoder(leaf, layout, settings)
  }
}

extension ParquetLeaf {
  /// The path as messages name it.
  var name: String { path.joined(separator: ".") }

  /// The error for a column whose storage is not the leaf's.
  func mismatch(_ column: Column) -> ParquetError {
    ParquetError(
      .invalid, "column \(name): expected values of \(type.columnType.sqlName), got a column of \(column.type.sqlName)")
  }
}

/// Decides between a dictionary and other encodings from a page.
enum EncodingChoice {
  /// How many values are tried.
  static let sampleCount = 4096
  /// What share of a dictionary's bytes is left after compression, about.
  private static let dictionaryRatio = 0.7
  /// For how many pages like the first one a dictionary has to pay.
  private static let expectedPages = 10

  /// How many distinct values `rows` rows will have, if the ones of a page go on coming as they did.
  ///
  /// Codes are given in the order of first appearance, so the greatest one of the first half tells how many distinct
  /// values that half has. New ones become rarer from half to half by the same factor, as draws from a fixed set do.
  private static func expectedDistinct(_ codes: UnsafeBufferPointer<UInt32>, known: Int, rows: Double) -> Double {
    let half = codes.count / 2
    guard half > 0 else { return Double(known) }
    let first = Double((codes[..<half].max() ?? 0) + 1)
    let second = max(Double(known) - first, 0)
    let linear = Double(known) + second / Double(half) * (rows - Double(codes.count))
    let factor = second / first
    return factor < 0.95 ? min(first + second / (1 - factor), linear) : linear
  }

  /// Whether a dictionary is smaller than `directBytes` for the last sampled values of a page.
  static func dictionaryPays(
    _ codes: UnsafeBufferPointer<UInt32>, known: Int, entryBytes: Double, directBytes: Int, _ request: PageRequest
  ) throws(ParquetError) -> Bool {
    let sampled = min(codes.count, sampleCount)
    guard sampled > 0, let start = codes.baseAddress else { return true }
    let rows = Double(codes.count * (request.isLast ? 1 : expectedPages))
    let distinct = expectedDistinct(codes, known: known, rows: rows)
    let width = HybridEncoding.width(count: Int(min(distinct, 1e9)))
    let codeBytes = try sampleSize(request) { output in
      HybridEncoding.append(start + (codes.count - sampled), count: sampled, width: width, into: &output)
    }
    let perValue = Double(sampled)
    let ratio = request.settings.compression == .none ? 1 : dictionaryRatio
    return rows * Double(codeBytes) / perValue + distinct * entryBytes * ratio <= rows * Double(directBytes) / perValue
  }

  /// The compressed size of what `encode` appends.
  static func sampleSize(
    _ request: PageRequest, _ encode: (inout WriteBuffer<UInt8>) -> Void
  ) throws(ParquetError) -> Int {
    let context = request.context
    context.sample.removeAll()
    encode(&context.sample)
    guard request.settings.compression != .none else { return context.sample.count }
    context.sampleCompressed.removeAll()
    try context.compressor.compress(
      context.sample.bytes, request.settings.compression, into: &context.sampleCompressed)
    return context.sampleCompressed.count
  }
}
