/// A compiled regular expression, matched in time proportional to pattern and text: no back-tracking.
///
/// All alternatives advance together through the text (Pike's machine). Without a non-greedy quantifier the leftmost
/// longest match is found, as PostgreSQL does; with one, alternatives are preferred in the order of the pattern.
struct RegularExpression: Sendable {
  /// Where a match and its groups are, as indices into the text's bytes; -1 for a group that took no part.
  struct Match { var bounds: [Int] }

  private enum Instruction: Sendable {
    case scalar(Unicode.Scalar)
    case any
    case set(ScalarSet)
    case split(Int, Int)
    case jump(Int)
    case save(Int)
    case assert(RegularExpressionSyntax.Assertion)
    case match
  }

  let groupCount: Int
  private let program: [Instruction]
  private let ignoresCase: Bool
  private let isLongest: Bool
  /// Bytes that a match can begin with; nil when a match can be empty.
  private let firstBytes: [Bool]?
  private static let maximumInstructions = 20_000

  init(_ pattern: String, ignoresCase: Bool = false, isNewlineSensitive: Bool = false) throws(RowError) {
    var parser = RegularExpressionParser(pattern, ignoresCase: ignoresCase, isNewlineSensitive: isNewlineSensitive)
    let syntax = try parser.parse()
    groupCount = parser.groupCount
    self.ignoresCase = parser.ignoresCase
    isLongest = !parser.hasLazy
    var program: [Instruction] = [.save(0)]
    try Self.emit(syntax, parser.ignoresCase, &program)
    program.append(.save(1))
    program.append(.match)
    self.program = program
    firstBytes = Self.firstBytes(program, parser.ignoresCase)
  }

  /// Bytes that a match of the program can begin with: what any of the instructions takes that are reached without
  /// taking a character. Of characters that are not ASCII all are let through.
  private static func firstBytes(_ program: [Instruction], _ ignoresCase: Bool) -> [Bool]? {
    var result = [Bool](repeating: false, count: 256)
    func letThrough(_ takes: (Unicode.Scalar) -> Bool) {
      for byte in 0..<UInt8(0x80) where takes(Unicode.Scalar(byte)) { result[Int(byte)] = true }
    }
    func letAllBeyondASCII() {
      for byte in 0x80...0xFF { result[byte] = true }
    }
    var isKnown = [Bool](repeating: false, count: program.count)
    var open = [0]
    while let counter = open.popLast() {
      if isKnown[counter] { continue }
      isKnown[counter] = true
      switch program[counter] {
      case .match: return nil
      case .jump(let target): open.append(target)
      case .split(let first, let second): open += [first, second]
      case .save, .assert: open.append(counter + 1)
      case .any:
        letThrough { _ in true }
        letAllBeyondASCII()
      case .set(let set):
        letThrough { set.contains($0, ignoresCase: ignoresCase) }
        letAllBeyondASCII()
      case .scalar(let wanted):
        letThrough { $0 == wanted || (ignoresCase && CharacterCase.lower($0) == wanted) }
        // The Kelvin sign is a k in small letters.
        if ignoresCase || !wanted.isASCII { letAllBeyondASCII() }
      }
    }
    return result
  }

  private static func emit(
    _ syntax: RegularExpressionSyntax, _ ignoresCase: Bool, _ program: inout [Instruction]
  ) throws(RowError) {
    guard program.count < maximumInstructions else {
      throw RowError("invalid regular expression: regular expression is too complex")
    }
    switch syntax {
    case .empty: break
    case .scalar(let scalar): program.append(.scalar(ignoresCase ? CharacterCase.lower(scalar) : scalar))
    case .any: program.append(.any)
    case .set(let set): program.append(.set(set))
    case .assertion(let assertion): program.append(.assert(assertion))
    case .sequence(let parts): for part in parts { try emit(part, ignoresCase, &program) }
    case .group(let inner, let number):
      if let number { program.append(.save(number * 2)) }
      try emit(inner, ignoresCase, &program)
      if let number { program.append(.save(number * 2 + 1)) }
    case .alternatives(let branches): try emitAlternatives(branches, ignoresCase, &program)
    case .repetition(let inner, let minimum, let maximum, let isGreedy):
      try emitRepetition(inner, minimum, maximum, isGreedy, ignoresCase, &program)
    }
  }

  private static func emitAlternatives(
    _ branches: [RegularExpressionSyntax], _ ignoresCase: Bool, _ program: inout [Instruction]
  ) throws(RowError) {
    var jumps: [Int] = []
    for (position, branch) in branches.enumerated() {
      if position == branches.count - 1 {
        try emit(branch, ignoresCase, &program)
      } else {
        let split = program.count
        program.append(.match)
        try emit(branch, ignoresCase, &program)
        jumps.append(program.count)
        program.append(.match)
        program[split] = .split(split + 1, program.count)
      }
    }
    for jump in jumps { program[jump] = .jump(program.count) }
  }

  private static func emitRepetition(
    _ inner: RegularExpressionSyntax, _ minimum: Int, _ maximum: Int?, _ isGreedy: Bool, _ ignoresCase: Bool,
    _ program: inout [Instruction]
  ) throws(RowError) {
    for _ in 0..<minimum { try emit(inner, ignoresCase, &program) }
    func split(_ inside: Int, _ outside: Int) -> Instruction {
      isGreedy ? .split(inside, outside) : .split(outside, inside)
    }
    if let maximum {
      var splits: [Int] = []
      for _ in minimum..<max(maximum, minimum) {
        splits.append(program.count)
        program.append(.match)
        try emit(inner, ignoresCase, &program)
      }
      for position in splits { program[position] = split(position + 1, program.count) }
    } else {
      let start = program.count
      program.append(.match)
      try emit(inner, ignoresCase, &program)
      program.append(.jump(start))
      program[start] = split(start + 1, program.count)
    }
  }

