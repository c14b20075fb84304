import Columnar

/// An operator's watermark: the minimum over its inputs.
///
/// It never goes back. An idle input does not count until it brings a watermark again; while all inputs are idle or
/// ended the watermark stays where it is. An ended input counts as if its watermark were ``Columnar/Timestamp/maximum``.
public struct WatermarkTracker: Hashable, Sendable {
  /// What an input's idleness changed.
  public struct Change: Hashable, Sendable {
    /// The new watermark, when it rose.
    public let watermark: Timestamp?
    /// Whether no input counts any more: the operator itself is idle now.
    public let isIdle: Bool
  }

  private enum Activity: Hashable, Sendable {
    case active
    case idle
    case ended
  }

  private var marks: [Timestamp]
  private var activities: [Activity]
  /// Where the watermark was when an input had its last watermark taken in; see ``holder``.
  private var heldSince: Int64

  /// The operator's watermark; `minimum` until every input that counts has brought one.
  public private(set) var watermark: Timestamp
  /// The input that holds the watermark back: the one with the least; `nil` while no input counts.
  public private(set) var holder: Int?

  /// A tracker for `inputCount` inputs, all active and without a watermark.
  ///
  /// - Parameters:
  ///   - watermark: where a restored operator stood.
  ///   - now: the time, in the caller's unit, from which the first holder holds.
  public init(inputCount: Int, watermark: Timestamp = .minimum, now: Int64 = 0) {
    precondition(inputCount > 0, "an operator has inputs")
    marks = Array(repeating: .minimum, count: inputCount)
    activities = Array(repeating: .active, count: inputCount)
    self.watermark = watermark
    holder = 0
    heldSince = now
  }

  /// Since when ``holder`` has been the one, and the watermark where it is; in the unit that the caller passes in.
  public var holderSince: Int64 { heldSince }

  /// The watermark that `input` brought last.
  public func mark(of input: Int) -> Timestamp { marks[input] }

  /// Whether `input` is idle.
  public func isIdle(_ input: Int) -> Bool { activities[input] == .idle }

  /// Whether no input counts.
  public var isIdle: Bool { !activities.contains(.active) }

  /// An input brought a watermark; one below its last is ignored. Returns the new watermark of the operator if it rose.
  public mutating func advance(input: Int, to mark: Timestamp, now: Int64 = 0) -> Timestamp? {
    guard activities[input] != .ended else { return nil }
    activities[input] = .active
    marks[input] = max(marks[input], mark)
    return update(now)
  }

  /// An input is idle. An ended one stays ended.
  public mutating func idle(input: Int, now: Int64 = 0) -> Change {
    if activities[input] == .active { activities[input] = .idle }
    let risen = update(now)
    return Change(watermark: risen, isIdle: isIdle)
  }

  /// An input has ended. Returns the new watermark of the operator if it rose.
  public mutating func end(input: Int, now: Int64 = 0) -> Timestamp? {
    activities[input] = .ended
    return update(now)
  }

  private mutating func update(_ now: Int64) -> Timestamp? {
    var least: Int?
    for input in marks.indices where activities[input] == .active {
      guard let other = least else {
        least = input
        continue
      }
      if marks[input] < marks[other] { least = input }
    }
    guard let least else {
      holder = nil
      heldSince = now
      return nil
    }
    let hasRisen = marks[least] > watermark
    if hasRisen || holder != least { heldSince = now }
    holder = least
    guard hasRisen else { return nil }
    watermark = marks[least]
    return watermark
  }
}
