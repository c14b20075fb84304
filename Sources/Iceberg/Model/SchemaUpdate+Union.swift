extension SchemaUpdate {
  /// Brings in the columns of another schema by their names: missing ones are added as optional, types are widened where
  /// the other's is wider, required ones become optional where the other's is. Nothing is removed, renamed or narrowed.
  /// - Throws: ``IcebergError`` of kind `invalid` that names a column whose types do not fit together.
  public mutating func unionByName(with other: TableSchema) throws(IcebergError) {
    try union(other.fields, parent: nil)
  }

  private mutating func union(_ fields: [NestedField], parent: String?) throws(IcebergError) {
    for field in fields {
      let name = parent.map { "\($0).\(field.name)" } ?? field.name
      guard let mine = sibling(field.name, parent) else {
        try addColumn(field.name, field.type.withOptionalFields, parent: parent, doc: field.doc)
        continue
      }
      try union(mine, field, name)
    }
  }

  private mutating func union(_ mine: NestedField, _ other: NestedField, _ name: String) throws(IcebergError) {
    switch (mine.type, other.type) {
    case (.structure, .structure(let fields)): try union(fields, parent: name)
    case (.list(let element), .list(let otherElement)): try union(element, otherElement, name + ".element")
    case (.map(let key, let value), .map(let otherKey, let otherValue)):
      if key.type.isNested || otherKey.type.isNested {
        guard key.type.withOptionalFields == otherKey.type.withOptionalFields else {
          throw IcebergError(.invalid, "\(name): a map's keys cannot be changed")
        }
      } else if otherKey.type != key.type, !otherKey.type.canBePromoted(to: key.type, formatVersion: 2) {
        throw IcebergError(
          .invalid, "\(name).key: the types \(key.type.text) and \(otherKey.type.text) do not fit together")
      }
      try union(value, otherValue, name + ".value")
    case (let type, let otherType):
      let isNarrower = !otherType.isNested && otherType.canBePromoted(to: type, formatVersion: 3)
      if !isNarrower { try updateType(name, to: otherType) }
    }
    if mine.isRequired, !other.isRequired { try makeOptional(name) }
  }

  private func sibling(_ name: String, _ parent: String?) -> NestedField? {
    guard let parent else { return schema.fields.first { same($0.name, name) } }
    return schema.field(named: parent, caseSensitive: caseSensitive)?.type.fields.first { same($0.name, name) }
  }
}

extension IcebergType {
  /// The type with optional fields inside, for columns that are added to a table with rows; keys stay required.
  var withOptionalFields: IcebergType {
    func optional(_ field: NestedField) -> NestedField {
      var result = field
      result.isRequired = false
      result.type = field.type.withOptionalFields
      return result
    }
    switch self {
    case .structure(let fields): return .structure(fields.map(optional))
    case .list(let element): return .list(element: optional(element))
    case .map(var key, let value):
      key.type = key.type.withOptionalFields
      return .map(key: key, value: optional(value))
    default: return self
    }
  }
}
