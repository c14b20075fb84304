import Actors
import SQL
import Sinks

/// A Kafka cluster with transactions in a world; processes reach it through the real sink.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, see ``SimulatedWorld``.
public final class KafkaSinkPeer: @unchecked Sendable {
  /// A committed record.
  public struct Record: Hashable, Sendable {
    /// The key; `nil` when it has none.
    public let key: [UInt8]?
    /// The value; `nil` is a tombstone.
    public let value: [UInt8]?
  }

  /// What the cluster holds, and how it answers.
  package let broker = SimulatedBroker()
  private let world: SimulatedWorld
  /// Requests to commit that arrive later, or never.
  private var underWay: [SimulatedBroker.Transaction] = []

  /// A cluster without records.
  public init(_ world: SimulatedWorld) { self.world = world }

  /// The real sink of `table` in `process`.
  ///
  /// - Parameter table: A sink table with `connector = 'kafka'` and a `topic`.
  /// - Throws: ``Actors/SinkError`` for options that make no sense.
  public func connector(
    _ table: TableDefinition, job: String, process: SimulatedProcess
  ) throws -> any SinkConnector {
    let client = SimulatedTransactionClient(
      broker, table.options["transactional_id"] ?? "\(job)-\(table.name)", topic: table.options["topic"] ?? table.name)
    let id = client.transactionalID
    client.before = { [self] step in try befall(step, id, process) }
    client.after = { [world] step in try world.crashPoint(process, "after kafka \(step) of \(id)") }
    client.began = { [world, broker] transaction in
      // transaction.timeout.ms: whoever opened it may be gone for ever.
      world.after(60_000_000_000) { if transaction.outcome == .open { broker.timeOut(transaction.producer) } }
    }
    client.underWay = { [self] in underWay.append($0) }
    return try SinkConnectors.kafka(table, client: client)
  }

  /// What a reader of committed records is shown of a topic, in order.
  public func records(topic: String) -> [Record] {
    broker.visible(topic: topic).map { Record(key: $0.key, value: $0.value) }
  }

  /// Lets everything that is under way arrive, and the coordinator complete what it has decided.
  public func settle() {
    for request in underWay { _ = broker.requestCommit(request, completes: true) }
    underWay = []
    broker.completePrepared()
  }

  private func befall(
    _ step: SimulatedTransactionClient.Step, _ id: String, _ process: SimulatedProcess
  ) throws -> SimulatedTransactionClient.Fault? {
    let place = "kafka \(step) of \(id)"
    try world.crashPoint(process, place)
    world.blockLane(process, place)
    elsewhere()
    if step != .begin, world.strikes(.kafkaFenced, place) {
      // Either the broker gives up what takes too long, or somebody registers with the same name.
      if Bool.random(using: &world.random) { return .timeout }
      _ = broker.register(id)
    }
    if world.strikes(.kafkaFailure, place) { return .unavailable }
    guard world.strikes(.kafkaLostAnswer, place) else { return nil }
    guard step == .commit else { return .lostAnswer }
    return [.lostAnswer, .delayed, .halfDone][Int.random(in: 0..<3, using: &world.random)]
  }

  /// What happens at the brokers meanwhile.
  private func elsewhere() {
    if !underWay.isEmpty, Int.random(in: 0..<4, using: &world.random) == 0 {
      let request = underWay.removeFirst()
      world.trace("a late commit of \(request.producer) arrives")
      _ = broker.requestCommit(request, completes: Bool.random(using: &world.random))
    }
    if !broker.openTransactions.isEmpty, Int.random(in: 0..<4, using: &world.random) == 0 {
      broker.completePrepared()
    }
  }
}
