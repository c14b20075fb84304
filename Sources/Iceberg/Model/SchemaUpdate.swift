/// Changes of a schema, collected and then applied at once (Iceberg specification, "Schema Evolution").
///
/// Columns are named by their full names: `address.street`, `list.element`, `map.value`. A column that was added in the
/// same update may be moved and be the parent of others.
public struct SchemaUpdate: Sendable {
  /// Where a column goes among its siblings.
  public enum Position: Hashable, Sendable {
    /// Before all others.
    case first
    /// Right before the sibling of this full name.
    case before(String)
    /// Right after the sibling of this full name.
    case after(String)
    /// After all others.
    case last
  }

  /// The schema so far.
  var schema: TableSchema
  /// The id given last.
  public private(set) var lastColumnID: Int
  private let formatVersion: Int
  let caseSensitive: Bool
  /// Columns of this update: they may be required.
  private var added: Set<Int> = []
  /// The fields of all partition specs: they forbid some changes of types.
  private var partitionFields: [PartitionField] = []
  /// Whether optional columns may become required, and required ones be added, though old rows may have nulls there.
  public var allowsIncompatibleChanges = false

  /// The changes of a table's current schema.
  ///
  /// - Parameters:
  ///   - schema: the schema before.
  ///   - lastColumnID: the greatest id that the table has ever given.
  ///   - formatVersion: the table's; decides on types and promotions.
  ///   - caseSensitive: whether names are compared as they are.
  public init(_ schema: TableSchema, lastColumnID: Int, formatVersion: Int = 2, caseSensitive: Bool = true) {
    self.schema = schema
    self.lastColumnID = max(lastColumnID, schema.highestFieldID)
    self.formatVersion = formatVersion
    self.caseSensitive = caseSensitive
  }

  /// The changes of a table's current schema.
  /// - Throws: ``IcebergError`` of kind `corrupt` when it has none.
  public init(_ table: TableMetadata, caseSensitive: Bool = true) throws(IcebergError) {
    guard let schema = table.currentSchema else { throw IcebergError(.corrupt, "the table has no current schema") }
    self.init(
      schema, lastColumnID: table.lastColumnID, formatVersion: table.formatVersion, caseSensitive: caseSensitive)
    partitionFields = table.partitionSpecs.flatMap(\.fields)
  }

  private func find(_ name: String) throws(IcebergError) -> NestedField {
    guard let field = schema.field(named: name, caseSensitive: caseSensitive) else {
      throw IcebergError(.invalid, "there is no column \(name)")
    }
    return field
  }

  /// Adds a column.
  ///
  /// - Parameters:
  ///   - name: its own name, without its parent's; dots are part of it.
  ///   - type: its type; ids inside are given anew.
  ///   - parent: the struct, or the list or map of structs, to add it to; `nil` is the top.
  ///   - isRequired: only allowed with ``allowsIncompatibleChanges``, or with an initial default.
  ///   - doc: what it means.
  ///   - position: where it goes.
  ///   - initialDefault: the value of rows that were written before (v3).
  ///   - writeDefault: the value for writers that have none (v3); the initial default unless given.
  /// - Throws: ``IcebergError`` of kind `invalid` that names the column.
  public mutating func addColumn(
    _ name: String, _ type: IcebergType, parent: String? = nil, isRequired: Bool = false, doc: String? = nil,
    position: Position = .last, initialDefault: JSONValue? = nil, writeDefault: JSONValue? = nil
  ) throws(IcebergError) {
    let fullName = parent.map { "\($0).\(name)" } ?? name
    guard !name.isEmpty else { throw IcebergError(.invalid, "a column needs a name") }
    guard !isRequired || allowsIncompatibleChanges || initialDefault != nil else {
      throw IcebergError(.invalid, "\(fullName): a required column without default cannot be added, old rows lack it")
    }
    let container = try parent.map { name throws(IcebergError) in try structure(named: name) }
    let siblings = container?.type.fields ?? schema.fields
    guard !siblings.contains(where: { same($0.name, name) }) else {
      throw IcebergError(.invalid, "\(fullName): there is such a column already")
    }
    var fresh = FreshIDs(after: lastColumnID)
    let field = fresh.assign([
      NestedField(
        id: -1, name: name, type: type, isRequired: isRequired, doc: doc, initialDefault: initialDefault,
        writeDefault: writeDefault ?? initialDefault)
    ])[0]
    lastColumnID = fresh.last
    added.insert(field.id)
    edit(container?.id) { $0.append(field) }
    if position != .last { try move(id: field.id, name: fullName, position) }
  }

  /// The struct of a name; of a list its element, of a map its value.
  private func structure(named name: String) throws(IcebergError) -> NestedField {
    var field = try find(name)
    if case .list(let element) = field.type { field = element }
    if case .map(_, let value) = field.type { field = value }
    guard case .structure = field.type else {
      throw IcebergError(.invalid, "\(name): columns can be added to structs, not to \(field.type.text)")
    }
    return field
  }

