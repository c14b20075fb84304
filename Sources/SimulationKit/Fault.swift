/// What can go wrong in a simulated world.
public enum Fault: String, CaseIterable, Hashable, Sendable {
  /// The process dies.
  case crash
  /// A second instance takes the job and its volume over while the first one still runs.
  case takeover

  /// A broker cannot be reached for a while, or a read fails.
  case sourceOutage
  /// Partitions appear while the job runs.
  case rebalance
  /// The broker deletes records that every sink has committed.
  case retention

  /// No space is left for a while.
  case diskFull
  /// What was written and not synchronised is partly there after a crash, in any order.
  case tornWrite
  /// A synchronisation is reported and did not take place.
  case lostSync
  /// A stored byte changes.
  case bitRot
  /// A call fails with an input/output error.
  case diskError

  /// The object store refuses a request.
  case storeFailure
  /// The object store refuses several requests in a row.
  case storeThrottle
  /// The object store does what was asked, and its answer is lost.
  case storeLostAnswer
  /// A request to the object store is lost.
  case storeLostRequest
  /// A listing misses what was written a moment ago.
  case storeLateList

  /// The catalog refuses a request.
  case catalogFailure
  /// Somebody else commits to the table just before us.
  case catalogConflict
  /// The catalog commits, and its answer is lost.
  case catalogLostAnswer
  /// A request to the catalog is lost.
  case catalogLostRequest
  /// Somebody else writes to the tables: appends, compacts, expires, changes properties or columns.
  case foreignCommit

  /// A session with PostgreSQL breaks before or during a statement.
  case postgresDisconnect
  /// PostgreSQL commits, and the session breaks before the answer.
  case postgresLostCommit
  /// PostgreSQL refuses to serialise a transaction, or finds a deadlock.
  case postgresSerialization
  /// PostgreSQL restarts: all sessions break, and for a while none can be opened.
  case postgresRestart

  /// Another producer takes the transactional id.
  case kafkaFenced
  /// The answer of a Kafka transaction is lost.
  case kafkaLostAnswer
  /// A request of a Kafka transaction fails.
  case kafkaFailure

  /// The wall clocks of two processes differ.
  case clockSkew
  /// A wall clock jumps.
  case clockJump
  /// Something takes far longer than usual.
  case slow

  /// How likely it is that the fault strikes at a place where it can, when a run has it at full strength.
  var rate: Double {
    switch self {
    case .crash: 0.0012
    case .takeover, .rebalance, .retention, .postgresRestart, .clockSkew, .clockJump, .foreignCommit: 0.01
    case .tornWrite: 0.5
    case .lostSync: 0.01
    case .bitRot: 0.02
    case .diskFull, .diskError: 0.004
    case .slow: 0.02
    default: 0.03
    }
  }

  /// Whether the job may stop for good because of the fault: it breaks one of the assumptions on which the promise rests,
  /// so the job has to notice, and to stop rather than write something wrong.
  public var breaksAssumption: Bool { self == .lostSync || self == .bitRot }
}

/// Which faults a run has, and how often.
public struct FaultPlan: Hashable, Sendable {
  /// The faults, each with its strength: 1 is the usual rate.
  public var strengths: [Fault: Double]

  /// Nothing goes wrong.
  public static let none = FaultPlan(strengths: [:])

  /// A plan of these strengths.
  public init(strengths: [Fault: Double]) { self.strengths = strengths }

  /// A part of `allowed` at random, at random strengths: runs with few faults find what many would hide.
  public init(drawing allowed: Set<Fault>, from random: inout SeededGenerator) {
    strengths = [:]
    let density = [0.15, 0.4, 0.8][Int.random(in: 0..<3, using: &random)]
    for fault in Fault.allCases {
      let isIn = random.chance(density)
      let strength = [0.3, 1, 1, 3][Int.random(in: 0..<4, using: &random)]
      if isIn, allowed.contains(fault) { strengths[fault] = strength }
    }
  }

  /// Whether the fault can strike at all.
  public func has(_ fault: Fault) -> Bool { strengths[fault] != nil }
}
