extension TableSchema {
  /// Checks that siblings' names differ and are not empty.
  func checkNames() throws(IcebergError) { try Self.checkNames(fields) }

  private static func checkNames(_ fields: [NestedField]) throws(IcebergError) {
    var names: Set<[UInt8]> = []
    for field in fields {
      guard !field.name.isEmpty else { throw IcebergError(.invalid, "a column has no name") }
      guard names.insert(Array(field.name.utf8)).inserted else {
        throw IcebergError(.invalid, "two columns are called \(field.name)")
      }
      if case .structure(let inner) = field.type {
        try checkNames(inner)
      } else {
        for child in field.type.fields { try checkNames(child.type.fields) }
      }
    }
  }

  /// Ids above are those of metadata columns (Iceberg specification, "Reserved Field IDs").
  private static let highestColumnID = 2_147_483_447

  /// Checks what a new schema of a table must fulfil: types and defaults of the format version, identifier fields.
  /// - Throws: ``IcebergError`` of kind `invalid` that names the column.
  func check(formatVersion: Int) throws(IcebergError) {
    var failure: IcebergError?
    visit { field, path, _ in
      if field.id > Self.highestColumnID {
        failure =
          failure
          ?? IcebergError(
            .invalid, "\(path.full): the id \(field.id) is reserved; columns have ids up to \(Self.highestColumnID)")
      }
      let minimum = field.type.isNested ? 1 : field.type.minimumFormatVersion
      if minimum > formatVersion {
        failure =
          failure
          ?? IcebergError(
            .invalid,
            "\(path.full): the type \(field.type.text) needs format version \(minimum), the table has \(formatVersion)")
      }
      if field.initialDefault != nil, formatVersion < 3 {
        failure =
          failure
          ?? IcebergError(
            .invalid, "\(path.full): a default of existing rows needs format version 3, the table has \(formatVersion)")
      }
      if field.type == .unknown, field.isRequired {
        failure = failure ?? IcebergError(.invalid, "\(path.full): a column of the type unknown must be optional")
      }
      for value in [field.initialDefault, field.writeDefault] {
        guard let value, !field.type.canHaveDefault(value) else { continue }
        failure =
          failure
          ?? IcebergError(
            .invalid, "\(path.full): \(value.shortened) is no default of a column of the type \(field.type.text)")
      }
    }
    if let failure { throw failure }
    for id in identifierFieldIDs { try checkIdentifier(id) }
  }

  private func checkIdentifier(_ id: Int) throws(IcebergError) {
    guard let field = field(id: id), let name = columnName(id) else {
      throw IcebergError(.invalid, "the identifier field \(id) is no column")
    }
    switch field.type {
    case .structure, .list, .map, .float, .double:
      throw IcebergError(.invalid, "\(name): a column of the type \(field.type.text) cannot identify rows")
    default: break
    }
    let all = fieldsByID
    let parents = parentIDs
    var next: Int? = id
    while let current = next, let field = all[current] {
      guard field.isRequired else {
        throw IcebergError(.invalid, "\(name): \(field.name) is optional; what identifies rows must be required")
      }
      next = parents[current]
      if let parent = next, let around = all[parent] {
        guard case .structure = around.type else {
          throw IcebergError(.invalid, "\(name): a column inside of a list or map cannot identify rows")
        }
      }
    }
  }
}

extension IcebergType {
  /// Whether a default (Appendix C's JSON single value) is one of the type (Iceberg specification, "Default values").
  func canHaveDefault(_ value: JSONValue) -> Bool {
    switch (self, value) {
    // Defaults of a struct's fields are kept with those fields.
    case (.structure, .object(let members)): return members.isEmpty
    case (.list(let element), .array(let values)): return values.allSatisfy { element.canHold($0) }
    case (.map(let key, let entry), .object):
      guard let keys = value["keys"]?.arrayValue, let values = value["values"]?.arrayValue else { return false }
      return keys.count == values.count && keys.allSatisfy { key.canHold($0) }
        && values.allSatisfy { entry.canHold($0) }
    case (.structure, _), (.list, _), (.map, _), (.unknown, _), (.unsupported, _): return false
    default: return (try? Literal(json: value, type: self)) != nil
    }
  }

  /// Whether a value inside of a default is one of the type.
  fileprivate func canHold(_ value: JSONValue) -> Bool {
    guard case .structure(let fields) = self else { return canHaveDefault(value) }
    guard case .object(let members) = value else { return false }
    return members.allSatisfy { member in
      fields.first { String($0.id) == member.name }.map { $0.canHold(member.value) } ?? false
    }
  }
}

extension NestedField {
  fileprivate func canHold(_ value: JSONValue) -> Bool { value == .null ? !isRequired : type.canHold(value) }
}

extension PartitionSpec {
  /// Checks a spec that is about to be used for writing.
  /// - Throws: ``IcebergError`` of kind `invalid` that names the field.
  func check(_ schema: TableSchema) throws(IcebergError) {
    var names: Set<String> = []
    for field in fields {
      guard !field.name.isEmpty else { throw IcebergError(.invalid, "a partition field has no name") }
      guard names.insert(field.name).inserted else {
        throw IcebergError(.invalid, "two partition fields are called \(field.name)")
      }
      if case .unknown(let text) = field.transform {
        throw IcebergError(.invalid, "partition field \(field.name): the transform \(text) is not known")
      }
      let column = schema.fields.first { $0.name == field.name }
      if let column, column.id != field.sourceID || (field.transform != .identity && field.transform != .void) {
        throw IcebergError(
          .invalid, "partition field \(field.name): a column has this name; choose another for the partition field")
      }
    }
    for field in try partitionType(schema) where field.type == .unknown && !isVoid(field.id) {
      throw IcebergError(.invalid, "partition field \(field.name): cannot partition by a column of the type unknown")
    }
    let parents = schema.parentIDs
    for field in fields where field.transform != .void {
      var next = parents[field.sourceID]
      while let parent = next {
        if case .structure = schema.field(id: parent)?.type {
        } else {
          throw IcebergError(
            .invalid, "partition field \(field.name): cannot partition by a column inside of a list or map")
        }
        next = parents[parent]
      }
    }
  }

  private func isVoid(_ fieldID: Int) -> Bool { fields.contains { $0.fieldID == fieldID && $0.transform == .void } }
}

extension SortOrder {
  /// Checks a sort order that is about to be used.
  /// - Throws: ``IcebergError`` of kind `invalid`.
  func check(_ schema: TableSchema) throws(IcebergError) {
    for field in fields {
      guard let source = schema.field(id: field.sourceID) else {
        throw IcebergError(.invalid, "the sort order: the schema has no field \(field.sourceID)")
      }
      guard field.transform.resultType(of: source.type) != nil else {
        throw IcebergError(
          .invalid,
          "the sort order: \(field.transform.text) cannot be applied to \(source.name) of type \(source.type.text)")
      }
    }
  }
}
