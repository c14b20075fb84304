import Glibc

/// What writing and committing need of their surroundings: the time, pauses, chance, a place for files that are being
/// written. Tests put their own in its place.
public struct CommitEnvironment: Sendable {
  /// The time: milliseconds since the epoch.
  public var nowMilliseconds: @Sendable () -> Int64
  /// Waits so many milliseconds; throws when the task is cancelled.
  public var sleep: @Sendable (_ milliseconds: Int64) async throws -> Void
  /// 64 random bits.
  public var random: @Sendable () -> UInt64
  /// Where data files are until a table's store has them.
  public var scratch: any ScratchFiles

  /// Surroundings of the caller's making.
  public init(
    nowMilliseconds: @escaping @Sendable () -> Int64,
    sleep: @escaping @Sendable (_ milliseconds: Int64) async throws -> Void,
    random: @escaping @Sendable () -> UInt64, scratch: any ScratchFiles = LocalScratchFiles()
  ) {
    self.nowMilliseconds = nowMilliseconds
    self.sleep = sleep
    self.random = random
    self.scratch = scratch
  }

  /// The system's clock and generator.
  public static let system = CommitEnvironment(
    nowMilliseconds: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    },
    sleep: { try await Task.sleep(for: .milliseconds($0)) },
    random: { UInt64.random(in: .min ... .max) })

  /// A random UUID, version 4, as text.
  public func makeUUID() -> String {
    let high = random() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
    let low = random() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    func hex(_ value: UInt64, _ digits: Int) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: digits - text.count) + text
    }
    return [
      hex(high >> 32, 8), hex(high >> 16 & 0xFFFF, 4), hex(high & 0xFFFF, 4), hex(low >> 48, 4),
      hex(low & 0xFFFF_FFFF_FFFF, 12)
    ].joined(separator: "-")
  }

  /// The 16 bytes that separate the blocks of an Avro file.
  func makeAvroMarker() -> [UInt8] {
    [random(), random()].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
  }

  /// A snapshot id that is not among `taken`: random and positive (Iceberg specification, Appendix F).
  public func makeSnapshotID(notIn taken: some Collection<Int64>) -> Int64 {
    let taken = Set(taken)
    while true {
      let candidate = Int64(bitPattern: random() & UInt64(Int64.max))
      if candidate > 0, !taken.contains(candidate) { return candidate }
    }
  }
}
