import Actors
import Checkpointing
import SimulationKit
import Sinks
import TestSupport
import Testing

/// A checkpoint's part of the sink, as the checkpoint store keeps it.
struct StoredEpoch {
  let pending: PendingCommit
  let rows: [[UInt8]]

  /// The epoch that `owner` writes for `checkpoint`; nobody else writes the same rows.
  init(_ checkpoint: UInt64, by owner: JobOwner, rows count: Int) {
    rows = (0..<count).map { Array("c\(checkpoint) a\(owner.attempt) r\($0)".utf8) }
    pending = PendingCommit(
      sink: "sink", checkpoint: CheckpointID(checkpoint), from: CheckpointID(checkpoint - 1),
      sources: SourcePositions(["events": ["0": Int64(checkpoint)]]), rows: count, payload: [], files: [])
  }
}

/// One process that runs the job: it knows the checkpoints that it started from, and those that it wrote itself.
final class SimulatedInstance {
  let owner: JobOwner
  let client: SimulatedTransactionClient
  let startedFrom: Int
  var epochs: [StoredEpoch]
  var done = 0
  var isClaimed = false
  var isBusy = false
  var isDead = false
  private var machine = KafkaCommitProtocol(sink: "sink")

  init(_ broker: SimulatedBroker, attempt: UInt64, epochs: [StoredEpoch]) {
    owner = JobOwner(lineage: "L", attempt: attempt)
    client = SimulatedTransactionClient(broker)
    startedFrom = epochs.count
    self.epochs = epochs
  }

  func claim() throws {
    let newest = CheckpointID(UInt64(startedFrom))
    done = Int(try machine.claim(owner: owner, newest: newest, client: client, codec: KafkaMarkerCodec()).number)
    isClaimed = true
  }

  @discardableResult
  func commitNext() throws -> CommitOutcome {
    let epoch = epochs[done]
    client.rows = { produce in
      for row in epoch.rows { try row.withUnsafeBytes { try produce(nil, $0) } }
    }
    let outcome = try machine.commit(epoch.pending, owner: owner, client: client, codec: KafkaMarkerCodec())
    done += 1
    return outcome
  }
}

/// A job of which several processes believe to be the one that runs it, on one broker.
final class SimulatedJob {
  let broker = SimulatedBroker()
  private(set) var store: [StoredEpoch] = []
  private(set) var instances: [SimulatedInstance] = []
  private(set) var conflicts = 0
  private(set) var skips = 0
  private(set) var crashes = 0
  private(set) var faults = 0
  private(set) var problems: [String] = []
  var hasFaults = true
  private var random: SeededNumbers
  private var depth = 0
  private var lastAttempt: UInt64 = 0
  private var underWay: [SimulatedBroker.Transaction] = []
  private var others: [SimulatedBroker.Transaction] = []

  init(seed: UInt64) { random = SeededNumbers(seed: seed) }

  /// Starts a process from the newest checkpoint, whether the others have ended or not.
  func start() {
    lastAttempt += 1
    let instance = SimulatedInstance(broker, attempt: lastAttempt, epochs: store)
    instance.client.before = { [unowned self, unowned instance] _ in try fault(instance) }
    instance.client.underWay = { [unowned self] in underWay.append($0) }
    instances.append(instance)
  }

  /// Lets one of the processes that are not in the middle of something do its next act.
  func step() {
    let free = instances.filter { !$0.isBusy && !$0.isDead }
    guard let instance = free.randomElement(using: &random) else {
      if depth == 0 { start() }
      return
    }
    instance.isBusy = true
    depth += 1
    do { try act(instance) } catch is SimulatedCrash {} catch let error as PositionConflict {
      conflicts += 1
      if !mayLose(instance) { problems.append("attempt \(instance.owner.attempt) owns the sink and met: \(error)") }
      instance.isDead = true
    } catch let error as SinkError where error.severity == .transient {
    } catch { problems.append("unexpected: \(error)") }
    depth -= 1
    instance.isBusy = false
    if depth == 0 { instances.removeAll { $0.isDead } }
    check()
  }

