import Checkpointing
import Columnar

/// What travels on an edge of the dataflow. Control is in band: a barrier keeps its place among the rows.
public enum StreamElement: Sendable {
  /// Rows. They make an idle input active again.
  case rows(Batch)
  /// No row before this event time will follow, except late ones. It makes an idle input active again.
  case watermark(Timestamp)
  /// Everything before it belongs to this checkpoint or an earlier one, everything after it to a later one.
  case barrier(CheckpointID)
  /// The input has nothing to say for a while and must not hold watermarks back. Barriers still come.
  case idle
  /// No row will follow: a bounded input was read to its end. Barriers still come.
  case drained
  /// Nothing follows, not even barriers.
  case end

  /// How many rows the element carries: its weight in a ring.
  public var rowCount: Int {
    if case .rows(let batch) = self { return batch.count }
    return 0
  }
}