  func same(_ left: String, _ right: String) -> Bool {
    caseSensitive ? left == right : left.lowercased() == right.lowercased()
  }

  /// Removes a column and what is inside of it.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is none, or when it identifies rows.
  public mutating func deleteColumn(_ name: String) throws(IcebergError) {
    let field = try find(name)
    let parent = try structParent(of: field, name, "removed")
    for id in schema.identifierFieldIDs where id == field.id || NestedField.find(id, in: field.type.fields) != nil {
      throw IcebergError(.invalid, "\(name): it identifies rows; change the identifier fields first")
    }
    edit(parent) { $0.removeAll { $0.id == field.id } }
  }

  /// The struct around a field; `nil` is the top.
  private func structParent(of field: NestedField, _ name: String, _ what: String) throws(IcebergError) -> Int? {
    guard let parent = schema.parentIDs[field.id] else { return nil }
    guard case .structure = schema.field(id: parent)?.type else {
      throw IcebergError(.invalid, "\(name): parts of lists and maps cannot be \(what)")
    }
    return parent
  }

  /// Renames a column.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is none, or a sibling has the name.
  public mutating func renameColumn(_ name: String, to newName: String) throws(IcebergError) {
    let field = try find(name)
    let parent = try structParent(of: field, name, "renamed")
    guard !newName.isEmpty else { throw IcebergError(.invalid, "\(name): the new name is empty") }
    let siblings = parent.flatMap { schema.field(id: $0)?.type.fields } ?? schema.fields
    guard !siblings.contains(where: { $0.id != field.id && same($0.name, newName) }) else {
      throw IcebergError(.invalid, "\(name): there is a column \(newName) already")
    }
    change(field.id) { $0.name = newName }
  }

  /// Widens a column's type: `int` to `long`, `float` to `double`, a decimal to more digits; from version 3 also `date`
  /// to a timestamp without zone and `unknown` to anything.
  /// - Throws: ``IcebergError`` of kind `invalid` when the type cannot become the other.
  public mutating func updateType(_ name: String, to type: IcebergType) throws(IcebergError) {
    let field = try find(name)
    guard field.type != type else { return }
    guard field.type.canBePromoted(to: type, formatVersion: formatVersion) else {
      throw IcebergError(.invalid, "\(name): the type \(field.type.text) cannot become \(type.text)")
    }
    if let parent = schema.parentIDs[field.id], case .map(let key, _) = schema.field(id: parent)?.type,
      key.id == field.id
    {
      throw IcebergError(.invalid, "\(name): a map's keys cannot be changed")
    }
    let fields = partitionFields.filter { $0.sourceID == field.id }
    if let changed = fields.first(where: { !$0.transform.isUnchanged(from: field.type, to: type) }) {
      throw IcebergError(
        .invalid,
        "\(name): the type \(field.type.text) cannot become \(type.text): the partition field \(changed.name), "
          + "\(changed.transform.text), would have other values")
    }
    change(field.id) { column in
      column.initialDefault = column.initialDefault.map { Self.promoted($0, from: column.type, to: type) }
      column.writeDefault = column.writeDefault.map { Self.promoted($0, from: column.type, to: type) }
      column.type = type
    }
  }

  /// A default in the form of the new type; as it is when it is no value of the old one.
  private static func promoted(_ value: JSONValue, from old: IcebergType, to new: IcebergType) -> JSONValue {
    (try? Literal(json: value, type: old))?.promoted(to: new)?.json ?? value
  }

  /// Allows nulls in a column.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is no such column, or it identifies rows.
  public mutating func makeOptional(_ name: String) throws(IcebergError) {
    let field = try find(name)
    guard field.isRequired else { return }
    try checkNotKey(field, name)
    guard !schema.identifierFieldIDs.contains(field.id) else {
      throw IcebergError(.invalid, "\(name): it identifies rows, so it must be required")
    }
    change(field.id) { $0.isRequired = false }
  }

  /// Forbids nulls in a column: only with ``allowsIncompatibleChanges``, or when it was added in this update.
  /// - Throws: ``IcebergError`` of kind `invalid` that names the column.
  public mutating func requireColumn(_ name: String) throws(IcebergError) {
    let field = try find(name)
    guard !field.isRequired else { return }
    guard allowsIncompatibleChanges || (added.contains(field.id) && field.initialDefault != nil) else {
      throw IcebergError(.invalid, "\(name): an optional column cannot become required, old rows may have nulls")
    }
    change(field.id) { $0.isRequired = true }
  }

  private func checkNotKey(_ field: NestedField, _ name: String) throws(IcebergError) {
    if let parent = schema.parentIDs[field.id], case .map(let key, _) = schema.field(id: parent)?.type,
      key.id == field.id
    {
      throw IcebergError(.invalid, "\(name): a map's keys are always required")
    }
  }

