extension Namespace {
  /// A namespace of its JSON: an array of levels.
  /// - Throws: ``IcebergError`` of kind `corrupt`.
  public init(json: JSONValue) throws(IcebergError) {
    guard case .array(let elements) = json else {
      throw IcebergError(.corrupt, "a namespace: expected an array of strings, found \(json.shortened)")
    }
    var levels: [String] = []
    for element in elements {
      guard case .string(let level) = element else {
        throw IcebergError(.corrupt, "a namespace: expected a string, found \(element.shortened)")
      }
      levels.append(level)
    }
    self.init(levels)
  }

  /// The JSON: an array of levels.
  public var json: JSONValue { .array(levels.map { .string($0) }) }
}

extension TableIdentifier {
  /// An identifier of its JSON: an object of `namespace` and `name`.
  /// - Throws: ``IcebergError`` of kind `corrupt`.
  public init(json: JSONValue) throws(IcebergError) {
    self.init(try Namespace(json: try json.required("namespace")), try json.string("name"))
  }

  /// The JSON: an object of `namespace` and `name`.
  public var json: JSONValue { .object(["namespace": namespace.json, "name": .string(name)]) }
}

extension TableCommit {
  /// A commit of its JSON (REST catalog specification, `CommitTableRequest`).
  ///
  /// - Parameter identifier: the table's name when the request does not say it.
  /// - Throws: ``IcebergError`` of kind `corrupt`, or `unsupported` for a requirement that is not known.
  public init(json: JSONValue, identifier: TableIdentifier? = nil) throws(IcebergError) {
    var name = identifier
    if let value = try json.optional("identifier") { name = try TableIdentifier(json: value) }
    guard let name else { throw IcebergError(.corrupt, "identifier: expected, but absent") }
    self.init(
      identifier: name,
      requirements: try json.elements("requirements") { value throws(IcebergError) in
        try TableRequirement(json: value)
      }, updates: try json.elements("updates") { value throws(IcebergError) in try TableUpdate(json: value) })
  }

  /// The JSON (REST catalog specification, `CommitTableRequest`).
  public var json: JSONValue {
    .object([
      "identifier": identifier.json, "requirements": .array(requirements.map(\.json)),
      "updates": .array(updates.map(\.json))
    ])
  }
}

extension TableCreation {
  /// What a REST `CreateTableRequest` asks for, besides its `name` and `stage-create`.
  /// - Throws: ``IcebergError`` of kind `corrupt`.
  public init(json: JSONValue) throws(IcebergError) {
    var properties = try json.stringMap("properties")
    var version = 2
    if let text = properties.removeValue(forKey: "format-version") {
      guard let number = Int(text) else {
        throw IcebergError(.corrupt, "properties.format-version: expected a number, found \(text)")
      }
      version = number
    }
    self.init(
      schema: try TableSchema(json: try json.required("schema")), properties: properties, formatVersion: version,
      location: try json.optionalString("location"))
    if let value = try json.optional("partition-spec") { spec = try PartitionSpec(json: value) }
    if let value = try json.optional("write-order") { sortOrder = try SortOrder(json: value) }
  }

  /// The JSON of a REST `CreateTableRequest`.
  ///
  /// - Parameters:
  ///   - name: the table's name in its namespace.
  ///   - isStaged: only prepares the table; the first commit makes it.
  public func json(name: String, isStaged: Bool = false) -> JSONValue {
    let properties = self.properties.merging(["format-version": String(formatVersion)]) { _, new in new }
    return .object([
      "name": .string(name), "location": location.map { .string($0) }, "schema": schema.json,
      "partition-spec": spec.fields.isEmpty ? nil : spec.json,
      "write-order": sortOrder.fields.isEmpty ? nil : sortOrder.json, "stage-create": .bool(isStaged),
      "properties": .object(properties)
    ])
  }
}
