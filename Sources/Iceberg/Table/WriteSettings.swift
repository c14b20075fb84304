import Parquet

/// How a table wants its data files: its schema, spec and `write.*` properties, read once.
public struct WriteSettings: Sendable {
  /// The columns that rows have.
  public let schema: TableSchema
  /// The partitioning.
  public let spec: PartitionSpec
  /// The size at which files are closed, in bytes.
  public let targetFileSizeBytes: Int64
  /// Where files go.
  public let locations: TableLocations
  /// How Parquet files are written.
  public let options: ParquetWriterOptions
  /// The schema of Parquet files.
  public let parquetSchema: ParquetSchema
  /// What is kept of each column, by field id.
  public private(set) var metricsModes: [Int: MetricsMode]
  /// The positions of the columns that are in files: those of type `unknown` are not.
  package let storedColumns: [Int]

  /// The settings of a table: its current schema and default spec unless told otherwise.
  ///
  /// - Parameters:
  ///   - metadata: the table.
  ///   - schema: the columns that rows have.
  ///   - spec: the partitioning.
  ///   - lineage: whether rows carry their ids and numbers (v3), as rewritten rows do: two columns after the others.
  /// - Throws: kind `invalid` for properties that make no sense, `unsupported` for what cannot be written.
  public init(
    _ metadata: TableMetadata, schema: TableSchema? = nil, spec: PartitionSpec? = nil, lineage: Bool = false
  ) throws(IcebergError) {
    guard var schema = schema ?? metadata.schemasCurrentFirst.first,
      let spec = spec ?? metadata.specsByID[metadata.defaultSpecID]
    else { throw IcebergError(.corrupt, "the table's current schema or default partition spec is missing") }
    let settings = TableSettings(metadata)
    let format = metadata.properties["write.format.default"]?.lowercased() ?? "parquet"
    guard format == "parquet" else {
      throw IcebergError(
        .unsupported, "the table property write.format.default is '\(format)'; this library writes Parquet only")
    }
    if lineage { schema.fields += MetadataColumn.lineageFields }
    targetFileSizeBytes = try settings.targetFileSizeBytes
    locations = TableLocations(metadata)
    metricsModes = metadata.metricsModes(schema)
    storedColumns = schema.fields.indices.filter { schema.fields[$0].type != .unknown }
    var stored = schema
    stored.fields = storedColumns.map { schema.fields[$0] }
    parquetSchema = try stored.parquetSchema()
    options = try Self.options(settings, stored)
    self.schema = schema
    self.spec = spec
  }

  /// Bounds are not cut: readers find the deletes of a data file by the bounds of its path.
  package mutating func keepWholeBounds() {
    for id in schema.allFieldIDs { metricsModes[id] = .full }
  }

  private static func options(_ settings: TableSettings, _ schema: TableSchema) throws(IcebergError)
    -> ParquetWriterOptions
  {
    var options = ParquetWriterOptions()
    options.compression = try compression(settings)
    options.rowGroupBytes = Int(
      clamping: try settings.positive("write.parquet.row-group-size-bytes", default: 128 << 20))
    options.pageBytes = Int(clamping: try settings.positive("write.parquet.page-size-bytes", default: 1 << 20))
    options.pageRows = Int(clamping: try settings.positive("write.parquet.page-row-limit", default: 20_000))
    options.dictionaryBytes = Int(clamping: try settings.positive("write.parquet.dict-size-bytes", default: 2 << 20))
    let maximum = Int(clamping: try settings.positive("write.parquet.bloom-filter-max-bytes", default: 1 << 20))
    let prefix = "write.parquet.bloom-filter-enabled.column."
    for (name, value) in settings.properties where name.hasPrefix(prefix) && value.lowercased() == "true" {
      let column = String(name.dropFirst(prefix.count))
      guard let field = schema.field(named: column) else { continue }
      let rate = settings.properties["write.parquet.bloom-filter-fpp.column.\(column)"].flatMap(Double.init) ?? 0.01
      guard rate > 0, rate < 1 else {
        throw IcebergError(
          .invalid,
          "table property write.parquet.bloom-filter-fpp.column.\(column): expected more than 0 and less than 1")
      }
      options.bloomFilters[.fieldID(field.id)] = BloomFilterOptions(falsePositiveRate: rate, maximumBytes: maximum)
    }
    options.keyValues["iceberg.schema"] = schema.json.text
    return options
  }

  private static func compression(_ settings: TableSettings) throws(IcebergError) -> ParquetCompression {
    let codec = settings.properties["write.parquet.compression-codec"]?.lowercased() ?? "zstd"
    let level = try settings.integer("write.parquet.compression-level", default: codec == "gzip" ? 6 : 3)
    switch codec {
    case "zstd": return .zstd(level: Int(clamping: level))
    case "gzip": return .gzip(level: Int(clamping: level))
    case "snappy": return .snappy
    case "uncompressed", "none": return .none
    default:
      throw IcebergError(
        .unsupported,
        "the table property write.parquet.compression-codec is '\(codec)'; choose zstd, gzip, snappy or uncompressed")
    }
  }
}

/// A column that every row has without its being in the schema (Iceberg specification, "Reserved Field IDs").
public enum MetadataColumn: Int, Hashable, Sendable, CaseIterable {
  /// `_file`: the location of the row's file.
  case file = 2_147_483_646
  /// `_pos`: the row's place in its file, from 0.
  case position = 2_147_483_645
  /// `_row_id` (v3).
  case rowID = 2_147_483_540
  /// `_last_updated_sequence_number` (v3).
  case lastUpdatedSequenceNumber = 2_147_483_539

  /// The column as a field.
  public var field: NestedField {
    switch self {
    case .file: NestedField(id: rawValue, name: "_file", type: .string, isRequired: true)
    case .position: NestedField(id: rawValue, name: "_pos", type: .long, isRequired: true)
    case .rowID: NestedField(id: rawValue, name: "_row_id", type: .long)
    case .lastUpdatedSequenceNumber:
      NestedField(id: rawValue, name: "_last_updated_sequence_number", type: .long)
    }
  }

  /// The columns that rewritten rows carry (v3).
  package static var lineageFields: [NestedField] {
    [MetadataColumn.rowID.field, MetadataColumn.lastUpdatedSequenceNumber.field]
  }
}
