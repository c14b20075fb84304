/// Random numbers that follow from a seed (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The sequence of `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits of the sequence.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// A generator of its own for one purpose: what it draws changes nothing in this one, and the other way round.
  public func branch(_ purpose: String) -> SeededGenerator {
    var hash = state
    for byte in purpose.utf8 { hash = Self.mixed((hash ^ UInt64(byte)) &+ 0x9E37_79B9_7F4A_7C15) }
    return SeededGenerator(seed: hash)
  }

  /// True with a probability from 0 to 1.
  public mutating func chance(_ probability: Double) -> Bool {
    Double(next() >> 11) * 0x1p-53 < probability
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var bits = value
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
