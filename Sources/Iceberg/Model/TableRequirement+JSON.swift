extension TableRequirement {
  /// A requirement of its JSON (REST catalog specification, `TableRequirement`).
  /// - Throws: ``IcebergError`` of kind `corrupt`, or `unsupported` for a type that is not known: it must not be taken for
  ///   fulfilled.
  public init(json: JSONValue) throws(IcebergError) {
    switch try json.string("type") {
    case "assert-create": self = .tableDoesNotExist
    case "assert-table-uuid": self = .tableUUID(try json.string("uuid"))
    case "assert-ref-snapshot-id":
      self = .reference(name: try json.string("ref"), snapshotID: try json.optionalInteger("snapshot-id"))
    case "assert-last-assigned-field-id": self = .lastColumnID(try json.int("last-assigned-field-id"))
    case "assert-current-schema-id": self = .currentSchemaID(try json.int("current-schema-id"))
    case "assert-last-assigned-partition-id": self = .lastPartitionID(try json.int("last-assigned-partition-id"))
    case "assert-default-spec-id": self = .defaultSpecID(try json.int("default-spec-id"))
    case "assert-default-sort-order-id": self = .defaultSortOrderID(try json.int("default-sort-order-id"))
    case let other: throw IcebergError(.unsupported, "the requirement \(other) is not known")
    }
  }

  /// The JSON (REST catalog specification, `TableRequirement`).
  public var json: JSONValue {
    switch self {
    case .tableDoesNotExist: .object(["type": "assert-create"])
    case .tableUUID(let uuid): .object(["type": "assert-table-uuid", "uuid": .string(uuid)])
    case .reference(let name, let id):
      .object([
        "type": "assert-ref-snapshot-id", "ref": .string(name), "snapshot-id": id.map { .integer($0) } ?? .null
      ])
    case .lastColumnID(let id):
      .object(["type": "assert-last-assigned-field-id", "last-assigned-field-id": .integer(id)])
    case .currentSchemaID(let id): .object(["type": "assert-current-schema-id", "current-schema-id": .integer(id)])
    case .lastPartitionID(let id):
      .object(["type": "assert-last-assigned-partition-id", "last-assigned-partition-id": .integer(id)])
    case .defaultSpecID(let id): .object(["type": "assert-default-spec-id", "default-spec-id": .integer(id)])
    case .defaultSortOrderID(let id):
      .object(["type": "assert-default-sort-order-id", "default-sort-order-id": .integer(id)])
    }
  }
}

extension TableMetadata {
  /// Checks that all requirements of a commit hold.
  /// - Throws: ``IcebergError`` of kind `conflict` that says what was expected and what was found.
  public func check(_ requirements: [TableRequirement]) throws(IcebergError) {
    for requirement in requirements {
      guard let (what, expected, found) = violation(of: requirement) else { continue }
      throw IcebergError(
        .conflict,
        "the commit requires \(what) \(expected), found \(found): the table has changed; load it again and retry")
    }
  }

  private func violation(of requirement: TableRequirement) -> (what: String, expected: String, found: String)? {
    func differs(_ what: String, _ expected: Int, _ found: Int) -> (String, String, String)? {
      expected == found ? nil : (what, "\(expected)", "\(found)")
    }
    switch requirement {
    case .tableDoesNotExist: return ("that the table", "does not exist", "a table with the id \(tableUUID)")
    case .tableUUID(let uuid):
      return uuid.lowercased() == tableUUID.lowercased() ? nil : ("the table id", uuid, tableUUID)
    case .reference(let name, let expected):
      let found = references[name]?.snapshotID
      if found == expected { return nil }
      let text = { (id: Int64?) in id.map { "at snapshot \($0)" } ?? "to be absent" }
      return ("the branch or tag \(name)", text(expected), found.map { "snapshot \($0)" } ?? "none")
    case .lastColumnID(let id): return differs("the last column id", id, lastColumnID)
    case .currentSchemaID(let id): return differs("the current schema", id, currentSchemaID)
    case .lastPartitionID(let id): return differs("the last partition field id", id, lastPartitionID)
    case .defaultSpecID(let id): return differs("the default partition spec", id, defaultSpecID)
    case .defaultSortOrderID(let id): return differs("the default sort order", id, defaultSortOrderID)
    }
  }
}
