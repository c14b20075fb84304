import Columnar

/// A call that fits no function or operator, or fits several equally well.
public struct ResolutionFailure: Error, Hashable, Sendable {
  /// What was asked for and why it cannot be had, in PostgreSQL's words.
  public let message: String
  /// The overloads that exist under that name.
  public let candidates: [FunctionSignature]

  /// A failure.
  public init(message: String, candidates: [FunctionSignature]) {
    self.message = message
    self.candidates = candidates
  }
}

/// The scalar functions and operators, and how a call finds its overload: by PostgreSQL's rules.
public enum FunctionCatalog {
  /// An overload as it is looked up, and the one that runs. They differ where PostgreSQL has an operator of its own
  /// for a pair of types (`real + double precision`) and one kernel suffices after conversion.
  struct Overload: Hashable, Sendable {
    let matching: [DataType]
    let signature: FunctionSignature
  }

  /// Every function and operator name, sorted.
  public static var names: [String] { (Array(overloads.keys) + Array(variadicNames)).sorted() }

  /// Every fixed overload that can run; `concat`, `concat_ws`, `greatest` and `least` take any number of arguments.
  public static var signatures: [FunctionSignature] {
    Array(Set(overloads.values.joined().map(\.signature))).sorted { ($0.name, "\($0)") < ($1.name, "\($1)") }
  }

  /// The check of a value for a column, whose name is the second argument: a row without a value fails. It is not in
  /// ``signatures``, because statements cannot call it.
  static func notNull(_ type: DataType) -> FunctionSignature {
    FunctionSignature(name: "not_null", arguments: [type, .text], result: type)
  }

  /// Finds the overload of `name` for arguments of these types; `nil` stands for a literal of unknown type.
  ///
  /// Exact match first, then implicit conversions, then preferred types, then the categories of unknown literals.
  public static func resolve(_ name: String, _ arguments: [DataType?]) -> Result<FunctionSignature, ResolutionFailure> {
    let types = arguments.map { $0?.unconstrained }
    if variadicNames.contains(name) { return resolveVariadic(name, types) }
    let all = (overloads[name] ?? []).filter { $0.matching.count == types.count }
    if all.isEmpty { return .failure(missing(name, types)) }
    if let exact = exactMatch(all, types) { return .success(exact.signature) }
    if let symmetric = sameTypeForUnknown(name, all, types) { return .success(symmetric.signature) }
    var candidates = all.filter { overload in
      zip(types, overload.matching).allSatisfy { from, to in from.map { isImplicit(from: $0, to: to) } ?? true }
    }
    if candidates.isEmpty {
      return name == "||" ? resolveConcatenation(types) : .failure(missing(name, types))
    }
    candidates = keepingBest(candidates) { score($0, types) { $0 == $1 } }
    candidates = keepingBest(candidates) { score($0, types) { $0 == $1 || $1.isPreferred } }
    candidates = narrowedByUnknowns(candidates, types)
    if candidates.count > 1, let common = singleKnownType(types) {
      let assumed = types.map { $0 ?? common }
      let fitting = candidates.filter { overload in
        zip(assumed, overload.matching).allSatisfy { isImplicit(from: $0, to: $1) }
      }
      if fitting.count == 1 { candidates = fitting }
    }
    let signatures = Set(candidates.map(\.signature))
    if let only = signatures.first, signatures.count == 1 { return .success(only) }
    if name == "||" { return resolveConcatenation(types) }
    let kind = isOperator(name) ? "operator is not unique: " : "function is not unique: "
    return .failure(
      ResolutionFailure(
        message: kind + call(name, types) + "; add explicit casts", candidates: all.map(\.signature)))
  }

  // MARK: Steps of the resolution

  private static func exactMatch(_ candidates: [Overload], _ types: [DataType?]) -> Overload? {
    candidates.first { overload in zip(types, overload.matching).allSatisfy { $0 == $1 } }
  }

