import Actors
import Columnar
import Runtime

/// How the values of one generated column come about.
struct GeneratorColumn: Sendable {
  enum Kind: String, CaseIterable { case sequence, random, choice, timestamp, constant, now }

  /// What is rendered for a row.
  enum Rule: Sendable {
    /// `first`, `first` + 1, …, each number once over all partitions.
    case sequence(first: Int64, isQuoted: Bool)
    /// A whole number from `least` on, of `count`.
    case integer(least: Int64, count: UInt64)
    /// A number with two decimals; in hundredths.
    case hundredths(least: Int64, count: UInt64)
    case boolean
    /// `prefix` and a number of six digits below `count`.
    case name(prefix: [UInt8], count: UInt64)
    /// So many lower-case letters.
    case letters(Int)
    case uuid
    /// One of these, as JSON text.
    case choice([[UInt8]])
    /// The row's time, back by up to `disorder` microseconds.
    case timestamp(disorder: UInt64)
    /// The time at which the row is made.
    case now
    /// A date among the `count` days from `first` on (days since 1970).
    case date(first: Int64, count: UInt64)
  }

  /// `"name":`, ready to be copied.
  let label: [UInt8]
  let rule: Rule
  /// The share of NULLs, as a bound on 32 random bits.
  let nullBound: UInt64

  init(_ field: Field, _ options: SourceOptions) throws(SourceError) {
    var label: [UInt8] = []
    JSONText.appendString(field.name.utf8, to: &label)
    self.label = label + [UInt8(ascii: ":")]
    let prefix = "fields.\(field.name)."
    let ratio = try options.double(prefix + "null_ratio") ?? 0
    guard (0...1).contains(ratio) else { throw options.invalid(prefix + "null_ratio", expected: "from 0 to 1") }
    nullBound = UInt64(ratio * 4_294_967_296)
    let kind = try options.choice(prefix + "kind", default: Self.defaultKind(field, options, prefix))
    rule = try Self.rule(kind, field, options, prefix)
  }

  private static func defaultKind(_ field: Field, _ options: SourceOptions, _ prefix: String) -> Kind {
    if options.string(prefix + "values") != nil { return .choice }
    if options.string(prefix + "value") != nil { return .constant }
    return field.type == .timestamp || field.type == .timestamptz ? .timestamp : .random
  }

  private static func rule(_ kind: Kind, _ field: Field, _ options: SourceOptions, _ prefix: String)
    throws(SourceError) -> Rule
  {
    switch kind {
    case .sequence:
      let first = try options.integer(prefix + "min", in: -(1 << 62)...(1 << 62), default: 0)
      return .sequence(first: first, isQuoted: !isNumber(field.type))
    case .choice:
      let values = try options.required(prefix + "values", "the values, separated by commas")
      return .choice(
        values.split(separator: ",", omittingEmptySubsequences: false).map { json(String($0), field.type) })
    case .constant: return .choice([json(try options.required(prefix + "value", "the value"), field.type)])
    case .now, .timestamp:
      guard field.type == .timestamp || field.type == .timestamptz else {
        throw options.invalid(prefix + "kind", expected: "another one, because the column is \(field.type.sqlName)")
      }
      return kind == .now ? .now : .timestamp(disorder: UInt64(try options.duration(prefix + "disorder") ?? 0))
    case .random: return try random(field, options, prefix)
    }
  }

