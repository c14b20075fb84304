import Columnar

/// A type as it was written, and what it is here.
struct DeclaredType: Hashable, Sendable {
  let type: DataType
  /// PostgreSQL's name with its modifiers, for creating a table elsewhere.
  let written: String
  /// The `n` of `varchar(n)`.
  let characterLimit: Int?
  /// The bits of an interval's fields (`INTERVAL '5' MINUTE`), as PostgreSQL encodes them.
  let intervalFields: Int?
}

extension BindingContext {
  /// The type that a `TypeName` node names.
  func type(_ node: SyntaxNode) throws(SQLDiagnostic) -> DeclaredType {
    let names = node.names("names")
    let name = names.last ?? ""
    let offset = node.location ?? 0
    if names.count > 1, names.first != "pg_catalog" {
      throw error("type \(names.joined(separator: ".")) does not exist", at: offset, hint: "types have no schema here")
    }
    guard node.list("arrayBounds").isEmpty else {
      throw error("arrays are not supported", at: offset, hint: "declare the column as jsonb")
    }
    let modifiers = node.list("typmods").map { $0["A_Const"].flatMap { $0["ival"]?["ival"]?.integer } ?? 0 }
    if let plain = Self.plainTypes[name] {
      return DeclaredType(type: plain, written: plain.sqlName, characterLimit: nil, intervalFields: nil)
    }
    switch name {
    case "numeric": return try numericType(modifiers, at: offset)
    case "varchar", "bpchar": return try characterType(name, modifiers, at: offset)
    case "timestamp", "timestamptz":
      let type: DataType = name == "timestamp" ? .timestamp : .timestamptz
      if let digits = modifiers.first, digits > 6 {
        throw error("timestamp(\(digits)) has more than microseconds", at: offset, hint: "write \(type.sqlName)")
      }
      let digits = modifiers.first.map { "(\($0))" } ?? ""
      let written = name == "timestamp" ? "timestamp\(digits)" : "timestamp\(digits) with time zone"
      return DeclaredType(type: type, written: written, characterLimit: nil, intervalFields: nil)
    case "interval":
      return DeclaredType(type: .interval, written: "interval", characterLimit: nil, intervalFields: modifiers.first)
    default:
      // The grammar renames it; the message has what was written.
      let written = name == "int2" ? "smallint" : name
      throw error("type \(written) does not exist or is not supported", at: offset, hint: Self.typeHint(name))
    }
  }

  private func numericType(_ modifiers: [Int], at offset: Int) throws(SQLDiagnostic) -> DeclaredType {
    guard let precision = modifiers.first else {
      return DeclaredType(type: .numeric, written: "numeric", characterLimit: nil, intervalFields: nil)
    }
    let scale = modifiers.count > 1 ? modifiers[1] : 0
    guard (1...38).contains(precision), (0...precision).contains(scale) else {
      throw error(
        "numeric(\(precision),\(scale)) is outside what is supported", at: offset,
        hint: "precision is 1 to 38 and scale 0 to the precision")
    }
    let type = DataType.numeric(precision: precision, scale: scale)
    return DeclaredType(type: type, written: type.sqlName, characterLimit: nil, intervalFields: nil)
  }

  private func characterType(
    _ name: String, _ modifiers: [Int], at offset: Int
  ) throws(SQLDiagnostic) -> DeclaredType {
    let limit = modifiers.first
    if let limit, limit < 1 { throw error("the length of a text type is 1 or more", at: offset) }
    let sqlName = name == "varchar" ? "varchar" : "char"
    return DeclaredType(
      type: .text, written: limit.map { "\(sqlName)(\($0))" } ?? (name == "varchar" ? "varchar" : "char(1)"),
      characterLimit: limit, intervalFields: nil)
  }

  private static let plainTypes: [String: DataType] = [
    "bool": .boolean, "boolean": .boolean, "int4": .integer, "int": .integer, "integer": .integer, "int8": .bigint,
    "bigint": .bigint, "float4": .real, "real": .real, "float8": .double, "text": .text, "bytea": .bytea,
    "date": .date, "uuid": .uuid, "jsonb": .jsonb, "json": .jsonb
  ]

  private static func typeHint(_ name: String) -> String? {
    switch name {
    case "int2", "smallint", "tinyint", "int16": "write integer"
    case "string", "nvarchar", "clob", "citext", "name": "write text"
    case "long", "int64", "uint64", "uint32", "serial8", "bigserial", "serial4", "serial": "write bigint"
    case "int32": "write integer"
    case "double", "float64": "write double precision"
    case "float32": "write real"
    case "datetime": "write timestamp or timestamptz"
    case "timestamp_ltz": "write timestamptz"
    case "time", "timetz": "there is no time of day type; write text or interval"
    case "bytes", "binary", "varbinary", "blob": "write bytea"
    case "money": "write numeric(18,2)"
    case "map", "row", "struct", "array", "variant", "hstore", "xml": "write jsonb or text"
    default:
      Suggestion.nearest(to: name, in: typeNames).map { "did you mean \($0)?" }
        ?? "types: \(typeNames.joined(separator: ", "))"
    }
  }

  private static let typeNames = [
    "boolean", "integer", "bigint", "real", "double precision", "numeric(p,s)", "text", "varchar(n)", "bytea", "date",
    "timestamp", "timestamptz", "interval", "uuid", "jsonb"
  ]
}
