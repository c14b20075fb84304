import Columnar
import SQL

extension Kernels {
  /// `LIKE` and regular expressions. A literal pattern is compiled here, once; others once a row.
  static func pattern(_ signature: FunctionSignature, _ constants: [Value?]) throws(RowError) -> Kernel? {
    switch signature.name {
    case "~~", "!~~", "~~*", "!~~*": return try like(signature.name, constants)
    case "~", "!~", "~*", "!~*":
      let (ignoresCase, isNegated) = (signature.name.hasSuffix("*"), signature.name.hasPrefix("!"))
      let source = try PatternSource(constants[1], flags: ignoresCase ? "i" : "")
      return strict2(.boolean, canFail: source.canFail) { (text: Bytes, pattern: Bytes) throws(RowError) -> Bool? in
        try source.expression(pattern, nil).matches(text) != isNegated
      }
    case "regexp_like":
      return try expression(signature, constants, .boolean) { expression, text in expression.matches(text) }
    case "regexp_match", "regexp_substr":
      let returnsGroup = signature.name == "regexp_match"
      return try expression(signature, constants, .text) { expression, text in
        extract(expression, text, returnsGroup: returnsGroup)
      }
    case "substring" where signature.arguments == [.text, .text]:
      return try expression(signature, constants, .text) { expression, text in
        extract(expression, text, returnsGroup: true)
      }
    case "regexp_replace": return try replacement(signature, constants)
    default: return nil
    }
  }

  private static func like(_ name: String, _ constants: [Value?]) throws(RowError) -> Kernel {
    let (ignoresCase, isNegated) = (name.hasSuffix("*"), name.hasPrefix("!"))
    guard case .bytes(let bytes)? = constants[1] else {
      return strict2(.boolean, canFail: true) { (text: Bytes, pattern: Bytes) throws(RowError) -> Bool? in
        try LikePattern(pattern, ignoresCase: ignoresCase).matches(text) != isNegated
      }
    }
    let pattern = try LikePattern(bytes[...], ignoresCase: ignoresCase)
    return strict2(.boolean) { (text: Bytes, _: Bytes) in pattern.matches(text) != isNegated }
  }

  private static func expression<R: KernelValue>(
    _ signature: FunctionSignature, _ constants: [Value?], _ type: DataType,
    _ body: @escaping @Sendable (RegularExpression, Bytes) -> R?
  ) throws(RowError) -> Kernel {
    let source = try PatternSource(constants[1], flags: signature.arguments.count < 3 ? "" : nil)
    if signature.arguments.count == 3 {
      return strict3(type, canFail: true) { (text: Bytes, pattern: Bytes, flags: Bytes) throws(RowError) -> R? in
        try body(source.expression(pattern, flags), text)
      }
    }
    return strict2(type, canFail: source.canFail) { (text: Bytes, pattern: Bytes) throws(RowError) -> R? in
      try body(source.expression(pattern, nil), text)
    }
  }

  /// The first group of the first match, or the whole match when there is no group; NULL without a match.
  private static func extract(_ expression: RegularExpression, _ text: Bytes, returnsGroup: Bool) -> Bytes? {
    guard let match = expression.firstMatch(text, from: text.startIndex) else { return nil }
    let slot = returnsGroup && expression.groupCount > 0 ? 2 : 0
    let (start, end) = (match.bounds[slot], match.bounds[slot + 1])
    return start >= 0 && end >= start ? text[start..<end] : nil
  }

