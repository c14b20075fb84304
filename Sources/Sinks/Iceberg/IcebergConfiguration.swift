import Actors
import Columnar
import Iceberg
import SQL

/// What a table's options say about its tables in a catalog.
struct IcebergConfiguration: Sendable {
  let job: String
  let sink: String
  let name: IcebergTableName
  let columns: [Field]
  let primaryKey: [String]
  /// The catalog's kind and properties.
  let catalogType: String
  let catalogProperties: [String: String]
  let partitioning: String
  let sortOrder: String
  let formatVersion: Int
  let createsTables: Bool
  let isStrict: Bool
  let location: String?
  let openFiles: Int
  let commitIntervalNanoseconds: Int64
  /// `nil`: what the table says, or the default of streams.
  let targetFileSizeBytes: Int64?
  /// The options that become properties of the table.
  let tableProperties: [String: String]

  /// Files of streams are smaller than those of batches by default: more of them are written at a time.
  static let streamFileSizeBytes: Int64 = 128 << 20
  static let fileSizeProperty = "write.target-file-size-bytes"
  /// Every commit writes a metadata file: without this they would pile up by the ten thousands each day.
  static let metadataCleanupProperty = "write.metadata.delete-after-commit.enabled"

  /// Checkpoints wait for a commit, and with them what the sources may forget.
  private static let commitIntervalMaxMicroseconds: Int64 = 86_400_000_000

  /// Reads the options of `table`.
  /// - Throws: ``SinkError``, or ``SQL/SQLDiagnostic``, which name the option.
  init(_ table: TableDefinition, job: String, defaults: SinkDefaults) throws {
    let sinkOptions = SinkOptions(table)
    let options = table.options
    let text = try sinkOptions.required("table", "namespace.name")
    guard let name = IcebergTableName(parsing: text) else {
      throw sinkOptions.refusal("option table = '\(text)': expected namespace.name, or one like 'sales.{type}'")
    }
    self.job = job
    sink = table.name
    self.name = name
    columns = table.columns.map(\.field)
    primaryKey = table.primaryKey
    partitioning = options["partitioning"] ?? ""
    sortOrder = options["sort_order"] ?? ""
    formatVersion = Int(try options.integer("format_version", in: 2...3, default: 2))
    createsTables = try options.boolean("create_table", default: true)
    isStrict = try options.choice("schema_evolution", of: ["add", "strict"], default: "add") == "strict"
    location = options["location"]
    openFiles = Int(try options.integer("max_open_files", in: 1...10_000, default: 64))
    let interval = try options.duration("commit_interval", default: 0)
    guard interval <= Self.commitIntervalMaxMicroseconds else {
      let text = options["commit_interval"] ?? ""
      throw sinkOptions.refusal("option commit_interval = '\(text)': expected at most 1 day")
    }
    commitIntervalNanoseconds = interval * 1000
    let size = try options.size("target_file_size", default: 0)
    targetFileSizeBytes = size > 0 ? size : nil
    tableProperties = Self.tableProperties(options, size)
    (catalogType, catalogProperties) = try Self.catalog(sinkOptions, defaults)
  }

  private static func tableProperties(_ options: TableOptions, _ size: Int64) -> [String: String] {
    var properties: [String: String] = [:]
    for (name, entry) in options.entries
    where ["write.", "commit.", "history."].contains(where: { name.hasPrefix($0) }) {
      properties[name] = entry.value
    }
    if size > 0 { properties[fileSizeProperty] = String(size) }
    return properties
  }

  private static func catalog(
    _ options: SinkOptions, _ defaults: SinkDefaults
  ) throws -> (type: String, properties: [String: String]) {
    let standard = defaults.catalogType ?? "filesystem"
    let type = try options.choice("catalog", ["filesystem", "sql", "rest"], default: standard)
    // Settings of the engine are for its own kind of catalog; a table that names another one says all itself.
    let isStandard = type == standard
    var properties: [String: String] = ["catalog-name": options["catalog_name"] ?? defaults.catalogName ?? "weir"]
    properties["warehouse"] = options["warehouse"] ?? (isStandard || type != "rest" ? defaults.warehouse : nil)
    properties["uri"] = options["uri"] ?? (isStandard ? defaults.catalogURL : nil)
    if type == "sql", properties["uri"] == nil { properties["uri"] = defaults.postgresURL }
    if type != "filesystem", properties["uri"] == nil {
      throw options.refusal("option uri is missing: a catalog of the kind \(type) needs it; or set WEIR_CATALOG_URL")
    }
    if type != "rest" {
      guard let warehouse = properties["warehouse"], !warehouse.isEmpty else {
        throw options.refusal("option warehouse is missing: s3://bucket/path or /path; or set WEIR_WAREHOUSE")
      }
      properties["warehouse"] = absolute(warehouse)
    }
    for (name, entry) in options.table.options.entries {
      if name.hasPrefix("catalog.") { properties[String(name.dropFirst("catalog.".count))] = entry.value }
      if name.hasPrefix("s3.") { properties[name] = entry.value }
    }
    return (type, properties)
  }

  /// Identifies the catalog: tables with equal keys are in the same one.
  var catalogKey: String {
    ([catalogType] + catalogProperties.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }).joined(separator: "\n")
  }

  /// `location` with the working directory before it when it is a relative path.
  private static func absolute(_ location: String) -> String {
    guard !location.contains("://"), !location.hasPrefix("/"), !location.hasPrefix("file:") else { return location }
    return FilePath.absolute(location)
  }

  /// The table that is made when there is none.
  /// - Throws: kind `invalid` for a partitioning or order that does not fit the columns.
  func creation(properties: [String: String]) throws(IcebergError) -> TableCreation {
    var schema = try TableSchema(Schema(columns))
    schema.identifierFieldIDs = Self.identifiers(schema, primaryKey)
    var all = tableProperties
    if all[Self.fileSizeProperty] == nil { all[Self.fileSizeProperty] = String(Self.streamFileSizeBytes) }
    if all[Self.metadataCleanupProperty] == nil { all[Self.metadataCleanupProperty] = "true" }
    all.merge(properties) { _, own in own }
    return TableCreation(
      schema: schema, spec: try PartitioningText.parseSpec(partitioning, schema: schema),
      sortOrder: try PartitioningText.parseSortOrder(sortOrder, schema: schema), properties: all,
      formatVersion: formatVersion, location: location)
  }

  /// The key's columns as identifier fields, if all of them can be: they are required, and not floating-point.
  static func identifiers(_ schema: TableSchema, _ key: [String]) -> [Int] {
    let fields = key.compactMap { name in schema.fields.first { $0.name == name } }
    guard fields.allSatisfy({ $0.isRequired && $0.type != .float && $0.type != .double }) else { return [] }
    return fields.map(\.id).sorted()
  }
}
