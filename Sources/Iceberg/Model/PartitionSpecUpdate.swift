/// Changes of a table's partitioning (Iceberg specification, "Partition Evolution").
public struct PartitionSpecUpdate: Sendable {
  private let table: TableMetadata
  private let schema: TableSchema
  private let caseSensitive: Bool
  private var fields: [PartitionField]
  private var lastPartitionID: Int

  /// The changes of a table's default spec.
  /// - Throws: ``IcebergError`` of kind `corrupt` when the table has no current schema or default spec.
  public init(_ table: TableMetadata, caseSensitive: Bool = true) throws(IcebergError) {
    guard let schema = table.currentSchema, let spec = table.defaultSpec else {
      throw IcebergError(.corrupt, "the table has no current schema or no default partition spec")
    }
    self.table = table
    self.schema = schema
    self.caseSensitive = caseSensitive
    fields = spec.fields
    lastPartitionID = max(table.lastPartitionID, table.partitionSpecs.map(\.highestFieldID).max() ?? 999)
  }

  /// Adds a field. A field of an earlier spec with the same source and transform gives its id, and its name if none is
  /// given.
  ///
  /// - Parameters:
  ///   - sourceName: the column's full name.
  ///   - transform: how values are made.
  ///   - name: the field's name; by default as the reference implementation names what it adds to a table: `ts_hour`,
  ///     `id_bucket_16`, ….
  /// - Throws: ``IcebergError`` of kind `invalid` that names the column or field.
  public mutating func addField(
    _ sourceName: String, _ transform: Transform, name: String? = nil
  ) throws(IcebergError) {
    guard let source = schema.field(named: sourceName, caseSensitive: caseSensitive) else {
      throw IcebergError(.invalid, "there is no column \(sourceName)")
    }
    guard transform.resultType(of: source.type) != nil else {
      throw IcebergError(.invalid, "\(transform.text) cannot be applied to \(sourceName) of type \(source.type.text)")
    }
    if let same = fields.first(where: { $0.sourceID == source.id && $0.transform == transform }) {
      throw IcebergError(
        .invalid, "the table is partitioned by \(transform.text) of \(sourceName) already: \(same.name)")
    }
    if transform.isTime, let same = fields.first(where: { $0.sourceID == source.id && $0.transform.isTime }) {
      throw IcebergError(
        .invalid,
        "the table is partitioned by \(same.transform.text) of \(sourceName) already; remove \(same.name) first")
    }
    let earlier = table.formatVersion == 1 ? nil : recycled(source.id, transform)
    let newName = name ?? earlier?.name ?? transform.evolvedName(source: schema.columnName(source.id) ?? source.name)
    let id = earlier?.fieldID ?? lastPartitionID + 1
    lastPartitionID = max(lastPartitionID, id)
    if let index = fields.firstIndex(where: { $0.name == newName }) {
      guard fields[index].transform == .void else {
        throw IcebergError(.invalid, "there is a partition field \(newName) already")
      }
      // A removed field of version 1 stays: it makes room for the new one's name.
      fields[index].name += "_\(fields[index].fieldID)"
    }
    fields.append(PartitionField(sourceID: source.id, fieldID: id, name: newName, transform: transform))
  }

  private func recycled(_ sourceID: Int, _ transform: Transform) -> PartitionField? {
    for spec in table.partitionSpecs.reversed() {
      for field in spec.fields where field.sourceID == sourceID && field.transform == transform {
        if !fields.contains(where: { $0.fieldID == field.fieldID }) { return field }
      }
    }
    return nil
  }

  /// Removes a field. In format version 1 it stays as `void`, so that the others keep their places.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is none.
  public mutating func removeField(_ name: String) throws(IcebergError) {
    let index = try position(name)
    guard table.formatVersion == 1 else {
      fields.remove(at: index)
      return
    }
    if fields[index].fieldID > table.lastPartitionID {
      fields.remove(at: index)
    } else {
      fields[index].transform = .void
    }
  }

  /// Renames a field.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is none, or another one has the new name.
  public mutating func renameField(_ name: String, to newName: String) throws(IcebergError) {
    let index = try position(name)
    guard !fields.contains(where: { $0.name == newName }) || name == newName else {
      throw IcebergError(.invalid, "there is a partition field \(newName) already")
    }
    fields[index].name = newName
  }

  private func position(_ name: String) throws(IcebergError) -> Int {
    guard
      let index = fields.firstIndex(where: {
        caseSensitive ? $0.name == name : $0.name.lowercased() == name.lowercased()
      })
    else { throw IcebergError(.invalid, "there is no partition field \(name)") }
    return index
  }

  /// The new spec: of the id of one that is equal, otherwise of the next.
  /// - Throws: ``IcebergError`` of kind `invalid` when the fields make no sense together.
  public func apply() throws(IcebergError) -> PartitionSpec {
    let spec = PartitionSpec(
      specID: (table.partitionSpecs.map(\.specID).max() ?? -1) + 1, fields: fields)
    try spec.check(schema)
    return table.partitionSpecs.first { $0.isCompatible(with: spec) } ?? spec
  }
}

extension Transform {
  var isUnknown: Bool { if case .unknown = self { true } else { false } }

  var isTime: Bool {
    switch self {
    case .year, .month, .day, .hour: true
    default: false
    }
  }

  /// The name of a field that is added to the partitioning of a table: with the width, since the field may replace one
  /// of another width.
  func evolvedName(source: String) -> String {
    switch self {
    case .bucket(let width), .truncate(let width): defaultName(source: source) + "_\(width)"
    default: defaultName(source: source)
    }
  }

  /// The name of a new table's partition field as the reference implementation gives it: `ts_hour`, `id_bucket`,
  /// `name_trunc`.
  public func defaultName(source: String) -> String {
    switch self {
    case .identity: source
    case .bucket: source + "_bucket"
    case .truncate: source + "_trunc"
    case .year: source + "_year"
    case .month: source + "_month"
    case .day: source + "_day"
    case .hour: source + "_hour"
    case .void: source + "_null"
    case .unknown(let name): source + "_" + name
    }
  }
}
