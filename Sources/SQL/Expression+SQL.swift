import Columnar

extension Expression {
  /// The expression as SQL text; columns are called by the names of `schema`.
  public func sql(_ schema: Schema) -> String {
    switch kind {
    case .column(let index): return schema.fields.indices.contains(index) ? schema.fields[index].name : "$\(index)"
    case .literal(let value): return value.sql(type)
    case .call(let signature, let arguments): return Self.call(signature.name, arguments.map { $0.operand(schema) })
    case .and(let parts): return parts.map { $0.operand(schema) }.joined(separator: " AND ")
    case .or(let parts): return parts.map { $0.operand(schema) }.joined(separator: " OR ")
    case .not(let part): return "NOT \(part.operand(schema))"
    case .isNull(let part): return "\(part.operand(schema)) IS NULL"
    case .isTrue(let part): return "\(part.operand(schema)) IS TRUE"
    case .coalesce(let parts): return "coalesce(\(parts.map { $0.sql(schema) }.joined(separator: ", ")))"
    case .cast(let part): return "CAST(\(part.sql(schema)) AS \(type.sqlName))"
    case .inList(let value, let list):
      return "\(value.operand(schema)) IN (\(list.map { $0.sql(schema) }.joined(separator: ", ")))"
    case .conditional(let branches, let otherwise):
      let whens = branches.map { "WHEN \($0.condition.sql(schema)) THEN \($0.result.sql(schema))" }
      return "CASE \(whens.joined(separator: " ")) ELSE \(otherwise.sql(schema)) END"
    }
  }

  /// The text within an operator: in parentheses unless it is one word or a call.
  private func operand(_ schema: Schema) -> String {
    let text = sql(schema)
    switch kind {
    case .column, .literal, .coalesce, .cast: return text
    case .call(let signature, _):
      let isCall = signature.name.first?.isLetter == true && signature.name != "is_distinct_from"
      return isCall ? text : "(\(text))"
    case .and, .or, .not, .isNull, .isTrue, .inList, .conditional: return "(\(text))"
    }
  }

  private static func call(_ name: String, _ arguments: [String]) -> String {
    if name == "is_distinct_from", arguments.count == 2 { return "\(arguments[0]) IS DISTINCT FROM \(arguments[1])" }
    guard name.first?.isLetter != true else { return "\(name)(\(arguments.joined(separator: ", ")))" }
    switch name {
    case "~~": return arguments.joined(separator: " LIKE ")
    case "!~~": return arguments.joined(separator: " NOT LIKE ")
    case "~~*": return arguments.joined(separator: " ILIKE ")
    case "!~~*": return arguments.joined(separator: " NOT ILIKE ")
    default: return arguments.count == 1 ? name + arguments[0] : arguments.joined(separator: " \(name) ")
    }
  }
}

extension Value {
  /// The constant as SQL text, in `type`.
  func sql(_ type: DataType) -> String {
    switch self {
    case .null: return "NULL"
    case .boolean(let value): return value ? "TRUE" : "FALSE"
    case .float64(let value): return "\(type == .real ? "REAL" : "DOUBLE PRECISION") '\(value)'"
    case .numeric(let value): return String(writing: { value.appendText(to: &$0) })
    case .interval(let value): return "INTERVAL '\(String(writing: { value.appendText(to: &$0) }))'"
    case .uuid(let value): return "UUID '\(String(writing: { value.appendText(to: &$0) }))'"
    case .bytes(let bytes): return Self.quoted(bytes, type)
    case .int64(let value):
      switch type {
      case .date: return "DATE '\(String(writing: { TimeText.appendDate(value, to: &$0) }))'"
      case .timestamp:
        return "TIMESTAMP '\(String(writing: { TimeText.appendTimestamp(value, withZone: false, to: &$0) }))'"
      case .timestamptz:
        return "TIMESTAMPTZ '\(String(writing: { TimeText.appendTimestamp(value, withZone: true, to: &$0) }))'"
      default: return "\(value)"
      }
    }
  }

  private static func quoted(_ bytes: [UInt8], _ type: DataType) -> String {
    if type == .bytea { return "BYTEA '\(String(writing: { ByteaText.append(bytes, to: &$0) }))'" }
    return "'\(String(decoding: bytes, as: UTF8.self).replacing("'", with: "''"))'"
  }
}

extension AggregateCall {
  /// The aggregate as SQL text; columns are called by the names of `schema`.
  public func sql(_ schema: Schema) -> String {
    let inner = (isDistinct ? "DISTINCT " : "") + (argument?.sql(schema) ?? "*")
    return "\(function.rawValue)(\(inner))" + (filter.map { " FILTER (WHERE \($0.sql(schema)))" } ?? "")
  }
}
