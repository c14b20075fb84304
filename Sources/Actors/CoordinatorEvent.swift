import Checkpointing
import Columnar
import Operators
import Runtime
import Synchronization

/// What actors tell the coordinator. Every participant sends a bounded number of these per checkpoint.
enum CoordinatorEvent: Sendable {
  /// A partition passed the barrier.
  case partitionAcknowledged(PartitionID, CheckpointID, PartitionSnapshot)
  /// A bounded partition has handed over everything.
  case partitionEnded(PartitionID)
  /// A window actor aligned the barrier and captured its state.
  case windowAcknowledged(stage: Int, shard: Int, CheckpointID, AggregatorSnapshot)
  /// All inputs of a window actor have ended, and what was left has fired.
  case windowEnded(stage: Int, shard: Int)
  /// A sink aligned the barrier and sealed its epoch.
  case sinkAcknowledged(String, CheckpointID, SealedEpoch)
  /// A sink's epoch has grown beyond its bound: a checkpoint is due early.
  case sinkEpochGrew(String)
  /// State and manifest of a checkpoint are durable.
  case checkpointStored(CheckpointID, [PendingCommit], bytes: Int)
  /// State or manifest of a checkpoint could not be stored.
  case checkpointFailed(CheckpointID, reason: String)
  /// A pending commit was applied, or had been.
  case committed(String, CheckpointID)
  /// Somebody asked for a checkpoint now.
  case triggered
  /// The job is asked to end with a last checkpoint.
  case stopRequested
}

/// An actor told more than the coordinator's mailbox holds: a defect, reported as a failure of the region.
struct MailboxOverflow: Error, CustomStringConvertible {
  var description: String { "the coordinator's mailbox is full; the region restarts" }
}

extension Inbox<CoordinatorEvent> {
  /// Posts `event`.
  /// - Throws: ``MailboxOverflow``.
  func send(_ event: CoordinatorEvent) throws {
    guard post(event) else { throw MailboxOverflow() }
  }
}

/// A mailbox for one value: a newer one takes the place of one that nobody has taken yet.
final class Newest<Value: Sendable>: Sendable {
  /// Set by every value; the owner waits for it.
  let signal = Signal()
  private let value = Mutex<Value?>(nil)

  func put(_ new: Value) {
    value.withLock { $0 = new }
    signal.notify()
  }

  func take() -> Value? {
    value.withLock { value in
      defer { value = nil }
      return value
    }
  }
}
