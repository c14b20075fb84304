import Columnar
import Parquet

private let rowCount = 1 << 18

/// All columns of telemetry as a Parquet file in memory, with the default settings, and back; compared with zstd of the
/// plain values, at the level of these settings.
func registerParquet() {
  measure("parquet/encode", units: rowCount) {
    arrays()
  } work: { batches in
    try encode(batches)
  } check: { _, bytes in
    try checkRows(try decode(bytes))
  }
  measure("parquet/decode", units: rowCount) {
    try encode(arrays())
  } work: { bytes in
    try decode(bytes)
  } check: { _, batches in
    try checkRows(batches)
  }
  registerCompression("parquet", units: rowCount, level: 3) { plainBytes() }
}

private var telemetry: Telemetry { Telemetry(count: rowCount, keys: 10_000, milliseconds: 10_000, disorder: 1_000) }

private func arrays() -> [[ParquetArray]] { telemetry.batches().map { $0.columns.map { .leaf($0) } } }

private let schema = ParquetSchema([
  ParquetField("sensor_id", .leaf(.string), fieldID: 1), ParquetField("temperature", .leaf(.double), fieldID: 2),
  ParquetField("humidity", .leaf(.double), fieldID: 3),
  ParquetField("ts", .leaf(.timestamp(.microseconds, isAdjustedToUTC: true)), fieldID: 4),
  ParquetField("site", .leaf(.string), fieldID: 5), ParquetField("status", .leaf(.string), fieldID: 6)
])

private func encode(_ batches: [[ParquetArray]]) throws -> [UInt8] {
  let output = MemoryOutput()
  let writer = try ParquetWriter(schema: schema, options: ParquetWriterOptions(), output: output)
  for batch in batches { try writer.write(batch) }
  _ = try writer.finish()
  return output.bytes
}

private func decode(_ bytes: [UInt8]) throws -> [[ParquetArray]] {
  let file = try ParquetFile(MemorySource(bytes))
  var batches: [[ParquetArray]] = []
  for group in file.metadata.rowGroups.indices {
    var rows = try file.reader(rowGroup: group, batchRows: Telemetry.batchRows)
    while let batch = try rows.next() { batches.append(batch) }
  }
  return batches
}

private func checkRows(_ batches: [[ParquetArray]]) throws {
  var found = DecodedSums()
  for batch in batches {
    let columns = batch.compactMap { array -> Column? in
      guard case .leaf(let column) = array else { return nil }
      return column
    }
    found.add(Batch(schema: Telemetry.schema, columns: columns, count: batch[0].count))
  }
  var expected = DecodedSums()
  for batch in telemetry.batches() { expected.add(batch) }
  try expect(found, expected, "rows of the file")
}

/// The values of every column one behind another, as PLAIN pages hold them.
private func plainBytes() -> [UInt8] {
  var bytes: [UInt8] = []
  let batches = telemetry.batches()
  for index in Telemetry.schema.fields.indices {
    for batch in batches {
      switch batch.columns[index].storage {
      case .int64(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
      case .float64(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
      case .bytes(let values):
        for row in 0..<values.count {
          withUnsafeBytes(of: UInt32(values[row].count).littleEndian) { bytes.append(contentsOf: $0) }
          bytes += values[row]
        }
      default: preconditionFailure("telemetry has texts and numbers")
      }
    }
  }
  return bytes
}

/// A file in memory.
private final class MemoryOutput: ByteOutput {
  private(set) var bytes: [UInt8] = []

  func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) { self.bytes.append(contentsOf: bytes) }
  func close() throws(ParquetError) {}
  func abandon() {}
}