  private static func replacement(_ signature: FunctionSignature, _ constants: [Value?]) throws(RowError) -> Kernel {
    guard signature.arguments.count == 4 else {
      let source = try PatternSource(constants[1], flags: "")
      return strict3(.text, canFail: source.canFail) {
        (text: Bytes, pattern: Bytes, replacement: Bytes) throws(RowError) -> Bytes? in
        replace(text, try source.expression(pattern, nil), replacement, isGlobal: false)
      }
    }
    var known: String?
    if case .bytes(let flags)? = constants[3] { known = flags[...].string }
    let source = try PatternSource(known == nil ? nil : constants[1], flags: known)
    let isKnownGlobal = known?.contains("g")
    return Kernel(canFail: true) { operands, count, _, failures in
      let vectors = operands.map { Bytes.vector($0.column.storage) }
      let masks = operands.map(\.mask)
      return fill(.text, operands, count, &failures) { row throws(RowError) -> Bytes? in
        let flags = vectors[3][row & masks[3]]
        let compiled = try source.expression(vectors[1][row & masks[1]], flags)
        return replace(
          vectors[0][row & masks[0]], compiled, vectors[2][row & masks[2]],
          isGlobal: isKnownGlobal ?? flags.contains(0x67))
      }
    }
  }

  private static func replace(
    _ text: Bytes, _ expression: RegularExpression, _ replacement: Bytes, isGlobal: Bool
  ) -> Bytes {
    var result: [UInt8] = []
    var copied = text.startIndex
    var from = text.startIndex
    while from <= text.endIndex, let match = expression.firstMatch(text, from: from) {
      result.append(contentsOf: text[copied..<match.bounds[0]])
      append(replacement, match, text, &result)
      copied = match.bounds[1]
      from = match.bounds[1]
      if match.bounds[1] == match.bounds[0] {
        if from < text.endIndex {
          let width = RegularExpression.decode(text, from).1
          result.append(contentsOf: text[from..<(from + width)])
          copied = from + width
        }
        from += max(RegularExpression.decode(text, from).1, 1)
      }
      if !isGlobal { break }
    }
    if copied < text.endIndex { result.append(contentsOf: text[copied...]) }
    return Bytes(result)
  }

  /// `\1` to `\9` are groups, `\&` the whole match, `\\` a backslash.
  private static func append(
    _ replacement: Bytes, _ match: RegularExpression.Match, _ text: Bytes, _ result: inout [UInt8]
  ) {
    var rest = replacement
    while let byte = rest.popFirst() {
      guard byte == 0x5C, let next = rest.first else {
        result.append(byte)
        continue
      }
      let group = next == 0x26 ? 0 : next >= 0x31 && next <= 0x39 ? Int(next - 0x30) : -1
      if group < 0 {
        result.append(0x5C)
        if next == 0x5C { rest.removeFirst() }
        continue
      }
      rest.removeFirst()
      guard group * 2 + 1 < match.bounds.count else { continue }
      let (start, end) = (match.bounds[group * 2], match.bounds[group * 2 + 1])
      if start >= 0, end >= start { result.append(contentsOf: text[start..<end]) }
    }
  }
}

/// A regular expression that is known when the statement is compiled, or made for each row.
private struct PatternSource: Sendable {
  private let compiled: RegularExpression?
  private let fixedFlags: String?
  var canFail: Bool { compiled == nil }

  /// `flags` are nil when they are an argument of each row.
  init(_ pattern: Value?, flags: String?) throws(RowError) {
    fixedFlags = flags
    if case .bytes(let bytes)? = pattern, let flags {
      compiled = try Self.compile(bytes[...].string, flags)
    } else {
      compiled = nil
    }
  }

  func expression(_ pattern: Bytes, _ flags: Bytes?) throws(RowError) -> RegularExpression {
    if let compiled { return compiled }
    return try Self.compile(pattern.string, fixedFlags ?? flags?.string ?? "")
  }

  private static func compile(_ pattern: String, _ flags: String) throws(RowError) -> RegularExpression {
    for flag in flags where !"gicnms".contains(flag) {
      throw RowError("invalid regular expression option: \"\(flag)\"")
    }
    return try RegularExpression(
      pattern, ignoresCase: flags.contains("i"), isNewlineSensitive: flags.contains("n") || flags.contains("m"))
  }
}

