import Columnar
import Operators

private let rowCount = 131_072

/// Filters and projections of planned SQL over batches; compared with loops over the same arrays.
func registerExpressions() {
  project(
    "arithmetic", "SELECT temperature * 1.8 + 32, humidity / 100 FROM readings",
    "a double precision, b double precision"
  ) {
    result, rows in
    try expect(result.columns[0].doubles, rows.map { $0.temperature * 1.8 + 32 }, "temperatures")
    try expect(result.columns[1].doubles, rows.map { $0.humidity / 100 }, "humidities")
  }
  project(
    "filter", "SELECT temperature, humidity FROM readings WHERE temperature > 90 AND status = 'ok'",
    "a double precision, b double precision"
  ) { result, rows in
    try expect(result.columns[0].doubles, rows.map(\.temperature).filter { $0 > 90 }, "temperatures")
  }
  project(
    "case",
    "SELECT CASE WHEN temperature > 80 THEN 'hot' WHEN temperature < 20 THEN 'cold' ELSE 'fine' END FROM readings",
    "a text"
  ) { result, rows in
    let expected = rows.map { $0.temperature > 80 ? "hot" : $0.temperature < 20 ? "cold" : "fine" }.joined()
    try expect(result.columns[0].texts.bytes, Array(expected.utf8), "texts")
  }
  project("text", "SELECT upper(site) || '/' || sensor_id FROM readings", "a text") { result, rows in
    let expected = rows.map { "\($0.site.uppercased())/\($0.sensorID)" }.joined()
    try expect(result.columns[0].texts.bytes, Array(expected.utf8), "texts")
  }
  registerByHand()
}

private func project(
  _ name: String, _ select: String, _ columns: String, _ check: @escaping (Batch, [Telemetry.Row]) throws -> Void
) {
  measure("expression/\(name)", units: rowCount) {
    let planned = try PlannedQuery(select, columns: columns)
    let telemetry = Telemetry(count: rowCount, keys: 10_000, milliseconds: 10_000)
    let pipeline = try RowPipeline(planned.relation, input: planned.input)
    return (pipeline, telemetry, telemetry.batches(planned.input))
  } work: { pipeline, _, batches in
    let context = EvaluationContext(now: Timestamp(microseconds: 0))
    return batches.map { pipeline.process($0, context).batch }
  } check: { input, results in
    let whole = Batch.concatenate(results, schema: input.0.output)
    try check(whole, input.1.rows)
  }
}

private func registerByHand() {
  measure("expression/by-hand-arithmetic", units: rowCount) {
    Telemetry(count: rowCount, keys: 10_000, milliseconds: 10_000).batches()
  } work: { batches in
    batches.map { batch in
      (batch.columns[1].doubles.map { $0 * 1.8 + 32 }, batch.columns[2].doubles.map { $0 / 100 })
    }
  } check: { batches, results in
    try expect(results.reduce(0) { $0 + $1.0.count + $1.1.count }, 2 * rowCount, "values")
  }
  measure("expression/by-hand-text", units: rowCount) {
    Telemetry(count: rowCount, keys: 10_000, milliseconds: 10_000).batches()
  } work: { batches in
    batches.map { joinedByHand($0.columns[4].texts, $0.columns[0].texts) }
  } check: { batches, results in
    let expected = batches.reduce(0) {
      $0 + $1.columns[4].texts.bytes.count + $1.columns[0].texts.bytes.count + $1.count
    }
    try expect(results.reduce(0) { $0 + $1.bytes.count }, expected, "bytes")
  }
}

/// `upper(sites) || '/' || sensors`, for ASCII.
private func joinedByHand(_ sites: ByteValues, _ sensors: ByteValues) -> ByteValues {
  var offsets: [Int32] = [0]
  offsets.reserveCapacity(sites.count + 1)
  let size = sites.bytes.count + sensors.bytes.count + sites.count
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { target, count in
    for row in 0..<sites.count {
      for byte in sites.bytes[Int(sites.offsets[row])..<Int(sites.offsets[row + 1])] {
        target[count] = byte &- 0x61 < 26 ? byte &- 0x20 : byte
        count += 1
      }
      target[count] = 0x2f
      count += 1
      for byte in sensors.bytes[Int(sensors.offsets[row])..<Int(sensors.offsets[row + 1])] {
        target[count] = byte
        count += 1
      }
      offsets.append(Int32(truncatingIfNeeded: count))
    }
  }
  return ByteValues(offsets: offsets, bytes: bytes)
}
