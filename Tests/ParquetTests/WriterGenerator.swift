import Parquet
import TestSupport

/// Seeded random schemas and rows; the same seed gives the same ones on every machine.
struct WriterGenerator: RandomNumberGenerator {
  private var numbers: SeededNumbers

  init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

  mutating func next() -> UInt64 { numbers.next() }

  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(limit, 1))) }
  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  static let leafTypes: [LeafType] = [
    .boolean, .int32(bits: 8), .int32(bits: 16), .int32(bits: 32), .int64, .float, .double,
    .decimal(precision: 9, scale: 2), .decimal(precision: 1, scale: 1), .decimal(precision: 18, scale: 0),
    .decimal(precision: 10, scale: 10), .decimal(precision: 19, scale: 4), .decimal(precision: 38, scale: 9), .string,
    .json, .binary, .fixed(length: 5), .uuid, .date, .time(.milliseconds, isAdjustedToUTC: true),
    .time(.microseconds, isAdjustedToUTC: false), .time(.nanoseconds, isAdjustedToUTC: true),
    .timestamp(.milliseconds, isAdjustedToUTC: true), .timestamp(.microseconds, isAdjustedToUTC: true),
    .timestamp(.microseconds, isAdjustedToUTC: false), .timestamp(.nanoseconds, isAdjustedToUTC: true),
    .timestamp(.nanoseconds, isAdjustedToUTC: false)
  ]

  // MARK: - Schemas

  mutating func schema(fieldCount: Int, depth: Int) -> ParquetSchema {
    var identity = 0
    return ParquetSchema((0..<fieldCount).map { field("f\($0)", depth: depth, &identity) })
  }

  private mutating func field(_ name: String, depth: Int, _ identity: inout Int) -> ParquetField {
    identity += 1
    let fieldID = identity
    let isRequired = chance(35)
    let kind: ParquetField.Kind
    switch depth > 0 ? below(7) : 6 {
    case 0, 1: kind = .list(element: field("element", depth: depth - 1, &identity))
    case 2:
      let fields = (0...below(3)).map { field("g\($0)", depth: depth - 1, &identity) }
      kind = .group(fields)
    case 3:
      identity += 1
      let key = ParquetField(
        "key", .leaf(chance(50) ? .string : .int64), fieldID: identity, isRequired: true)
      kind = .map(key: key, value: field("value", depth: depth - 1, &identity))
    default: kind = .leaf(Self.leafTypes[below(Self.leafTypes.count)])
    }
    return ParquetField(name, kind, fieldID: fieldID, isRequired: isRequired)
  }

  // MARK: - Values

  /// How a column's values are drawn: from few or many, with few or many nulls.
  struct Style {
    var nullPercent: Int
    var isNarrow: Bool
  }

  mutating func style() -> Style { Style(nullPercent: [0, 0, 10, 50, 100][below(5)], isNarrow: chance(50)) }

  mutating func value(_ field: ParquetField, _ style: Style) -> WriterValue {
    if !field.isRequired, chance(style.nullPercent) { return .null }
    switch field.kind {
    case .leaf(let type): return leaf(type, style)
    case .group(let fields): return .group(fields.map { value($0, style) })
    case .list(let element): return .list((0..<below(chance(5) ? 40 : 4)).map { _ in value(element, style) })
    case .map(let key, let content):
      return .map((0..<below(4)).map { _ in (key: value(key, style), value: value(content, style)) })
    }
  }

  private mutating func leaf(_ type: LeafType, _ style: Style) -> WriterValue {
    switch type {
    case .boolean: return .boolean(chance(style.isNarrow ? 95 : 50))
    case .int32(let bits): return integer(-(1 << Int64(bits - 1))...(1 << Int64(bits - 1)) - 1, style)
    case .date: return integer(-719_162...2_932_896, style)
    case .time(.milliseconds, _): return integer(0...86_399_999, style)
    case .time(.microseconds, _): return integer(0...86_399_999_999, style)
    case .time(.nanoseconds, _): return integer(0...86_399_999_999_999, style)
    case .int64: return integer(Int64.min...Int64.max, style)
    case .timestamp(.milliseconds, _): return integer(-62_135_596_800_000...253_402_300_799_999, style)
    case .timestamp(.microseconds, _): return integer(-62_135_596_800_000_000...253_402_300_799_999_999, style)
    case .timestamp(.nanoseconds, _): return integer(-9_000_000_000_000_000_000...9_000_000_000_000_000_000, style)
    case .float: return .number(Double(Float(number(style))))
    case .double: return .number(number(style))
    case .decimal(let precision, _): return decimal(precision, style)
    case .string: return .bytes(text(style))
    case .json: return .bytes(Array("{\"a\":\(below(style.isNarrow ? 5 : 100_000))}".utf8))
    case .binary: return .bytes(bytes(below(style.isNarrow ? 2 : 40)))
    case .fixed(let length): return .bytes(bytes(length))
    case .uuid: return .bytes(bytes(16))
    default: return .null
    }
  }

  private mutating func integer(_ range: ClosedRange<Int64>, _ style: Style) -> WriterValue {
    if chance(3) { return .integer(range.lowerBound) }
    if chance(3) { return .integer(range.upperBound) }
    if style.isNarrow { return .integer(min(range.upperBound, max(range.lowerBound, Int64(below(20))))) }
    return .integer(Int64.random(in: range, using: &self))
  }

  private mutating func number(_ style: Style) -> Double {
    switch below(style.isNarrow ? 60 : 14) {
    case 0: return .nan
    case 1: return -0.0
    case 2: return 0.0
    case 3: return .infinity
    case 4: return -.infinity
    case 5: return Double(Float.greatestFiniteMagnitude)
    case 6: return -Double(Float.leastNonzeroMagnitude)
    default: return style.isNarrow ? Double(below(3000)) / 100 : Double.random(in: -1e9...1e9, using: &self)
    }
  }

  private mutating func decimal(_ precision: Int, _ style: Style) -> WriterValue {
    let limit = (0..<precision).reduce(Int128(1)) { power, _ in power * 10 } - 1
    if chance(5) { return .decimal(limit) }
    if chance(5) { return .decimal(-limit) }
    if style.isNarrow { return .decimal(Int128(below(19) - 9)) }
    let wide = Int128(Int64(bitPattern: next())) * Int128(next() >> 1)
    return .decimal(wide % (limit + 1))
  }

  private mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

  private mutating func text(_ style: Style) -> [UInt8] {
    if style.isNarrow { return Array("plant-\(below(12))".utf8) }
    if chance(10) { return [] }
    let alphabet: [Unicode.Scalar] = ["a", "b", "z", "ä", "€", "\u{D7FF}", "\u{10FFFF}", "😀", "\u{0}"]
    var view = String.UnicodeScalarView()
    for _ in 0..<below(chance(5) ? 300 : 20) { view.append(alphabet[below(alphabet.count)]) }
    return Array(String(view).utf8)
  }

  // MARK: - Options

  mutating func options() -> ParquetWriterOptions {
    var options = ParquetWriterOptions()
    options.compression = [.none, .snappy, .gzip(level: 6), .zstd(level: 3), .zstd(level: -1)][below(5)]
    options.pageRows = [1, 7, 100, 20_000][below(4)]
    options.pageBytes = [64, 4096, 1 << 20][below(3)]
    options.rowGroupRows = [1, 50, 333, 1 << 20][below(4)]
    options.rowGroupBytes = [2000, 128 << 20][below(2)]
    options.dataPageVersion = chance(50) ? .v1 : .v2
    options.usesDictionary = chance(75)
    options.dictionaryBytes = [0, 60, 2 << 20][below(3)]
    options.encodings = [.compatible, .all, .deltaBinaryPacked, [.deltaByteArray, .runLength]][below(4)]
    options.writesPageChecksums = chance(80)
    options.writesPageIndex = chance(80)
    options.statisticsBytes = [1, 8, 64][below(3)]
    options.keyValues = ["number": "\(next())"]
    return options
  }
}
