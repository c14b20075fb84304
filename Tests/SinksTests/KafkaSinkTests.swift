import Actors
import CRdkafka
import Checkpointing
import Columnar
import Ingest
import SQL
import TestTraits
import Testing

/// A record of a topic, as text.
struct KafkaRecord: Hashable {
  let key: String?
  let value: String?
}

/// The Kafka sink over librdkafka against its mock cluster, which acknowledges transactions without having them.
@Suite("The Kafka sink on a mock cluster", .fewAtOnce, .serialized, .timeLimit(.minutes(30)))
struct KafkaSinkTests {
  let broker: DevelopmentBroker

  init() throws {
    broker = try DevelopmentBroker()
    try broker.createTopic("out", partitions: 3)
  }

  private func table(_ options: [String: String] = [:]) -> TableDefinition {
    let own = ["connector": "kafka", "brokers": broker.bootstrap, "topic": "out"]
    return Make.table("sink", [("k", .text), ("n", .bigint)], options: own.merging(options) { $1 })
  }

  private func driver(_ options: [String: String] = [:], attempt: UInt64 = 1, files: ScratchFileStore? = nil) throws
    -> SinkDriver
  {
    try SinkDriver(
      table(options), job: "job", owner: JobOwner(lineage: "L", attempt: attempt), files: files)
  }

  /// Every record of `topic`, partition by partition.
  private func records(_ topic: String, partitions: Int32 = 3) throws -> [KafkaRecord] {
    let configuration = rd_kafka_conf_new()
    for (name, value) in [("bootstrap.servers", broker.bootstrap), ("group.id", "t"), ("enable.partition.eof", "true")]
    {
      #expect(rd_kafka_conf_set(configuration, name, value, nil, 0) == RD_KAFKA_CONF_OK)
    }
    let consumer = try #require(rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0))
    defer {
      rd_kafka_consumer_close(consumer)
      rd_kafka_destroy(consumer)
    }
    let list = rd_kafka_topic_partition_list_new(partitions)
    defer { rd_kafka_topic_partition_list_destroy(list) }
    for partition in 0..<partitions {
      rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = Int64(RD_KAFKA_OFFSET_BEGINNING)
    }
    rd_kafka_assign(consumer, list)
    var records: [KafkaRecord] = []
    var ends = 0
    while ends < partitions {
      guard let message = rd_kafka_consumer_poll(consumer, 1000) else { continue }
      defer { rd_kafka_message_destroy(message) }
      if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF { ends += 1 }
      guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
      func text(_ bytes: UnsafeMutableRawPointer?, _ count: Int) -> String? {
        bytes.map { String(decoding: UnsafeRawBufferPointer(start: $0, count: count), as: UTF8.self) }
      }
      records.append(
        KafkaRecord(
          key: text(message.pointee.key, message.pointee.key_len),
          value: text(message.pointee.payload, message.pointee.len)))
    }
    return records
  }

