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

  /// Checks what a new schema of a table must fulfil: types and defaults of the format version, identifier fields.
  /// - Throws: ``IcebergError`` of kind `invalid` that names the column.
  func check(formatVersion: Int) throws(IcebergError) {
    var failure: IcebergError?
    visit { field, path, _ in
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