  // MARK: Matching

  /// The threads at one place in the text, in order of preference; each program counter at most once.
  private struct Threads {
    var counters: [Int] = []
    var captures: [[Int]] = []
    var marks: [Int]
    var generation = 0

    init(_ size: Int) { marks = [Int](repeating: -1, count: size) }

    mutating func clear() {
      counters.removeAll(keepingCapacity: true)
      captures.removeAll(keepingCapacity: true)
      generation += 1
    }
  }

  /// Whether there is a match anywhere.
  func matches(_ text: Bytes) -> Bool { search(text, from: text.startIndex, needsCaptures: false) != nil }

  /// The first match that starts at or after `from`.
  func firstMatch(_ text: Bytes, from: Int) -> Match? { search(text, from: from, needsCaptures: true) }

  private func search(_ text: Bytes, from: Int, needsCaptures: Bool) -> Match? {
    let slots = needsCaptures ? (groupCount + 1) * 2 : 0
    let unset = [Int](repeating: -1, count: slots)
    var current = Threads(program.count)
    var next = Threads(program.count)
    current.clear()
    var best: [Int]?
    var position = from
    while true {
      if best == nil, current.counters.isEmpty, let firstBytes {
        // Most of a text cannot begin a match: no thread is started there.
        while position < text.endIndex, !firstBytes[Int(text[position])] { position += 1 }
        if position == text.endIndex { return nil }
      }
      let (scalar, width) = Self.decode(text, position)
      if best == nil { add(0, unset, text, position, needsCaptures, &current) }
      if current.counters.isEmpty && best != nil { break }
      next.clear()
      stepping: for index in current.counters.indices {
        let counter = current.counters[index]
        let isAdvancing: Bool
        switch program[counter] {
        case .match:
          if !needsCaptures { return Match(bounds: []) }
          // A thread that started further left wins over one that is longer.
          if best.map({ $0[0] < current.captures[index][0] }) != true { best = current.captures[index] }
          if isLongest { continue stepping }
          break stepping
        case .scalar(let wanted):
          isAdvancing = scalar.map { $0 == wanted || (ignoresCase && CharacterCase.lower($0) == wanted) } ?? false
        case .any: isAdvancing = scalar != nil
        case .set(let set): isAdvancing = scalar.map { set.contains($0, ignoresCase: ignoresCase) } ?? false
        default: isAdvancing = false
        }
        if isAdvancing {
          let captures = needsCaptures ? current.captures[index] : unset
          if isLongest, let best, captures[0] > best[0] { continue }
          add(counter + 1, captures, text, position + width, needsCaptures, &next)
        }
      }
      swap(&current, &next)
      if scalar == nil { break }
      position += width
    }
    return best.map { Match(bounds: $0) }
  }

  /// Follows jumps, splits, saves and assertions from `start`, with an explicit stack.
  private func add(
    _ start: Int, _ captures: [Int], _ text: Bytes, _ position: Int, _ needsCaptures: Bool, _ threads: inout Threads
  ) {
    var stack = [(start, captures)]
    while var (counter, captures) = stack.popLast() {
      following: while threads.marks[counter] != threads.generation {
        threads.marks[counter] = threads.generation
        switch program[counter] {
        case .jump(let target): counter = target
        case .split(let first, let second):
          stack.append((second, captures))
          counter = first
        case .save(let slot):
          if needsCaptures { captures[slot] = position }
          counter += 1
        case .assert(let assertion):
          guard Self.holds(assertion, text, position) else { break following }
          counter += 1
        default:
          threads.counters.append(counter)
          if needsCaptures { threads.captures.append(captures) }
          break following
        }
      }
    }
  }

  private static func holds(_ assertion: RegularExpressionSyntax.Assertion, _ text: Bytes, _ position: Int) -> Bool {
    switch assertion {
    case .start: return position == text.startIndex
    case .end: return position == text.endIndex
    case .lineStart: return position == text.startIndex || text[position - 1] == 0x0A
    case .lineEnd: return position == text.endIndex || text[position] == 0x0A
    case .wordStart, .wordEnd, .boundary, .noBoundary: break
    }
    let isAfter = decode(text, position).0.map { ScalarSet.test(.word, $0) } ?? false
    var previous = position
    while previous > text.startIndex {
      previous -= 1
      if text[previous] & 0xC0 != 0x80 { break }
    }
    let isBefore = previous < position && (decode(text, previous).0.map { ScalarSet.test(.word, $0) } ?? false)
    switch assertion {
    case .wordStart: return isAfter && !isBefore
    case .wordEnd: return isBefore && !isAfter
    case .boundary: return isAfter != isBefore
    default: return isAfter == isBefore
    }
  }

  /// The code point at `position` and its length in bytes; `nil` at the end.
  static func decode(_ text: Bytes, _ position: Int) -> (Unicode.Scalar?, Int) {
    guard position < text.endIndex else { return (nil, 0) }
    let first = text[position]
    if first < 0x80 { return (Unicode.Scalar(first), 1) }
    let width = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard position + width <= text.endIndex else { return ("\u{FFFD}", 1) }
    var value = UInt32(first) & (width == 2 ? 0x1F : width == 3 ? 0x0F : 0x07)
    for offset in 1..<width { value = value << 6 | UInt32(text[position + offset] & 0x3F) }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", width)
  }
}
