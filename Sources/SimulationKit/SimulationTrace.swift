/// What happened in a run, line by line, with a digest that shows whether two runs were the same.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only, like its ``SimulatedWorld``.
public final class SimulationTrace: @unchecked Sendable {
  /// A digest of all lines (64-bit FNV-1a).
  public private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  /// How many lines there were.
  public private(set) var count = 0
  /// The last lines, or all of them.
  public var lines: [String] { keepsAll ? kept : Array(kept[next...] + kept[..<next]) }

  private var kept: [String] = []
  private var next = 0
  private let limit: Int
  private let isKeeping: Bool
  private var keepsAll: Bool { limit == .max || kept.count < limit }

  /// A trace that keeps the last `limit` lines; 0 keeps none and does not even spell them out.
  public init(keeping limit: Int = 0) {
    self.limit = limit
    isKeeping = limit > 0
  }

  func add(at time: Int64, _ line: () -> String) {
    count += 1
    guard isKeeping else { return }
    let text = "\(Self.seconds(time)) \(line())"
    for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
    if keepsAll {
      kept.append(text)
    } else {
      kept[next] = text
      next = (next + 1) % limit
    }
  }

  private static func seconds(_ time: Int64) -> String {
    let fraction = String(time % 1_000_000_000)
    return "\(time / 1_000_000_000).\(String(repeating: "0", count: 9 - fraction.count))\(fraction)"
  }
}
