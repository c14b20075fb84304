import Sinks

/// The process died: nothing of it runs any more, and nothing is cleaned up.
package struct SimulatedCrash: Error {
  /// A crash.
  package init() {}
}

/// One process's producer, and what goes wrong between it and the brokers.
package final class SimulatedTransactionClient: KafkaSinkClient {
  /// What befalls a call.
  package enum Fault: CaseIterable, Sendable {
    /// The brokers cannot be reached.
    case unavailable
    /// It is done, and nobody hears of it.
    case lostAnswer
    /// The process dies before the call.
    case crashBefore
    /// The process dies after it.
    case crashAfter
    /// The broker aborts what takes too long.
    case timeout
    /// The request arrives later: of commits only.
    case delayed
    /// The coordinator dies between its decision and telling the topics: of commits only.
    case halfDone
  }

  /// A call.
  package enum Step: String, CaseIterable, Sendable {
    case prepare, readMarker, initialize, begin, produceRows, produceMarker, commit, abort
  }

  /// The cluster.
  package let broker: SimulatedBroker
  /// The producer's name.
  package let transactionalID: String
  /// Where rows go.
  package let topic: String
  /// The records of the epoch that is being committed.
  package var rows: Rows?
  /// Decides on the fault of a call; it also lets others run before it.
  package var before: (Step) throws -> Fault? = { _ in nil }
  /// Comes after a call has taken effect.
  package var after: (Step) throws -> Void = { _ in }
  /// Requests that the network still holds.
  package var underWay: (SimulatedBroker.Transaction) -> Void = { _ in }
  /// Is told of every transaction that begins.
  package var began: (SimulatedBroker.Transaction) -> Void = { _ in }
  /// How often the producer has registered.
  package private(set) var registrations = 0
  private var epoch = 0
  private var transaction: SimulatedBroker.Transaction?

  /// A producer that is not registered yet.
  package init(_ broker: SimulatedBroker, _ transactionalID: String = "job-sink", topic: String = "topic") {
    self.broker = broker
    self.transactionalID = transactionalID
    self.topic = topic
  }

  private func call(_ step: Step, _ effect: () throws -> Void) throws {
    let fault = try before(step)
    switch fault {
    case .crashBefore: throw SimulatedCrash()
    case .unavailable: throw KafkaTransactionError(.retriable, "\(step): brokers not reachable")
    case .timeout: broker.timeOut(transactionalID)
    default: break
    }
    try effect()
    try after(step)
    if fault == .crashAfter { throw SimulatedCrash() }
    if fault == .lostAnswer { throw KafkaTransactionError(.retriable, "\(step): no answer") }
  }

  private func current() throws -> SimulatedBroker.Transaction {
    guard let transaction, broker.isCurrent(transactionalID, epoch) else {
      throw KafkaTransactionError(.fenced, "there is a newer producer")
    }
    guard transaction.outcome == .open else { throw KafkaTransactionError(.abortable, "there is no transaction") }
    return transaction
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func prepare() throws {
    try call(.prepare) { if broker.mayCreateTopic { broker.hasMarkerTopic = true } }
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func initialize() throws {
    try call(.initialize) {
      registrations += 1
      transaction = nil
      epoch = broker.register(transactionalID)
    }
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func readMarker(settled: Bool) throws -> [UInt8]? {
    var marker: [UInt8]?
    try call(.readMarker) {
      guard broker.hasMarkerTopic else { throw KafkaTransactionError(.fatal, "the topic of markers does not exist") }
      var scan = KafkaMarkerScan(transactionalID: transactionalID, settled: settled)
      let (entries, end) = SimulatedBroker.visible(broker.markers)
      for entry in entries {
        (entry.key ?? []).withUnsafeBytes { key in
          if let value = entry.value {
            value.withUnsafeBytes { scan.record(key: key, value: $0) }
          } else {
            scan.record(key: key, value: nil)
          }
        }
      }
      guard scan.reachedEnd(at: Int64(end), highWatermark: Int64(broker.markers.count)) else {
        throw KafkaTransactionError(.retriable, "an open transaction hides the end of the markers")
      }
      marker = scan.marker
    }
    return marker
  }

  /// As in librdkafka, beginning asks no broker.
  package func begin() throws {
    try call(.begin) { transaction = nil }
  }

  private func opened() throws -> SimulatedBroker.Transaction {
    if transaction != nil { return try current() }
    guard broker.isCurrent(transactionalID, epoch) else {
      throw KafkaTransactionError(.fenced, "there is a newer producer")
    }
    let opened = broker.begin(transactionalID, epoch)
    transaction = opened
    began(opened)
    return opened
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func produceRows() throws {
    try rows? { key, value in
      try call(.produceRows) {
        broker.append(key: key.map { Array($0) }, value: value.map { Array($0) }, to: topic, try opened())
      }
    }
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func produceMarker(_ marker: [UInt8]) throws {
    try call(.produceMarker) {
      guard broker.hasMarkerTopic else { throw KafkaTransactionError(.fatal, "the topic of markers does not exist") }
      broker.append(marker: marker, try opened())
    }
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func commit() throws {
    let fault = try before(.commit)
    switch fault {
    case .crashBefore: throw SimulatedCrash()
    case .unavailable: throw KafkaTransactionError(.unknown, "commit: brokers not reachable")
    case .timeout: broker.timeOut(transactionalID)
    case .delayed:
      if let transaction { underWay(transaction) }
      throw KafkaTransactionError(.unknown, "commit: timed out")
    default: break
    }
    guard broker.requestCommit(try current(), completes: fault != .halfDone) else {
      throw KafkaTransactionError(.fenced, "there is a newer producer")
    }
    transaction = nil
    try after(.commit)
    if fault == .crashAfter { throw SimulatedCrash() }
    if fault == .lostAnswer || fault == .halfDone { throw KafkaTransactionError(.unknown, "commit: no answer") }
  }

  /// See ``Sinks/KafkaTransactionClient``.
  package func abort() throws {
    try call(.abort) {
      if let transaction, broker.isCurrent(transactionalID, epoch) { broker.end(transaction, commit: false) }
      transaction = nil
    }
  }

  /// Nothing: an open transaction is left to the broker.
  package func release() {}
}