/// A pattern of `LIKE`: `%` is any text, `_` one character, a backslash takes the next character literally.
struct LikePattern: Sendable {
  private enum Part: Hashable, Sendable {
    case literal([UInt8])
    case one
    case many
  }

  private let parts: [Part]
  private let ignoresCase: Bool

  init(_ pattern: Bytes, ignoresCase: Bool) throws(RowError) {
    self.ignoresCase = ignoresCase
    var parts: [Part] = []
    var literal: [UInt8] = []
    func flush() {
      if !literal.isEmpty { parts.append(.literal(literal)) }
      literal = []
    }
    var rest = ignoresCase ? CharacterCase.lower(pattern) : pattern
    while let byte = rest.popFirst() {
      switch byte {
      case 0x25:
        flush()
        if parts.last != .many { parts.append(.many) }
      case 0x5F:
        flush()
        parts.append(.one)
      case 0x5C:
        guard let next = rest.popFirst() else { throw RowError("LIKE pattern must not end with escape character") }
        literal.append(next)
      default: literal.append(byte)
      }
    }
    flush()
    self.parts = parts
  }

  /// Greedy from the left: after a `%` the first place where the next parts fit is as good as any other.
  func matches(_ value: Bytes) -> Bool {
    let text = ignoresCase ? CharacterCase.lower(value) : value
    switch (parts.count, parts.first, parts.last) {
    case (0, _, _): return text.isEmpty
    case (1, .literal(let literal)?, _): return text.elementsEqual(literal)
    case (1, .many?, _): return true
    case (2, .literal(let prefix)?, .many?): return text.starts(with: prefix)
    case (2, .many?, .literal(let suffix)?):
      return text.count >= suffix.count && text.suffix(suffix.count).elementsEqual(suffix)
    case (3, .many?, .many?):
      if case .literal(let middle) = parts[1] { return ByteSearch.first(middle[...], in: text) != nil }
    default: break
    }
    return general(text)
  }

  private func general(_ text: Bytes) -> Bool {
    var part = 0
    var position = text.startIndex
    var retry: (part: Int, position: Int)?
    while true {
      if part == parts.count {
        if position == text.endIndex { return true }
      } else if case .many = parts[part] {
        retry = (part + 1, position)
        part += 1
        continue
      } else if let next = advance(parts[part], text, position) {
        position = next
        part += 1
        continue
      }
      guard let (resumedPart, resumedPosition) = retry, resumedPosition < text.endIndex else { return false }
      position = resumedPosition + RegularExpression.decode(text, resumedPosition).1
      part = resumedPart
      retry = (resumedPart, position)
    }
  }

  private func advance(_ part: Part, _ text: Bytes, _ position: Int) -> Int? {
    switch part {
    case .literal(let literal):
      guard text.endIndex - position >= literal.count,
        text[position..<(position + literal.count)].elementsEqual(literal)
      else { return nil }
      return position + literal.count
    case .one: return position < text.endIndex ? position + RegularExpression.decode(text, position).1 : nil
    case .many: return position
    }
  }

  /// `LIKE … ESCAPE`: the pattern with a backslash as its escape character.
  static func normalised(_ pattern: Bytes, escape: Bytes) throws(RowError) -> Bytes {
    guard CodePoints.count(escape) <= 1 else { throw RowError("invalid escape string") }
    let escapeScalar = escape.string.unicodeScalars.first
    if escapeScalar == "\\" { return pattern }
    var result: [Unicode.Scalar] = []
    var isEscaped = false
    for scalar in pattern.string.unicodeScalars {
      if scalar == escapeScalar && !isEscaped {
        result.append("\\")
        isEscaped = true
      } else {
        if scalar == "\\" && !isEscaped { result.append("\\") }
        result.append(scalar)
        isEscaped = false
      }
    }
    return CodePoints.bytes(result)
  }
}
