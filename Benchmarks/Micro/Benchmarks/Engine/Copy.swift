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
  var bytes: [UInt8] = []
  for batch in batches {
    let (sensors, sites, status) = (batch.columns[0].texts, batch.columns[4].texts, batch.columns[5].texts)
    let (temperatures, humidities) = (batch.columns[1].doubles, batch.columns[2].doubles)
    let times = batch.columns[3].integers
    for row in 0..<batch.count {
      append(Int16(6), to: &bytes)
      append(sensors, row, to: &bytes)
      append(Int32(8), to: &bytes)
      append(temperatures[row].bitPattern, to: &bytes)
      append(Int32(8), to: &bytes)
      append(humidities[row].bitPattern, to: &bytes)
      append(Int32(8), to: &bytes)
      append(times[row] - epochShift, to: &bytes)
      append(sites, row, to: &bytes)
      append(status, row, to: &bytes)
    }
  }
  return bytes
}

private func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
  withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
}

private func append(_ values: ByteValues, _ row: Int, to bytes: inout [UInt8]) {
  append(values.offsets[row + 1] - values.offsets[row], to: &bytes)
  bytes.append(contentsOf: values[row])
}
