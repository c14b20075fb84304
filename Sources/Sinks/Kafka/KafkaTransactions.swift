import Actors
import Checkpointing

/// A transactional producer and a reader of committed markers, as the commit protocol sees them. Calls may block.
package protocol KafkaTransactionClient: AnyObject {
  /// Makes sure that the topic of markers exists. Touches no producer.
  /// - Throws: ``KafkaTransactionError``.
  func prepare() throws
  /// Registers the producer: older producers of the same transactional id are fenced, and what they left open is
  /// settled. Must come before the first transaction, and again after every failure.
  /// - Throws: ``KafkaTransactionError``.
  func initialize() throws
  /// The last committed marker of this transactional id; markers of aborted or open transactions are not seen.
  ///
  /// - Parameter settled: `true`: every marker that was committed before the call is seen; as an open transaction of
  ///   anybody hides what was committed behind it, the call waits for its end. `false`: the answer may be an older
  ///   marker, at once.
  /// - Throws: ``KafkaTransactionError``.
  func readMarker(settled: Bool) throws -> [UInt8]?
  /// Begins a transaction.
  func begin() throws
  /// Adds the epoch's records to the open transaction.
  func produceRows() throws
  /// Adds a marker to the open transaction.
  func produceMarker(_ marker: [UInt8]) throws
  /// Commits the open transaction; after a failure of kind `unknown` it may be committed or not.
  func commit() throws
  /// Aborts the open transaction.
  func abort() throws
}

/// A client that takes the rows of the epoch that is being committed from whoever holds them.
package protocol KafkaSinkClient: KafkaTransactionClient {
  /// Reads the epoch's records, key and value; set before the protocol runs.
  typealias Rows = (
    _ produce: (_ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) throws -> Void
  ) throws -> Void
  /// The records of ``KafkaTransactionClient/produceRows()``.
  var rows: Rows? { get set }
  /// Closes the producer; an open transaction is left to the broker, which aborts it.
  func release()
}

/// A call of a transactional producer failed.
package struct KafkaTransactionError: Error, CustomStringConvertible {
  /// What may be done next.
  package enum Kind: Hashable, Sendable {
    /// Trying again may help, after a new ``KafkaTransactionClient/initialize()``.
    case retriable
    /// The transaction must be aborted, then it can be tried again.
    case abortable
    /// Another producer registered, or the broker ended a transaction that took too long.
    case fenced
    /// The answer was lost: the transaction is committed or not.
    case unknown
    /// Trying again cannot help: rights, configuration, a topic that does not exist.
    case fatal
  }

  package let kind: Kind
  package let message: String

  /// A failure.
  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}

