import Runtime

/// Random numbers that follow from a seed, as a value: copies go on alike, and branches on their own.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The sequence of `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits of the sequence.
  public mutating func next() -> UInt64 {
    state &+= SeededRandom.increment
    return SeededRandom.mixed(state)
  }

  /// A generator of its own for one purpose: what it draws changes nothing in this one, and the other way round.
  public func branch(_ purpose: String) -> SeededGenerator {
    var hash = state
    for byte in purpose.utf8 { hash = SeededRandom.mixed((hash ^ UInt64(byte)) &+ SeededRandom.increment) }
    return SeededGenerator(seed: hash)
  }

  /// True with a probability from 0 to 1.
  public mutating func chance(_ probability: Double) -> Bool {
    Double(next() >> 11) * 0x1p-53 < probability
  }
}
