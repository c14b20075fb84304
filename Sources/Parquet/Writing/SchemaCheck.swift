/// Refuses schemas that cannot be written.
enum SchemaCheck {
  /// - Throws: ``ParquetError`` of kind `invalid` that names the field.
  static func check(_ schema: ParquetSchema) throws(ParquetError) {
    try check(schema.fields, path: [])
  }

  private static func check(_ fields: [ParquetField], path: [String]) throws(ParquetError) {
    guard !fields.isEmpty else {
      let place = path.isEmpty ? "the schema" : "column \(path.joined(separator: "."))"
      throw ParquetError(.invalid, "\(place) has no fields; the format has no groups without fields")
    }
    var names: Set<String> = []
    for field in fields {
      guard names.insert(field.name).inserted else {
        throw ParquetError(.invalid, "two fields are called \((path + [field.name]).joined(separator: "."))")
      }
      try check(field, path: path + [field.name])
    }
  }

  private static func check(_ field: ParquetField, path: [String]) throws(ParquetError) {
    if let identity = field.fieldID, Int32(exactly: identity) == nil {
      throw ParquetError(.invalid, "column \(path.joined(separator: ".")): the field id \(identity) is beyond 32 bits")
    }
    guard path.count < 128 else { throw ParquetError(.unsupported, "the schema is nested more than 128 levels deep") }
    switch field.kind {
    case .leaf: return  // Its type is checked with the leaf's layout.
    case .group(let fields): try check(fields, path: path)
    case .list(let element): try check(element, path: path + ["list", "element"])
    case .map(let key, let value):
      guard key.isRequired else {
        throw ParquetError(.invalid, "column \(path.joined(separator: ".")): the keys of a map must be required")
      }
      try check(key, path: path + ["key_value", "key"])
      try check(value, path: path + ["key_value", "value"])
    }
  }
}
