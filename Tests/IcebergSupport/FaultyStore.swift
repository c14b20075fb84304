import Iceberg
import Synchronization
import TestSupport

/// A store that fails now and then, the same way for the same seed and order of calls.
public final class FaultyStore: ObjectStore {
  /// How often what goes wrong: probabilities from 0 to 1.
  public struct Faults: Sendable {
    /// A call fails with kind `transient` and nothing was done.
    public var refused = 0.0
    /// A write, upload or deletion is done, and its answer is lost: kind `unknownOutcome`.
    public var answerLost = 0.0
    /// A write, upload or deletion fails with kind `unknownOutcome`, and was not done.
    public var requestLost = 0.0
    /// A call lets others go first.
    public var delayed = 0.0

    /// Nothing goes wrong but what is given.
    public init(
      refused: Double = 0, answerLost: Double = 0, requestLost: Double = 0, delayed: Double = 0
    ) {
      self.refused = refused
      self.answerLost = answerLost
      self.requestLost = requestLost
      self.delayed = delayed
    }
  }

  private struct State {
    var random: SeededNumbers
    var faults: Faults
    var calls = 0
    var injected = 0
    var failAtCall: Int?
    var isDead = false
  }

  private let base: any ObjectStore
  private let state: Mutex<State>

  /// A faulty view of `base`.
  public init(_ base: any ObjectStore, seed: UInt64, faults: Faults = Faults()) {
    self.base = base
    state = Mutex(State(random: SeededNumbers(seed: seed), faults: faults))
  }

  /// How many calls there were.
  public var calls: Int { state.withLock { $0.calls } }
  /// How many of them failed on purpose.
  public var injected: Int { state.withLock { $0.injected } }

  /// From now on other things go wrong.
  public func set(_ faults: Faults) { state.withLock { $0.faults = faults } }

  /// Call number `call` (from 1), and all after it, fail without effect: the process has died there. `nil` revives it.
  public func die(atCall call: Int?) {
    state.withLock { state in
      state.failAtCall = call
      state.isDead = false
    }
  }

  private enum Plan {
    case pass, refuse, loseAnswer, loseRequest
  }

  private func plan(isChange: Bool) async -> Plan {
    let (plan, yields) = state.withLock { state -> (Plan, Int) in
      state.calls += 1
      let yields = state.random.chance(state.faults.delayed) ? Int.random(in: 1...20, using: &state.random) : 0
      if let call = state.failAtCall, state.calls >= call { state.isDead = true }
      var plan = Plan.pass
      if state.isDead || state.random.chance(state.faults.refused) {
        plan = .refuse
      } else if isChange && state.random.chance(state.faults.answerLost) {
        plan = .loseAnswer
      } else if isChange && state.random.chance(state.faults.requestLost) {
        plan = .loseRequest
      }
      if plan != .pass { state.injected += 1 }
      return (plan, yields)
    }
    for _ in 0..<yields { await Task.yield() }
    return plan
  }

  private func read<Value: Sendable>(
    _ what: String, _ body: () async throws(IcebergError) -> Value
  ) async throws(IcebergError) -> Value {
    guard await plan(isChange: false) == .pass else { throw IcebergError(.transient, "\(what): refused on purpose") }
    return try await body()
  }

  private func change<Value: Sendable>(
    _ what: String, _ body: () async throws(IcebergError) -> Value
  ) async throws(IcebergError) -> Value {
    switch await plan(isChange: true) {
    case .pass: return try await body()
    case .refuse: throw IcebergError(.transient, "\(what): refused on purpose")
    case .loseRequest: throw IcebergError(.unknownOutcome, "\(what): the request was lost on purpose")
    case .loseAnswer:
      _ = try await body()
      throw IcebergError(.unknownOutcome, "\(what): the answer was lost on purpose")
    }
  }

  /// Passed on, or failed.
  public func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    try await read("info \(location)") { () throws(IcebergError) in try await base.info(location) }
  }

  /// Passed on, or failed.
  public func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    try await read("read \(location)") { () throws(IcebergError) in try await base.read(location, range: range) }
  }

  /// Passed on, or failed before or after.
  public func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    try await change("write \(location)") { () throws(IcebergError) in
      try await base.write(location, bytes, ifAbsent: ifAbsent)
    }
  }

  /// Passed on, or failed before or after.
  public func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    try await change("upload \(location)") { () throws(IcebergError) in
      try await base.upload(file: path, to: location)
    }
  }

  /// Passed on, or failed before or after.
  public func delete(_ locations: [String]) async throws(IcebergError) {
    try await change("delete \(locations.count) objects") { () throws(IcebergError) in
      try await base.delete(locations)
    }
  }

  /// Passed on, or failed.
  public func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await read("list \(prefix)") { () throws(IcebergError) in try await base.list(prefix: prefix, after: after) }
  }

  /// As the store behind: whoever uses it goes around the faults.
  public func localPath(_ location: String) -> String? { base.localPath(location) }

  /// Passed on.
  public func close() async { await base.close() }
}
