import Columnar

/// A pattern of `to_timestamp(text, text)` and `to_date`: how a text is read as a time.
///
/// Numbers may be shorter than their field unless another number follows; white space and separators of the text may
/// be more than the pattern has, as in PostgreSQL.
struct TimePattern: Sendable {
  enum Field: Hashable, Sendable {
    case year, month, monthName, monthAbbreviation, day, dayOfYear, dayName, dayAbbreviation
    case hour, hour12, minute, second, secondOfDay, fraction, meridiem, dottedMeridiem, zoneHour, zoneMinute
    case quarter, julianDay

    var isDigits: Bool {
      switch self {
      case .monthName, .monthAbbreviation, .dayName, .dayAbbreviation, .meridiem, .dottedMeridiem, .zoneHour: false
      default: true
      }
    }
  }

  private enum Part: Hashable, Sendable {
    /// A field: its name in the pattern, how many digits it has, and whether it takes as many digits as there are.
    case field(Field, name: String, width: Int, takesAll: Bool)
    case separator
    case character(isDigit: Bool)

    /// Whether the part stands for digits.
    var isDigits: Bool {
      switch self {
      case .separator: false
      case .character(let isDigit): isDigit
      case .field(let field, let name, _, _): field.isDigits && !name.hasPrefix("FF") && !name.hasPrefix("ff")
      }
    }
  }

  private var parts: [Part] = []
  private static let maximumBytes = 1000

  /// The words of patterns, longer ones before their prefixes. Those without a field are only for writing.
  private static let words: [(name: String, field: Field?, width: Int)] = [
    ("SSSSS", .secondOfDay, 5), ("SSSS", .secondOfDay, 4), ("MONTH", .monthName, 0), ("Month", .monthName, 0),
    ("HH24", .hour, 2), ("HH12", .hour12, 2), ("YYYY", .year, 4), ("A.M.", .dottedMeridiem, 0),
    ("P.M.", .dottedMeridiem, 0), ("IYYY", nil, 0), ("Y,YYY", nil, 0), ("DAY", .dayName, 0), ("Day", .dayName, 0),
    ("DDD", .dayOfYear, 3), ("FF1", .fraction, 1), ("FF2", .fraction, 2), ("FF3", .fraction, 3),
    ("FF4", .fraction, 4), ("FF5", .fraction, 5), ("FF6", .fraction, 6), ("IDDD", nil, 0), ("IYY", nil, 0),
    ("MON", .monthAbbreviation, 0), ("Mon", .monthAbbreviation, 0), ("TZH", .zoneHour, 2), ("TZM", .zoneMinute, 2),
    ("YYY", .year, 3), ("A.D.", nil, 0), ("B.C.", nil, 0), ("AD", nil, 0), ("AM", .meridiem, 0), ("BC", nil, 0),
    ("CC", nil, 0), ("DD", .day, 2), ("DY", .dayAbbreviation, 0), ("Dy", .dayAbbreviation, 0), ("FX", nil, 0),
    ("HH", .hour12, 2), ("ID", nil, 0), ("IW", nil, 0), ("IY", nil, 0), ("MI", .minute, 2), ("MM", .month, 2),
    ("MS", .fraction, 3), ("OF", nil, 0), ("PM", .meridiem, 0), ("RM", nil, 0), ("SS", .second, 2), ("TZ", nil, 0),
    ("US", .fraction, 6), ("WW", nil, 0), ("YY", .year, 2), ("TM", nil, 0), ("D", nil, 0), ("I", nil, 0),
    ("J", .julianDay, 0), ("Q", .quarter, 1), ("W", nil, 0), ("Y", .year, 1)
  ]

