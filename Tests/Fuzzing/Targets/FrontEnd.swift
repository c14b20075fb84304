import Columnar
import Operators
import SQL
import Sinks

extension FuzzTarget {
  static let frontEnd: [FuzzTarget] = [
    FuzzTarget(
      "sql", shape: .text, weight: 4, memory: (256 << 20, 65_536), dictionary: sqlWords, seeds: { sqlFiles },
      generate: { SQLGrammar.file(&$0) }, check: checkSQL),
    FuzzTarget(
      "patterns", shape: .text, weight: 1, memory: (256 << 20, 65_536), dictionary: patternWords, seeds: { patterns },
      check: checkPattern)
  ]

  private static let sqlWords =
    FunctionCatalog.names.filter { $0.first?.isLetter == true } + SQLGrammar.optionNames
    + [
      "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "CASE WHEN", "THEN", "ELSE", "END", "CAST(", " AS ", "::",
      "INTERVAL '1 s'",
      "tumble(", "hop(", "cumulate(", "session(", "UNION ALL", "WITH", "INSERT INTO", "CREATE VIEW", "PRIMARY KEY",
      "NOT NULL",
      "DISTINCT", "FILTER (WHERE", "IN (", "BETWEEN", "LIKE", "~", "IS DISTINCT FROM", "AT TIME ZONE", "$1", "$$x$$",
      "--", "/*",
      "${A}", "${A:-b}", "${", "E'\\x'", "U&'\\0041'", "ARRAY[", "ROW(", "(SELECT", "numeric(38,38)", "NULL", "*",
      "ASOF JOIN",
      "WATERMARK FOR", "`a`"
    ]

  private static var sqlFiles: [[UInt8]] {
    [
      SQLGrammar.tables
        + """
        INSERT INTO averages SELECT note, window_start, window_end, avg(temperature), count(*)
        FROM hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10' SECOND) WHERE battery BETWEEN -5 AND 7
        GROUP BY note, window_start, window_end HAVING avg(temperature) > 1e3;
        """,
      SQLGrammar.tables
        + """
        CREATE VIEW v (a, b) AS SELECT CASE note WHEN 'x' THEN coalesce(battery, 0) END, substring(note from 1 for 2)
        FROM (SELECT * FROM readings UNION ALL SELECT * FROM readings) AS u; -- done
        INSERT INTO averages (note, window_start) SELECT b, now() FROM v;
        """
    ].map { Array($0.utf8) }
  }

  private static func checkSQL(_ bytes: [UInt8]) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    let job: JobPlan
    do throws(SQLDiagnostics) {
      job = try SQLFile.plan(text, fileName: "job.sql", check: SinkConnectors.problems) { $0 == "A" ? "value" : nil }
    } catch {
      try require(!error.all.isEmpty, "a refusal without a reason")
      for problem in error.all {
        try require(!problem.message.isEmpty && problem.location.line > 0, "a message without text or place")
        try requireMessage(problem)
      }
      return
    }
    try require(!job.explained().isEmpty && !job.stateSignature.isEmpty, "a plan that cannot be explained")
    for table in job.tables.values { readOptions(table.options) }
    for statement in job.statements { try execute(statement.query) }
  }

  private static func readOptions(_ options: TableOptions) {
    for name in options.entries.keys {
      _ = try? options.duration(name, default: 0)
      _ = try? options.size(name, default: 0)
      _ = try? options.integer(name, in: 0...10, default: 0)
      _ = try? options.number(name, default: 0)
      _ = try? options.boolean(name, default: false)
      _ = try? options.moment(name)
      _ = options.invalid(name, expected: "x").description
    }
  }

