/// What an error code in the answer to a fetch means.
package enum FetchDecision: Hashable, Sendable {
  /// The records can be used.
  case none
  /// It passes by itself: ask again after a pause.
  case retry
  /// Another broker may lead the partition now: look for it, then ask again.
  case findLeader
  /// Only the reader's owner can decide.
  case fail

  /// Decides about Kafka's error code. <https://kafka.apache.org/protocol.html#protocol_error_codes>
  package init(errorCode: Int16) {
    self =
      switch errorCode {
      case 0: .none
      // Not available at this replica yet; over the quota; a session, which this client does not use.
      case 7, 70, 71, 78, 89: .retry
      // Unknown partition, no leader, not the leader, broker or replica gone, network, disk, leader epochs.
      case 3, 5, 6, 8, 9, 13, 56, 74, 75: .findLeader
      default: .fail
      }
  }
}

/// Which partitions a broker is asked for next.
package struct FetchTurn {
  /// What is known of a partition when a request is made.
  package struct Candidate: Hashable {
    /// Whether its reader has taken what came.
    package let hasRoom: Bool
    /// When it may be asked for again, after an error.
    package let notBefore: Int64

    /// A partition.
    package init(hasRoom: Bool, notBefore: Int64) {
      self.hasRoom = hasRoom
      self.notBefore = notBefore
    }
  }

  /// How long the broker may wait while a reader that has no room may get some: its partition cannot be asked for before
  /// the answer.
  private static let shortWaitMilliseconds: Int32 = 5

  /// The partitions to ask for, in this order; empty when there is none.
  package let chosen: [Int]
  /// How long the broker may wait for records.
  package let waitMilliseconds: Int32

  /// Chooses among the partitions that the broker leads.
  ///
  /// - Parameter turn: counts requests. A broker fills its answer in the order of the request, and what is too large for
  ///   the rest comes only when it is first, so each partition must be the first one at some time.
  package init(_ candidates: [Candidate], now: Int64, turn: Int, settings: FetchSettings) {
    let ready = candidates.indices.filter { candidates[$0].hasRoom && candidates[$0].notBefore <= now }
    let shift = ready.isEmpty ? 0 : turn % ready.count
    chosen = Array(ready[shift...] + ready[..<shift])
    waitMilliseconds =
      ready.count == candidates.count
      ? settings.waitMilliseconds : min(settings.waitMilliseconds, Self.shortWaitMilliseconds)
  }
}