/// How a pending commit becomes one Kafka transaction, exactly once.
///
/// A transaction cannot be resumed by another process. So the rows wait in the checkpoint, and each transaction also
/// holds a marker: the sink's position. Whoever does not know how the last transaction ended registers anew, which
/// makes the broker settle it, and reads the last committed marker; it says whether to apply or to skip.
///
/// Registering fences whoever was registered before, also when that is the rightful owner and the caller a zombie.
/// So the marker is read before too, and an instance that lost the sink does not register. Being fenced alone says
/// nothing about ownership (a zombie may have registered, or the broker ended a slow transaction): the marker does.
///
/// The protocol is proved against a simulated broker. Not proved on a real one: that registration settles a
/// transaction of unknown outcome before it answers, and that late requests of fenced producers are refused; both are
/// Kafka's documented behaviour. Before Kafka 4.0 (KIP-890) a late request can leave a transaction open for ever; then
/// readers of committed records, this one too, stand still until an operator aborts it, but nothing is doubled.
package struct KafkaCommitProtocol {
  private let sink: String
  /// The position that is certain; `nil`: it must be read after a new registration.
  private var known: SinkPosition??

  /// The protocol of `sink`, before its producer was registered.
  package init(sink: String) { self.sink = sink }

  /// Takes the sink over for `owner`.
  /// - Throws: ``PositionConflict``, ``SinkError``.
  package mutating func claim(
    owner: JobOwner, newest: CheckpointID, client: some KafkaTransactionClient, codec: KafkaMarkerCodec
  ) throws -> CheckpointID {
    known = nil
    let stored = try position(owner, client, codec) { [sink] stored in
      if case .conflict(let conflict) = owner.claim(sink: sink, stored: stored, newest: newest) { return conflict }
      return nil
    }
    switch owner.claim(sink: sink, stored: stored, newest: newest) {
    case .conflict(let conflict): throw conflict
    case .claim(let position):
      try transaction(position, client, codec) {}
      return position.checkpoint
    }
  }

  /// Applies `pending` unless the last committed marker says that it was applied.
  /// - Throws: ``PositionConflict``, ``SinkError``.
  package mutating func commit(
    _ pending: PendingCommit, owner: JobOwner, client: some KafkaTransactionClient, codec: KafkaMarkerCodec
  ) throws -> CommitOutcome {
    let stored = try position(owner, client, codec) { stored in
      // What is read before registration may be old: only an owner that cannot come before this one counts.
      guard KafkaCommitProtocol.isForeign(stored, to: owner),
        case .conflict(let conflict) = pending.decide(stored: stored, owner: owner)
      else { return nil }
      return conflict
    }
    switch pending.decide(stored: stored, owner: owner) {
    case .conflict(let conflict): throw conflict
    case .skip: return CommitOutcome(rowsApplied: 0, wasSkipped: true)
    case .apply:
      let position = SinkPosition(owner: owner, checkpoint: pending.checkpoint, sources: pending.sources)
      try transaction(position, client, codec) { if pending.rows > 0 { try client.produceRows() } }
      return CommitOutcome(rowsApplied: pending.rows)
    }
  }

  /// Whether `stored` was written by another history, or by a later attempt: it stays true once it is.
  private static func isForeign(_ stored: SinkPosition?, to owner: JobOwner) -> Bool {
    guard let stored else { return false }
    return stored.owner.lineage != owner.lineage || stored.owner.attempt > owner.attempt
  }

  /// The position that the sink certainly holds, read after registration unless it is known.
  ///
  /// - Parameter refusal: why this instance must not register, given a position that may be old.
  private mutating func position(
    _ owner: JobOwner, _ client: some KafkaTransactionClient, _ codec: KafkaMarkerCodec,
    _ refusal: (SinkPosition?) -> PositionConflict?
  ) throws -> SinkPosition? {
    if let known { return known }
    do {
      try client.prepare()
      let former = try client.readMarker(settled: false).map { try codec.decode($0, sink: sink) }
      if let conflict = refusal(former) { throw conflict }
      try client.initialize()
      let position = try client.readMarker(settled: true).map { try codec.decode($0, sink: sink) }
      known = .some(position)
      return position
    } catch let error as KafkaTransactionError {
      throw failure(error, SinkPosition(owner: owner, checkpoint: CheckpointID(0), sources: .init()), client, codec)
    }
  }

  private mutating func transaction(
    _ position: SinkPosition, _ client: some KafkaTransactionClient, _ codec: KafkaMarkerCodec,
    _ rows: () throws -> Void
  ) throws {
    // Until the commit was answered nothing is certain: every way out through an error must register anew.
    known = nil
    do {
      try client.begin()
      try rows()
      try client.produceMarker(try codec.encode(position, sink: sink))
      try client.commit()
      known = .some(position)
    } catch {
      let kind = (error as? KafkaTransactionError)?.kind
      // A commit of unknown outcome must not be aborted: it may be done. Registration settles it.
      if kind != .unknown && kind != .fenced { try? client.abort() }
      guard let error = error as? KafkaTransactionError else { throw error }
      throw failure(error, position, client, codec)
    }
  }

  private func failure(
    _ error: KafkaTransactionError, _ position: SinkPosition, _ client: some KafkaTransactionClient,
    _ codec: KafkaMarkerCodec
  ) -> any Error {
    switch error.kind {
    case .fenced:
      // Who took over is in the marker that it wrote; reading needs no producer.
      let found = (try? client.readMarker(settled: false)).flatMap { try? codec.decode($0, sink: sink) }
      if KafkaCommitProtocol.isForeign(found, to: position.owner) {
        return PositionConflict(sink: sink, expected: position, found: found)
      }
      let message = "the producer lost its registration, to another one or by taking too long: \(error.message)"
      return SinkError(sink: sink, severity: .transient, message: message)
    case .fatal: return SinkError(sink: sink, severity: .fatal, message: error.message)
    case .retriable, .abortable, .unknown: return SinkError(sink: sink, severity: .transient, message: error.message)
    }
  }
}
