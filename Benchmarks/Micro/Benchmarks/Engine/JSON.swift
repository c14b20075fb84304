import Columnar
import Formats

private let recordCount = 65_536

/// Telemetry as JSON, decoded into columns in batches; compared with ``HandDecoder``.
func registerJSON() {
  for form in RecordForm.allCases {
    measure("json/\(form.rawValue)", units: recordCount) {
      let records = Records(telemetry, form)
      return (records, try decoder(records.schema))
    } work: { records, decoder in
      decode(records, decoder)
    } check: { input, batches in
      var sums = DecodedSums()
      for batch in batches {
        try expect(batch.rejected.count, 0, "rejected records")
        sums.add(batch.batch)
      }
      try expect(sums, input.0.expected, "decoded rows")
    }
  }
  measure("json/by-hand", units: recordCount) {
    (Records(telemetry, .inOrder), HandDecoder(capacity: recordCount))
  } work: { records, decoder in
    try decoder.decode(records)
  } check: { input, _ in
    try expect(input.1.sums, input.0.expected, "decoded rows")
  }
}

private var telemetry: Telemetry { Telemetry(count: recordCount, keys: 10_000, milliseconds: 10_000, disorder: 1_000) }

private func decoder(_ schema: Schema) throws -> RecordDecoder {
  try RecordDecoder(
    DecoderConfiguration(
      schema: schema, format: .json, partition: PartitionID(source: "readings", name: "telemetry/0"),
      eventTimeColumn: schema.index(of: "ts"), watermarkDelay: 2_000_000))
}

private func decode(_ records: Records, _ decoder: RecordDecoder) -> [DecodedBatch] {
  var batches: [DecodedBatch] = []
  // Each run begins with the partition: otherwise every row would be late.
  decoder.maxEventTime = .min
  var offset: Int64 = 0
  records.forEach { record in
    decoder.append(RawRecord(key: nil, value: record, offset: offset, timestamp: nil))
    offset += 1
    if decoder.rowCount == Telemetry.batchRows { batches.append(decoder.finish()) }
  }
  return batches
}