  private func act(_ instance: SimulatedInstance) throws {
    if !instance.isClaimed { return try instance.claim() }
    if instance.done == instance.epochs.count {
      // The checkpoint store lets the first writer of a number win; who loses has lost the job.
      guard store.count == instance.epochs.count else {
        instance.isDead = true
        return
      }
      let count = random.once(in: 4) ? 0 : Int.random(in: 1...4, using: &random)
      let epoch = StoredEpoch(UInt64(store.count + 1), by: instance.owner, rows: count)
      store.append(epoch)
      instance.epochs.append(epoch)
    }
    if try instance.commitNext().wasSkipped { skips += 1 }
  }

  /// Whether a conflict is right: a later attempt took over, or went on past what this one started from.
  private func mayLose(_ instance: SimulatedInstance) -> Bool {
    guard let position = positions().last else { return false }
    return position.owner.attempt > instance.owner.attempt
      || (!instance.isClaimed && position.checkpoint.number > UInt64(instance.startedFrom))
  }

  private func fault(_ instance: SimulatedInstance) throws -> SimulatedTransactionClient.Fault? {
    if instance.isDead { throw SimulatedCrash() }
    guard hasFaults else { return nil }
    if random.once(in: 5) { world() }
    if depth < 3, random.once(in: 6) { step() }
    guard random.once(in: 12), let fault = SimulatedTransactionClient.Fault.allCases.randomElement(using: &random)
    else {
      return nil
    }
    faults += 1
    if fault == .crashAfter || fault == .crashBefore {
      crashes += 1
      instance.isDead = true
    }
    return fault
  }

  /// Something happens that no process of the job does.
  func world() {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: broker.completePrepared()
    case 1: if let request = takeUnderWay() { _ = broker.requestCommit(request, completes: random.once(in: 2)) }
    case 2: _ = takeUnderWay()
    case 3 where others.isEmpty:
      // Another job writes its marker and leaves the transaction open.
      let id = "other-job"
      let transaction = broker.begin(id, broker.register(id))
      broker.append(marker: Array("other".utf8), transaction)
      others.append(transaction)
    case 4: endOthers()
    default: if random.once(in: 4) { broker.timeOut("job-sink") }
    }
  }

  private func takeUnderWay() -> SimulatedBroker.Transaction? {
    underWay.indices.randomElement(using: &random).map { underWay.remove(at: $0) }
  }

  private func endOthers() {
    for transaction in others { broker.end(transaction, commit: random.once(in: 2)) }
    others = []
  }

  /// The faults end; a last process must bring everything to its end without a single failure.
  func finish() throws {
    hasFaults = false
    for request in underWay { _ = broker.requestCommit(request, completes: true) }
    underWay = []
    endOthers()
    start()
    let last = try #require(instances.last)
    try last.claim()
    while last.done < store.count { try last.commitNext() }
    check()
    if positions().last?.checkpoint.number ?? 0 != UInt64(store.count) {
      problems.append("the last position is \(positions().last.debugDescription) of \(store.count) checkpoints")
    }
  }

  /// The committed positions of the job, in order.
  func positions() -> [SinkPosition] {
    broker.markers.filter { $0.transaction.producer == "job-sink" && $0.transaction.outcome == .committed }.compactMap {
      try? KafkaMarkerCodec().decode($0.value ?? [], sink: "sink")
    }
  }

  /// What readers can be shown is exactly the epochs up to the position, once each.
  func check() {
    let positions = positions()
    for (former, next) in zip(positions, positions.dropFirst()) {
      if next.checkpoint < former.checkpoint || next.checkpoint.number > former.checkpoint.number + 1 {
        problems.append("the position went from \(former.checkpoint) to \(next.checkpoint)")
      }
      if next.owner.attempt < former.owner.attempt {
        problems.append("attempt \(next.owner.attempt) wrote after \(former.owner.attempt)")
      }
    }
    let epochs = broker.committed.filter { $0.producer == "job-sink" }.map(\.epoch)
    if epochs != epochs.sorted() { problems.append("a fenced producer committed: \(epochs)") }
    let reached = Int(positions.last?.checkpoint.number ?? 0)
    let visible = broker.rows.filter { $0.transaction.outcome == .committed }.map { $0.value ?? [] }
    let expected = store.prefix(reached).flatMap(\.rows)
    if visible != expected {
      let texts = visible.map { String(decoding: $0, as: UTF8.self) }
      problems.append("position \(reached), but readers see \(texts)")
    }
  }
}
