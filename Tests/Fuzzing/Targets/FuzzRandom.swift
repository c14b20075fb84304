import TestSupport

/// What an input is made from: the same for the same seed and iteration.
public struct FuzzRandom: RandomNumberGenerator, Sendable {
  private var numbers: SeededNumbers

  /// The numbers of one iteration of a run.
  public init(seed: UInt64, iteration: UInt64) {
    numbers = SeededNumbers(seed: seed &* 0xD6E8_FEB8_6659_FD93 ^ iteration)
  }

  /// The next number.
  public mutating func next() -> UInt64 { numbers.next() }

  /// A number from 0 up to, but without, `bound`; 0 when there is none.
  public mutating func below(_ bound: Int) -> Int { numbers.below(bound) }

  /// True once in `times`.
  public mutating func once(in times: Int) -> Bool { numbers.once(in: times) }

  /// One of `choices`, which must not be empty.
  public mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }
}
