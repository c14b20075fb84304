/// Partitionings and sort orders as people write them in options.
public enum PartitioningText {
  /// The spec of a text such as `hour(ts), bucket(16, id), truncate(name, 4), day(x), country`.
  ///
  /// Transforms may be called `year` or `years`, …, `identity(x)`, `bucket` and `truncate` (also `trunc`) with the number
  /// before or after the column. Columns may be quoted: `"two words"`. `as name` gives a field a name.
  /// - Parameter schema: where the columns are looked up, without regard to case when that is clear.
  /// - Throws: ``IcebergError`` of kind `invalid` that says where the text is wrong.
  public static func parseSpec(_ text: String, schema: TableSchema) throws(IcebergError) -> PartitionSpec {
    var parser = TermParser(text, schema: schema)
    var fields: [PartitionField] = []
    while !parser.isAtEnd {
      if !fields.isEmpty { try parser.expect(",") }
      let term = try parser.term()
      var name = term.transform.defaultName(source: schema.columnName(term.field.id) ?? term.field.name)
      if parser.takeWord("as") { name = try parser.name() }
      fields.append(
        PartitionField(
          sourceID: term.field.id, fieldID: 1000 + fields.count, name: name, transform: term.transform))
    }
    let spec = PartitionSpec(specID: 0, fields: fields)
    try spec.check(schema)
    return spec
  }

  /// The sort order of a text such as `a asc nulls first, bucket(4, b) desc`.
  ///
  /// Ascending is the default; nulls come first when ascending and last when descending unless said.
  /// - Throws: ``IcebergError`` of kind `invalid` that says where the text is wrong.
  public static func parseSortOrder(_ text: String, schema: TableSchema) throws(IcebergError) -> SortOrder {
    var parser = TermParser(text, schema: schema)
    var fields: [SortField] = []
    while !parser.isAtEnd {
      if !fields.isEmpty { try parser.expect(",") }
      let term = try parser.term()
      let isDescending = parser.takeWord("desc")
      if !isDescending { _ = parser.takeWord("asc") }
      var nullsFirst = !isDescending
      if parser.takeWord("nulls") {
        nullsFirst = parser.takeWord("first")
        if !nullsFirst, !parser.takeWord("last") { throw parser.failure("'first' or 'last'") }
      }
      fields.append(
        SortField(
          sourceID: term.field.id, transform: term.transform, isAscending: !isDescending, nullsFirst: nullsFirst))
    }
    let order = SortOrder(orderID: fields.isEmpty ? 0 : 1, fields: fields)
    try order.check(schema)
    return order
  }
}

/// Reads `column` and `transform(column)`.
private struct TermParser {
  private enum Token: Equatable {
    case word(String)
    case quoted(String)
    case symbol(Character)
  }

  private let text: String
  private let schema: TableSchema
  private var tokens: [Token] = []
  private var index = 0

  init(_ text: String, schema: TableSchema) {
    self.text = text
    self.schema = schema
    var rest = text[...]
    while let first = rest.first {
      if first.isWhitespace {
        rest = rest.dropFirst()
      } else if first == "\"" || first == "`" {
        let content = rest.dropFirst().prefix { $0 != first }
        tokens.append(.quoted(String(content)))
        rest = rest.dropFirst(content.count + 2)
      } else if "(),".contains(first) {
        tokens.append(.symbol(first))
        rest = rest.dropFirst()
      } else {
        let word = rest.prefix { !$0.isWhitespace && !"(),\"`".contains($0) }
        tokens.append(.word(String(word)))
        rest = rest.dropFirst(word.count)
      }
    }
  }

  var isAtEnd: Bool { index == tokens.count }

  func failure(_ expected: String) -> IcebergError {
    let found: String
    switch index < tokens.count ? tokens[index] : nil {
    case .word(let text), .quoted(let text): found = "'\(text)'"
    case .symbol(let character): found = "'\(character)'"
    case nil: found = "the end"
    }
    return IcebergError(.invalid, "\"\(text)\": expected \(expected), found \(found)")
  }

  mutating func expect(_ symbol: Character) throws(IcebergError) {
    guard index < tokens.count, tokens[index] == .symbol(symbol) else { throw failure("'\(symbol)'") }
    index += 1
  }

  mutating func takeWord(_ word: String) -> Bool {
    guard index < tokens.count, case .word(let text) = tokens[index], text.lowercased() == word else { return false }
    index += 1
    return true
  }

  mutating func name() throws(IcebergError) -> String {
    guard index < tokens.count else { throw failure("a name") }
    switch tokens[index] {
    case .word(let text), .quoted(let text):
      index += 1
      return text
    case .symbol: throw failure("a name")
    }
  }

  mutating func term() throws(IcebergError) -> (field: NestedField, transform: Transform) {
    let first = try name()
    guard index < tokens.count, tokens[index] == .symbol("(") else { return (try column(first), .identity) }
    index += 1
    var names: [String] = []
    var width: Int?
    while true {
      if index < tokens.count, case .word(let word) = tokens[index], width == nil, let number = Int(word), number > 0,
        number <= Int(Int32.max)
      {
        width = number
        index += 1
      } else {
        names.append(try name())
      }
      if index < tokens.count, tokens[index] == .symbol(")") { break }
      try expect(",")
    }
    index += 1
    if let number = names.first.flatMap(Int.init) {
      throw IcebergError(
        .invalid, "\"\(text)\": \(first) takes a number from 1 to \(Int32.max), found \(number)")
    }
    guard names.count == 1 else {
      throw IcebergError(.invalid, "\"\(text)\": \(first) takes one column, found \(names.count)")
    }
    return (try column(names[0]), try transform(first, width))
  }

  private func transform(_ name: String, _ width: Int?) throws(IcebergError) -> Transform {
    switch (name.lowercased(), width) {
    case ("bucket", let width?): return .bucket(width)
    case ("truncate", let width?), ("trunc", let width?): return .truncate(width)
    case ("bucket", nil), ("truncate", nil), ("trunc", nil):
      throw IcebergError(.invalid, "\"\(text)\": \(name) takes a number above 0 and a column")
    case ("identity", nil), ("year", nil), ("years", nil), ("month", nil), ("months", nil), ("day", nil), ("days", nil),
      ("hour", nil), ("hours", nil), ("void", nil):
      return try Transform(parsing: name)
    default:
      throw IcebergError(
        .invalid,
        "\"\(text)\": \(name) is no transform; there are identity, bucket, truncate, year, month, day, hour and void")
    }
  }

  private func column(_ name: String) throws(IcebergError) -> NestedField {
    if let field = schema.field(named: name) ?? schema.field(named: name, caseSensitive: false) { return field }
    throw IcebergError(.invalid, "\"\(text)\": there is no column \(name)")
  }
}
