import Actors
import Checkpointing
import Columnar
import Formats
import Runtime

/// A Kafka topic that gets one transaction a checkpoint: who reads it with `isolation.level=read_committed` sees each
/// row exactly once. Records have no headers; their time is that of the commit.
final class KafkaSinkConnector: SinkConnector {
  private let sink: String
  private let schema: Schema
  private let keyColumn: Int?
  private let maximumRecordBytes: Int
  private let committer: KafkaCommitter
  private let stop: StopFlag

  /// A connector over librdkafka.
  convenience init(
    sink: String, schema: Schema, keyColumn: Int?, _ configuration: LibrdkafkaTransactionClient.Configuration
  ) {
    let stop = StopFlag()
    self.init(
      sink: sink, schema: schema, keyColumn: keyColumn, maximumRecordBytes: configuration.maximumRecordBytes,
      stop: stop, client: LibrdkafkaTransactionClient(configuration, stop: stop))
  }

  /// A connector over a client of the caller's making.
  init(
    sink: String, schema: Schema, keyColumn: Int?, maximumRecordBytes: Int, stop: StopFlag = StopFlag(),
    client: sending any KafkaSinkClient
  ) {
    self.sink = sink
    self.schema = schema
    self.keyColumn = keyColumn
    self.maximumRecordBytes = maximumRecordBytes
    self.stop = stop
    committer = KafkaCommitter(sink: sink, client: client)
  }

  func claim(owner: JobOwner, newest: CheckpointID) async throws -> CheckpointID {
    try await committer.claim(owner: owner, newest: newest)
  }

  func makeWriter(files: any PendingFileStore) throws -> sending any SinkWriter {
    KafkaSinkWriter(
      sink: sink, schema: schema, keyColumn: keyColumn, maximumRecordBytes: maximumRecordBytes, files: files)
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) async throws -> CommitOutcome {
    try await committer.commit(pending, owner: owner, files: files)
  }

  func close() async {
    stop.stop()
    await committer.close()
  }
}

/// Owns the producer, on a lane of its own where it may block.
actor KafkaCommitter {
  nonisolated private let lane: Lane
  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  private let sink: String
  private let client: any KafkaSinkClient
  private var machine: KafkaCommitProtocol

  init(sink: String, client: sending any KafkaSinkClient) {
    self.sink = sink
    self.client = client
    machine = KafkaCommitProtocol(sink: sink)
    lane = Lane(name: "kafka-\(sink)")
  }

  func claim(owner: JobOwner, newest: CheckpointID) throws -> CheckpointID {
    try SinkFailures.translate(sink) {
      try machine.claim(owner: owner, newest: newest, client: client, codec: KafkaMarkerCodec())
    }
  }

  func commit(_ pending: PendingCommit, owner: JobOwner, files: any PendingFileStore) throws -> CommitOutcome {
    try SinkFailures.translate(sink) {
      let (_, reader) = try LinesPayload.open(pending, files: files)
      client.rows = { produce in
        var splitter = KafkaRecordSplitter()
        try reader.forEachPiece { try splitter.take($0, produce) }
      }
      defer { client.rows = nil }
      return try machine.commit(pending, owner: owner, client: client, codec: KafkaMarkerCodec())
    }
  }

  func close() {
    client.release()
    lane.stop()
  }
}

/// Encodes rows as key and JSON value, each with its length before it; -1 stands for none.
///
/// The key is the bytes of a text column, of others what JSON holds; NULL is no key. A row that deletes becomes a
/// tombstone when there is a key.
final class KafkaSinkWriter: SinkWriter {
  private let sink: String
  private let encoder: JSONRowEncoder
  private let keyColumn: Int?
  private let maximumRecordBytes: Int
  private var spill: EpochSpill
  private var rowCount = 0

  init(
    sink: String, schema: Schema, keyColumn: Int?, maximumRecordBytes: Int, files: any PendingFileStore
  ) {
    self.sink = sink
    self.keyColumn = keyColumn
    self.maximumRecordBytes = maximumRecordBytes
    encoder = JSONRowEncoder(schema)
    spill = EpochSpill(sink: sink, files: files)
  }

  var epochBytes: Int { spill.byteCount }

