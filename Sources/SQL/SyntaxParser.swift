import CPgQuery

/// One statement of a file: its parse tree, and where in the file the text starts that its locations count from.
struct ParsedStatement: Sendable {
  /// `CreateStmt`, `ViewStmt`, `InsertStmt` or another kind of libpg_query's nodes.
  let kind: String
  let node: SyntaxNode
  /// The byte offset of the statement's text in the file.
  let base: Int
  /// The byte offset of the statement's first word in the file.
  let start: Int
}

/// Splits a file into statements and parses each by itself, so that one syntax error does not hide another.
struct SyntaxParser {
  /// Larger texts are refused: nobody writes them, and the parser's memory is a multiple of the text.
  static let sizeLimit = 4 << 20

  let source: SourceText

  /// The statements that could be parsed, an error for each that could not, and whether one of those declares a name.
  func parse() -> (statements: [ParsedStatement], errors: [SQLDiagnostic], lacksDeclarations: Bool) {
    if let refusal = refusal() { return ([], [refusal], true) }
    var lacksDeclarations = false
    var statements: [ParsedStatement] = []
    var errors: [SQLDiagnostic] = []
    do throws(SQLDiagnostic) {
      for range in try statementRanges() {
        do throws(SQLDiagnostic) {
          statements.append(contentsOf: try parse(range))
        } catch {
          errors.append(error)
          let start = source.token(at: source.skippingSpace(range.lowerBound)).lowercased()
          lacksDeclarations = lacksDeclarations || start == "create"
        }
      }
    } catch {
      errors.append(error)
    }
    return (statements, errors, lacksDeclarations)
  }

  private func refusal() -> SQLDiagnostic? {
    if source.bytes.count > Self.sizeLimit {
      return SQLDiagnostic(
        message: "the file has \(source.bytes.count) bytes; at most \(Self.sizeLimit) are read",
        location: SourceLocation(line: 1, column: 1), hint: "is this an SQL file?")
    }
    if let zero = source.bytes.firstIndex(of: 0) {
      return source.diagnostic("the file holds a zero byte", at: zero, hint: "is this an SQL file in UTF-8?")
    }
    return nil
  }

  /// The byte ranges of the statements, by the scanner alone: it needs no valid grammar.
  private func statementRanges() throws(SQLDiagnostic) -> [Range<Int>] {
    let text = terminated(0..<source.bytes.count)
    let result = text.withUnsafeBufferPointer { pg_query_split_with_scanner($0.baseAddress) }
    defer { pg_query_free_split_result(result) }
    if let error = result.error { throw syntaxError(error, in: 0..<source.bytes.count) }
    var ranges: [Range<Int>] = []
    for index in 0..<Int(result.n_stmts) {
      guard let statement = result.stmts?[index]?.pointee else { continue }
      let start = min(max(0, Int(statement.stmt_location)), source.bytes.count)
      let end = min(start + max(0, Int(statement.stmt_len)), source.bytes.count)
      appendGap(from: ranges.last?.upperBound ?? 0, to: start, &ranges)
      ranges.append(start..<end)
    }
    appendGap(from: ranges.last?.upperBound ?? 0, to: source.bytes.count, &ranges)
    return ranges
  }

  /// The scanner leaves out a statement whose parentheses do not close: it must not vanish.
  private func appendGap(from start: Int, to end: Int, _ ranges: inout [Range<Int>]) {
    var first = source.skippingSpace(start)
    while first < end, source.bytes[first] == UInt8(ascii: ";") { first = source.skippingSpace(first + 1) }
    if first < end { ranges.append(first..<end) }
  }

  private func parse(_ range: Range<Int>) throws(SQLDiagnostic) -> [ParsedStatement] {
    let text = terminated(range)
    let result = text.withUnsafeBufferPointer { pg_query_parse($0.baseAddress) }
    defer { pg_query_free_parse_result(result) }
    if let error = result.error { throw syntaxError(error, in: range) }
    guard let json = result.parse_tree else {
      throw source.diagnostic("the parser gave no tree", at: range.lowerBound)
    }
    let start = source.skippingSpace(range.lowerBound)
    do throws(SyntaxTreeReader.Failure) {
      var length = 0
      while json[length] != 0 { length += 1 }
      let tree = try SyntaxTreeReader.read(json, count: length)
      return tree.list("stmts").compactMap { statement in
        guard let (kind, node) = statement["stmt"]?.tagged else { return nil }
        return ParsedStatement(kind: kind, node: node, base: range.lowerBound, start: start)
      }
    } catch {
      switch error {
      case .tooDeep:
        throw source.diagnostic(
          "the statement is nested too deeply", at: start, hint: "compute a part of it in a CREATE VIEW")
      case .malformed:
        throw source.diagnostic("the parse tree of the statement cannot be read", at: start)
      }
    }
  }

  private func terminated(_ range: Range<Int>) -> [CChar] {
    source.bytes[range].map { CChar(bitPattern: $0) } + [0]
  }

  /// The parser's error, at the token that it names; its position counts characters from 1.
  private func syntaxError(_ error: UnsafeMutablePointer<PgQueryError>, in range: Range<Int>) -> SQLDiagnostic {
    let message = error.pointee.message.map { String(cString: $0) } ?? "syntax error"
    var offset = range.lowerBound
    var characters = Int(error.pointee.cursorpos) - 1
    while characters > 0, offset < range.upperBound {
      offset += 1
      while offset < range.upperBound, source.bytes[offset] & 0xc0 == 0x80 { offset += 1 }
      characters -= 1
    }
    let isAtEnd = source.skippingSpace(offset) >= range.upperBound
    let statement = String(decoding: source.bytes[range], as: UTF8.self)
    let before = String(decoding: source.bytes[range.lowerBound..<min(offset, range.upperBound)], as: UTF8.self)
    let hint = DialectHints.hint(
      forSyntaxErrorIn: statement, before: before, at: source.token(at: offset), isAtEnd: isAtEnd)
    let firstLine = message.prefix { $0 != "\n" }
    return source.diagnostic(Redaction.line(String(firstLine)), at: offset, hint: hint)
  }
}