  @Test("commits rows with their keys, reads its position back, and skips what was applied")
  func commits() async throws {
    let files = try ScratchFileStore()
    let first = try driver(["key": "k"], files: files)
    #expect(try await first.claim() == 0)
    let numbers = (0..<10_000).map { Int64($0) }
    try first.write([Make.text(numbers.map { "key-\($0 % 100)" }), Make.whole(numbers)])
    let pending = try await first.seal()
    #expect(pending.rows == 10_000 && !pending.files.isEmpty)
    #expect(try await first.commit(pending) == CommitOutcome(rowsApplied: 10_000))
    #expect(try await first.commit(pending).wasSkipped)
    let wanted = Set(
      numbers.map { KafkaRecord(key: "key-\($0 % 100)", value: #"{"k":"key-\#($0 % 100)","n":\#($0)}"#) })
    let found = try records("out")
    #expect(found.count == 10_000)
    #expect(Set(found) == wanted)
    // Another process finds the position in the marker: nothing is written twice.
    let second = try driver(["key": "k"], attempt: 2, files: files)
    #expect(try await second.claim(newest: 1) == 1)
    #expect(try await second.commit(pending).wasSkipped)
    #expect(try await second.commitEpoch([Make.text(["x"]), Make.whole([1])]).rowsApplied == 1)
    await #expect(throws: PositionConflict.self) { try await first.claim(newest: 1) }
    #expect(try records("out").count == 10_001)
    await first.close()
    await second.close()
  }

  @Test("the options of the sink are accepted in SQL")
  func optionsInSQL() throws {
    let job = try SQLFile.plan(
      """
      CREATE TABLE events (k text, n bigint) WITH (connector = 'file', path = '/tmp/none', format = 'json');
      CREATE TABLE sink (k text, n bigint) WITH (connector = 'kafka', topic = 'out', brokers = 'localhost:9092',
        format = 'json', key = 'k', transactional_id = 'mine', position_topic = 'positions',
        "kafka.message.max.bytes" = '2000');
      INSERT INTO sink SELECT k, n FROM events;
      """, fileName: "job.sql"
    ) { _ in nil }
    #expect(job.statements.count == 1)
  }

  @Test("positions go to the topic that position_topic names")
  func positionTopic() async throws {
    try broker.createTopic("positions", partitions: 1)
    let sink = try driver(["position_topic": "positions", "transactional_id": "mine"])
    try await sink.claim()
    try await sink.commitEpoch([Make.text(["x"]), Make.whole([1])])
    let markers = try records("positions", partitions: 1)
    #expect(markers.map(\.key) == ["mine", "mine"])
    #expect(markers.last?.value?.contains(#""checkpoint":{"number":1}"#) == true)
    await sink.close()
  }

  @Test("a row that is too large is refused alone, and the others are written")
  func tooLarge() async throws {
    let sink = try driver(["kafka.message.max.bytes": "2000", "key": "k"])
    try await sink.claim()
    let long = String(repeating: "x", count: 2000)
    let outcome = try await sink.commitEpoch([Make.text(["a", long, "b"]), Make.whole([1, 2, 3])])
    #expect(outcome.rowsApplied == 2)
    #expect(sink.rejections.map(\.row) == [1])
    #expect(sink.rejections.first?.message.contains("at most 2000") == true)
    #expect(Set(try records("out").map(\.key)) == ["a", "b"])
    await sink.close()
  }

  @Test("a NULL key is no key; what it replaces or deletes cannot be told, so those rows are refused")
  func nullKeys() async throws {
    let sink = try driver(["key": "k"])
    try await sink.claim()
    try await sink.commitEpoch(
      [Make.text(["a", nil, "", "d", nil, nil, "u", "u"]), Make.whole([1, 2, 3, 4, 5, 6, 7, 8])],
      kinds: [.insert, .insert, .insert, .delete, .delete, .updateAfter, .updateBefore, .updateAfter])
    #expect(sink.rejections.map(\.row) == [4, 5])
    let expected: Set<KafkaRecord> = [
      KafkaRecord(key: "a", value: #"{"k":"a","n":1}"#), KafkaRecord(key: nil, value: #"{"k":null,"n":2}"#),
      KafkaRecord(key: "", value: #"{"k":"","n":3}"#), KafkaRecord(key: "d", value: nil),
      KafkaRecord(key: "u", value: #"{"k":"u","n":8}"#)
    ]
    let found = try records("out")
    #expect(found.count == 5 && Set(found) == expected)
    await sink.close()
  }

  @Test("a commit of which nobody knows the outcome fails for the moment; tried again, it is found or applied")
  func unknownOutcome() async throws {
    let sink = try driver(["kafka.message.timeout.ms": "1000"])
    try await sink.claim()
    try sink.write([Make.text(["x"]), Make.whole([1])])
    let pending = try await sink.seal()
    // EndTxn is answered with an error that says nothing about the outcome.
    broker.push(error: RD_KAFKA_RESP_ERR_INVALID_TXN_STATE.rawValue, count: 1, apiKey: 26)
    let error = await #expect(throws: SinkError.self) { try await sink.commit(pending) }
    #expect(error?.severity == .transient)
    // The mock cluster keeps aborted records too: the marker is there, so the commit counts as applied.
    _ = try await sink.commit(pending)
    #expect(try records("out").map(\.value) == [#"{"k":"x","n":1}"#])
    await sink.close()
  }
}