  /// Reads a pattern.
  init(_ pattern: Bytes) throws(RowError) {
    guard pattern.count <= Self.maximumBytes else {
      throw RowError("the pattern of a time has more than \(Self.maximumBytes) bytes")
    }
    var rest = pattern
    var isFilled = true
    while let byte = rest.first {
      if byte == UInt8(ascii: "\"") {
        rest.removeFirst()
        while var quoted = rest.popFirst(), quoted != UInt8(ascii: "\"") {
          if quoted == UInt8(ascii: "\\") { quoted = rest.popFirst() ?? quoted }
          add(quoted, canSeparate: false)
        }
      } else if Self.begins(rest, with: "FM") {
        isFilled = false
        rest = rest.dropFirst(2)
      } else if let word = (Self.words.first { Self.begins(rest, with: $0.name) }) {
        let name = String(decoding: rest.prefix(word.name.utf8.count), as: UTF8.self)
        rest = rest.dropFirst(word.name.utf8.count)
        let isOrdinal = Self.begins(rest, with: "TH")
        guard let field = word.field, !isOrdinal else {
          throw RowError("to_timestamp and to_date do not support the pattern \"\(name)\(isOrdinal ? "TH" : "")\"")
        }
        parts.append(.field(field, name: name, width: word.width, takesAll: !isFilled))
        isFilled = true
      } else {
        // A backslash quotes a quotation mark.
        if byte == UInt8(ascii: "\\"), rest.dropFirst().first == UInt8(ascii: "\"") { rest.removeFirst() }
        add(rest.removeFirst(), canSeparate: true)
      }
    }
    for (index, part) in parts.enumerated() {
      guard case .field(let field, let name, let width, _) = part else { continue }
      if index + 1 == parts.count || !parts[index + 1].isDigits {
        parts[index] = .field(field, name: name, width: width, takesAll: true)
      }
    }
  }

  /// Whether the bytes begin with the word as it is, or in lower case.
  private static func begins(_ bytes: Bytes, with word: String) -> Bool {
    bytes.starts(with: word.utf8) || bytes.starts(with: word.lowercased().utf8)
  }

  /// Adds a byte that is no field; a character of several bytes counts once.
  private mutating func add(_ byte: UInt8, canSeparate: Bool) {
    if byte & 0xC0 == 0x80 { return }
    let isSeparator = Self.isSpace(byte) || Self.isSeparator(byte)
    parts.append(canSeparate && isSeparator ? .separator : .character(isDigit: Self.isDigit(byte)))
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }
  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && !isDigit(byte) && !(byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
  }

  // MARK: Reading

  /// The time that a text has, in microseconds since the epoch, UTC.
  func time(_ text: Bytes) throws(RowError) -> Int64 {
    let fields = try fields(of: text)
    let outOfRange = RowError("date/time field value out of range: \"\(text.string)\"")
    guard let date = try fields.date(outOfRange), let clock = try fields.clock(outOfRange),
      let local = CivilDateTime(date: date, microsecondOfDay: clock).microseconds
    else { throw outOfRange }
    let (result, overflow) = local.subtractingReportingOverflow(try fields.zoneOffset(outOfRange))
    if overflow { throw outOfRange }
    return result
  }

  /// The day that a text has, in days since the epoch.
  func day(_ text: Bytes) throws(RowError) -> Int64 {
    let outOfRange = RowError("date/time field value out of range: \"\(text.string)\"")
    let fields = try fields(of: text)
    guard let date = try fields.date(outOfRange), try fields.clock(outOfRange) != nil else { throw outOfRange }
    return date.daysSinceEpoch
  }

