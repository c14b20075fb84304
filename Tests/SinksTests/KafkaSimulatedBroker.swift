import Sinks

/// Random numbers that a seed repeats (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// True once in `count` times.
  mutating func once(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

/// The part of a Kafka cluster that transactions rest on: producer epochs, transactions that span two topics, and what
/// readers of committed records are shown. Everything takes place in one thread.
final class SimulatedBroker {
  enum Outcome { case open, prepared, committed, aborted }

  /// One transaction. `prepared`: the decision to commit is durable, and the topics have not been told yet.
  final class Transaction {
    let producer: String
    let epoch: Int
    var outcome = Outcome.open

    init(producer: String, epoch: Int) {
      self.producer = producer
      self.epoch = epoch
    }
  }

  struct Entry {
    let key: String
    let value: [UInt8]?
    let transaction: Transaction
  }

  private(set) var rows: [Entry] = []
  private(set) var markers: [Entry] = []
  /// The transactions in the order of their commits: what a reader of committed records counts.
  private(set) var committed: [Transaction] = []
  var hasMarkerTopic = false
  var mayCreateTopic = true
  private var epochs: [String: Int] = [:]
  private var current: [String: Transaction] = [:]

  /// Registers a producer: the older ones are fenced, an open transaction ends, a prepared one is completed.
  func register(_ producer: String) -> Int {
    if let transaction = current[producer] { end(transaction, commit: transaction.outcome == .prepared) }
    epochs[producer, default: 0] += 1
    return epochs[producer] ?? 0
  }

  func isCurrent(_ producer: String, _ epoch: Int) -> Bool { epochs[producer] == epoch }

  func begin(_ producer: String, _ epoch: Int) -> Transaction {
    let transaction = Transaction(producer: producer, epoch: epoch)
    current[producer] = transaction
    return transaction
  }

  func append(row value: [UInt8], _ transaction: Transaction) {
    rows.append(Entry(key: transaction.producer, value: value, transaction: transaction))
  }

  func append(marker value: [UInt8], _ transaction: Transaction) {
    markers.append(Entry(key: transaction.producer, value: value, transaction: transaction))
  }

  /// A request to commit arrives. It is refused when the producer was fenced meanwhile.
  func requestCommit(_ transaction: Transaction, completes: Bool) -> Bool {
    guard isCurrent(transaction.producer, transaction.epoch), transaction.outcome == .open else { return false }
    transaction.outcome = .prepared
    if completes { end(transaction, commit: true) }
    return true
  }

  func end(_ transaction: Transaction, commit: Bool) {
    guard transaction.outcome == .open || transaction.outcome == .prepared else { return }
    transaction.outcome = commit ? .committed : .aborted
    if commit { committed.append(transaction) }
    if current[transaction.producer] === transaction { current[transaction.producer] = nil }
  }

  /// The transaction timeout: what is open is aborted and its producer is fenced, though nobody took over.
  func timeOut(_ producer: String) {
    guard let transaction = current[producer], transaction.outcome == .open else { return }
    end(transaction, commit: false)
    epochs[producer, default: 0] += 1
  }

  /// The coordinator tells the topics of decisions that were made.
  func completePrepared() {
    for transaction in current.values where transaction.outcome == .prepared { end(transaction, commit: true) }
  }

  var openTransactions: [Transaction] { Array(current.values) }

  /// What a reader of committed records is shown: nothing from the first open transaction on, no aborted records.
  static func visible(_ topic: [Entry]) -> (entries: [Entry], end: Int) {
    let end = topic.firstIndex { $0.transaction.outcome == .open || $0.transaction.outcome == .prepared } ?? topic.count
    return (topic[..<end].filter { $0.transaction.outcome == .committed }, end)
  }
}

/// The process died: nothing of it runs any more, and nothing is cleaned up.
struct SimulatedCrash: Error {}

/// One process's producer, and what goes wrong between it and the brokers.
final class SimulatedClient: KafkaTransactionClient {
  /// What befalls a call.
  enum Fault: CaseIterable {
    case unavailable, lostAnswer, crashBefore, crashAfter
    /// The broker aborts what takes too long.
    case timeout
    /// The request arrives later: of commits only.
    case delayed
    /// The coordinator dies between its decision and telling the topics: of commits only.
    case halfDone
  }

  enum Step: String, CaseIterable {
    case prepare, readMarker, initialize, begin, produceRows, produceMarker, commit, abort
  }

  let broker: SimulatedBroker
  let transactionalID: String
  /// The rows of the epoch that is being committed.
  var rows: [[UInt8]] = []
  /// Decides on the fault of a call; it also lets others run before it.
  var before: (Step) throws -> Fault? = { _ in nil }
  /// Requests that the network still holds.
  var underWay: (SimulatedBroker.Transaction) -> Void = { _ in }
  private(set) var registrations = 0
  private var epoch = 0
  private var transaction: SimulatedBroker.Transaction?

  init(_ broker: SimulatedBroker, _ transactionalID: String = "job-sink") {
    self.broker = broker
    self.transactionalID = transactionalID
  }

  private func call(_ step: Step, unknown: Bool = false, _ effect: () throws -> Void) throws {
    let fault = try before(step)
    switch fault {
    case .crashBefore: throw SimulatedCrash()
    case .unavailable: throw KafkaTransactionError(unknown ? .unknown : .retriable, "\(step): brokers not reachable")
    case .timeout: broker.timeOut(transactionalID)
    default: break
    }
    try effect()
    if fault == .crashAfter { throw SimulatedCrash() }
    if fault == .lostAnswer { throw KafkaTransactionError(unknown ? .unknown : .retriable, "\(step): no answer") }
  }

  private func current() throws -> SimulatedBroker.Transaction {
    guard let transaction, broker.isCurrent(transactionalID, epoch) else {
      throw KafkaTransactionError(.fenced, "there is a newer producer")
    }
    guard transaction.outcome == .open else { throw KafkaTransactionError(.abortable, "there is no transaction") }
    return transaction
  }

  func prepare() throws {
    try call(.prepare) { if broker.mayCreateTopic { broker.hasMarkerTopic = true } }
  }

  func initialize() throws {
    try call(.initialize) {
      registrations += 1
      transaction = nil
      epoch = broker.register(transactionalID)
    }
  }

  func readMarker(settled: Bool) throws -> [UInt8]? {
    var marker: [UInt8]?
    try call(.readMarker) {
      guard broker.hasMarkerTopic else { throw KafkaTransactionError(.fatal, "the topic of markers does not exist") }
      var scan = KafkaMarkerScan(transactionalID: transactionalID, settled: settled)
      let (entries, end) = SimulatedBroker.visible(broker.markers)
      for entry in entries {
        Array(entry.key.utf8).withUnsafeBytes { key in
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

  // As in librdkafka, beginning asks no broker.
  func begin() throws {
    try call(.begin) { transaction = nil }
  }

  private func opened() throws -> SimulatedBroker.Transaction {
    if transaction != nil { return try current() }
    guard broker.isCurrent(transactionalID, epoch) else {
      throw KafkaTransactionError(.fenced, "there is a newer producer")
    }
    let opened = broker.begin(transactionalID, epoch)
    transaction = opened
    return opened
  }

  func produceRows() throws {
    for row in rows { try call(.produceRows) { broker.append(row: row, try opened()) } }
  }

  func produceMarker(_ marker: [UInt8]) throws {
    try call(.produceMarker) {
      guard broker.hasMarkerTopic else { throw KafkaTransactionError(.fatal, "the topic of markers does not exist") }
      broker.append(marker: marker, try opened())
    }
  }

  func commit() throws {
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
    if fault == .crashAfter { throw SimulatedCrash() }
    if fault == .lostAnswer || fault == .halfDone { throw KafkaTransactionError(.unknown, "commit: no answer") }
  }

  func abort() throws {
    try call(.abort) {
      if let transaction, broker.isCurrent(transactionalID, epoch) { broker.end(transaction, commit: false) }
      transaction = nil
    }
  }
}
