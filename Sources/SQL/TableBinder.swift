import Columnar

/// Binds `CREATE TABLE … WITH (…)`.
struct TableBinder: Sendable {
  let context: BindingContext
  let start: Int
  let environment: [String: String?]

  func bind(_ node: SyntaxNode) throws(SQLDiagnostic) -> TableDefinition {
    let (name, offset) = try Self.tableName(node["relation"], context)
    try rejectClauses(of: node, at: offset)
    var columns: [ColumnDefinition] = []
    var primaryKey: [(name: String, offset: Int)]?
    for element in node.list("tableElts") {
      guard let (kind, content) = element.tagged else { continue }
      switch kind {
      case "ColumnDef":
        let (column, isKey) = try self.column(content)
        guard !columns.contains(where: { $0.field.name == column.field.name }) else {
          throw context.error("column \(column.field.name) is declared twice", at: content.location ?? 0)
        }
        columns.append(column)
        if isKey { try setKey(&primaryKey, [column.field.name], at: content.location ?? 0) }
      case "Constraint":
        guard content["contype"]?.text == "CONSTR_PRIMARY" else { throw constraint(content) }
        try setKey(&primaryKey, content.names("keys"), at: content.location ?? 0)
      default:
        throw context.error("LIKE is not supported in CREATE TABLE", at: offset, hint: "write out the columns")
      }
    }
    guard !columns.isEmpty else { throw context.error("table \(name) has no columns", at: offset) }
    let key = primaryKey ?? []
    for part in key where !columns.contains(where: { $0.field.name == part.name }) {
      throw context.error(
        "column \(part.name) of the primary key does not exist", at: part.offset,
        hint: Suggestion.hint(for: part.name, in: columns.map(\.field.name), listing: "columns"))
    }
    let keyNames = key.map(\.name)
    let fields = columns.map { column in
      let field = Field(
        column.field.name, column.field.type,
        isNullable: column.field.isNullable && !keyNames.contains(column.field.name))
      return ColumnDefinition(field: field, declaredType: column.declaredType)
    }
    let options = try OptionBinder(context: context, environment: environment).bind(node.list("options"))
    return TableDefinition(
      name: name, columns: fields, primaryKey: keyNames, options: options, location: context.source.location(start))
  }

  /// The plain name of a table that is declared or written.
  static func tableName(
    _ node: SyntaxNode?, _ context: BindingContext
  ) throws(SQLDiagnostic) -> (String, Int) {
    let name = node?["relname"]?.text ?? ""
    let offset = node?.location ?? 0
    if let schema = node?["schemaname"]?.text {
      throw context.error(
        "tables have no schema here", at: offset,
        hint: "write \(name); the name elsewhere is an option: WITH (table = '\(schema).\(name)')")
    }
    return (name, offset)
  }

  private func rejectClauses(of node: SyntaxNode, at offset: Int) throws(SQLDiagnostic) {
    if !node.list("inhRelations").isEmpty || node["partspec"] != nil || node["partbound"] != nil {
      throw context.error("INHERITS and PARTITION BY are not supported in CREATE TABLE", at: offset)
    }
    if node["relation"]?["relpersistence"]?.text != "p" {
      throw context.error("temporary and unlogged tables do not exist here", at: offset, hint: "write CREATE TABLE")
    }
  }

  private func column(_ node: SyntaxNode) throws(SQLDiagnostic) -> (ColumnDefinition, isKey: Bool) {
    let name = node["colname"]?.text ?? ""
    guard let typeName = node["typeName"] else {
      throw context.error("column \(name) has no type", at: node.location ?? 0)
    }
    let type = try context.type(typeName)
    var isNullable = true
    var isKey = false
    for item in node.list("constraints") {
      guard let content = item["Constraint"] else { continue }
      switch content["contype"]?.text ?? "" {
      case "CONSTR_NOTNULL": isNullable = false
      case "CONSTR_NULL": break
      case "CONSTR_PRIMARY": isKey = true
      default: throw constraint(content)
      }
    }
    if node["collClause"] != nil {
      throw context.error("COLLATE is not supported", at: node.location ?? 0, hint: "text is compared byte by byte")
    }
    let definition = ColumnDefinition(
      field: Field(name, type.type, isNullable: isNullable && !isKey), declaredType: type.written)
    return (definition, isKey)
  }

  private func setKey(
    _ key: inout [(name: String, offset: Int)]?, _ names: [String], at offset: Int
  ) throws(SQLDiagnostic) {
    guard key == nil else { throw context.error("a table has one primary key", at: offset) }
    key = names.map { ($0, offset) }
  }

