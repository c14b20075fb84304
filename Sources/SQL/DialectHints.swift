/// How things of other stream processors' dialects are written here.
enum DialectHints {
  /// What to write instead, when a statement that does not parse looks like another dialect.
  ///
  /// - Parameters:
  ///   - statement: the whole statement.
  ///   - before: its text before the error.
  ///   - token: the word or sign at the error.
  ///   - isAtEnd: whether nothing follows.
  static func hint(
    forSyntaxErrorIn statement: String, before: String, at token: String, isAtEnd: Bool
  ) -> String? {
    let words = " " + normalized(statement) + " "
    for (pattern, hint) in patterns where words.contains(pattern) { return hint }
    if statement.contains("`") {
      return "names are quoted with double quotes, and only when they have upper case or unusual letters: \"Name\""
    }
    let previous = before.split(whereSeparator: { $0.isWhitespace || "(),;".contains($0) }).last.map(String.init) ?? ""
    for word in [previous, token] {
      if let keyword = misspelled(word) { return "is \(word) meant to be \(keyword)?" }
    }
    if isAtEnd { return "the statement ends too early: a closing parenthesis, a quote or a clause is missing" }
    if [",", ")", "from", "where", "group"].contains(token.lowercased()) {
      return "look just before \(token): a comma too many, or an expression that is missing"
    }
    return nil
  }

  /// The keyword that a word is nearly, and is not.
  private static func misspelled(_ word: String) -> String? {
    let keywords = [
      "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "INSERT", "INTO", "CREATE", "TABLE", "VIEW", "WITH",
      "UNION", "INTERVAL", "PRIMARY", "FILTER", "DISTINCT", "BETWEEN"
    ]
    guard word.count > 2, !keywords.contains(word.uppercased()) else { return nil }
    return keywords.first { keyword in
      Suggestion.editDistance(Array(word.uppercased()), Array(keyword)) == 1
    }
  }

  /// The statement in lower case, with every run of white space as one space, and spaces around parentheses.
  private static func normalized(_ statement: String) -> String {
    var result = ""
    for character in statement.lowercased() {
      if character.isWhitespace {
        if result.last != " " { result.append(" ") }
      } else if character == "(" || character == ")" || character == "," {
        result += result.last == " " ? "\(character) " : " \(character) "
      } else {
        result.append(character)
      }
    }
    return result
  }

  private static let patterns: [(String, String)] = [
    (
      " watermark for ",
      "the watermark is declared by options of the table: WITH (…, event_time = 'ts', watermark_delay = '5 seconds')"
    ),
    (
      " match_recognize ",
      "MATCH_RECOGNIZE is not supported; patterns over windows can often be written with CASE and aggregates over tumble(…)"
    ),
    (
      " for system_time as of ",
      "joins with a table's past are not supported yet; FOR SYSTEM_TIME AS OF has no counterpart in this build"
    ),
    (
      " table ( tumble ",
      "a window is a function in FROM: FROM tumble(readings, ts, INTERVAL '10 seconds')"
    ),
    (
      " table ( hop ",
      "a window is a function in FROM: FROM hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds') (slide, then size)"
    ),
    (" table ( cumulate ", "cumulate is not in this build yet; use tumble(…) or hop(…)"),
    (" table ( session ", "session windows are not in this build yet; use tumble(…) or hop(…)"),
    (" descriptor ( ", "the time column is named directly: tumble(readings, ts, INTERVAL '10 seconds')"),
    (" tumble ( table ", "the table is named directly: tumble(readings, ts, INTERVAL '10 seconds')"),
    (" hop ( table ", "the table is named directly: hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds')"),
    (
      " emit ",
      "there is no EMIT clause: a window's rows are written when the watermark has passed the window's end"
    ),
    (
      " window tumbling ",
      "windows are written FROM tumble(readings, ts, INTERVAL '10 seconds') GROUP BY …, window_start"
    ),
    (" window hopping ", "windows are written FROM hop(readings, ts, slide, size) GROUP BY …, window_start"),
    (" create stream ", "write CREATE TABLE … WITH (connector = 'kafka', …)"),
    (" create source ", "write CREATE TABLE … WITH (connector = 'kafka', …)"),
    (" create sink ", "write CREATE TABLE … WITH (connector = 'postgres', …) and INSERT INTO … SELECT …"),
    (" asof join ", "joins are not supported in this build yet"),
    (
      " metadata from ",
      "metadata are the columns _key, _partition, _offset, _timestamp and _headers, which every table has"
    ),
    (" partitioned by ", "PARTITIONED BY is not part of CREATE TABLE here; rows are partitioned by the GROUP BY keys"),
    (" not enforced ", "write PRIMARY KEY (…) without NOT ENFORCED: the sink enforces it"),
    (" execute statement set ", "leave it out: all INSERT statements of a file are one job"),
    (" begin statement set ", "leave it out: all INSERT statements of a file are one job"),
    (" string ", "the type is called text"),
    (" map < ", "nested types are not supported yet; declare the column as jsonb"),
    (" row < ", "nested types are not supported yet; declare the column as jsonb"),
    (" array < ", "nested types are not supported yet; declare the column as jsonb")
  ]
}