  private static func random(_ field: Field, _ options: SourceOptions, _ prefix: String) throws(SourceError) -> Rule {
    switch field.type {
    case .boolean: return .boolean
    case .integer, .bigint:
      let whole: ClosedRange<Int64> = field.type == .integer ? Int64(Int32.min)...Int64(Int32.max) : .min...Int64.max
      let least = try options.integer(prefix + "min", in: whole, default: 0)
      let count = UInt64(try options.integer(prefix + "cardinality", in: 1...Int64.max, default: 1000))
      let greatest = try options.integer(
        prefix + "max", in: whole, default: Int64(clamping: Int128(least) + Int128(count) - 1))
      guard greatest >= least else { throw options.invalid(prefix + "max", expected: "not below 'min'") }
      return .integer(least: least, count: UInt64(clamping: Int128(greatest) - Int128(least) + 1))
    case .real, .double, .numeric:
      let least = try options.double(prefix + "min") ?? 0
      let greatest = try options.double(prefix + "max") ?? max(100, least)
      guard greatest >= least, least.magnitude < 1e15, greatest.magnitude < 1e15 else {
        throw options.invalid(prefix + "max", expected: "not below 'min', and both below 1e15")
      }
      let first = Int64((least * 100).rounded())
      return .hundredths(least: first, count: UInt64(Int64((greatest * 100).rounded()) - first + 1))
    case .date:
      return .date(
        first: 20_454, count: UInt64(try options.integer(prefix + "cardinality", in: 1...100_000, default: 365)))
    case .uuid: return .uuid
    case .text, .bytea:
      if let length = try options.optionalInteger(prefix + "length", in: 0...1_000_000) { return .letters(Int(length)) }
      let count = try options.integer(prefix + "cardinality", in: 1...Int64.max, default: 1000)
      return .name(prefix: Array("\(field.name)-".utf8), count: UInt64(count))
    case .timestamp, .timestamptz: return .timestamp(disorder: UInt64(try options.duration(prefix + "disorder") ?? 0))
    case .interval, .jsonb:
      throw options.invalid(
        prefix + "kind", expected: "'choice' or 'constant' with values, because the column is \(field.type.sqlName)")
    }
  }

  private static func isNumber(_ type: DataType) -> Bool {
    switch type {
    case .integer, .bigint, .real, .double, .numeric: true
    default: false
    }
  }

  /// A value of the options as JSON text of the column's type.
  private static func json(_ value: String, _ type: DataType) -> [UInt8] {
    if type == .boolean || type == .jsonb { return Array(value.utf8) }
    var text: [UInt8] = []
    JSONText.appendString(value.utf8, to: &text)
    return text
  }
}

extension GeneratorColumn {
  /// The bits of a row and column, from a seed: the same for ever.
  static func mix(_ seed: UInt64, _ value: UInt64) -> UInt64 {
    var bits = seed &+ (value &+ 1) &* 0x9e37_79b9_7f4a_7c15
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }

  /// Appends `"name":value`.
  ///
  /// - Parameters:
  ///   - bits: random bits of this row and column.
  ///   - number: the row's number over all partitions.
  ///   - time: the row's time, in microseconds since the epoch.
  ///   - clock: only asked by the rule `now`.
  func append(to text: inout [UInt8], bits: UInt64, number: Int64, time: Int64, clock: any EngineClock) {
    text.append(contentsOf: label)
    if bits & 0xffff_ffff < nullBound {
      text.append(contentsOf: "null".utf8)
      return
    }
    let bits = Self.mix(bits, 0)
    switch rule {
    case .sequence(let first, let isQuoted):
      if isQuoted { text.append(UInt8(ascii: "\"")) }
      JSONText.appendInteger(first &+ number, to: &text)
      if isQuoted { text.append(UInt8(ascii: "\"")) }
    case .integer(let least, let count): JSONText.appendInteger(least &+ Int64(bitPattern: bits % count), to: &text)
    case .hundredths(let least, let count):
      JSONText.appendHundredths(least &+ Int64(bitPattern: bits % count), to: &text)
    case .boolean: text.append(contentsOf: (bits & 1 == 0 ? "false" : "true").utf8)
    case .choice(let values): text.append(contentsOf: values[Int(bits % UInt64(values.count))])
    case .timestamp(let disorder):
      let back = disorder == 0 ? 0 : Int64(bitPattern: bits % (disorder + 1))
      JSONText.appendTime(time &- back, to: &text)
    case .now: JSONText.appendTime(clock.wallMicroseconds(), to: &text)
    case .date(let first, let count): JSONText.appendDate(first + Int64(bitPattern: bits % count), to: &text)
    case .name, .letters, .uuid: appendText(bits, to: &text)
    }
  }

  private func appendText(_ bits: UInt64, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    switch rule {
    case .name(let prefix, let count):
      let number = bits % count
      text.append(contentsOf: prefix)
      var bound: UInt64 = 100_000
      while bound > max(number, 1) {
        text.append(UInt8(ascii: "0"))
        bound /= 10
      }
      JSONText.appendInteger(Int64(bitPattern: number), to: &text)
    case .letters(let count):
      var random = bits
      for index in 0..<count {
        if index & 7 == 0 { random = Self.mix(bits, UInt64(index)) }
        text.append(UInt8(ascii: "a") + UInt8(random & 0xff) % 26)
        random >>= 8
      }
    default: JSONText.appendUUID(bits, Self.mix(bits, 1), to: &text)
    }
    text.append(UInt8(ascii: "\""))
  }
}
