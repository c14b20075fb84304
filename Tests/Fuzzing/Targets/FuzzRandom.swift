/// Random numbers that are the same for the same seed (SplitMix64).
public struct FuzzRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The numbers of one iteration of a run.
  public init(seed: UInt64, iteration: UInt64) { state = seed &* 0xD6E8_FEB8_6659_FD93 ^ iteration }

  /// The next number.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// A number from 0 up to, but without, `bound`; 0 when there is none.
  public mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int.random(in: 0..<bound, using: &self) }

  /// True once in `times`.
  public mutating func once(in times: Int) -> Bool { below(times) == 0 }

  /// One of `choices`, which must not be empty.
  public mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }
}
