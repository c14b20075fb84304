/// Finds the last marker of one transactional id in the topic of markers, and knows when it has read far enough.
///
/// A reader of committed records stops before the first open transaction, whoever's it is: the end that it sees may
/// lie before markers that are committed. Only the high watermark says how far the topic goes.
package struct KafkaMarkerScan: Sendable {
  private let transactionalID: [UInt8]
  private let settled: Bool
  /// The offset up to which records must have been read or passed over.
  private var target: Int64?
  /// The last marker so far.
  package private(set) var marker: [UInt8]?

  /// A scan for `transactionalID`; `settled` as in ``KafkaTransactionClient/readMarker(settled:)``.
  package init(transactionalID: String, settled: Bool) {
    self.transactionalID = Array(transactionalID.utf8)
    self.settled = settled
  }

  /// Takes in a committed record; a tombstone removes the marker.
  package mutating func record(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?) {
    guard key.elementsEqual(transactionalID) else { return }
    marker = value.map { Array($0) }
  }

  /// The reader has seen every record that it is shown, up to `offset` (the next one), while the topic's high
  /// watermark was `highWatermark`. The first watermark is the goal: what others add later does not matter.
  /// - Returns: whether the scan is done.
  package mutating func reachedEnd(at offset: Int64, highWatermark: Int64) -> Bool {
    guard settled else { return true }
    let goal = target ?? highWatermark
    target = goal
    return offset >= goal
  }
}