  /// Changes what a column's documentation says.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is no such column.
  public mutating func updateDoc(_ name: String, to doc: String?) throws(IcebergError) {
    change(try find(name).id) { $0.doc = doc }
  }

  /// Changes the value for writers that have none (v3).
  /// - Throws: ``IcebergError`` of kind `invalid` when there is no such column.
  public mutating func updateWriteDefault(_ name: String, to value: JSONValue?) throws(IcebergError) {
    change(try find(name).id) { $0.writeDefault = value }
  }

  /// Moves a column among its siblings.
  /// - Throws: ``IcebergError`` of kind `invalid` when one of both is missing, or they are no siblings.
  public mutating func moveColumn(_ name: String, _ position: Position) throws(IcebergError) {
    try move(id: try find(name).id, name: name, position)
  }

  private mutating func move(id: Int, name: String, _ position: Position) throws(IcebergError) {
    guard let field = schema.field(id: id) else { throw IcebergError(.invalid, "there is no column \(name)") }
    let parent = try structParent(of: field, name, "moved")
    var reference: Int?
    switch position {
    case .before(let other), .after(let other):
      let found = try find(other)
      guard found.id != id else { throw IcebergError(.invalid, "\(name): cannot be moved relative to itself") }
      guard schema.parentIDs[found.id] == parent else {
        throw IcebergError(.invalid, "\(name): cannot be moved next to \(other), they are in different structs")
      }
      reference = found.id
    case .first, .last: break
    }
    edit(parent) { siblings in
      siblings.removeAll { $0.id == id }
      let index = reference.flatMap { wanted in siblings.firstIndex { $0.id == wanted } }
      switch position {
      case .first: siblings.insert(field, at: 0)
      case .last: siblings.append(field)
      case .before: siblings.insert(field, at: index ?? 0)
      case .after: siblings.insert(field, at: index.map { $0 + 1 } ?? siblings.count)
      }
    }
  }

  /// Says which columns identify a row.
  /// - Throws: ``IcebergError`` of kind `invalid` when there is no such column; see also ``apply()``.
  public mutating func setIdentifierFields(_ names: [String]) throws(IcebergError) {
    var ids: [Int] = []
    for name in names { ids.append(try find(name).id) }
    schema.identifierFieldIDs = Set(ids).sorted()
  }

  /// The new schema, of the old one's schema id (it is given anew when it is added to the table), and the last column id.
  /// - Throws: ``IcebergError`` of kind `invalid` when the columns make no sense together.
  public func apply() throws(IcebergError) -> (schema: TableSchema, lastColumnID: Int) {
    try schema.checkNames()
    try schema.check(formatVersion: formatVersion)
    return (schema, lastColumnID)
  }

  private mutating func edit(_ parent: Int?, _ body: (inout [NestedField]) -> Void) {
    guard let parent else {
      body(&schema.fields)
      return
    }
    change(parent) { field in
      guard case .structure(var fields) = field.type else { return }
      body(&fields)
      field.type = .structure(fields)
    }
  }

  private mutating func change(_ id: Int, _ body: (inout NestedField) -> Void) {
    schema.fields = schema.fields.map { $0.changing(id, body) }
  }
}

extension NestedField {
  /// The field with a change of the one with this id, which is this or inside of it.
  fileprivate func changing(_ wanted: Int, _ body: (inout NestedField) -> Void) -> NestedField {
    var result = self
    if id == wanted {
      body(&result)
      return result
    }
    switch type {
    case .structure(let fields): result.type = .structure(fields.map { $0.changing(wanted, body) })
    case .list(let element): result.type = .list(element: element.changing(wanted, body))
    case .map(let key, let value):
      result.type = .map(key: key.changing(wanted, body), value: value.changing(wanted, body))
    default: break
    }
    return result
  }
}

extension Transform {
  /// Whether partition values stay what they are when a source's type is promoted (Iceberg specification, "Schema
  /// Evolution"): a date that becomes a timestamp has another value and another hash, but the same day.
  func isUnchanged(from old: IcebergType, to new: IcebergType) -> Bool {
    guard old == .date, new != .date else { return true }
    switch self {
    case .year, .month, .day, .void: return true
    case .identity, .bucket, .truncate, .hour, .unknown: return false
    }
  }
}

extension IcebergType {
  /// Whether a column of this type may become one of the other (Iceberg specification, "Schema Evolution").
  public func canBePromoted(to type: IcebergType, formatVersion: Int) -> Bool {
    switch (self, type) {
    case (.int, .long), (.float, .double): true
    case (.decimal(let precision, let scale), .decimal(let newPrecision, let newScale)):
      newScale == scale && newPrecision >= precision
    case (.date, .timestamp), (.date, .timestampNanos): formatVersion >= 3
    case (.unknown, _): formatVersion >= 3 && !type.isNested
    default: self == type
    }
  }
}