  /// An operator with one unknown operand is first tried with both operands of the known type.
  private static func sameTypeForUnknown(_ name: String, _ candidates: [Overload], _ types: [DataType?]) -> Overload? {
    guard isOperator(name), types.count == 2, let known = types[0] ?? types[1], types.contains(nil) else { return nil }
    return exactMatch(candidates, [known, known])
  }

  private static func score(_ overload: Overload, _ types: [DataType?], _ fits: (DataType, DataType) -> Bool) -> Int {
    zip(types, overload.matching).reduce(0) { sum, pair in
      sum + (pair.0.map { fits($0, pair.1) ? 1 : 0 } ?? 0)
    }
  }

  private static func keepingBest(_ candidates: [Overload], _ score: (Overload) -> Int) -> [Overload] {
    let best = candidates.map(score).max() ?? 0
    return candidates.filter { score($0) == best }
  }

  /// PostgreSQL's rule for unknown literals: a position takes the string category when any candidate does, else the
  /// one category that all share; within it, the preferred type when any candidate has it.
  private static func narrowedByUnknowns(_ candidates: [Overload], _ types: [DataType?]) -> [Overload] {
    guard candidates.count > 1, types.contains(nil) else { return candidates }
    var remaining = candidates
    for position in types.indices where types[position] == nil {
      let categories = Set(remaining.map { $0.matching[position].category })
      let chosen: TypeCategory
      if categories.contains(.string) {
        chosen = .string
      } else if let only = categories.first, categories.count == 1 {
        chosen = only
      } else {
        return candidates
      }
      let inCategory = remaining.filter { $0.matching[position].category == chosen }
      let preferred = inCategory.filter { $0.matching[position].isPreferred }
      remaining = preferred.isEmpty ? inCategory : preferred
    }
    return remaining.isEmpty ? candidates : remaining
  }

  private static func singleKnownType(_ types: [DataType?]) -> DataType? {
    let known = Set(types.compactMap { $0 })
    return known.count == 1 && types.contains(nil) ? known.first : nil
  }

  /// `text || anything` and `anything || text` convert the other side to text.
  private static func resolveConcatenation(_ types: [DataType?]) -> Result<FunctionSignature, ResolutionFailure> {
    guard types.count == 2, types.contains(where: { $0 == nil || $0 == .text }),
      // There, `jsonb || 'literal'` merges two values.
      !(types.contains(.jsonb) && types.contains(nil))
    else {
      return .failure(missing("||", types))
    }
    return .success(FunctionSignature(name: "||", arguments: [.text, .text], result: .text))
  }

  private static func resolveVariadic(
    _ name: String, _ types: [DataType?]
  ) -> Result<FunctionSignature, ResolutionFailure> {
    guard types.count >= (name == "concat_ws" ? 2 : 1) else { return .failure(missing(name, types)) }
    if name == "greatest" || name == "least" {
      guard let common = commonType(types), common != .jsonb else {
        return .failure(
          ResolutionFailure(message: "\(name) types cannot be matched: \(call(name, types))", candidates: []))
      }
      return .success(FunctionSignature(name: name, arguments: types.map { _ in common }, result: common))
    }
    if name == "concat_ws", let separator = types[0], separator != .text { return .failure(missing(name, types)) }
    return .success(FunctionSignature(name: name, arguments: types.map { $0 ?? .text }, result: .text))
  }

  private static func missing(_ name: String, _ types: [DataType?]) -> ResolutionFailure {
    let candidates = (overloads[name] ?? []).map(\.signature)
    let kind = isOperator(name) ? "operator does not exist: " : "function does not exist: "
    return ResolutionFailure(message: kind + call(name, types), candidates: candidates)
  }

  private static func call(_ name: String, _ types: [DataType?]) -> String {
    let names = types.map { $0?.sqlName ?? "unknown" }
    guard isOperator(name) else { return "\(name)(\(names.joined(separator: ", ")))" }
    return names.count == 2 ? "\(names[0]) \(name) \(names[1])" : "\(name) \(names.joined(separator: ", "))"
  }

  static func isOperator(_ name: String) -> Bool {
    guard let first = name.unicodeScalars.first else { return false }
    return !(first.properties.isAlphabetic || first == "_")
  }
}