  /// A plan must run: over rows of every kind, each row passes, is filtered or fails.
  private static func execute(_ relation: Relation) throws {
    switch RowPipeline.leaf(of: relation) {
    case .unionAll(let inputs): for input in inputs { try execute(input) }
    case .scan(_, let schema):
      guard let pipeline = try? RowPipeline(relation, input: schema) else { return }
      let batch = Samples.batch(schema.fields.map(\.type), rows: 18)
      let input = Batch(schema: schema, columns: batch.columns, count: batch.count)
      let result = pipeline.process(input, EvaluationContext(now: Timestamp(microseconds: 1_700_000_000_000_000)))
      try require(
        result.batch.count + result.filteredCount + result.failures.count == input.count,
        "expected \(input.count) rows accounted for, found \(result.batch.count), \(result.filteredCount) filtered, "
          + "\(result.failures.count) failed")
      _ = try BatchCodec.decode(BatchCodec.encode(result.batch))
    case .aggregate(let aggregate): try aggregateRows(aggregate)
    default: return
    }
  }

  private static func aggregateRows(_ aggregate: WindowedAggregate) throws {
    guard case .scan(_, let schema) = aggregate.input,
      var partial = try? PartialAggregator(aggregate),
      var windows = try? WindowAggregator(aggregate)
    else { return }
    let batch = Samples.batch(schema.fields.map(\.type), rows: 18)
    let input = Batch(schema: schema, columns: batch.columns, count: batch.count)
    _ = partial.add(input, EvaluationContext(now: Timestamp(microseconds: 1_700_000_000_000_000)))
    for case let rows? in partial.takeAll(shards: 2) {
      let stored = try BatchCodec.decode(BatchCodec.encode(rows))
      windows.restore(stored)
    }
    for result in windows.advance(to: .maximum) { _ = try BatchCodec.decode(BatchCodec.encode(result)) }
    _ = windows.takeFailedGroups()
  }

  // MARK: Patterns

  private static let patternWords = [
    "(", ")", "[", "]", "{", "}", "*", "+", "?", "|", "^", "$", "\\d", "\\w", "\\1", "(?:", "(?=", "[[:alpha:]]",
    "{1,3}", "{1000}",
    "(a*)*", ".*", "%", "_", "\\", "YYYY", "MM", "DD", "HH24", "MI", "SS", "US", "TZ", "FM", "9", "0", ".", ",", "PR",
    "S", "EEEE",
    "Day", "Month", "\"", "Q", "J", "IYYY", "IW"
  ]

  private static var patterns: [[UInt8]] {
    [
      "^(a|b)*c$", "[^a-z]{2,5}x?", "(a+)+$", "%x_\\%%", "YYYY-MM-DD HH24:MI:SS.US", "FM999,990.00PR", "{a,b,0}",
      "(.*)(.*)(.*)(.*)(.*)[^x]"
    ].map { Array($0.utf8) }
  }

  private static func checkPattern(_ bytes: [UInt8]) throws {
    let text = String(decoding: bytes.prefix(400).filter { $0 != 0 }, as: UTF8.self)
    let pattern = "'" + text.replacing("'", with: "''").replacing("${", with: "$ {") + "'"
    for expression in [
      "note ~ \(pattern)", "note !~* \(pattern)", "note LIKE \(pattern)", "note ILIKE \(pattern)",
      "regexp_replace(note || 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa', \(pattern), 'x', 'g') = 'a'",
      "to_char(ts, \(pattern)) = 'a'", "to_char(price, \(pattern)) = 'a'", "to_char(battery, \(pattern)) = 'a'",
      "to_timestamp(note, \(pattern)) = ts", "to_date(note, \(pattern)) = installed", "note ~ \(pattern) || 'a'",
      "split_part(note, \(pattern), 2) = 'a'", "replace(note, \(pattern), note) = 'a'", "extra -> \(pattern) IS NULL",
      "ts::text ~ \(pattern)"
    ] {
      let file = SQLGrammar.tables + "INSERT INTO averages (note) SELECT note FROM readings WHERE \(expression);"
      try checkSQL(Array(file.utf8))
    }
  }
}
