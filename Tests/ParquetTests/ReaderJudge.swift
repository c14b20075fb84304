import Columnar
import Foundation
import Parquet
import Testing

/// Files that PyArrow and DuckDB made, and the rows that are in them, see `Tests/Judges/parquet_rows.py`.
enum ReaderJudge {
  /// The seed of the random rows; `WEIR_SEED` replays another.
  static let seed = UInt64(ProcessInfo.processInfo.environment["WEIR_SEED"] ?? "") ?? 20_261_121

  /// The directory with the files, made once.
  static let directory = Result { try make() }

  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private static func make() throws -> String {
    guard let python = ProcessInfo.processInfo.environment["WEIR_JUDGES_PYTHON"] else {
      throw Failure(description: "WEIR_JUDGES_PYTHON must name a Python with pyarrow and duckdb; run ./weir test")
    }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/parquet_rows.py").path
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-parquet-\(getpid())").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [script, "make", directory, "\(seed)"]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(script) ended with \(process.terminationStatus)")
    }
    atexit { ReaderJudge.removeDirectory() }
    return directory
  }

  private static func removeDirectory() {
    if case .success(let directory) = ReaderJudge.directory {
      try? FileManager.default.removeItem(atPath: directory)
    }
  }

  /// The names of the files, without extension.
  static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.get())
      .filter { $0.hasSuffix(".parquet") }.map { String($0.dropLast(8)) }.sorted()
  }

  static func path(_ name: String) throws -> String { try directory.get() + "/\(name).parquet" }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// The rows that the file called `name` should have.
  static func rows(_ name: String) throws -> [Substring] {
    try String(contentsOfFile: directory.get() + "/\(name).rows", encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: true)
  }
}

/// The text of each row, as `parquet_rows.py` defines it.
func rowTexts(_ columns: [ParquetArray], count: Int) -> [String] {
  let texts = columns.map { valueTexts($0) }
  return (0..<count).map { row in "(" + texts.map { $0[row] }.joined(separator: ",") + ")" }
}

private func valueTexts(_ array: ParquetArray) -> [String] {
  let texts: [String]
  switch array {
  case .leaf(let column): texts = (0..<column.count).map { leafText(column.value($0)) }
  case .group(let count, _, let children):
    let parts = children.map { valueTexts($0) }
    texts = (0..<count).map { row in "(" + parts.map { $0[row] }.joined(separator: ",") + ")" }
  case .list(let offsets, _, let element):
    let parts = valueTexts(element)
    texts = (0..<array.count).map { row in
      "[" + parts[Int(offsets[row])..<Int(offsets[row + 1])].joined(separator: ",") + "]"
    }
  case .map(let offsets, _, let key, let value):
    let parts = zip(valueTexts(key), valueTexts(value)).map { $0 + "=" + $1 }
    texts = (0..<array.count).map { row in
      "{" + parts[Int(offsets[row])..<Int(offsets[row + 1])].joined(separator: ",") + "}"
    }
  }
  guard let validity = array.validity else { return texts }
  return texts.indices.map { validity[$0] ? texts[$0] : "null" }
}

private func leafText(_ value: Value) -> String {
  switch value {
  case .null: "null"
  case .boolean(let value): "\(value)"
  case .int64(let value): "\(value)"
  case .float64(let value): value.isNaN ? "f:nan" : "f:" + hexadecimal(value.bitPattern)
  case .numeric(let value): "d:\(value.unscaled)"
  case .bytes(let bytes): "x:" + bytes.map { hexadecimal($0) }.joined()
  case .uuid(let value): "x:" + hexadecimal(value.high) + hexadecimal(value.low)
  case .interval: "an interval, which Parquet columns are not"
  }
}

private func hexadecimal(_ value: some FixedWidthInteger) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: value.bitWidth / 4 - digits.count) + digits
}

/// The rows of a whole file, read `batchRows` at a time.
func readRows(_ file: ParquetFile, projection: ParquetProjection = .all, batchRows: Int = 8192) throws -> [String] {
  var rows: [String] = []
  for group in file.metadata.rowGroups.indices {
    var reader = try file.reader(rowGroup: group, projection: projection, batchRows: batchRows)
    while let columns = try reader.next() { rows += rowTexts(columns, count: reader.lastRowCount) }
  }
  return rows
}