  func write(_ batch: Batch) throws -> [RowRejection] {
    var rejections: [RowRejection] = []
    for row in 0..<batch.count {
      if let message = append(batch, row) { rejections.append(RowRejection(row: row, message: message)) }
    }
    try SinkFailures.translate(sink) { try spill.flushIfFull() }
    return rejections
  }

  /// Adds a row.
  /// - Returns: why the topic cannot take it.
  private func append(_ batch: Batch, _ row: Int) -> String? {
    let kind = batch.rowKinds?[row] ?? .insert
    let hasKey = keyColumn.map { !batch.columns[$0].isNull(row) } ?? false
    if kind != .insert && !hasKey {
      if keyColumn != nil { return "the row replaces or deletes a former one, and its key is NULL" }
      if kind != .updateAfter {
        return "the row takes a former row back, and without option key the topic cannot; add key = '<column>'"
      }
    }
    // With a key the new content of a row replaces the former one by itself.
    if kind == .updateBefore { return nil }
    let start = spill.buffer.count
    if hasKey { appendKey(batch, row) } else { appendAbsent() }
    if kind == .delete {
      appendAbsent()
    } else {
      appendField { bytes in encoder.append(row: row, of: batch, to: &bytes) }
    }
    let size = spill.buffer.count - start - 8
    guard size <= maximumRecordBytes else {
      spill.buffer.removeLast(spill.buffer.count - start)
      return "the record has \(size) bytes, at most \(maximumRecordBytes) fit; raise \"kafka.message.max.bytes\""
    }
    rowCount += 1
    return nil
  }

  func seal(_ checkpoint: CheckpointID) throws -> SealedEpoch {
    try SinkFailures.translate(sink) {
      let sealed = try spill.seal()
      let payload = LinesPayload(rowCount: rowCount, rows: sealed.rows)
      let epoch = SealedEpoch(
        rows: rowCount, payload: try payload.encoded(inline: sealed.inline), files: sealed.rows.file.map { [$0] } ?? [])
      rowCount = 0
      return epoch
    }
  }

  func close() { spill.discard() }

  private func appendKey(_ batch: Batch, _ row: Int) {
    guard let keyColumn else { return appendAbsent() }
    let column = batch.columns[keyColumn]
    appendField { bytes in
      if case .bytes(let values) = column.storage {
        bytes.append(contentsOf: values[row])
      } else {
        JSONRowEncoder.append(column, row, column.type, to: &bytes)
      }
    }
  }

  private func appendAbsent() { spill.buffer.append(contentsOf: [0xff, 0xff, 0xff, 0xff]) }

  private func appendField(_ body: (inout [UInt8]) -> Void) {
    let start = spill.buffer.count
    spill.buffer.append(contentsOf: [0, 0, 0, 0])
    body(&spill.buffer)
    let length = UInt32(spill.buffer.count - start - 4)
    for index in 0..<4 { spill.buffer[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
  }
}

/// Cuts a stream of encoded records where they end.
struct KafkaRecordSplitter {
  private var bytes: [UInt8] = []

  /// Takes in a piece and hands over the records that are complete.
  mutating func take(
    _ piece: UnsafeRawBufferPointer, _ produce: (UnsafeRawBufferPointer?, UnsafeRawBufferPointer?) throws -> Void
  ) throws {
    bytes.append(contentsOf: piece)
    var position = 0
    try bytes.withUnsafeBytes { buffer in
      while let key = KafkaRecordSplitter.field(buffer, position),
        let value = KafkaRecordSplitter.field(buffer, key.end)
      {
        try produce(key.bytes, value.bytes)
        position = value.end
      }
    }
    bytes.removeFirst(position)
  }

  private static func field(
    _ buffer: UnsafeRawBufferPointer, _ position: Int
  ) -> (bytes: UnsafeRawBufferPointer?, end: Int)? {
    guard position + 4 <= buffer.count else { return nil }
    let length = Int(Int32(bigEndian: buffer.loadUnaligned(fromByteOffset: position, as: Int32.self)))
    if length < 0 { return (nil, position + 4) }
    guard position + 4 + length <= buffer.count else { return nil }
    return (UnsafeRawBufferPointer(rebasing: buffer[position + 4..<position + 4 + length]), position + 4 + length)
  }
}
