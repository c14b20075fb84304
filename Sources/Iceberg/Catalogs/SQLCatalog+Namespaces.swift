import PostgresClient

/// Namespaces: there by a row in `iceberg_namespace_properties`, or by a table in them or below.
extension SQLCatalog {
  /// Namespaces directly below `parent`.
  public func listNamespaces(parent: Namespace?) async throws(IcebergError) -> [Namespace] {
    let levels = parent?.levels ?? []
    let catalog = name
    let key = levels.isEmpty ? nil : try SQLNames.key(Namespace(levels))
    let keys = try await session.read { connection, _ in
      try SQLNamespaces.keys(below: key, catalog: catalog, connection)
    }
    if let parent, !levels.isEmpty, keys.isEmpty { throw SQLNames.missing(parent) }
    let children = keys.map(SQLNames.namespace).filter { $0.levels.count > levels.count }.map {
      Namespace(Array($0.levels.prefix(levels.count + 1)))
    }
    return Set(children).sorted()
  }

  /// Makes a namespace; its parents need not be there.
  public func createNamespace(_ namespace: Namespace, properties: [String: String]) async throws(IcebergError) {
    let key = try SQLNames.key(namespace)
    try SQLNamespaces.check(Array(properties.keys))
    let catalog = name
    let pairs = [("exists", "true")] + properties.sorted { $0.key < $1.key }
    let outcome = try await session.transaction { connection, _ in
      if try SQLNamespaces.exists(key, catalog: catalog, connection) {
        throw IcebergError(.alreadyExists, "namespace \(namespace) exists already")
      }
      for (name, value) in pairs {
        try connection.run(
          """
          INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
          VALUES ($1, $2, $3, $4)
          """, [catalog, key, name, value])
      }
    }
    if case .rolledBack(.server(let failure)) = outcome, failure.code == "23505" {
      throw IcebergError(.alreadyExists, "namespace \(namespace) exists already")
    }
    try SQLNamespaces.finish(outcome, "creating namespace \(namespace)")
  }

  /// Its properties; `location` is where its tables are put, also when nobody set it.
  public func namespaceProperties(_ namespace: Namespace) async throws(IcebergError) -> [String: String] {
    let key = try SQLNames.key(namespace)
    let catalog = name
    let found = try await session.read { connection, _ in
      guard try SQLNamespaces.exists(key, catalog: catalog, connection) else { return [String: String]?.none }
      let answer = try connection.run(
        """
        SELECT property_key, property_value FROM iceberg_namespace_properties WHERE catalog_name = $1 AND namespace = $2
        """, [catalog, key])
      var properties: [String: String] = [:]
      for row in answer.rows where row.count == 2 {
        if let name = row[0], name != "exists" { properties[name] = row[1] ?? "" }
      }
      return properties
    }
    guard var properties = found else { throw SQLNames.missing(namespace) }
    if properties["location"] == nil {
      properties["location"] = ([warehouse] + namespace.levels).joined(separator: "/")
    }
    return properties
  }

  /// Changes its properties.
  /// - Throws: kind `notFound`; kind `invalid` for a name that is both removed and set.
  public func updateNamespace(
    _ namespace: Namespace, removing: [String], setting: [String: String]
  ) async throws(IcebergError) {
    let key = try SQLNames.key(namespace)
    try SQLNamespaces.check(removing + setting.keys)
    if let both = removing.first(where: { setting[$0] != nil }) {
      throw IcebergError(.invalid, "property \(both) of namespace \(namespace) is both removed and set")
    }
    let catalog = name
    let outcome = try await session.transaction { connection, _ in
      guard try SQLNamespaces.lock(key, catalog: catalog, connection) else { throw SQLNames.missing(namespace) }
      for name in removing {
        try connection.run(
          """
          DELETE FROM iceberg_namespace_properties WHERE catalog_name = $1 AND namespace = $2 AND property_key = $3
          """, [catalog, key, name])
      }
      for (name, value) in setting.sorted(by: { $0.key < $1.key }) {
        try connection.run(
          """
          INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
          VALUES ($1, $2, $3, $4) ON CONFLICT (catalog_name, namespace, property_key)
          DO UPDATE SET property_value = EXCLUDED.property_value
          """, [catalog, key, name, value])
      }
    }
    try SQLNamespaces.finish(outcome, "changing namespace \(namespace)")
  }

  /// Removes an empty namespace.
  public func dropNamespace(_ namespace: Namespace) async throws(IcebergError) {
    let key = try SQLNames.key(namespace)
    let catalog = name
    let outcome = try await session.transaction { connection, _ in
      guard try SQLNamespaces.exists(key, catalog: catalog, connection) else { throw SQLNames.missing(namespace) }
      // Deleted first: it waits for a table that is being created, and is waited for by the next one.
      try connection.run(
        "DELETE FROM iceberg_namespace_properties WHERE catalog_name = $1 AND namespace = $2", [catalog, key])
      if try SQLNamespaces.exists(key, catalog: catalog, connection) {
        throw IcebergError(
          .conflict, "namespace \(namespace) is not empty; drop its tables, views and namespaces first")
      }
    }
    try SQLNamespaces.finish(outcome, "dropping namespace \(namespace)")
  }
}

/// Statements about namespaces.
enum SQLNamespaces {
  static func keys(below key: String?, catalog: String, _ connection: PostgresConnection) throws -> [String] {
    let condition = key == nil ? "" : "AND (n = $2 OR starts_with(n, $3))"
    let answer = try connection.run(
      """
      SELECT DISTINCT n FROM (
        SELECT table_namespace AS n FROM iceberg_tables WHERE catalog_name = $1
        UNION ALL SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = $1) AS names
      WHERE n <> '' \(condition)
      """, key.map { [catalog, $0, $0 + "."] } ?? [catalog])
    return answer.rows.compactMap { $0.first ?? nil }
  }

  static func exists(_ key: String, catalog: String, _ connection: PostgresConnection) throws -> Bool {
    let answer = try connection.run(
      """
      SELECT EXISTS (SELECT 1 FROM iceberg_namespace_properties
          WHERE catalog_name = $1 AND (namespace = $2 OR starts_with(namespace, $3)))
        OR EXISTS (SELECT 1 FROM iceberg_tables
          WHERE catalog_name = $1 AND (table_namespace = $2 OR starts_with(table_namespace, $3)))
      """, [catalog, key, key + "."])
    return answer.rows.first?.first == "t"
  }

  /// Whether it exists; if so, by its own rows, it cannot be dropped before the transaction ends.
  static func lock(_ key: String, catalog: String, _ connection: PostgresConnection) throws -> Bool {
    let answer = try connection.run(
      "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = $1 AND namespace = $2 FOR KEY SHARE",
      [catalog, key])
    return try !answer.rows.isEmpty || exists(key, catalog: catalog, connection)
  }

  /// The property that says that a namespace is there is nobody's to change.
  static func check(_ names: [String]) throws(IcebergError) {
    if names.contains("exists") {
      throw IcebergError(.invalid, "the namespace property 'exists' is reserved; leave it out")
    }
  }

  static func finish(_ outcome: SQLOutcome<Void>, _ what: String) throws(IcebergError) {
    switch outcome {
    case .committed: return
    case .rolledBack(let refusal): throw SQLFailures.error(refusal)
    case .unknown(let message): throw IcebergError(.unknownOutcome, "\(what): \(message); look what is there")
    }
  }
}
