// Writes telemetry rows (three strings, two measurements, one time) to Parquet on one thread and prints what it cost.
//
//   ParquetEncoding <batches> <repetitions> <zstd level, or "none"> <all|compatible> [output file]
//
// `batches` is a file of raw columns that `Benchmarks/parquet.py` makes, so that PyArrow gets the same rows.

import Columnar
import Glibc
import Parquet

/// A reader of the benchmark's raw columns: little-endian numbers and strings as offsets and bytes.
struct RawColumns {
  private let bytes: [UInt8]
  private var position = 0

  init(path: String) throws(ParquetError) {
    guard let file = fopen(path, "rb") else { throw ParquetError(.io, "cannot open \(path)") }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let size = ftell(file)
    rewind(file)
    bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = fread(buffer.baseAddress, 1, size, file)
    }
  }

  mutating func numbers<Number: BitwiseCopyable>(_ count: Int, as type: Number.Type) -> [Number] {
    defer { position += count * MemoryLayout<Number>.stride }
    return bytes.withUnsafeBytes { bytes in
      (0..<count).map {
        bytes.loadUnaligned(fromByteOffset: position + $0 * MemoryLayout<Number>.stride, as: type)
      }
    }
  }

  mutating func strings(_ count: Int) -> ByteValues {
    let offsets = numbers(count + 1, as: Int32.self)
    return ByteValues(offsets: offsets, bytes: numbers(Int(offsets[count]), as: UInt8.self))
  }
}

func processSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Takes bytes and keeps none, so that only the encoding is measured.
final class CountingOutput: ByteOutput {
  func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) {}
  func close() throws(ParquetError) {}
  func abandon() {}
}

func run() throws {
  let arguments = CommandLine.arguments
  guard arguments.count >= 5, let repetitions = Int(arguments[2]) else {
    print("usage: ParquetEncoding <batches> <repetitions> <zstd level|none> <all|compatible> [output]")
    exit(2)
  }
  var raw = try RawColumns(path: arguments[1])
  let batchCount = Int(raw.numbers(1, as: Int64.self)[0])
  var batches: [[ParquetArray]] = []
  var rowCount = 0
  for _ in 0..<batchCount {
    let rows = Int(raw.numbers(1, as: Int64.self)[0])
    rowCount += rows
    batches.append([
      .leaf(Column(.text, .bytes(raw.strings(rows)))),
      .leaf(Column(.double, .float64(raw.numbers(rows, as: Double.self)))),
      .leaf(Column(.double, .float64(raw.numbers(rows, as: Double.self)))),
      .leaf(Column(.timestamptz, .int64(raw.numbers(rows, as: Int64.self)))),
      .leaf(Column(.text, .bytes(raw.strings(rows)))),
      .leaf(Column(.text, .bytes(raw.strings(rows))))
    ])
  }
  let schema = ParquetSchema([
    ParquetField("sensor_id", .leaf(.string), fieldID: 1), ParquetField("temperature", .leaf(.double), fieldID: 2),
    ParquetField("humidity", .leaf(.double), fieldID: 3),
    ParquetField("ts", .leaf(.timestamp(.microseconds, isAdjustedToUTC: true)), fieldID: 4),
    ParquetField("site", .leaf(.string), fieldID: 5), ParquetField("status", .leaf(.string), fieldID: 6)
  ])
  var options = ParquetWriterOptions()
  options.compression = Int(arguments[3]).map { .zstd(level: $0) } ?? .none
  options.encodings = arguments[4] == "all" ? .all : .compatible
  var best = Double.infinity
  var size: Int64 = 0
  for _ in 0..<repetitions {
    let start = processSeconds()
    let writer = try ParquetWriter(schema: schema, options: options, output: CountingOutput())
    for batch in batches { try writer.write(batch) }
    size = try writer.finish().fileSize
    best = min(best, processSeconds() - start)
  }
  if arguments.count > 5 {
    let writer = try ParquetWriter(
      schema: schema, options: options, output: FileOutput(path: arguments[5], replacing: true))
    for batch in batches { try writer.write(batch) }
    _ = try writer.finish()
  }
  print("\(best / Double(rowCount) * 1e9) \(Double(size) / Double(rowCount))")
}

do { try run() } catch {
  print("failed: \(error)")
  exit(1)
}
