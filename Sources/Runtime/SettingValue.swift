/// What is wrong with a setting.
public struct SettingsError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One message per problem: what was expected, what came, where, what to do.
  public let problems: [String]

  /// An error about all that is wrong.
  public init(problems: [String]) { self.problems = problems }

  /// The problems, one a line.
  public var description: String { problems.joined(separator: "\n") }
}

/// How a setting is written, and what it may be.
public enum SettingKind: Hashable, Sendable {
  /// A whole number in this range.
  case count(ClosedRange<Int>)
  /// A duration such as `200ms`, `5s`, `2m`, in this range of nanoseconds.
  case duration(ClosedRange<Int64>)
  /// A size such as `64MiB`, in this range of bytes.
  case size(ClosedRange<Int>)
  /// A number with or without a fraction in this range.
  case number(ClosedRange<Double>)
  /// One of these words.
  case choice([String])
  /// Any text.
  case text
  /// A URL whose password is never shown.
  case url
  /// Text that is never shown.
  case secret

  /// The unit, as `weir config` prints it.
  public var unit: String {
    switch self {
    case .count: "count"
    case .duration: "duration"
    case .size: "bytes"
    case .number: "number"
    case .choice(let words): words.joined(separator: "|")
    case .text: "text"
    case .url: "url"
    case .secret: "secret"
    }
  }
}

/// Durations and sizes as people write them.
public enum UnitText {
  private static let durationUnits: [(suffix: String, nanoseconds: Int64)] = [
    ("ns", 1), ("us", 1000), ("µs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
    ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000)
  ]
  private static let sizeUnits: [(suffix: String, bytes: Int64)] = [
    ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("kB", 1000), ("KB", 1000),
    ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)
  ]

  /// Nanoseconds of `200ms`, `5s`, `1.5m`, `2h`; `nil` for anything else. A number without unit must be 0.
  public static func nanoseconds(_ text: some StringProtocol) -> Int64? {
    number(text, units: durationUnits.map { ($0.suffix, $0.nanoseconds) })
  }

  /// Bytes of `64MiB`, `10MB`, `512B`; `nil` for anything else. A number without unit counts bytes.
  public static func bytes(_ text: some StringProtocol) -> Int64? {
    number(text, units: sizeUnits.map { ($0.suffix, $0.bytes) }) ?? Int64(text).flatMap { $0 >= 0 ? $0 : nil }
  }

  /// The duration in the greatest unit that divides it.
  public static func duration(_ nanoseconds: Int64) -> String {
    let units: [(String, Int64)] = [
      ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
      ("ms", 1_000_000), ("us", 1000)
    ]
    return spelled(nanoseconds, units, least: "ns")
  }

  /// The size in the greatest binary unit that divides it.
  public static func size(_ bytes: Int64) -> String {
    spelled(bytes, [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)], least: "B")
  }

  private static func spelled(_ value: Int64, _ units: [(String, Int64)], least: String) -> String {
    if value == 0 { return "0" + least }
    for (suffix, factor) in units where value % factor == 0 { return "\(value / factor)\(suffix)" }
    return "\(value)\(least)"
  }

  private static func number(_ text: some StringProtocol, units: [(String, Int64)]) -> Int64? {
    if text == "0" { return 0 }
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = text[digits.endIndex...].trimmingPrefix { $0 == " " }
    guard let factor = units.first(where: { $0.0 == suffix })?.1 else { return nil }
    if let whole = Int64(digits) {
      let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
      return overflow ? nil : product
    }
    guard let fraction = Double(digits), fraction.isFinite else { return nil }
    return Int64(exactly: (fraction * Double(factor)).rounded())
  }
}

/// The nearest of some names: for "did you mean".
enum NearestName {
  /// The candidate with the least edit distance to `name`, when it is at most a third of the name's length.
  static func find(_ name: String, in candidates: some Sequence<String>) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let distance = editDistance(Array(name.utf8), Array(candidate.utf8))
      if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(2, name.utf8.count / 3) else { return nil }
    return best.name
  }

  private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (index, byte) in left.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (column, other) in right.enumerated() {
        let substitution = diagonal + (byte == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(substitution, diagonal + 1, row[column] + 1)
      }
    }
    return row[right.count]
  }
}

/// Secrets in what is printed.
public enum Redaction {
  /// The URL, or the `key=value` connection string, with every password replaced by `***`.
  public static func url(_ text: String) -> String {
    var result = text
    if let scheme = text.firstRange(of: "://") {
      let authority = text[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
      // The last `@` ends the user's part: a password may contain others.
      if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
        result = String(text[...colon]) + "***" + String(text[at...])
      }
    }
    return parameters(result)
  }

  private static func parameters(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let key = rest.firstPasswordKey {
      result += rest[..<key.upperBound]
      rest = rest[key.upperBound...]
      if rest.first == "'" {
        rest = rest.dropFirst().drop { $0 != "'" }.dropFirst()
      } else {
        rest = rest.drop { $0 != "&" && $0 != " " }
      }
      result += "***"
    }
    return result + rest
  }
}

extension Substring {
  fileprivate var firstPasswordKey: Range<Substring.Index>? {
    ["password=", "passwd=", "secret="].compactMap { firstRange(of: $0) }.min { $0.lowerBound < $1.lowerBound }
  }
}
