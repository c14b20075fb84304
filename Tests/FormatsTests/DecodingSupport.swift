import Columnar
import Formats

let testPartition = PartitionID(source: "readings", name: "topic/3")

extension RecordDecoder {
  /// Appends records of these values at ascending offsets.
  func append(values: [[UInt8]], from offset: Int64 = 0, key: [UInt8]? = nil, timestamp: Int64? = nil) {
    for (index, value) in values.enumerated() {
      // A copy of exactly this size: reading beyond it is found by a sanitizer.
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
      defer { copy.deallocate() }
      copy.copyBytes(from: value)
      (key ?? []).withUnsafeBytes { keyBytes in
        append(
          RawRecord(
            key: key == nil ? nil : keyBytes, value: UnsafeRawBufferPointer(copy), offset: offset + Int64(index),
            timestamp: timestamp))
      }
    }
  }
}

/// Decodes texts as records of one partition.
func decode(
  _ texts: [String], _ fields: [Field], format: RecordFormat = .json,
  configure: (inout DecoderConfiguration) -> Void = { _ in }
) throws -> DecodedBatch {
  var configuration = DecoderConfiguration(schema: Schema(fields), format: format, partition: testPartition)
  configure(&configuration)
  let decoder = try RecordDecoder(configuration)
  decoder.append(values: texts.map { Array($0.utf8) })
  return decoder.finish()
}

/// The value of a JSON text `value` in a column of `type`, or the rejected record.
func decodeValue(
  _ value: String, _ type: DataType, configure: (inout DecoderConfiguration) -> Void = { _ in }
) throws -> Result<Value, Rejection> {
  let decoded = try decode(["{\"a\":1,\"x\":\(value),\"z\":true}"], [Field("x", type)], configure: configure)
  if let rejected = decoded.rejected.first { return .failure(Rejection(record: rejected)) }
  return .success(decoded.batch.columns[0].value(0))
}

/// What came instead of a row.
struct Rejection: Error {
  var record: RejectedRecord
}

/// The rows of a batch as values.
func rows(_ batch: Batch) -> [[Value]] {
  (0..<batch.count).map { row in batch.columns.map { $0.value(row) } }
}
