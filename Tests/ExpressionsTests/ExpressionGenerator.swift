/// Makes well-typed random expressions over the sample columns.
struct ExpressionGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  private mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(bound))
  }

  private mutating func pick(_ choices: [String]) -> String { choices[below(choices.count)] }

  mutating func next() -> String {
    switch below(4) {
    case 0: number(3)
    case 1: text(3)
    case 2: condition(3)
    default: integer(3)
    }
  }

  private mutating func integer(_ depth: Int) -> String {
    if depth == 0 { return pick(["i", "j", "ascii(t)", "length(t)"]) }
    switch below(6) {
    case 0: return "(\(integer(depth - 1)) + \(integer(depth - 1)))"
    case 1: return "(\(integer(depth - 1)) * \(integer(depth - 1)))"
    case 2: return "(\(integer(depth - 1)) / \(integer(depth - 1)))"
    case 3: return "(\(integer(depth - 1)) % \(integer(depth - 1)))"
    case 4: return "CASE WHEN \(condition(depth - 1)) THEN \(integer(depth - 1)) ELSE \(integer(depth - 1)) END"
    default: return "COALESCE(\(integer(depth - 1)), \(integer(depth - 1)))"
    }
  }

  private mutating func number(_ depth: Int) -> String {
    if depth == 0 { return pick(["n", "1.5", "0.25", "i", "l"]) }
    switch below(5) {
    case 0: return "(\(number(depth - 1)) + \(number(depth - 1)))"
    case 1: return "(\(number(depth - 1)) - \(number(depth - 1)))"
    case 2: return "round(\(number(depth - 1)) / 4.0, 3)"
    case 3: return "abs(\(number(depth - 1)))"
    default: return "greatest(\(number(depth - 1)), \(number(depth - 1)))"
    }
  }

  private mutating func text(_ depth: Int) -> String {
    if depth == 0 { return pick(["t", "u", "'Lo'", "i::text", "ts::text"]) }
    switch below(6) {
    case 0: return "(\(text(depth - 1)) || \(text(depth - 1)))"
    case 1: return "upper(\(text(depth - 1)))"
    case 2: return "substring(\(text(depth - 1)), \(below(4)), \(below(5)))"
    case 3: return "replace(\(text(depth - 1)), 'l', 'x')"
    case 4: return "CASE WHEN \(condition(depth - 1)) THEN \(text(depth - 1)) END"
    default: return "left(\(text(depth - 1)), \(below(9) - 4))"
    }
  }

  private mutating func condition(_ depth: Int) -> String {
    if depth == 0 { return pick(["b", "i > 0", "t LIKE '%o%'", "n IS NULL", "d < e"]) }
    switch below(6) {
    case 0: return "(\(condition(depth - 1)) AND \(condition(depth - 1)))"
    case 1: return "(\(condition(depth - 1)) OR \(condition(depth - 1)))"
    case 2: return "(NOT \(condition(depth - 1)))"
    case 3: return "(\(number(depth - 1)) < \(number(depth - 1)))"
    case 4: return "(\(text(depth - 1)) >= \(text(depth - 1)))"
    default: return "((\(condition(depth - 1))) IS TRUE)"
    }
  }
}
