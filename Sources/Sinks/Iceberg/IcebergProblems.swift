import Columnar
import Iceberg
import SQL

extension SinkConnectors {
  /// What is wrong with a table that statements write, as far as it can be known without asking its server.
  public static func problems(of table: TableDefinition) -> [SQLDiagnostic] {
    table.options["connector"] == "iceberg" ? IcebergProblems(table).all : []
  }
}

/// Mistakes in the declaration of an Iceberg table.
struct IcebergProblems {
  private let table: TableDefinition
  private let options: TableOptions

  init(_ table: TableDefinition) {
    self.table = table
    options = table.options
  }

  /// All mistakes.
  var all: [SQLDiagnostic] {
    typeProblems + nameProblems + keyProblems + layoutProblems + propertyProblems + catalogProblems
  }

  private func problem(_ option: String, _ message: String, hint: String? = nil) -> SQLDiagnostic {
    let entry = options.entries[option]
    let shown = entry.map { Redaction.value($0.value, ofOption: option) }
    return SQLDiagnostic(
      message: message, location: entry?.location ?? table.location, offendingText: shown.map { "'\($0)'" } ?? "",
      hint: hint)
  }

  private var typeProblems: [SQLDiagnostic] {
    table.columns.compactMap { column in
      let field = column.field
      guard IcebergType(columnType: field.type) == nil else { return nil }
      let hint: String
      switch field.type {
      case .numeric(nil, _): hint = "give it precision and scale: \(field.name) numeric(38, 9)"
      case .numeric: hint = "decimals have up to 38 digits, and from none to all of them after the point"
      default: hint = "declare \(field.name) text, and cast in the query: \(field.name)::text"
      }
      return SQLDiagnostic(
        message: "column \(field.name) of table \(table.name): Iceberg has no type for \(field.type.sqlName)",
        location: table.location, offendingText: "", hint: hint)
    }
  }

  private var nameProblems: [SQLDiagnostic] {
    guard let text = options["table"], !text.isEmpty else { return [] }
    guard let name = IcebergTableName(parsing: text) else {
      return [
        problem(
          "table", "option table = '\(text)': expected namespace.name",
          hint: "levels are separated by dots; a column whose text is part of the name stands in braces: sales.{type}")
      ]
    }
    var problems: [SQLDiagnostic] = []
    for column in name.columns {
      guard let found = table.columns.first(where: { $0.field.name == column }) else {
        let names = table.columns.map(\.field.name).joined(separator: ", ")
        problems.append(
          problem("table", "option table names the column {\(column)}, which is not there", hint: "columns: \(names)"))
        continue
      }
      if found.field.type != .text {
        problems.append(
          problem(
            "table", "option table names the column {\(column)}, which is \(found.field.type.sqlName)",
            hint: "only columns of type text can be part of a table's name"))
      }
    }
    if !name.columns.isEmpty, options["location"] != nil {
      problems.append(
        problem("location", "option location is for one table, and rows go to several", hint: "leave it out"))
    }
    return problems
  }

  private var keyProblems: [SQLDiagnostic] {
    let floating = table.columns.filter { column in
      table.primaryKey.contains(column.field.name) && (column.field.type == .real || column.field.type == .double)
    }
    return floating.map { column in
      SQLDiagnostic(
        message: "column \(column.field.name) of table \(table.name) is in the primary key and is "
          + "\(column.field.type.sqlName)", location: table.location, offendingText: "",
        hint: "floating-point numbers cannot identify rows of an Iceberg table: use numeric(38, 9), or leave it out")
    }
  }

  private var layoutProblems: [SQLDiagnostic] {
    // Columns whose type is a mistake of its own are there for what else names them.
    let fields = table.columns.map { column in
      IcebergType(columnType: column.field.type) == nil ? Field(column.field.name, .text) : column.field
    }
    guard let schema = try? TableSchema(Schema(fields)) else { return [] }
    var problems: [SQLDiagnostic] = []
    func check(_ option: String, _ example: String, _ body: (String) throws(IcebergError) -> Void) {
      guard let text = options[option], !text.isEmpty else { return }
      do throws(IcebergError) { try body(text) } catch {
        problems.append(problem(option, "option \(option): \(error.message)", hint: "write it like \(example)"))
      }
    }
    check("partitioning", "'day(ts), bucket(16, id)'") { text throws(IcebergError) in
      let spec = try PartitioningText.parseSpec(text, schema: schema)
      _ = try spec.partitionType(schema)
      for field in spec.fields {
        guard let source = schema.field(id: field.sourceID) else { continue }
        guard field.transform.resultType(of: source.type) != nil else {
          throw IcebergError(
            .invalid, "\(field.transform.text) cannot be applied to \(source.name) of type \(source.type.text)")
        }
      }
    }
    check("sort_order", "'id asc nulls first, ts desc'") { text throws(IcebergError) in
      _ = try PartitioningText.parseSortOrder(text, schema: schema)
    }
    return problems
  }

  /// Properties that ask for what this sink does not do.
  private var propertyProblems: [SQLDiagnostic] {
    var problems: [SQLDiagnostic] = []
    if let format = options["write.format.default"], format.lowercased() != "parquet" {
      problems.append(
        problem("write.format.default", "data files are written as Parquet, not as '\(format)'", hint: "leave it out"))
    }
    if let codec = options["write.parquet.compression-codec"],
      !["zstd", "gzip", "snappy", "uncompressed", "none"].contains(codec.lowercased())
    {
      problems.append(
        problem(
          "write.parquet.compression-codec", "there is no compression '\(codec)'",
          hint: "choose zstd, gzip, snappy or uncompressed"))
    }
    for (name, entry) in options.entries.sorted(by: { $0.key < $1.key }) {
      guard Self.numbers.contains(name) || name.hasSuffix("-bytes") && name.hasPrefix("write.") else { continue }
      guard Int64(entry.value).map({ $0 > 0 }) != true else { continue }
      problems.append(problem(name, "property \(name) must be a whole number above 0, not '\(entry.value)'"))
    }
    if options["write.target-file-size-bytes"] != nil, options["target_file_size"] != nil {
      problems.append(
        problem("target_file_size", "the size of files is said twice: also as write.target-file-size-bytes"))
    }
    return problems
  }

  private static let numbers: Set<String> = [
    "write.parquet.page-row-limit", "commit.retry.num-retries", "commit.retry.min-wait-ms",
    "commit.retry.max-wait-ms", "commit.retry.total-timeout-ms", "commit.manifest.min-count-to-merge",
    "history.expire.min-snapshots-to-keep"
  ]

  private var catalogProblems: [SQLDiagnostic] {
    let hasURI = options["uri"] != nil
    guard options["catalog"] == "filesystem", hasURI else { return [] }
    return [
      problem("uri", "option uri is for catalogs of the kinds sql and rest, and this one is 'filesystem'")
    ]
  }
}