  private func fields(of text: Bytes) throws(RowError) -> TimePatternFields {
    var fields = TimePatternFields()
    var rest = text
    // White space that was skipped beyond what the pattern asks for.
    var skipped = 0
    func skipSpaces() {
      while let byte = rest.first, Self.isSpace(byte) {
        rest.removeFirst()
        skipped += 1
      }
    }
    for (index, part) in parts.enumerated() {
      guard !rest.isEmpty else { break }
      if case .field = part { skipSpaces() } else if index == 0 { skipSpaces() }
      switch part {
      case .separator:
        skipped -= 1
        if let byte = rest.first, Self.isSpace(byte) || Self.isSeparator(byte) {
          rest.removeFirst()
          skipped += 1
        }
      case .character:
        if skipped > 0 {
          skipped -= 1
        } else if rest.popFirst() != nil {
          while let byte = rest.first, byte & 0xC0 == 0x80 { rest.removeFirst() }
        }
      case .field(let field, let name, let width, let takesAll):
        if field == .zoneHour {
          let isMinus = try zoneSign(&rest, text, skipped)
          try fields.set(.zoneSign, isMinus ? -1 : 1, name)
        }
        try read(field, name, width, takesAll, &rest, &fields)
        skipped = 0
        skipSpaces()
      }
    }
    return fields
  }

  /// The sign before a zone's hours, which may have been taken for a separator.
  private func zoneSign(_ rest: inout Bytes, _ text: Bytes, _ skipped: Int) throws(RowError) -> Bool {
    if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") || sign == 0x20 {
      rest.removeFirst()
      return sign == UInt8(ascii: "-")
    }
    return skipped > 0 && rest.startIndex > text.startIndex && text[rest.startIndex - 1] == UInt8(ascii: "-")
  }

  private func read(
    _ field: Field, _ name: String, _ width: Int, _ takesAll: Bool, _ rest: inout Bytes,
    _ fields: inout TimePatternFields
  ) throws(RowError) {
    switch field {
    case .monthName: try fields.set(.month, Self.word(TimeNames.months, name, &rest) + 1, name)
    case .monthAbbreviation: try fields.set(.month, Self.word(TimeNames.abbreviatedMonths, name, &rest) + 1, name)
    // The day of the week is checked to be one, and says nothing beside the date.
    case .dayName: _ = try Self.word(TimeNames.days, name, &rest)
    case .dayAbbreviation: _ = try Self.word(TimeNames.days.map { String($0.prefix(3)) }, name, &rest)
    case .meridiem: try fields.set(.meridiem, Self.word(["am", "pm"], name, &rest) + 1, name)
    case .dottedMeridiem: try fields.set(.meridiem, Self.word(["a.m.", "p.m."], name, &rest) + 1, name)
    default:
      let (value, length) = try Self.integer(name, width, takesAll, &rest)
      try fields.set(field, value, length: length, width: width, name)
    }
  }

  /// The index of the word that the text begins with, in any case.
  private static func word(_ words: [String], _ name: String, _ rest: inout Bytes) throws(RowError) -> Int {
    let lower = rest.prefix(16).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
    guard let index = words.firstIndex(where: { lower.starts(with: $0.lowercased().utf8) }) else {
      throw RowError("invalid value \"\(rest.prefix(16).string)\" for \"\(name)\"")
    }
    rest = rest.dropFirst(words[index].utf8.count)
    return index
  }

  /// A number, and how many bytes it took.
  private static func integer(
    _ name: String, _ width: Int, _ takesAll: Bool, _ rest: inout Bytes
  ) throws(RowError) -> (Int, length: Int) {
    let start = rest.startIndex
    while let byte = rest.first, isSpace(byte) { rest.removeFirst() }
    if !takesAll && rest.count < width {
      throw RowError("source string too short for \"\(name)\" formatting field")
    }
    let digits = takesAll ? rest : rest.prefix(width)
    var body = digits
    let sign = body.first
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { body.removeFirst() }
    let shown = body.prefix { isDigit($0) }
    let end = shown.isEmpty ? rest.startIndex : shown.endIndex
    guard !shown.isEmpty, takesAll || end == digits.endIndex else {
      throw RowError("invalid value \"\(digits.prefix(16).string)\" for \"\(name)\"")
    }
    var value = 0
    for digit in shown {
      value = value * 10 + Int(digit - 0x30)
      if value > Int(Int32.max) { throw RowError("value for \"\(name)\" in source string is out of range") }
    }
    rest = rest[end...]
    return (sign == UInt8(ascii: "-") ? -value : value, end - start)
  }
}
