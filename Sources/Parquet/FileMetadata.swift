/// How a page's bytes are compressed (Parquet format, `CompressionCodec`).
public enum CompressionCodec: Int32, Hashable, Sendable {
  /// Not at all.
  case uncompressed = 0
  /// Snappy.
  case snappy = 1
  /// GZIP.
  case gzip = 2
  /// LZO.
  case lzo = 3
  /// Brotli.
  case brotli = 4
  /// LZ4 in Hadoop's framing, deprecated.
  case lz4 = 5
  /// Zstandard.
  case zstd = 6
  /// LZ4 blocks.
  case lz4Raw = 7
}

/// How values are encoded (Parquet format, `Encoding`).
public enum Encoding: Int32, Hashable, Sendable {
  /// Values one after another.
  case plain = 0
  /// A dictionary's codes, the old name.
  case plainDictionary = 2
  /// Run lengths and bit packing.
  case rle = 3
  /// Bit packing, deprecated.
  case bitPacked = 4
  /// Differences of integers.
  case deltaBinaryPacked = 5
  /// Lengths as differences, then the bytes.
  case deltaLengthByteArray = 6
  /// Common prefixes.
  case deltaByteArray = 7
  /// A dictionary's codes.
  case rleDictionary = 8
  /// The first bytes of all values, then the second ones, ….
  case byteStreamSplit = 9
}

/// What is known of the values of a column chunk or page (Parquet format, `Statistics`).
public struct LeafStatistics: Hashable, Sendable {
  /// How many values are null, when known.
  public var nullCount: Int64?
  /// The smallest value, or a lower bound of it, plainly encoded.
  public var minimum: [UInt8]?
  /// The greatest value, or an upper bound of it, plainly encoded.
  public var maximum: [UInt8]?
  /// Whether ``minimum`` is a value.
  public var isMinimumExact: Bool?
  /// Whether ``maximum`` is a value.
  public var isMaximumExact: Bool?

  /// Nothing is known.
  public init() {}
}

/// One column of a row group (Parquet format, `ColumnMetaData` and `ColumnChunk`).
public struct ColumnChunk: Hashable, Sendable {
  /// The encodings of its pages.
  public var encodings: [Encoding] = []
  /// How its pages are compressed.
  public var codec: CompressionCodec = .uncompressed
  /// Values, nulls included.
  public var valueCount: Int64 = 0
  /// Bytes before compression, page headers included.
  public var uncompressedBytes: Int64 = 0
  /// Bytes in the file, page headers included.
  public var compressedBytes: Int64 = 0
  /// Where the first data page begins.
  public var dataPageOffset: Int64 = 0
  /// Where the dictionary page begins.
  public var dictionaryPageOffset: Int64?
  /// What is known of the values.
  public var statistics = LeafStatistics()
  /// Where the bloom filter is.
  public var bloomFilter: (offset: Int64, length: Int32?)? {
    get { bloomFilterOffset.map { ($0, bloomFilterLength) } }
    set {
      bloomFilterOffset = newValue?.offset
      bloomFilterLength = newValue?.length
    }
  }
  /// Where the bloom filter begins.
  public var bloomFilterOffset: Int64?
  /// How long it is.
  public var bloomFilterLength: Int32?
  /// Where the offset index is.
  public var offsetIndexOffset: Int64?
  /// How long it is.
  public var offsetIndexLength: Int32?
  /// Where the column index is.
  public var columnIndexOffset: Int64?
  /// How long it is.
  public var columnIndexLength: Int32?

  /// An empty chunk.
  public init() {}

  /// Where the chunk begins: at its dictionary, or at its first page.
  public var startOffset: Int64 {
    guard let dictionaryPageOffset, dictionaryPageOffset > 0 else { return dataPageOffset }
    return min(dictionaryPageOffset, dataPageOffset)
  }
}

/// Some rows of a file (Parquet format, `RowGroup`).
public struct RowGroup: Hashable, Sendable {
  /// One for each leaf of the schema.
  public var columns: [ColumnChunk]
  /// How many rows.
  public var rowCount: Int64
  /// Bytes of all chunks before compression.
  public var uncompressedBytes: Int64

  /// A row group.
  public init(columns: [ColumnChunk], rowCount: Int64, uncompressedBytes: Int64) {
    self.columns = columns
    self.rowCount = rowCount
    self.uncompressedBytes = uncompressedBytes
  }
}

/// A file's footer (Parquet format, `FileMetaData`).
public struct FileMetadata: Hashable, Sendable {
  /// The schema.
  public var schema: ParquetSchema
  /// How many rows.
  public var rowCount: Int64
  /// The row groups, in order.
  public var rowGroups: [RowGroup]
  /// What the writer added, `iceberg.schema` for instance.
  public var keyValues: [String: String]
  /// Who wrote it.
  public var createdBy: String?

  /// A footer.
  public init(
    schema: ParquetSchema, rowCount: Int64, rowGroups: [RowGroup], keyValues: [String: String] = [:],
    createdBy: String? = nil
  ) {
    self.schema = schema
    self.rowCount = rowCount
    self.rowGroups = rowGroups
    self.keyValues = keyValues
    self.createdBy = createdBy
  }
}

/// Something is wrong with a Parquet file, or with what should be written to one.
public struct ParquetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of failure.
  public enum Kind: Hashable, Sendable {
    /// The bytes are not what the format says.
    case corrupt
    /// The format allows it, this reader or writer does not.
    case unsupported
    /// The caller's rows or schema do not fit.
    case invalid
    /// Reading or writing failed.
    case io
  }

  /// The kind.
  public let kind: Kind
  /// What was expected, what came, where (column, row group, byte offset), what to do.
  public let message: String

  /// A failure.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The message.
  public var description: String { "Parquet: \(message)" }
}
