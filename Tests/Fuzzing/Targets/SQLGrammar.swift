import Columnar
import SQL

/// Files of statements by the grammar, with functions from the catalog: most of them bind, the others nearly so.
enum SQLGrammar {
  static let tables = """
    CREATE TABLE readings (
      temperature double precision, humidity real, battery integer, serial bigint, price numeric(10,2), ok boolean,
      note text, installed date, extra jsonb, id uuid, raw bytea, local timestamp, pause interval, ts timestamptz
    ) WITH (connector = 'kafka', topic = 'telemetry', brokers = 'localhost:9092', format = 'json', event_time = 'ts',
      watermark_delay = '2 seconds');
    CREATE TABLE averages (
      note text, window_start timestamptz, window_end timestamptz, average double precision, readings bigint
    ) WITH (connector = 'blackhole');

    """

  static let columns: [(name: String, type: DataType)] = [
    ("temperature", .double), ("humidity", .real), ("battery", .integer), ("serial", .bigint), ("price", .numeric),
    ("ok", .boolean), ("note", .text), ("installed", .date), ("extra", .jsonb), ("id", .uuid), ("raw", .bytea),
    ("local", .timestamp), ("pause", .interval), ("ts", .timestamptz)
  ]

  /// Every option's name, each once.
  static let optionNames = Set(ConnectorOptions.catalog.flatMap { $0.options.map(\.name) }).sorted()

  /// Values that are wrong, or right only just, beside those that any option is given.
  static let hostileValues: [String: [String]] = [
    "topic": ["t", "${A}", "${A:-x}", "${NONE}", "${", "a\u{0}"], "brokers": ["localhost:9092", ":", "[::1]:9", ",,"],
    "event_time": ["f0", "f1", "_timestamp"], "key": ["f0", "nothing", "f0,f1"],
    "watermark_delay": ["-1s", "1e30d", "9223372036854775807us", "1 month", "0.1ms", "24:00:00"],
    "idle_timeout": ["5s", "99999999999d"], "max_future": ["1h", "infinity"],
    "url": ["postgres://u:p@h/d", "http://", "://"], "uri": ["http://h/p", "postgresql://", "file:"],
    "table": ["t", "a.b.c", "a.t", "\"q\""], "path": ["/tmp/x", ".."],
    "partitioning": [
      "day(f0)", "bucket(0, f0)", "bucket(16, f0)", "bucket(99999999999, f0)", "truncate(-1, f1)", "(((", "hour(f0), x"
    ],
    "sort_order": ["f0", "f0 desc nulls last", "bucket(2, f1) asc,", "desc"],
    "target_file_size": ["64MiB", "1e20TiB", "18446744073709551616"], "delimiter": [";", "ab", "\u{1F600}"],
    "rows_per_second": ["1e400"], "starting_timestamp": ["earliest", "2024-01-01"]
  ]

  /// Values that some option takes.
  private static let commonValues = [
    "", "x", "1", "true", "FALSE", "5s", "10 minutes", "1MiB", "0.5", "2024-01-02T03:04:05Z", "${A}"
  ]

  /// A file.
  static func file(_ random: inout FuzzRandom) -> [UInt8] {
    var text = random.once(in: 5) ? table(&random) : ""
    text += tables
    for _ in 0...random.below(2) { text += statement(&random) + ";\n" }
    return Array(text.utf8)
  }

  private static func table(_ random: inout FuzzRandom) -> String {
    let fields = (0...random.below(4)).map { "f\($0) \(random.pick(Samples.types).sqlName)" }.joined(separator: ", ")
    let entry = random.pick(ConnectorOptions.catalog)
    var given = ["connector = '\(random.once(in: 12) ? "x" : entry.connector)'"]
    for name in entry.required where !random.once(in: 4) { given.append(option(name, [], &random)) }
    for _ in 0..<random.below(7) {
      if random.once(in: 10) {
        given.append(option(random.pick(optionNames), [], &random))
      } else if !entry.options.isEmpty {
        let (name, words) = random.pick(entry.options)
        given.append(option(name, words, &random))
      }
    }
    return "CREATE TABLE made (\(fields)) WITH (\(given.joined(separator: ", ")));\n"
  }

