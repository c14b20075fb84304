/// How a file is written. The defaults give files that every common reader takes.
public struct ParquetWriterOptions: Sendable {
  /// The layout of data pages (Parquet format, "Data Pages").
  public enum DataPageVersion: Hashable, Sendable {
    /// `DATA_PAGE`: levels and values compressed together.
    case v1
    /// `DATA_PAGE_V2`: levels not compressed.
    case v2
  }

  /// Which encodings may be chosen from besides the dictionary.
  public struct Encodings: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: Int

    /// The encodings of `rawValue`'s bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// `DELTA_BINARY_PACKED` for integers, decimals in integers, dates and times.
    public static let deltaBinaryPacked = Encodings(rawValue: 1)
    /// `DELTA_LENGTH_BYTE_ARRAY` for text and binary.
    public static let deltaLengthByteArray = Encodings(rawValue: 2)
    /// `DELTA_BYTE_ARRAY` for text and binary.
    public static let deltaByteArray = Encodings(rawValue: 4)
    /// `BYTE_STREAM_SPLIT` for floating-point numbers.
    public static let byteStreamSplit = Encodings(rawValue: 8)
    /// `RLE` for booleans.
    public static let runLength = Encodings(rawValue: 16)

    /// Only `PLAIN` and dictionaries: what every reader takes, vectorised ones of Iceberg before 1.10 too.
    public static let compatible: Encodings = []
    /// All: the smallest files.
    public static let all: Encodings = [
      .deltaBinaryPacked, .deltaLengthByteArray, .deltaByteArray, .byteStreamSplit, .runLength
    ]
  }

  /// What differs for one column.
  public struct ColumnOverride: Sendable {
    /// How its pages are compressed.
    public var compression: ParquetCompression?
    /// Whether a dictionary is tried.
    public var usesDictionary: Bool?
    /// Which encodings may be chosen from.
    public var encodings: Encodings?
    /// Whether there are statistics in the footer and the column index; counts and bounds of the result are always made.
    public var writesStatistics: Bool?
    /// Its bloom filter.
    public var bloomFilter: BloomFilterOptions?

    /// No difference.
    public init() {}
  }

  /// A column, by its path in the file (`tags.list.element`) or by its field id.
  public enum ColumnName: Hashable, Sendable {
    /// The path, names joined with dots.
    case path(String)
    /// The leaf's field id.
    case fieldID(Int)
  }

  /// How pages are compressed; Zstandard at level 3 unless told otherwise.
  public var compression: ParquetCompression = .zstd(level: 3)
  /// About how many bytes a page has before compression.
  public var pageBytes = 1 << 20
  /// How many rows a page has at most.
  public var pageRows = 20_000
  /// About how many bytes a row group has in the file, and so how much memory a writer needs.
  public var rowGroupBytes = 128 << 20
  /// How many rows a row group has at most.
  public var rowGroupRows = 1 << 20
  /// The layout of data pages.
  public var dataPageVersion = DataPageVersion.v1
  /// Whether dictionaries are tried.
  public var usesDictionary = true
  /// How large a column's dictionary may grow in a row group before other encodings take over.
  public var dictionaryBytes = 2 << 20
  /// Which encodings may be chosen from besides.
  public var encodings = Encodings.compatible
  /// Whether pages carry a checksum.
  public var writesPageChecksums = true
  /// Whether the file has a column index and an offset index (Parquet format, "Page Index").
  public var writesPageIndex = true
  /// How many bytes of long bounds are kept in statistics and the column index.
  public var statisticsBytes = 64
  /// How many bytes of long bounds are kept in the result's bounds of the whole file.
  public var boundBytes = 1024
  /// Bloom filters by column.
  public var bloomFilters: [ColumnName: BloomFilterOptions] = [:]
  /// What differs for single columns.
  public var columns: [ColumnName: ColumnOverride] = [:]
  /// What the footer says besides, `iceberg.schema` for instance.
  public var keyValues: [String: String] = [:]
  /// Who writes.
  public var createdBy = "weir version 0.1.0"

  /// The defaults.
  public init() {}
}

/// How a column's bloom filter is made (Parquet format, "Bloom Filter"). Booleans have none.
public struct BloomFilterOptions: Hashable, Sendable {
  /// The wanted rate of false positives.
  public var falsePositiveRate: Double
  /// How many distinct values a row group has; counted when absent.
  public var distinctValues: Int?
  /// How large a filter may be; rounded down to a power of two.
  public var maximumBytes: Int

  /// A filter.
  public init(falsePositiveRate: Double = 0.01, distinctValues: Int? = nil, maximumBytes: Int = 1 << 20) {
    self.falsePositiveRate = falsePositiveRate
    self.distinctValues = distinctValues
    self.maximumBytes = maximumBytes
  }
}

/// The options of one column, overrides applied.
struct ColumnSettings {
  var compression: ParquetCompression
  var usesDictionary: Bool
  var encodings: ParquetWriterOptions.Encodings
  var writesStatistics: Bool
  var bloomFilter: BloomFilterOptions?
  var pageBytes: Int
  var pageRows: Int
  var dictionaryBytes: Int
  var dataPageVersion: ParquetWriterOptions.DataPageVersion
  var writesPageChecksums: Bool
  var writesPageIndex: Bool
  var statisticsBytes: Int

  init(_ options: ParquetWriterOptions, _ leaf: ParquetLeaf) {
    let path = ParquetWriterOptions.ColumnName.path(leaf.path.joined(separator: "."))
    let identity = leaf.fieldID.map { ParquetWriterOptions.ColumnName.fieldID($0) }
    let override = options.columns[path] ?? identity.flatMap { options.columns[$0] }
    let filter = options.bloomFilters[path] ?? identity.flatMap { options.bloomFilters[$0] }
    compression = override?.compression ?? options.compression
    usesDictionary = override?.usesDictionary ?? options.usesDictionary
    encodings = override?.encodings ?? options.encodings
    writesStatistics = override?.writesStatistics ?? true
    bloomFilter = override?.bloomFilter ?? filter
    pageBytes = min(max(options.pageBytes, 1), 1 << 30)
    pageRows = min(max(options.pageRows, 1), 1 << 24)
    dictionaryBytes = min(max(options.dictionaryBytes, 0), 1 << 28)
    dataPageVersion = options.dataPageVersion
    writesPageChecksums = options.writesPageChecksums
    writesPageIndex = options.writesPageIndex
    statisticsBytes = max(options.statisticsBytes, 1)
  }
}
