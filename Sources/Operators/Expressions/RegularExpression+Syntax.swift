/// A set of code points: ranges and classes, perhaps negated.
struct ScalarSet: Sendable {
  enum Class: Sendable {
    case digit, word, space, alpha, upper, lower, punct, alnum, xdigit, blank, cntrl, graph, print
  }

  var ranges: [ClosedRange<UInt32>] = []
  var classes: [(Class, isNegated: Bool)] = []
  var isNegated = false
  var excludesNewline = false

  func contains(_ scalar: Unicode.Scalar, ignoresCase: Bool) -> Bool {
    if excludesNewline && isNegated && scalar == "\n" { return false }
    var found = has(scalar)
    if !found && ignoresCase { found = has(CharacterCase.lower(scalar)) || has(CharacterCase.upper(scalar)) }
    return found != isNegated
  }

  private func has(_ scalar: Unicode.Scalar) -> Bool {
    ranges.contains { $0.contains(scalar.value) } || classes.contains { Self.test($0.0, scalar) != $0.isNegated }
  }

  static func test(_ kind: Class, _ scalar: Unicode.Scalar) -> Bool {
    let isASCII = scalar.isASCII
    let value = scalar.value
    switch kind {
    case .digit: return value >= 48 && value <= 57
    case .space, .blank: return kind == .blank ? value == 32 || value == 9 : value == 32 || (value >= 9 && value <= 13)
    case .alpha: return isASCII ? (value | 32) >= 97 && (value | 32) <= 122 : scalar.properties.isAlphabetic
    case .alnum: return test(.alpha, scalar) || test(.digit, scalar)
    case .word: return test(.alnum, scalar) || value == 95
    case .upper: return isASCII ? value >= 65 && value <= 90 : scalar.properties.isUppercase
    case .lower: return isASCII ? value >= 97 && value <= 122 : scalar.properties.isLowercase
    case .xdigit: return test(.digit, scalar) || ((value | 32) >= 97 && (value | 32) <= 102)
    case .cntrl: return value < 32 || value == 127
    case .graph: return value > 32 && value != 127
    case .print: return value >= 32 && value != 127
    case .punct: return isASCII && value > 32 && value < 127 && !test(.alnum, scalar)
    }
  }

  static func named(_ name: String) -> Class? {
    let names: [String: Class] = [
      "digit": .digit, "word": .word, "space": .space, "alpha": .alpha, "upper": .upper, "lower": .lower,
      "punct": .punct, "alnum": .alnum, "xdigit": .xdigit, "blank": .blank, "cntrl": .cntrl, "graph": .graph,
      "print": .print
    ]
    return names[name]
  }
}

/// The parts of a regular expression.
indirect enum RegularExpressionSyntax: Sendable {
  enum Assertion: Sendable { case start, end, lineStart, lineEnd, wordStart, wordEnd, boundary, noBoundary }

  case empty
  case scalar(Unicode.Scalar)
  case any
  case set(ScalarSet)
  case sequence([RegularExpressionSyntax])
  case alternatives([RegularExpressionSyntax])
  case group(RegularExpressionSyntax, Int?)
  case repetition(RegularExpressionSyntax, Int, Int?, isGreedy: Bool)
  case assertion(Assertion)
}

/// Reads PostgreSQL's advanced regular expressions, without back references and look-around.
struct RegularExpressionParser {
  private let pattern: [Unicode.Scalar]
  private var index = 0
  private(set) var groupCount = 0
  private(set) var hasLazy = false
  var ignoresCase: Bool
  var isNewlineSensitive: Bool
  private var depth = 0

  init(_ pattern: String, ignoresCase: Bool, isNewlineSensitive: Bool) {
    self.pattern = Array(pattern.unicodeScalars)
    self.ignoresCase = ignoresCase
    self.isNewlineSensitive = isNewlineSensitive
  }