  private func constraint(_ node: SyntaxNode) -> SQLDiagnostic {
    let (name, hint): (String, String) =
      switch node["contype"]?.text ?? "" {
      case "CONSTR_DEFAULT":
        ("DEFAULT", "write the value in the SELECT list; a column that an INSERT leaves out is NULL")
      case "CONSTR_CHECK": ("CHECK", "filter with WHERE")
      case "CONSTR_UNIQUE": ("UNIQUE", "declare a PRIMARY KEY")
      case "CONSTR_FOREIGN": ("REFERENCES", "leave it out")
      case "CONSTR_GENERATED", "CONSTR_IDENTITY": ("GENERATED", "compute the column in a view or in the SELECT list")
      default: ("this constraint", "only NOT NULL and PRIMARY KEY are supported")
      }
    return context.error("\(name) is not supported in CREATE TABLE", at: node.location ?? 0, hint: hint)
  }
}

/// Binds the options of `WITH (…)`: their values as text, with references to the environment replaced.
struct OptionBinder: Sendable {
  let context: BindingContext
  let environment: [String: String?]

  func bind(_ nodes: [SyntaxNode]) throws(SQLDiagnostic) -> TableOptions {
    var entries: [String: TableOptions.Entry] = [:]
    for item in nodes {
      guard let node = item["DefElem"] else { continue }
      let offset = node.location ?? 0
      let written = (node["defnamespace"]?.text.map { "\($0)." } ?? "") + (node["defname"]?.text ?? "")
      let name = ConnectorOptions.keepsCase(written) ? written : written.lowercased()
      guard entries[name] == nil else { throw context.error("option \(name) is given twice", at: offset) }
      let valueOffset = self.valueOffset(offset)
      let value = try text(node["arg"], of: name, at: offset, valueOffset)
      entries[name] = TableOptions.Entry(
        value: try substituted(value, at: valueOffset), location: context.location(valueOffset),
        nameLocation: context.location(offset))
    }
    return TableOptions(entries)
  }

  /// The offset of the value: behind the name and the equals sign.
  private func valueOffset(_ offset: Int) -> Int {
    let source = context.source
    var index = context.base + offset
    while index < source.bytes.count, source.bytes[index] != UInt8(ascii: "="), source.bytes[index] != UInt8(ascii: ",")
    {
      index += max(1, source.token(at: index).utf8.count)
    }
    guard index < source.bytes.count, source.bytes[index] == UInt8(ascii: "=") else { return offset }
    return source.skippingSpace(index + 1) - context.base
  }

  private func text(
    _ node: SyntaxNode?, of name: String, at offset: Int, _ valueOffset: Int
  ) throws(SQLDiagnostic) -> String {
    guard let (kind, content) = node?.tagged else {
      throw context.error("option \(name) has no value", at: offset, hint: "write \(name) = 'value'")
    }
    switch kind {
    case "String": return content["sval"]?.text ?? ""
    case "Integer":
      // Zero and negative numbers are missing from the tree.
      let written = context.source.signedInteger(at: context.base + valueOffset)
      return "\(content["ival"]?.integer.map { Int64($0) } ?? written ?? 0)"
    case "Float": return content["fval"]?.text ?? ""
    case "TypeName":
      if let word = content.names("names").last { return word }
      fallthrough
    default:
      throw context.error(
        "the value of option \(name) must be text, a number or a boolean", at: valueOffset,
        hint: "write \(name) = 'value'")
    }
  }

  /// Replaces `${NAME}` and `${NAME:-default}`.
  private func substituted(_ text: String, at offset: Int) throws(SQLDiagnostic) -> String {
    var result = ""
    var rest = text[...]
    while let start = rest.firstRange(of: "${") {
      result += rest[..<start.lowerBound]
      guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
        throw context.error(
          "a reference ${… has no closing brace", at: offset, hint: "write ${NAME} or ${NAME:-default}")
      }
      let reference = rest[start.upperBound..<end]
      let split = reference.firstRange(of: ":-")
      let name = String(split.map { reference[..<$0.lowerBound] } ?? reference)
      if let value = environment[name] ?? nil, !(value.isEmpty && split != nil) {
        result += value
      } else if let split {
        result += reference[split.upperBound...]
      } else {
        throw context.error(
          "the environment variable \(name) is not set", at: offset,
          hint: "set it, or give a default: ${\(name):-value}")
      }
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }
}
