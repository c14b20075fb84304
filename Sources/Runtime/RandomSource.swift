import Synchronization

/// Randomness, as the engine sees it. Injected, so that a seed reproduces a run.
public protocol RandomSource: Sendable {
  /// 64 random bits.
  func next() -> UInt64
}

extension RandomSource {
  /// A number at least 0 and below 1.
  public func unitInterval() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// `byteCount` random bytes in hexadecimal digits.
  public func hexadecimal(byteCount: Int) -> String {
    var digits = ""
    for _ in 0..<byteCount { digits += Self.pair(UInt8(truncatingIfNeeded: next() >> 32)) }
    return digits
  }

  private static func pair(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }
}

/// The operating system's randomness.
public struct SystemRandom: RandomSource {
  /// The system's generator.
  public init() {}

  /// 64 random bits.
  public func next() -> UInt64 { UInt64.random(in: .min ... .max) }
}

/// A generator whose numbers follow from its seed (SplitMix64).
public final class SeededRandom: RandomSource {
  private let state: Atomic<UInt64>

  /// The sequence of `seed`.
  public init(seed: UInt64) { state = Atomic(seed) }

  /// The next 64 bits of the sequence.
  public func next() -> UInt64 {
    Self.mixed(state.wrappingAdd(Self.increment, ordering: .relaxed).newValue)
  }

  /// What the state grows by from one number to the next.
  package static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The number that belongs to a state.
  package static func mixed(_ state: UInt64) -> UInt64 {
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
