extension TableSchema {
  /// All fields by id, those inside of structs, lists and maps included.
  public var fieldsByID: [Int: NestedField] {
    var result: [Int: NestedField] = [:]
    visit { field, _, _ in result[field.id] = field }
    return result
  }

  /// The id of the field around each field that is inside of another.
  public var parentIDs: [Int: Int] {
    var result: [Int: Int] = [:]
    visit { field, _, parent in if let parent { result[field.id] = parent } }
    return result
  }

  /// The greatest id of a field; 0 when there is none.
  public var highestFieldID: Int {
    var result = 0
    visit { field, _, _ in result = max(result, field.id) }
    return result
  }

  /// The field of an id, also inside of others.
  public func field(id: Int) -> NestedField? { NestedField.find(id, in: fields) }

  /// The field of a name; the parts of a path are joined by dots: `address.street`, `list.element`, `map.value.x`.
  ///
  /// A name with dots in it is found too. Short forms without `element` and `value` before a struct's field are taken as
  /// Java takes them.
  public func field(named name: String, caseSensitive: Bool = true) -> NestedField? {
    let wanted = caseSensitive ? name : name.lowercased()
    var exact: NestedField?
    var short: NestedField?
    visit { field, path, _ in
      if exact == nil, (caseSensitive ? path.full : path.full.lowercased()) == wanted { exact = field }
      if short == nil, (caseSensitive ? path.short : path.short.lowercased()) == wanted { short = field }
    }
    return exact ?? short
  }

  /// The full name of an id's field, its parts joined by dots.
  public func columnName(_ id: Int) -> String? {
    var result: String?
    visit { field, path, _ in if field.id == id { result = path.full } }
    return result
  }

  /// Whether the field and all around it are required, so that no row has null there.
  public func isAlwaysPresent(_ id: Int) -> Bool {
    let all = fieldsByID
    let parents = parentIDs
    var next: Int? = id
    while let current = next {
      guard let field = all[current], field.isRequired else { return false }
      next = parents[current]
    }
    return true
  }

  /// A field's names from the top.
  struct Path {
    var full: String
    var short: String
  }

  /// Calls `body` for each field, outer ones first, with its path and its parent's id.
  func visit(_ body: (NestedField, Path, Int?) -> Void) {
    for field in fields { Self.visit(field, Path(full: field.name, short: field.name), nil, body) }
  }

  private static func visit(
    _ field: NestedField, _ path: Path, _ parent: Int?, _ body: (NestedField, Path, Int?) -> Void
  ) {
    body(field, path, parent)
    var isShort = false
    if case .structure = field.type {} else { isShort = true }
    for inner in field.type.fields {
      var short = path.short + "." + inner.name
      if isShort, inner.name != "key", case .structure = inner.type { short = path.short }
      visit(inner, Path(full: path.full + "." + inner.name, short: short), field.id, body)
    }
  }
}

extension NestedField {
  static func find(_ id: Int, in fields: [NestedField]) -> NestedField? {
    for field in fields {
      if field.id == id { return field }
      if let found = find(id, in: field.type.fields) { return found }
    }
    return nil
  }
}
