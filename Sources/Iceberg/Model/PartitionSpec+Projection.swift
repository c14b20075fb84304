extension PartitionSpec {
  /// What the partition tuple of every file fulfils that has a row that fulfils `predicate`: an inclusive projection.
  ///
  /// - Parameters:
  ///   - predicate: over the schema's field ids.
  ///   - schema: a schema that has the source columns.
  /// - Returns: a predicate over partition field ids; ``Predicate/alwaysTrue`` when nothing can be said.
  public func project(_ predicate: Predicate, schema: TableSchema) -> Predicate {
    project(predicate, negated: false, schema)
  }

  private func project(_ predicate: Predicate, negated: Bool, _ schema: TableSchema) -> Predicate {
    switch predicate {
    case .alwaysTrue: return negated ? .alwaysFalse : .alwaysTrue
    case .alwaysFalse: return negated ? .alwaysTrue : .alwaysFalse
    case .and(let left, let right):
      let both = (project(left, negated: negated, schema), project(right, negated: negated, schema))
      return negated ? Self.either(both.0, both.1) : Self.both(both.0, both.1)
    case .or(let left, let right):
      let both = (project(left, negated: negated, schema), project(right, negated: negated, schema))
      return negated ? Self.both(both.0, both.1) : Self.either(both.0, both.1)
    case .not(let inner): return project(inner, negated: !negated, schema)
    case .isNull(let id): return leaf(negated ? .isNotNull(id) : predicate, id, schema)
    case .isNotNull(let id): return leaf(negated ? .isNull(id) : predicate, id, schema)
    case .compare(let id, let comparison, let literal):
      // Not of a comparison holds for no null either: in SQL it is unknown.
      return leaf(negated ? .compare(id, comparison.negated, literal) : predicate, id, schema)
    case .isNaN(let id), .isIn(let id, _), .startsWith(let id, _):
      return negated ? .alwaysTrue : leaf(predicate, id, schema)
    }
  }

  private func leaf(_ predicate: Predicate, _ id: Int, _ schema: TableSchema) -> Predicate {
    guard let source = schema.field(id: id) else { return .alwaysTrue }
    var result = Predicate.alwaysTrue
    for field in fields where field.sourceID == id {
      result = Self.both(result, field.project(predicate, sourceType: source.type))
    }
    return result
  }

  private static func both(_ left: Predicate, _ right: Predicate) -> Predicate {
    if left == .alwaysTrue { return right }
    if right == .alwaysTrue { return left }
    return left == .alwaysFalse || right == .alwaysFalse ? .alwaysFalse : .and(left, right)
  }

  private static func either(_ left: Predicate, _ right: Predicate) -> Predicate {
    if left == .alwaysFalse { return right }
    if right == .alwaysFalse { return left }
    return left == .alwaysTrue || right == .alwaysTrue ? .alwaysTrue : .or(left, right)
  }
}

extension Predicate.Comparison {
  var negated: Predicate.Comparison {
    switch self {
    case .equal: .notEqual
    case .notEqual: .equal
    case .less: .greaterOrEqual
    case .lessOrEqual: .greater
    case .greater: .lessOrEqual
    case .greaterOrEqual: .less
    }
  }
}

extension PartitionField {
  /// What this field's value fulfils in every file that has a row that fulfils `predicate`, a condition on the source.
  public func project(_ predicate: Predicate, sourceType: IcebergType) -> Predicate {
    switch transform {
    case .void, .unknown: return .alwaysTrue
    default: break
    }
    switch predicate {
    case .isNull: return .isNull(fieldID)
    case .isNotNull: return .isNotNull(fieldID)
    case .isNaN: return transform == .identity ? .isNaN(fieldID) : .alwaysTrue
    case .compare(_, let comparison, let literal):
      guard let value = literal.promoted(to: sourceType) else { return .alwaysTrue }
      return project(comparison, value)
    case .isIn(_, let literals): return projectList(literals, sourceType)
    case .startsWith(_, let literal): return projectPrefix(literal)
    default: return .alwaysTrue
    }
  }

  private func project(_ comparison: Predicate.Comparison, _ value: Literal) -> Predicate {
    if transform == .identity { return .compare(fieldID, comparison, value) }
    guard let result = transform.apply(value) else { return .alwaysTrue }
    if case .bucket = transform { return comparison == .equal ? .compare(fieldID, .equal, result) : .alwaysTrue }
    // A truncated integer near the type's minimum has wrapped around to a great one.
    let wraps = Literal.compare(result, value) > 0 && result.integer != nil && !isTime
    switch comparison {
    case .notEqual: return .alwaysTrue
    case .equal:
      guard let next = nextOfOldWriters(result) else { return .compare(fieldID, .equal, result) }
      return .isIn(fieldID, [result, next])
    case .less, .lessOrEqual:
      guard !wraps else { return .alwaysTrue }
      let upper = Predicate.compare(fieldID, .lessOrEqual, nextOfOldWriters(result) ?? result)
      return leastWrapped(result).map { .or(upper, .compare(fieldID, .greaterOrEqual, $0)) } ?? upper
    case .greater, .greaterOrEqual:
      return wraps ? .alwaysTrue : .compare(fieldID, .greaterOrEqual, result)
    }
  }

  private var isTime: Bool {
    switch transform {
    case .year, .month, .day, .hour: true
    default: false
    }
  }

  /// Old writers rounded times before 1970 towards it: such values may be one too great in files.
  private func nextOfOldWriters(_ result: Literal) -> Literal? {
    guard isTime else { return nil }
    switch result {
    case .int(let value): return value < 0 ? .int(value + 1) : nil
    case .date(let value): return value < 0 ? .date(value + 1) : nil
    default: return nil
    }
  }

  /// The least integer that a truncation near the type's minimum can wrap around to.
  private func leastWrapped(_ result: Literal) -> Literal? {
    guard case .truncate(let width) = transform else { return nil }
    switch result {
    case .int: return Int32(exactly: width).map { .int(Int32.max - $0) }
    case .long: return .long(Int64.max - Int64(width))
    default: return nil
    }
  }

  private func projectList(_ literals: [Literal], _ sourceType: IcebergType) -> Predicate {
    var results: [Literal] = []
    var seen: Set<Literal> = []
    for literal in literals {
      guard let value = literal.promoted(to: sourceType), let result = transform.apply(value) else {
        return .alwaysTrue
      }
      for candidate in [result, nextOfOldWriters(result)] {
        if let candidate, seen.insert(candidate).inserted { results.append(candidate) }
      }
    }
    return .isIn(fieldID, results)
  }

  private func projectPrefix(_ literal: Literal) -> Predicate {
    switch (transform, literal) {
    case (.identity, _): return .startsWith(fieldID, literal)
    case (.truncate(let width), .string(let prefix)):
      let isShort = prefix.unicodeScalars.count <= width
      return isShort
        ? .startsWith(fieldID, literal)
        : transform.apply(literal).map { .compare(fieldID, .equal, $0) } ?? .alwaysTrue
    case (.truncate(let width), .binary(let prefix)):
      return prefix.count <= width
        ? .startsWith(fieldID, literal)
        : transform.apply(literal).map { .compare(fieldID, .equal, $0) } ?? .alwaysTrue
    default: return .alwaysTrue
    }
  }
}