  private static func option(_ name: String, _ words: [String], _ random: inout FuzzRandom) -> String {
    let values = words + (hostileValues[name] ?? [])
    let anything = commonValues + Mutator.numberTexts + Mutator.texts
    let value = values.isEmpty || random.once(in: 4) ? random.pick(anything) : random.pick(values)
    return "\(name) = '\(value.replacing("'", with: "''"))'"
  }

  private static func statement(_ random: inout FuzzRandom) -> String {
    if random.once(in: 3) { return aggregate(&random) }
    let note = expression(.text, depth: 3, &random)
    let average = expression(.double, depth: 3, &random)
    let filter = random.once(in: 2) ? "" : " WHERE \(expression(.boolean, depth: 3, &random))"
    let from = random.once(in: 5) ? "(SELECT * FROM readings UNION ALL SELECT * FROM readings) AS u" : "readings"
    return "INSERT INTO averages (note, average, window_start) SELECT \(note), \(average), ts FROM \(from)\(filter)"
  }

  private static func aggregate(_ random: inout FuzzRandom) -> String {
    let window = random.pick([
      "tumble(readings, ts, INTERVAL '10 seconds')", "hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds')",
      "cumulate(readings, ts, INTERVAL '1 s', INTERVAL '5 s')", "tumble(readings, local, INTERVAL '1 day')",
      "tumble(readings, ts, INTERVAL '\(random.pick(Mutator.numberTexts)) seconds')"
    ])
    let column = random.pick(columns).name
    let function = random.pick([
      "count(*)", "sum(\(column))", "avg(\(column))", "min(\(column))", "max(\(column))", "count(DISTINCT \(column))",
      "stddev(\(column))", "var_pop(\(column))", "first_value(\(column))", "last_value(\(column))",
      "bool_and(\(column))"
    ])
    let filter = random.once(in: 3) ? " FILTER (WHERE \(expression(.boolean, depth: 2, &random)))" : ""
    let key = random.once(in: 2) ? "note" : "(\(random.pick(columns).name))::text"
    return """
      INSERT INTO averages (note, window_start, window_end, average, readings)
      SELECT \(key), window_start, window_end, (\(function)\(filter))::text::double precision, count(*)
      FROM \(window) GROUP BY \(key), window_start, window_end
      """
  }

  /// An expression that should have this type.
  static func expression(_ type: DataType, depth: Int, _ random: inout FuzzRandom) -> String {
    if depth == 0 || random.once(in: 5) { return leaf(type, &random) }
    switch random.below(8) {
    case 0: return "CAST(\(expression(random.pick(columns).type, depth: depth - 1, &random)) AS \(type.sqlName))"
    case 1:
      let condition = expression(.boolean, depth: depth - 1, &random)
      return "CASE WHEN \(condition) THEN \(expression(type, depth: depth - 1, &random)) END"
    case 2: return "coalesce(\(expression(type, depth: depth - 1, &random)), \(leaf(type, &random)))"
    default: break
    }
    let candidates = SQLGrammar.signatures.filter { $0.result == type }
    guard !candidates.isEmpty else { return leaf(type, &random) }
    let signature = random.pick(candidates)
    let arguments = signature.arguments.map { expression($0, depth: depth - 1, &random) }
    if signature.name.first?.isLetter == true { return "\(signature.name)(\(arguments.joined(separator: ", ")))" }
    return arguments.count == 2
      ? "(\(arguments[0]) \(signature.name) \(arguments[1]))"
      : "(\(signature.name) \(arguments.joined(separator: " ")))"
  }

  private static let signatures = FunctionCatalog.signatures

  private static func leaf(_ type: DataType, _ random: inout FuzzRandom) -> String {
    let named = columns.filter { $0.type == type }
    if !named.isEmpty, !random.once(in: 3) { return random.pick(named).name }
    if random.once(in: 8) { return "NULL::\(type.sqlName)" }
    switch type {
    case .integer, .bigint, .real, .double, .numeric:
      let text = random.pick(Mutator.numberTexts.filter { Double($0) != nil })
      return random.once(in: 2) ? "(\(text))" : "'\(text)'::\(type.sqlName)"
    case .boolean: return random.pick(["TRUE", "FALSE", "(1 < 2)"])
    default:
      let text = random.pick(Mutator.texts + Samples.texts + ["1 day", "2024-02-29", "-99999999 years", "\\x00"])
      return "'\(text.replacing("'", with: "''"))'::\(type.sqlName)"
    }
  }
}
