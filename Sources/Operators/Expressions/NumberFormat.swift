import Columnar

/// A pattern of `to_char` for numbers: `9 0 . , D G S MI PL SG PR FM` and text.
struct NumberFormat: Sendable {
  /// A part of the pattern.
  private enum Part: Hashable, Sendable {
    case nine, zero, point, comma, plus, minus, sign
    case text([UInt8])
  }

  /// Where `S` stands.
  private enum SignPlace { case none, before, after }

  private var parts: [Part] = []
  /// Digits before and after the point.
  private var integralDigits = 0
  private var fractionDigits = 0
  private var hasPoint = false
  private var isFilled = true
  private var isBracketed = false
  private var hasPlus = false
  private var hasMinus = false
  private var signPlace = SignPlace.none
  /// How many digits stand before `S`.
  private var digitsBeforeSign = 0
  /// The position of the first `0` among the digits, and the one behind the last.
  private var zeroStart: Int?
  private var zeroEnd = 0

  /// The longest pattern in bytes.
  private static let maximumBytes = 1000
  private static let keywords: [(word: String, part: Part?)] = [
    ("9", .nine), ("0", .zero), (".", .point), ("D", .point), (",", .comma), ("G", .comma), ("PL", .plus),
    ("MI", .minus), ("SG", .sign), ("FM", nil), ("PR", nil), ("S", nil)
  ]
  private static let unsupported = ["EEEE", "RN", "TH", "SP", "B", "C", "L", "V"]

  /// Reads a pattern.
  init(_ pattern: Bytes) throws(RowError) {
    guard pattern.count <= Self.maximumBytes else {
      throw RowError("the pattern of to_char has more than \(Self.maximumBytes) bytes")
    }
    var rest = pattern
    while let byte = rest.first {
      if byte == UInt8(ascii: "\"") {
        quoted(&rest)
      } else if let word = (Self.unsupported.first { Self.matches(rest, $0) }) {
        throw RowError("to_char does not support the pattern \"\(word)\" for numbers")
      } else if let keyword = (Self.keywords.first { Self.matches(rest, $0.word) }) {
        rest = rest.dropFirst(keyword.word.utf8.count)
        try add(keyword.word, keyword.part)
      } else {
        // A backslash quotes a quotation mark.
        if byte == UInt8(ascii: "\\"), rest.dropFirst().first == UInt8(ascii: "\"") { rest.removeFirst() }
        parts.append(.text([rest.removeFirst()]))
      }
    }
    if signPlace == .before && digitsBeforeSign == integralDigits { signPlace = .after }
  }

  /// Whether the bytes begin with the word, all in upper or all in lower case.
  private static func matches(_ bytes: Bytes, _ word: String) -> Bool {
    bytes.starts(with: word.utf8) || bytes.starts(with: word.lowercased().utf8)
  }

