/// Random ids of snapshots.
public enum SnapshotID {
  /// A random positive id that is not among `taken` (Iceberg specification, Appendix F).
  public static func random(notIn taken: some Collection<Int64>) -> Int64 {
    var generator = SystemRandomNumberGenerator()
    return random(notIn: taken, using: &generator)
  }

  /// A random positive id that is not among `taken`.
  public static func random(
    notIn taken: some Collection<Int64>, using generator: inout some RandomNumberGenerator
  ) -> Int64 {
    let taken = Set(taken)
    while true {
      let candidate = Int64.random(in: 1...Int64.max, using: &generator)
      if !taken.contains(candidate) { return candidate }
    }
  }
}

/// Random UUIDs as text (RFC 9562).
public enum RandomUUID {
  /// Version 4: random.
  public static func version4() -> String {
    text(UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max), version: 4)
  }

  /// Version 7: ordered by time.
  ///
  /// - Parameter milliseconds: since the epoch.
  public static func version7(milliseconds: Int64) -> String {
    let high = UInt64(truncatingIfNeeded: milliseconds) << 16 | UInt64.random(in: 0...0xFFFF)
    return text(high, UInt64.random(in: .min ... .max), version: 7)
  }

  private static func text(_ high: UInt64, _ low: UInt64, version: UInt64) -> String {
    let high = high & ~0xF000 | version << 12
    let low = low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    func hexadecimal(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let digits = Array((hexadecimal(high) + hexadecimal(low)).utf8)
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
    return groups.map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
  }
}
