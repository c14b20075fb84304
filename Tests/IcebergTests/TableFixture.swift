import Columnar
import Foundation
import Iceberg
import Logging
import Parquet
import Testing

/// A warehouse in a temporary directory with one table, and judges that read it.
struct TableFixture {
  let directory: String
  let catalog: FileSystemCatalog
  var table: Table
  private var fileCount = 0

  static let logger = Logger(label: "tables")

  /// A table called `ns.t`.
  init(
    _ fields: [NestedField], spec: String = "", properties: [String: String] = [:], formatVersion: Int = 2
  ) async throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("tables-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory + "/scratch", withIntermediateDirectories: true)
    catalog = try FileSystemCatalog(
      name: "test", warehouse: "file://\(directory)/wh", store: LocalFileStore(), logger: Self.logger)
    let schema = TableSchema(fields: fields)
    let partitioning =
      spec.isEmpty ? PartitionSpec() : try PartitioningText.parseSpec(spec, schema: schema)
    let namespace = Namespace(["ns"])
    try await catalog.createNamespace(namespace, properties: [:])
    let loaded = try await catalog.createTable(
      TableIdentifier(namespace, "t"),
      TableCreation(schema: schema, spec: partitioning, properties: properties, formatVersion: formatVersion))
    table = Table(loaded, in: catalog)
  }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  var scratch: String { directory + "/scratch" }
  var metadataPath: String { String(table.loaded.metadataLocation.dropFirst("file://".count)) }

  /// Writes rows as data files, which are not in the table yet.
  mutating func write(_ columns: [ParquetArray]) async throws -> [DataFile] {
    fileCount += 1
    let writer = PartitionedWriter(
      try WriteSettings(table.metadata), directory: scratch, prefix: "f\(fileCount)-\(UUID().uuidString)")
    try writer.write(columns)
    let sealed = try writer.finish()
    try await SealedFile.publish(sealed, to: table.loaded.store)
    return sealed.map(\.file)
  }

  /// Adds rows to the table.
  mutating func append(_ columns: [ParquetArray]) async throws {
    let files = try await write(columns)
    try await table.commit([AppendFiles(files)])
  }

  /// All rows as text, sorted: what two readers must agree on.
  func rows(_ selector: Table.SnapshotSelector = .current, options: ScanOptions = ScanOptions()) async throws
    -> [String]
  {
    let scan = try TableScan(table, snapshot: selector, options: options)
    var rows: [String] = []
    for task in try await scan.plan() {
      var reader = try await scan.open(task)
      while let batch = try await reader.next() {
        for row in 0..<batch.rowCount { rows.append(batch.columns.map { $0.text(row) }.joined(separator: "|")) }
      }
    }
    return rows.sorted()
  }

  /// The validator's findings on the table; empty when it is valid.
  func validate(_ extra: [String] = []) throws -> [String] {
    let result = try TableJudge.run(
      "iceberg_check.py", [metadataPath, "--ignore", "delete.target"] + extra)
    if result.status == 0 { return [] }
    Issue.record("\(result.output)")
    return result.output.split(separator: "\n").map(String.init)
  }

  /// How many files are in the table's directory.
  func files() throws -> [String] {
    let root = directory + "/wh/ns/t"
    return try FileManager.default.subpathsOfDirectory(atPath: root).filter { path in
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isDirectory)
        && !isDirectory.boolValue
    }.sorted()
  }
}

/// Runs the judges of `Tests/Judges`.
enum TableJudge {
  struct Outcome {
    var status: Int32
    var output: String
  }

  static func run(_ script: String, _ arguments: [String], java: Bool = false) throws -> Outcome {
    let variable = java ? "WEIR_JUDGES_JAVA_PYTHON" : "WEIR_JUDGES_PYTHON"
    let interpreter = try #require(
      ProcessInfo.processInfo.environment[variable], "\(variable) names the judges' interpreter; ./weir test sets it")
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/\(script)").path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = [path] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
  }
}

extension ParquetArray {
  /// A row as text.
  func text(_ row: Int) -> String {
    if let validity, !validity[row] { return "null" }
    switch self {
    case .leaf(let column):
      switch column.value(row) {
      case .null: return "null"
      case .boolean(let value): return "\(value)"
      case .int64(let value): return "\(value)"
      case .float64(let value): return "\(value)"
      case .numeric(let value): return "\(value)"
      case .bytes(let value): return String(decoding: value, as: UTF8.self)
      case .interval(let value): return "\(value)"
      case .uuid(let value): return "\(value)"
      }
    case .group(_, _, let children): return "{" + children.map { $0.text(row) }.joined(separator: ",") + "}"
    case .list(let offsets, _, let element):
      return "[" + (offsets[row]..<offsets[row + 1]).map { element.text(Int($0)) }.joined(separator: ",") + "]"
    case .map(let offsets, _, let key, let value):
      return "["
        + (offsets[row]..<offsets[row + 1]).map { "\(key.text(Int($0)))=\(value.text(Int($0)))" }
        .joined(separator: ",") + "]"
    }
  }

  /// A column of integers.
  static func longs(_ values: [Int64?], _ type: DataType = .bigint) -> ParquetArray {
    var builder = ColumnBuilder(type)
    for value in values { if let value { builder.append(value) } else { builder.appendNull() } }
    return .leaf(builder.finish())
  }

  /// A column of text.
  static func texts(_ values: [String?]) -> ParquetArray {
    var builder = ColumnBuilder(.text)
    for value in values { if let value { builder.append(value) } else { builder.appendNull() } }
    return .leaf(builder.finish())
  }
}
