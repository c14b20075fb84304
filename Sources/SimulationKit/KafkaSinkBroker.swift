/// The part of a Kafka cluster that transactions rest on: producer epochs, transactions that span two topics, and what
/// readers of committed records are shown. As strict as Kafka says it is.
///
/// `@unchecked Sendable`: everything takes place in one thread.
package final class SimulatedBroker: @unchecked Sendable {
  /// How far a transaction is. `prepared`: the decision to commit is durable, and the topics have not been told yet.
  package enum Outcome { case open, prepared, committed, aborted }

  /// One transaction.
  package final class Transaction {
    /// The transactional id.
    package let producer: String
    /// The epoch of the producer that began it.
    package let epoch: Int
    /// How far it is.
    package fileprivate(set) var outcome = Outcome.open

    init(producer: String, epoch: Int) {
      self.producer = producer
      self.epoch = epoch
    }
  }

  /// A record.
  package struct Entry {
    /// The topic; markers have one of their own, without a name.
    package let topic: String
    /// The record's key; of markers the transactional id.
    package let key: [UInt8]?
    /// The record's value; `nil` is a tombstone.
    package let value: [UInt8]?
    /// What it belongs to.
    package let transaction: Transaction
  }

  /// The records of all topics but that of markers.
  package private(set) var rows: [Entry] = []
  /// The topic of markers.
  package private(set) var markers: [Entry] = []
  /// The transactions in the order of their commits: what a reader of committed records counts.
  package private(set) var committed: [Transaction] = []
  /// Whether the topic of markers is there.
  package var hasMarkerTopic = false
  /// Whether it can be made.
  package var mayCreateTopic = true
  private var epochs: [String: Int] = [:]
  /// The transactions that are not over, in the order of their beginnings.
  private var current: [Transaction] = []

  /// A cluster without records.
  package init() {}

  /// Registers a producer: the older ones are fenced, an open transaction ends, a prepared one is completed.
  package func register(_ producer: String) -> Int {
    if let transaction = open(producer) { end(transaction, commit: transaction.outcome == .prepared) }
    epochs[producer, default: 0] += 1
    return epochs[producer] ?? 0
  }

  private func open(_ producer: String) -> Transaction? { current.first { $0.producer == producer } }

  /// Whether no newer producer has registered.
  package func isCurrent(_ producer: String, _ epoch: Int) -> Bool { epochs[producer] == epoch }

  /// Begins a transaction.
  package func begin(_ producer: String, _ epoch: Int) -> Transaction {
    let transaction = Transaction(producer: producer, epoch: epoch)
    current.removeAll { $0.producer == producer }
    current.append(transaction)
    return transaction
  }

  /// Adds a record to a topic.
  package func append(key: [UInt8]?, value: [UInt8]?, to topic: String, _ transaction: Transaction) {
    rows.append(Entry(topic: topic, key: key, value: value, transaction: transaction))
  }

  /// Adds a marker.
  package func append(marker value: [UInt8], _ transaction: Transaction) {
    markers.append(Entry(topic: "", key: Array(transaction.producer.utf8), value: value, transaction: transaction))
  }

  /// A request to commit arrives. It is refused when the producer was fenced meanwhile.
  package func requestCommit(_ transaction: Transaction, completes: Bool) -> Bool {
    guard isCurrent(transaction.producer, transaction.epoch), transaction.outcome == .open else { return false }
    transaction.outcome = .prepared
    if completes { end(transaction, commit: true) }
    return true
  }

  /// Ends a transaction.
  package func end(_ transaction: Transaction, commit: Bool) {
    guard transaction.outcome == .open || transaction.outcome == .prepared else { return }
    transaction.outcome = commit ? .committed : .aborted
    if commit { committed.append(transaction) }
    current.removeAll { $0 === transaction }
  }

  /// The transaction timeout: what is open is aborted and its producer is fenced, though nobody took over.
  package func timeOut(_ producer: String) {
    guard let transaction = open(producer), transaction.outcome == .open else { return }
    end(transaction, commit: false)
    epochs[producer, default: 0] += 1
  }

  /// The coordinator tells the topics of decisions that were made.
  package func completePrepared() {
    for transaction in current where transaction.outcome == .prepared { end(transaction, commit: true) }
  }

  /// The transactions that are not over.
  package var openTransactions: [Transaction] { current }

  /// What a reader of committed records is shown: nothing from the first open transaction on, no aborted records.
  package static func visible(_ topic: [Entry]) -> (entries: [Entry], end: Int) {
    let end = topic.firstIndex { $0.transaction.outcome == .open || $0.transaction.outcome == .prepared } ?? topic.count
    return (topic[..<end].filter { $0.transaction.outcome == .committed }, end)
  }

  /// What a reader of committed records is shown of a topic.
  package func visible(topic: String) -> [Entry] { Self.visible(rows.filter { $0.topic == topic }).entries }
}
