import Columnar
import Sinks

private let rowCount = 131_072

/// All columns of telemetry as PostgreSQL's binary COPY; compared with the same bytes stored by hand, row by row.
func registerCopy() {
  measure("copy/encode", units: rowCount) {
    (telemetry.batches(), CopyEncoder(columns: columns, isMerging: false))
  } work: { batches, encoder in
    encode(batches, encoder)
  } check: { _, bytes in
    try expect(bytes, encodeByHand(telemetry.batches()), "COPY rows")
  }
  measure("copy/by-hand", units: rowCount) {
    telemetry.batches()
  } work: { batches in
    encodeByHand(batches)
  } check: { batches, bytes in
    try expect(bytes, encode(batches, CopyEncoder(columns: columns, isMerging: false)), "COPY rows")
  }
}

private var telemetry: Telemetry { Telemetry(count: rowCount, keys: 10_000, milliseconds: 10_000) }

private let columns = [
  column("sensor_id", .text(maximumCharacters: nil), "text", 25),
  column("temperature", .float8, "double precision", 701),
  column("humidity", .float8, "double precision", 701), column("ts", .timestamp, "timestamp with time zone", 1_184),
  column("site", .text(maximumCharacters: nil), "text", 25), column("status", .text(maximumCharacters: nil), "text", 25)
]

private func column(
  _ name: String, _ wire: PostgresWireType, _ type: String, _ identity: UInt32
) -> PostgresTargetColumn {
  PostgresTargetColumn(
    column: PostgresColumn(name: name, typeName: type, typeIdentity: identity), wire: wire, isRequired: false)
}

private func encode(_ batches: [Batch], _ encoder: CopyEncoder) -> [UInt8] {
  var encoder = encoder
  var bytes: [UInt8] = []
  for batch in batches { _ = encoder.encode(batch, into: &bytes) }
  return bytes
}

/// Microseconds from 1970 to PostgreSQL's epoch.
private let epochShift: Int64 = 946_684_800_000_000

private func encodeByHand(_ batches: [Batch]) -> [UInt8] {
  // Per row: the number of fields, six sizes, three numbers; and the texts.
  let size = batches.reduce(0) { size, batch in
    size + batch.count * (2 + 6 * 4 + 3 * 8) + [0, 4, 5].reduce(0) { $0 + batch.columns[$1].texts.bytes.count }
  }
  return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    // Invariant: exactly `size` bytes are stored, field by field as they were counted.
    guard var target = buffer.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
    for batch in batches { store(batch, at: &target) }
    count = size
  }
}

private func store(_ batch: Batch, at target: inout UnsafeMutableRawPointer) {
  let (sensors, sites, status) = (batch.columns[0].texts, batch.columns[4].texts, batch.columns[5].texts)
  let (temperatures, humidities) = (batch.columns[1].doubles, batch.columns[2].doubles)
  let times = batch.columns[3].integers
  for row in 0..<batch.count {
    store(Int16(6), at: &target)
    store(sensors, row, at: &target)
    store(Int32(8), at: &target)
    store(temperatures[row].bitPattern, at: &target)
    store(Int32(8), at: &target)
    store(humidities[row].bitPattern, at: &target)
    store(Int32(8), at: &target)
    store(times[row] - epochShift, at: &target)
    store(sites, row, at: &target)
    store(status, row, at: &target)
  }
}

@inline(__always)
private func store<Number: FixedWidthInteger & BitwiseCopyable>(
  _ value: Number, at target: inout UnsafeMutableRawPointer
) {
  target.storeBytes(of: value.bigEndian, as: Number.self)
  target += MemoryLayout<Number>.size
}

@inline(__always)
private func store(_ values: ByteValues, _ row: Int, at target: inout UnsafeMutableRawPointer) {
  let (start, end) = (Int(values.offsets[row]), Int(values.offsets[row + 1]))
  store(Int32(truncatingIfNeeded: end - start), at: &target)
  values.bytes.withUnsafeBytes { bytes in
    if let source = bytes.baseAddress { target.copyMemory(from: source + start, byteCount: end - start) }
  }
  target += end - start
}
