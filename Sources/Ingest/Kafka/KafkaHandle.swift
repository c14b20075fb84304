import Actors
import CRdkafka
import Logging
import Runtime

/// A librdkafka consumer without group membership. Readers share it; the last owner's release destroys it.
///
/// Destroying waits for librdkafka's threads, so it happens on the blocking thread. Queues are destroyed before: readers
/// hold the handle and hand their queues' destruction to the same thread first.
///
/// `@unchecked Sendable`: both pointers are constant, and librdkafka's functions on them are thread-safe.
final class KafkaHandle: @unchecked Sendable {
  let client: OpaquePointer
  let status: KafkaStatus
  let thread: BlockingThread
  private let consumerQueue: OpaquePointer

  init(
    _ settings: KafkaSettings, bounds: KafkaSettings.QueueBounds, thread: BlockingThread, logger: Logger,
    clock: any EngineClock
  ) throws(SourceError) {
    let configuration = try settings.makeConfiguration(bounds)
    let status = KafkaStatus(thread: thread, logger: logger, clock: clock)
    let context = Unmanaged.passRetained(status)
    Self.setCallbacks(configuration, context: context.toOpaque())
    var text = [CChar](repeating: 0, count: 512)
    guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, &text, text.count) else {
      rd_kafka_conf_destroy(configuration)
      context.release()
      throw SourceError(
        source: settings.source, severity: .fatal,
        message: "the Kafka client cannot start: \(stringUntilNull(text)); check the 'kafka.…' options")
    }
    rd_kafka_poll_set_consumer(client)
    guard let consumerQueue = rd_kafka_queue_get_consumer(client) else {
      rd_kafka_destroy(client)
      context.release()
      throw SourceError(source: settings.source, severity: .failed, message: "the Kafka client has no consumer queue")
    }
    self.client = client
    self.status = status
    self.thread = thread
    self.consumerQueue = consumerQueue
    status.attach(client)
    rd_kafka_queue_cb_event_enable(
      consumerQueue,
      { _, context in
        guard let context else { return }
        Unmanaged<KafkaStatus>.fromOpaque(context).takeUnretainedValue().requestService()
      }, context.toOpaque())
    status.requestService()
  }

  deinit {
    let client = SendablePointer(client)
    let queue = SendablePointer(consumerQueue)
    let status = status
    thread.submit {
      status.attach(nil)
      rd_kafka_queue_cb_event_enable(queue.pointer, nil, nil)
      rd_kafka_queue_destroy(queue.pointer)
      // There is no membership to give up: closing the consumer would only wait for a coordinator.
      rd_kafka_destroy_flags(client.pointer, Int32(RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE))
      status.serve()
      // Balances the reference that the callbacks had; none can come any more.
      Unmanaged.passUnretained(status).release()
    }
  }

  private static func setCallbacks(_ configuration: OpaquePointer, context: UnsafeMutableRawPointer) {
    rd_kafka_conf_set_opaque(configuration, context)
    rd_kafka_conf_set_log_cb(configuration) { client, level, _, text in
      guard let client, let text, let context = rd_kafka_opaque(client) else { return }
      let line = String(cString: text)
      // Old brokers cannot be told; that is no news to whoever runs the job.
      let isKnown = line.contains("allow.auto.create.topics=false not supported")
      Unmanaged<KafkaStatus>.fromOpaque(context).takeUnretainedValue()
        .append(isKnown ? .debug : logLevel(syslog: level), line)
    }
    rd_kafka_conf_set_error_cb(configuration) { client, code, reason, context in
      guard let client, let context else { return }
      let status = Unmanaged<KafkaStatus>.fromOpaque(context).takeUnretainedValue()
      var text = [CChar](repeating: 0, count: 512)
      let isFatal = code == RD_KAFKA_RESP_ERR__FATAL.rawValue
      let cause = isFatal ? rd_kafka_fatal_error(client, &text, text.count) : rd_kafka_resp_err_t(rawValue: code)
      let given = reason.map { String(cString: $0) } ?? kafkaErrorText(cause)
      status.errorReported(rd_kafka_resp_err_t(rawValue: code), isFatal ? stringUntilNull(text) : given)
    }
    rd_kafka_conf_set_offset_commit_cb(configuration) { _, code, _, context in
      guard let context, code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR__NO_OFFSET else { return }
      Unmanaged<KafkaStatus>.fromOpaque(context).takeUnretainedValue()
        .append(.warning, "offsets were not reported to the broker (monitoring only): \(kafkaErrorText(code))")
    }
  }
}

/// The log level that a syslog priority stands for.
private func logLevel(syslog level: Int32) -> Logger.Level {
  switch level {
  case ...2: .critical
  case 3: .error
  case 4: .warning
  case 5: .notice
  case 6: .info
  default: .debug
  }
}