  private mutating func quoted(_ rest: inout Bytes) {
    rest.removeFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
      text.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
    }
    parts.append(.text(text))
  }

  private mutating func add(_ word: String, _ part: Part?) throws(RowError) {
    let mixed = RowError("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together")
    switch word {
    case "9", "0":
      if isBracketed { throw RowError("\"\(word)\" must be ahead of \"PR\"") }
      if word == "0" && zeroStart == nil && !hasPoint { zeroStart = integralDigits }
      if hasPoint { fractionDigits += 1 } else { integralDigits += 1 }
      if word == "0" { zeroEnd = integralDigits + fractionDigits }
    case ".", "D":
      if hasPoint { throw RowError("multiple decimal points") }
      hasPoint = true
    case "FM": isFilled = false
    case "S":
      if signPlace != .none && !hasPoint { throw RowError("cannot use \"S\" twice") }
      if hasPlus || hasMinus || isBracketed { throw mixed }
      if !hasPoint {
        (signPlace, digitsBeforeSign) = (.before, integralDigits)
      } else if signPlace == .none {
        signPlace = .after
      }
    case "PL", "MI", "SG":
      if signPlace != .none { throw mixed }
      hasPlus = hasPlus || word != "MI"
      hasMinus = hasMinus || word != "PL"
    case "PR":
      if signPlace != .none || hasPlus || hasMinus {
        throw RowError("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together")
      }
      isBracketed = true
    default: break
    }
    if let part { parts.append(part) }
  }

  // MARK: Writing

  /// What is known while a number is written.
  private struct Writer {
    var output: [UInt8] = []
    /// The number's digits and its point, and how many are written.
    let digits: [UInt8]
    let isNegative: Bool
    var position = 0
    /// How many of the pattern's digits the number does not need.
    let leading: Int
    /// The index of the last digit that must be shown; absent when all are.
    var lastRelevant: Int?
    var isSignWritten: Bool
    var isInNumber = false
    var isEnded = false
    /// The pattern's digits and points that have been passed, and how many there are.
    var current = 0
    var count: Int
    let isBracketed: Bool

    var digit: UInt8? { position < digits.count ? digits[position] : nil }
    /// The last digit that is to be shown is the point itself.
    var endsWithPoint: Bool { lastRelevant.map { digits[$0] == UInt8(ascii: ".") } ?? false }
  }

  /// The text of an integer.
  func text(_ value: Int64) -> Bytes {
    var digits = Array(String(value.magnitude).utf8)
    if fractionDigits > 0 {
      digits.append(UInt8(ascii: "."))
      digits += [UInt8](repeating: UInt8(ascii: "0"), count: fractionDigits)
    }
    return text(digits: digits, isNegative: value < 0)
  }

  /// The text of a numeric.
  func text(_ value: Numeric) throws(RowError) -> Bytes {
    if value.isNaN { return text(digits: Array("NaN".utf8), isNegative: false) }
    guard let rounded = Int(value.scale) > fractionDigits ? value.rescaled(to: fractionDigits) : value else {
      throw NumericArithmetic.overflow
    }
    var digits: [UInt8] = []
    Numeric(unscaled: abs(rounded.unscaled), scale: rounded.scale).appendText(to: &digits)
    let missing = fractionDigits - Int(rounded.scale)
    if missing > 0 {
      if rounded.scale == 0 { digits.append(UInt8(ascii: ".")) }
      digits += [UInt8](repeating: UInt8(ascii: "0"), count: missing)
    }
    return text(digits: digits, isNegative: rounded.unscaled < 0)
  }

  /// The text of a floating-point number, of which `significant` digits (15 for a double, 6 for a real) are known.
  func text(_ value: Double, significant: Int) -> Bytes {
    guard value.isFinite else {
      return text(digits: Array((value.isNaN ? "NaN" : "Infinity").utf8), isNegative: value < 0)
    }
    let integral = FloatText.fixed(value.magnitude, digits: 0).count
    var format = self
    format.fractionDigits = min(fractionDigits, max(significant - integral, 0))
    let digits = FloatText.fixed(value.magnitude, digits: format.fractionDigits)
    return format.text(digits: digits, isNegative: value.sign == .minus)
  }

  /// The text of a number, given as its digits with those after the point that the pattern asks for.
  private func text(digits: [UInt8], isNegative: Bool) -> Bytes {
    let integral = digits.firstIndex(of: UInt8(ascii: ".")) ?? digits.count
    var shown = digits
    if integral > integralDigits {
      // The number does not fit.
      shown = [UInt8](repeating: UInt8(ascii: "#"), count: integralDigits + fractionDigits + 1)
      shown[integralDigits] = UInt8(ascii: ".")
    }
    let leading = max(integralDigits - integral, 0)
    let isSignSeparate = hasPlus || hasMinus
    let isSignWritten =
      isSignSeparate ? hasMinus : !isNegative && !isFilled && signPlace == .none
    var writer = Writer(
      digits: shown, isNegative: isNegative, leading: leading,
      lastRelevant: !isFilled && hasPoint ? lastRelevant(shown, leading) : nil,
      isSignWritten: isSignWritten, count: fractionDigits + integralDigits - 1,
      isBracketed: isBracketed && (isFilled || isNegative))
    if !isSignWritten && leading == 0 { writer.count += 1 }
    for part in parts where !writer.isEnded { write(part, &writer) }
    return Bytes(writer.output)
  }

  /// The last digit after the point that is not zero, or that the pattern wants in any case.
  private func lastRelevant(_ digits: [UInt8], _ leading: Int) -> Int? {
    guard let point = digits.firstIndex(of: UInt8(ascii: ".")) else { return nil }
    let last = digits.lastIndex { $0 != UInt8(ascii: "0") } ?? point
    guard zeroEnd > leading else { return max(last, point) }
    return max(last, point, min(digits.count - 1, zeroEnd - leading))
  }

  private func write(_ part: Part, _ writer: inout Writer) {
    let sign = UInt8(ascii: writer.isNegative ? "-" : "+")
    switch part {
    case .text(let bytes): writer.output += bytes
    case .nine, .zero, .point: writeDigit(part, &writer)
    case .comma:
      if writer.isInNumber {
        writer.output.append(UInt8(ascii: ","))
      } else if isFilled {
        writer.output.append(UInt8(ascii: " "))
      }
    case .sign: writer.output.append(sign)
    case .plus, .minus:
      if writer.isNegative == (part == .minus) {
        writer.output.append(sign)
      } else if isFilled {
        writer.output.append(UInt8(ascii: " "))
      }
    }
  }

  /// A zero before the point that is left out: `0.5` by the pattern `9.9`.
  private func isZeroBeforePoint(_ writer: Writer) -> Bool {
    zeroStart == nil && writer.position == 0 && writer.digit == UInt8(ascii: "0") && fractionDigits > 0
  }

  private func writeSign(_ writer: inout Writer) {
    let space = UInt8(ascii: " ")
    switch signPlace {
    case .before:
      writer.output.append(UInt8(ascii: writer.isNegative ? "-" : "+"))
      writer.isSignWritten = true
    case .after: break
    case .none:
      if writer.isBracketed {
        writer.output.append(writer.isNegative ? UInt8(ascii: "<") : space)
      } else if writer.isNegative {
        writer.output.append(UInt8(ascii: "-"))
      } else if isFilled {
        writer.output.append(space)
      }
      writer.isSignWritten = true
    }
  }

  /// A digit's place or the point: with the sign before the first that is written and after the last.
  private func writeDigit(_ part: Part, _ writer: inout Writer) {
    let isZeroDue = zeroStart.map { $0 <= writer.current } ?? false
    if !writer.isSignWritten, writer.current >= writer.leading || zeroStart == writer.current,
      !isZeroBeforePoint(writer) || writer.endsWithPoint
    {
      writeSign(&writer)
    }
    if writer.current < writer.leading {
      if isZeroDue {
        writer.output.append(UInt8(ascii: "0"))
        writer.isInNumber = true
      } else if isFilled {
        writer.output.append(UInt8(ascii: " "))
      }
    } else {
      writeNumber(part, &writer)
      if writer.position < writer.digits.count { writer.position += 1 }
    }
    var end = writer.count + (writer.leading > 0 ? 1 : 0) + (hasPoint ? 1 : 0)
    if writer.lastRelevant == writer.position { end = writer.current }
    if writer.current + 1 == end {
      if writer.isSignWritten && writer.isBracketed {
        writer.output.append(UInt8(ascii: writer.isNegative ? ">" : " "))
      } else if signPlace == .after {
        writer.output.append(UInt8(ascii: writer.isNegative ? "-" : "+"))
      }
    }
    writer.current += 1
  }

  private func writeNumber(_ part: Part, _ writer: inout Writer) {
    if writer.digit == UInt8(ascii: ".") {
      if !writer.endsWithPoint || !isFilled { writer.output.append(UInt8(ascii: ".")) }
    } else if let last = writer.lastRelevant, writer.position > last, part != .zero {
      // A zero that says nothing.
    } else if isZeroBeforePoint(writer) {
      if isFilled {
        writer.output.append(UInt8(ascii: " "))
      } else if writer.endsWithPoint {
        writer.output.append(UInt8(ascii: "0"))
      }
    } else if let digit = writer.digit {
      writer.output.append(digit)
      writer.isInNumber = true
    } else {
      // A floating-point number has no more digits to show, and PostgreSQL's text ends here.
      writer.isEnded = true
    }
  }
}
