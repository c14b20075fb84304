import Columnar
import Foundation
import Parquet

/// Files for `Tests/Judges/parquet_writer_check.py`, which reads them with PyArrow, DuckDB and a decoder of its own.
struct WriterJudge {
  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The seed of the first random case; `WEIR_SEED` replays another.
  static let seed = UInt64(ProcessInfo.processInfo.environment["WEIR_SEED"] ?? "") ?? 20_261_121

  private let directory: URL
  private var names: Set<String> = []

  init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-writer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  }

  func path(_ name: String) -> String { directory.appendingPathComponent(name + ".parquet").path }

  /// What a case needs besides its rows.
  struct Case {
    var name: String
    var schema: ParquetSchema
    var rows: [[WriterValue]]
    var options = ParquetWriterOptions()
    /// Whether every leaf but booleans has a bloom filter.
    var hasBloomFilters = false
    /// Whether DuckDB is asked too.
    var usesDuckDB = true
    /// How the rows are cut into calls; all at once when empty.
    var batches: [Range<Int>] = []
  }

  /// Writes a case's file, through several calls, and its description.
  mutating func add(_ given: Case) throws {
    var options = given.options
    if given.hasBloomFilters {
      for leaf in given.schema.leaves { options.bloomFilters[.path(leaf.path.joined(separator: "."))] = .init() }
    }
    let output = try FileOutput(path: path(given.name))
    let writer = try ParquetWriter(schema: given.schema, options: options, output: output)
    let columns = given.schema.fields.indices.map { index in
      WriterColumns.array(given.rows.map { $0[index] }, given.schema.fields[index])
    }
    for (index, batch) in (given.batches.isEmpty ? [0..<given.rows.count] : given.batches).enumerated() {
      // Adjacent rows, and the same ones as a list of rows, must come to the same.
      if index % 2 == 0 {
        try writer.write(columns, rows: batch)
      } else {
        try writer.write(columns, rows: batch.map { Int32($0) })
      }
    }
    let result = try writer.finish()
    try describe(given, options, result).write(
      to: directory.appendingPathComponent(given.name + ".json"), atomically: false, encoding: .utf8)
    guard names.insert(given.name).inserted else { throw Failure(description: "two cases are called \(given.name)") }
  }

  private func describe(_ given: Case, _ options: ParquetWriterOptions, _ result: ParquetWriteResult) -> String {
    let leaves = result.leaves.map { leaf in
      """
      {"path":[\(leaf.path.map(quoted).joined(separator: ","))],"id":\(leaf.fieldID.map { "\($0)" } ?? "null"),\
      "values":\(leaf.valueCount),"nulls":\(leaf.nullCount),"nans":\(leaf.nanCount),"bytes":\(leaf.compressedBytes),\
      "minimum":\(leaf.minimum.map { quoted(hex($0)) } ?? "null"),\
      "maximum":\(leaf.maximum.map { quoted(hex($0)) } ?? "null"),\
      "isMinimumExact":\(leaf.isMinimumExact),"isMaximumExact":\(leaf.isMaximumExact)}
      """
    }
    let rows = given.rows.map { "[" + $0.map(\.json).joined(separator: ",") + "]" }.joined(separator: ",\n")
    let keyValues = options.keyValues.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ",")
    return """
      {"fields":[\(given.schema.fields.map(\.json).joined(separator: ","))],"keyValues":{\(keyValues)},
      "checksums":\(options.writesPageChecksums),"pageIndex":\(options.writesPageIndex),"pageRows":\(options.pageRows),
      "statisticsBytes":\(options.statisticsBytes),"bloom":\(given.hasBloomFilters),"duckdb":\(given.usesDuckDB),
      "summary":{"fileSize":\(result.fileSize),"rowGroups":\(result.splitOffsets.count),
      "leaves":[\(leaves.joined(separator: ","))]},"rows":[\(rows)]}
      """
  }

  /// What the judge says of all cases: the faults it found, none when the files are right.
  func verdict() throws -> [String] {
    guard let python = ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"] else {
      throw Failure(description: "WEIR_JUDGES_PYTHON must name a Python with pyarrow and duckdb; run ./weir test")
    }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/parquet_writer_check.py").path
    let process = Process()
    let answer = directory.appendingPathComponent("answer")
    try Data().write(to: answer)
    let handle = try FileHandle(forWritingTo: answer)
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [script, directory.path]
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    process.waitUntilExit()
    let lines = try String(contentsOf: answer, encoding: .utf8).split(separator: "\n").map(String.init)
    guard process.terminationStatus == 0, lines.last == "judged \(names.count), failed 0" else {
      return lines + ["the judge ended with \(process.terminationStatus); the files are in \(directory.path)"]
    }
    try FileManager.default.removeItem(at: directory)
    return []
  }
}
