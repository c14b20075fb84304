extension FuzzTarget {
  private static func isTrigger(_ bytes: [UInt8]) -> Bool { bytes.count > 2 && bytes[0] == 0x21 }

  /// Targets with faults, which the driver must find, survive and report; tests run them by name.
  public static let selfTests: [FuzzTarget] = [
    FuzzTarget("selftest-failure", dictionary: ["!"], seeds: { [[1, 2, 3]] }) {
      try require(!isTrigger($0), "expected no exclamation mark")
    },
    FuzzTarget("selftest-crash", dictionary: ["!"], seeds: { [[1, 2, 3]] }) {
      precondition(!isTrigger($0), "an exclamation mark")
    },
    FuzzTarget("selftest-hang", dictionary: ["!"], seeds: { [[1, 2, 3]] }) { bytes in
      var count: UInt64 = 0
      while isTrigger(bytes), count < .max { count &+= bytes[1] == bytes[1] ? 2 : 1 }
    },
    FuzzTarget("selftest-memory", memory: (base: 16 << 20, perByte: 16), dictionary: ["!"], seeds: { [[1, 2, 3]] }) {
      let taken = [UInt8](repeating: $0.last ?? 0, count: isTrigger($0) ? 64 << 20 : 64)
      try require(taken.last == $0.last ?? 0, "expected the byte that was stored")
    },
    FuzzTarget(
      "selftest-waiting", memory: (base: 16 << 20, perByte: 16), dictionary: ["!"], seeds: { [[1, 2, 3]] },
      check: { bytes in try CallingThread.run { try await takeElsewhere(bytes) } })
  ]

  /// Takes memory in an actor that a child task calls.
  private static func takeElsewhere(_ bytes: [UInt8]) async throws {
    async let last = Taker().take(bytes.last ?? 0, isTrigger(bytes) ? 64 << 20 : 64)
    try require(await last == bytes.last ?? 0, "expected the byte that was stored")
  }

  private actor Taker {
    func take(_ byte: UInt8, _ count: Int) async -> UInt8? {
      await Task.yield()
      return [UInt8](repeating: byte, count: count).last
    }
  }
}
