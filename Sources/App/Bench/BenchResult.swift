#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a run found: compared, so that nothing is measured that is not correct.
package struct BenchResult: Hashable, Sendable {
  /// Events read.
  package var events: Int
  /// Result rows.
  package var rows: Int
  /// Sums of the checked columns; empty when a run does not tell.
  package var sums: [Double]
  /// The most memory at once, in bytes, when the program tells.
  package var peakBytes: Int?

  /// A result.
  package init(events: Int, rows: Int, sums: [Double], peakBytes: Int? = nil) {
    self.events = events
    self.rows = rows
    self.sums = sums
    self.peakBytes = peakBytes
  }

  private struct Baseline: Decodable {
    let events: Int
    let rows: Int
    let sums: [Double]
    let peakBytes: Int
  }

  private struct Summary: Decodable {
    let rowsIn: Int
    let rowsOut: [String: Int]
  }

  /// Reads the line of the C program from its output.
  package init?(baseline output: String) {
    guard let found = Self.lastObject(Baseline.self, in: output) else { return nil }
    self.init(events: found.events, rows: found.rows, sums: found.sums, peakBytes: found.peakBytes)
  }

  /// Reads the summary of `weir run --until-end` from its output; other lines may stand before it.
  package init?(summary output: String) {
    guard let found = Self.lastObject(Summary.self, in: output) else { return nil }
    self.init(events: found.rowsIn, rows: found.rowsOut["results"] ?? 0, sums: [])
  }

  private static func lastObject<Value: Decodable>(_ type: Value.Type, in output: String) -> Value? {
    guard let line = output.split(separator: "\n").last(where: { $0.hasPrefix("{") }) else { return nil }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try? decoder.decode(type, from: Data(line.utf8))
  }

  /// What is wrong with this result, if `expected` is right; events are not compared when `isDigest`, because a digest of
  /// rows does not know them. Sums may differ by the order in which they were added up.
  package func problem(expected: BenchResult, isDigest: Bool = false) -> String? {
    if !isDigest, events != expected.events { return "\(events) events were read, expected \(expected.events)" }
    if rows != expected.rows { return "\(rows) result rows, expected \(expected.rows)" }
    for (index, (sum, other)) in zip(sums, expected.sums).enumerated()
    where !((sum - other).magnitude <= 1e-9 * max(1, other.magnitude)) {
      return "sum \(index + 1) of the results is \(sum), expected \(other)"
    }
    return nil
  }
}