  private static func error(_ reason: String) -> RowError { RowError("invalid regular expression: \(reason)") }
  private var current: Unicode.Scalar? { index < pattern.count ? pattern[index] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    index += 1
    return true
  }

  mutating func parse() throws(RowError) -> RegularExpressionSyntax {
    readOptions()
    let result = try alternatives()
    if current != nil { throw Self.error("parentheses () not balanced") }
    return result
  }

  /// `(?i)` and friends at the start.
  private mutating func readOptions() {
    guard pattern.count > 3, pattern[0] == "(", pattern[1] == "?",
      let end = pattern.firstIndex(of: ")"), pattern[2..<end].allSatisfy({ "icmnps".unicodeScalars.contains($0) }),
      end > 2
    else { return }
    for option in pattern[2..<end] {
      if option == "i" { ignoresCase = true }
      if option == "c" { ignoresCase = false }
      if option == "n" || option == "m" { isNewlineSensitive = true }
    }
    index = end + 1
  }

  private mutating func alternatives() throws(RowError) -> RegularExpressionSyntax {
    depth += 1
    defer { depth -= 1 }
    if depth > 100 { throw Self.error("nested too deeply") }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func sequence() throws(RowError) -> RegularExpressionSyntax {
    var parts: [RegularExpressionSyntax] = []
    while let scalar = current, scalar != "|", scalar != ")" { parts.append(try repeated(atom())) }
    return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func repeated(_ atom: RegularExpressionSyntax) throws(RowError) -> RegularExpressionSyntax {
    var bounds: (Int, Int?)?
    switch current {
    case "*": bounds = (0, nil)
    case "+": bounds = (1, nil)
    case "?": bounds = (0, 1)
    case "{" where index + 1 < pattern.count && ScalarSet.test(.digit, pattern[index + 1]):
      bounds = try repetitionBounds()
    default: break
    }
    guard let (minimum, maximum) = bounds else { return atom }
    if case .assertion = atom { throw Self.error("quantifier operand invalid") }
    index += 1
    let isLazy = take("?")
    hasLazy = hasLazy || isLazy
    if let next = current, ["*", "+", "?"].contains(next) { throw Self.error("quantifier operand invalid") }
    return .repetition(atom, minimum, maximum, isGreedy: !isLazy)
  }

  /// Reads `{m}`, `{m,}` or `{m,n}` up to the brace, which stays.
  private mutating func repetitionBounds() throws(RowError) -> (Int, Int?) {
    index += 1
    let minimum = number()
    var maximum: Int? = minimum
    if take(",") {
      maximum = current.map { ScalarSet.test(.digit, $0) } == true ? number() : nil
    }
    guard current == "}", minimum <= 255, maximum ?? minimum <= 255, maximum ?? minimum >= minimum else {
      throw Self.error("invalid repetition count(s)")
    }
    return (minimum, maximum)
  }

  private mutating func number() -> Int {
    var value = 0
    while let scalar = current, ScalarSet.test(.digit, scalar) {
      value = min(value * 10 + Int(scalar.value - 48), 1000)
      index += 1
    }
    return value
  }

  private mutating func atom() throws(RowError) -> RegularExpressionSyntax {
    guard let scalar = current else { return .empty }
    index += 1
    switch scalar {
    case ".":
      guard isNewlineSensitive else { return .any }
      return .set(ScalarSet(ranges: [10...10], isNegated: true))
    case "^": return .assertion(isNewlineSensitive ? .lineStart : .start)
    case "$": return .assertion(isNewlineSensitive ? .lineEnd : .end)
    case "[": return .set(try bracket())
    case "(": return try group()
    case "\\": return try escape()
    case "*", "+", "?": throw Self.error("quantifier operand invalid")
    default: return .scalar(scalar)
    }
  }

  private mutating func group() throws(RowError) -> RegularExpressionSyntax {
    var number: Int?
    if take("?") {
      guard take(":") else { throw Self.error("look-around constraints are not supported") }
    } else {
      groupCount += 1
      number = groupCount
    }
    let inner = try alternatives()
    guard take(")") else { throw Self.error("parentheses () not balanced") }
    return .group(inner, number)
  }

  private mutating func escape() throws(RowError) -> RegularExpressionSyntax {
    guard let scalar = current else { throw Self.error("invalid escape \\ sequence") }
    index += 1
    if let kind = Self.classEscape(scalar) { return .set(ScalarSet(classes: [kind])) }
    switch scalar {
    case "m": return .assertion(.wordStart)
    case "M": return .assertion(.wordEnd)
    case "y": return .assertion(.boundary)
    case "Y": return .assertion(.noBoundary)
    case "A": return .assertion(.start)
    case "Z": return .assertion(.end)
    case "1", "2", "3", "4", "5", "6", "7", "8", "9": throw Self.error("back references are not supported")
    default: return .scalar(try characterEscape(scalar))
    }
  }

  private static func classEscape(_ scalar: Unicode.Scalar) -> (ScalarSet.Class, isNegated: Bool)? {
    switch scalar {
    case "d": (.digit, false)
    case "D": (.digit, true)
    case "w": (.word, false)
    case "W": (.word, true)
    case "s": (.space, false)
    case "S": (.space, true)
    default: nil
    }
  }

  private mutating func characterEscape(_ scalar: Unicode.Scalar) throws(RowError) -> Unicode.Scalar {
    switch scalar {
    case "a": return "\u{07}"
    case "b": return "\u{08}"
    case "B": return "\\"
    case "e": return "\u{1B}"
    case "f": return "\u{0C}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "v": return "\u{0B}"
    case "0": return "\u{00}"
    case "u": return try hexadecimal(digits: 4)
    case "x": return try hexadecimal(digits: 2)
    default:
      if ScalarSet.test(.alnum, scalar) { throw Self.error("invalid escape \\ sequence") }
      return scalar
    }
  }

  private mutating func hexadecimal(digits: Int) throws(RowError) -> Unicode.Scalar {
    guard index + digits <= pattern.count,
      let value = UInt32(String(String.UnicodeScalarView(pattern[index..<(index + digits)])), radix: 16),
      let scalar = Unicode.Scalar(value)
    else { throw Self.error("invalid escape \\ sequence") }
    index += digits
    return scalar
  }

  private mutating func bracket() throws(RowError) -> ScalarSet {
    var set = ScalarSet()
    set.isNegated = take("^")
    set.excludesNewline = isNewlineSensitive
    var isFirst = true
    while true {
      guard let scalar = current else { throw Self.error("brackets [] not balanced") }
      if scalar == "]" && !isFirst { break }
      isFirst = false
      index += 1
      if scalar == "[", current == ":" {
        set.classes.append((try namedClass(), isNegated: false))
        continue
      }
      if scalar == "\\", let next = current, let kind = Self.classEscape(next) {
        index += 1
        set.classes.append(kind)
        continue
      }
      let low = try bracketScalar(scalar)
      var high = low
      if current == "-", index + 1 < pattern.count, pattern[index + 1] != "]" {
        let end = pattern[index + 1]
        index += 2
        high = try bracketScalar(end)
      }
      guard low.value <= high.value else { throw Self.error("invalid character range") }
      set.ranges.append(low.value...high.value)
    }
    index += 1
    return set
  }

  private mutating func bracketScalar(_ scalar: Unicode.Scalar) throws(RowError) -> Unicode.Scalar {
    guard scalar == "\\" else { return scalar }
    guard let next = current else { throw Self.error("invalid escape \\ sequence") }
    index += 1
    return try characterEscape(next)
  }

  private mutating func namedClass() throws(RowError) -> ScalarSet.Class {
    index += 1
    var name = ""
    while let scalar = current, scalar != ":" {
      name.unicodeScalars.append(scalar)
      index += 1
    }
    guard take(":"), take("]"), let kind = ScalarSet.named(name) else { throw Self.error("invalid character class") }
    return kind
  }
}
