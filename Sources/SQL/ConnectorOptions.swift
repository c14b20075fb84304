import Columnar

/// What options each connector has, and whether a table's options are right.
package enum ConnectorOptions {
  /// What the value of an option can be.
  enum Kind: Sendable {
    case text
    case choice([String])
    case duration
    case size
    case integer(ClosedRange<Int64>)
    case number
    case boolean
    case moment
  }

  struct Connector: Sendable {
    /// The options of a table that is read; absent when the connector cannot read.
    var reading: [String: Kind]?
    /// The options of a table that is written; absent when the connector cannot write.
    var writing: [String: Kind]?
    /// Options that must be given, and what they are for.
    var required: [(name: String, meaning: String)] = []
    /// Options whose names begin so are not checked here.
    var prefixes: [String] = []

    var canRead: Bool { reading != nil }
    var canWrite: Bool { writing != nil }
    /// The options of a table of which it is not known what it is used for.
    var options: [String: Kind] { (reading ?? [:]).merging(writing ?? [:]) { first, _ in first } }
  }

  static let connectors: [String: Connector] = [
    "kafka": Connector(
      reading: reading.merging(kafkaReading) { first, _ in first }, writing: kafkaWriting,
      required: [("topic", "the Kafka topic")], prefixes: ["kafka."]),
    "file": Connector(
      reading: reading.merging(fileReading) { first, _ in first },
      writing: ["path": .text, "format": .choice(["json"])],
      required: [("path", "a file, a directory or a pattern")]),
    "generator": Connector(reading: reading.merging(generator) { _, own in own }, prefixes: ["fields."]),
    "nexmark": Connector(reading: reading.merging(nexmark) { _, own in own }),
    "postgres": Connector(writing: postgres),
    "iceberg": Connector(
      writing: iceberg, required: [("table", "namespace.name of the table")],
      prefixes: ["write.", "commit.", "history.", "s3.", "catalog."]),
    "blackhole": Connector(writing: [:]),
    "stdout": Connector(writing: ["format": .choice(["json"])])
  ]

  /// A connector and its options, for whoever makes files of statements.
  package struct Entry: Sendable {
    /// The value of the option `connector`.
    package let connector: String
    /// Options that must be given.
    package let required: [String]
    /// All others but `connector`, with the words that each takes when it takes certain words only.
    package let options: [(name: String, words: [String])]
  }

  /// Every connector, in the order of the names.
  package static let catalog = connectors.sorted { $0.key < $1.key }.map { name, connector in
    Entry(
      connector: name, required: connector.required.map(\.name),
      options: connector.options.sorted { $0.key < $1.key }.map { name, kind in
        if case .choice(let words) = kind { (name, words) } else { (name, []) }
      })
  }

  /// Whether `name` is passed on to what is behind the connector, which tells small letters from capital ones.
  static func keepsCase(_ name: String) -> Bool {
    connectors.values.contains { $0.prefixes.contains { name.hasPrefix($0) } }
  }

  private static let reading: [String: Kind] = [
    "format": .choice(["json", "csv", "raw"]), "event_time": .text, "watermark_delay": .duration,
    "max_future": .duration, "idle_timeout": .duration,
    "timestamp_unit": .choice(["seconds", "millis", "micros", "nanos"]),
    "dead_letter": .text, "late": .text, "max_record_bytes": .size, "max_depth": .integer(1...1000), "key": .text
  ]

  private static let kafkaReading: [String: Kind] = [
    "topic": .text, "brokers": .text, "starting_position": .choice(["earliest", "latest", "timestamp"]),
    "starting_timestamp": .moment, "group": .text, "fetch": .choice(["librdkafka", "native"]),
    "tombstones": .choice(["reject", "skip"]), "delimiter": .text
  ]

  private static let kafkaWriting: [String: Kind] = [
    "topic": .text, "brokers": .text, "format": .choice(["json"]), "key": .text, "transactional_id": .text,
    "position_topic": .text
  ]

  private static let fileReading: [String: Kind] = [
    "path": .text, "header": .boolean, "delimiter": .text, "discovery_interval": .duration
  ]

  private static let generator: [String: Kind] = [
    "format": .choice(["json"]), "rows_per_second": .number, "rows": .integer(0...Int64.max),
    "seed": .integer(Int64.min...Int64.max), "partitions": .integer(1...4096), "start": .moment
  ]

  private static let nexmark: [String: Kind] = [
    "format": .choice(["json"]), "events": .integer(0...(1 << 52)), "rate": .number, "paced": .boolean,
    "seed": .integer(Int64.min...Int64.max), "partitions": .integer(1...4096), "base_time": .moment,
    "faithful": .boolean, "person_proportion": .integer(1...10_000), "auction_proportion": .integer(1...10_000),
    "bid_proportion": .integer(0...100_000), "hot_auction_ratio": .integer(1...1_000_000),
    "hot_bidder_ratio": .integer(1...1_000_000), "hot_seller_ratio": .integer(1...1_000_000),
    "in_flight_auctions": .integer(0...10_000_000), "active_people": .integer(1...10_000_000),
    "avg_person_bytes": .integer(0...100_000), "avg_auction_bytes": .integer(0...100_000),
    "avg_bid_bytes": .integer(0...100_000), "out_of_order_group": .integer(1...1_000_000),
    "delayed_ratio": .number, "delay": .duration
  ]

  private static let postgres: [String: Kind] = [
    "url": .text, "table": .text, "mode": .choice(["upsert", "append"]), "create_table": .boolean
  ]

  private static let iceberg: [String: Kind] = [
    "table": .text, "catalog": .choice(["filesystem", "sql", "rest"]), "warehouse": .text, "uri": .text,
    "catalog_name": .text, "partitioning": .text, "sort_order": .text, "target_file_size": .size,
    "commit_interval": .duration, "format_version": .integer(2...3), "schema_evolution": .choice(["add", "strict"]),
    "create_table": .boolean, "max_open_files": .integer(1...10_000), "maintenance": .boolean, "location": .text
  ]

  // MARK: Checking

  /// What is wrong with the options of a table, whatever it is used for.
  static func problems(of table: TableDefinition) -> [SQLDiagnostic] {
    let options = table.options
    guard let entry = options.entries["connector"] else {
      return [
        SQLDiagnostic(
          message: "table \(table.name) has no connector", location: table.location,
          hint: "add WITH (connector = 'kafka', …); there are \(connectors.keys.sorted().joined(separator: ", "))")
      ]
    }
    guard let connector = connectors[entry.value] else { return [unknownConnector(entry)] }
    var problems: [SQLDiagnostic] = []
    for (name, entry) in options.entries.sorted(by: { $0.key < $1.key }) where name != "connector" {
      if connector.prefixes.contains(where: { name.hasPrefix($0) }) { continue }
      guard let kind = connector.options[name] else {
        problems.append(unknownOption(name, entry, connector, options["connector"] ?? ""))
        continue
      }
      if let problem = problem(name, kind, options) { problems.append(problem) }
    }
    for (name, meaning) in connector.required where options[name]?.isEmpty ?? true {
      problems.append(
        SQLDiagnostic(
          message: "option \(name) of table \(table.name) is missing: \(meaning)", location: entry.location,
          offendingText: "'\(entry.value)'", hint: "add \(name) = '…' to WITH (…)"))
    }
    problems += columnProblems(table)
    if entry.value == "postgres", options["mode"] == "upsert", table.primaryKey.isEmpty {
      problems.append(
        options.invalid(
          "mode", expected: "'append', because \(table.name) has no primary key", hint: "declare PRIMARY KEY (…)"))
    }
    return problems
  }

  /// Options that a table does not take in the role that statements give it, and that would do nothing.
  static func misplaced(in table: TableDefinition, isRead: Bool) -> [SQLDiagnostic] {
    guard let connector = table.options["connector"].flatMap({ connectors[$0] }),
      let accepted = isRead ? connector.reading : connector.writing
    else { return [] }
    var problems: [SQLDiagnostic] = []
    for (name, entry) in table.options.entries.sorted(by: { $0.key < $1.key }) {
      guard let kind = connector.options[name] else { continue }
      if accepted[name] == nil {
        let known = accepted.keys.sorted().joined(separator: ", ")
        problems.append(
          SQLDiagnostic(
            message: "option \(name) is for tables that are \(isRead ? "written" : "read"), and statements "
              + "\(isRead ? "read" : "write to") \(table.name)", location: entry.nameLocation, offendingText: name,
            hint: "leave it out; options of such a table: \(known)"))
      } else if case .choice(let words) = accepted[name], case .choice = kind,
        (try? table.options.choice(name, of: words, default: "")) == nil
      {
        problems.append(
          table.options.invalid(
            name,
            expected: words.map { "'\($0)'" }.joined(separator: " or ")
              + " in a table that is \(isRead ? "read" : "written")"))
      }
    }
    return problems
  }

  private static func unknownConnector(_ entry: TableOptions.Entry) -> SQLDiagnostic {
    let names = connectors.keys.sorted()
    let others = [
      "jdbc": "postgres", "filesystem": "file", "datagen": "generator", "print": "stdout", "upsert-kafka": "kafka"
    ]
    let near = others[entry.value] ?? Suggestion.nearest(to: entry.value, in: names)
    return SQLDiagnostic(
      message: "there is no connector '\(entry.value)'", location: entry.location, offendingText: "'\(entry.value)'",
      hint: near.map { "did you mean '\($0)'?" } ?? "connectors: \(names.joined(separator: ", "))")
  }

  private static func unknownOption(
    _ name: String, _ entry: TableOptions.Entry, _ connector: Connector, _ connectorName: String
  ) -> SQLDiagnostic {
    let known = connector.options.keys.sorted()
    var hint = Suggestion.nearest(to: name, in: known).map { "did you mean \($0)?" }
    if hint == nil, name.contains(".") || name.hasPrefix("properties") {
      hint = connectorName == "kafka" ? "properties of librdkafka are written \"kafka.\(name)\" = '…'" : nil
    }
    let others = [
      "bootstrap_servers": "brokers", "bootstrap.servers": "brokers", "properties.bootstrap.servers": "brokers",
      "scan.startup.mode": "starting_position", "table-name": "table", "rows-per-second": "rows_per_second",
      "properties.group.id": "group", "group_id": "group", "value.format": "format"
    ]
    if connectorName == "kafka", name == "discovery_interval" {
      hint = "how often new partitions are looked for is a setting of the engine: WEIR_DISCOVERY_INTERVAL"
    }
    if let other = others[name], connector.options[other] != nil { hint = "did you mean \(other)?" }
    return SQLDiagnostic(
      message: "connector '\(connectorName)' has no option \(name)", location: entry.nameLocation, offendingText: name,
      hint: hint ?? "options: \((["connector"] + known).joined(separator: ", "))")
  }

  private static func problem(_ name: String, _ kind: Kind, _ options: TableOptions) -> SQLDiagnostic? {
    do throws(SQLDiagnostic) {
      switch kind {
      case .text: if options[name]?.isEmpty == true { throw options.invalid(name, expected: "text that is not empty") }
      case .choice(let words): _ = try options.choice(name, of: words, default: "")
      case .duration: _ = try options.duration(name, default: 0)
      case .size: _ = try options.size(name, default: 0)
      case .integer(let range): _ = try options.integer(name, in: range, default: 0)
      case .number: _ = try options.number(name, default: 0)
      case .boolean: _ = try options.boolean(name, default: false)
      case .moment: _ = try options.moment(name)
      }
      return nil
    } catch {
      return error
    }
  }

  /// Options that name columns of the table.
  private static func columnProblems(_ table: TableDefinition) -> [SQLDiagnostic] {
    let options = table.options
    let columns = table.columns.map(\.field)
    var problems: [SQLDiagnostic] = []
    for name in ["delimiter", "header"] where options[name] != nil && options["format"]?.lowercased() != "csv" {
      problems.append(
        SQLDiagnostic(
          message: "option \(name) is for format = 'csv'",
          location: options.entries[name]?.nameLocation ?? table.location, offendingText: name,
          hint: "leave it out, or add format = 'csv'"))
    }
    if let name = options["event_time"], name != SourceColumns.timestamp {
      if let column = columns.first(where: { $0.name == name }) {
        if column.type != .timestamp, column.type != .timestamptz {
          problems.append(
            options.invalid(
              "event_time", expected: "a timestamp column (\(name) is \(column.type.sqlName))",
              hint: "declare \(name) timestamptz; numbers are read as epoch by timestamp_unit = 'millis'"))
        }
      } else {
        problems.append(
          options.invalid(
            "event_time", expected: "a column of \(table.name)",
            hint: Suggestion.hint(for: name, in: columns.map(\.name), listing: "columns")))
      }
    }
    if let key = options["key"] {
      for name in key.split(separator: ",").map({ $0.filter { $0 != " " } })
      where !columns.contains(where: { $0.name == name }) {
        problems.append(
          options.invalid(
            "key", expected: "a column of \(table.name)",
            hint: Suggestion.hint(for: name, in: columns.map(\.name), listing: "columns")))
      }
    }
    if options["starting_position"] == "timestamp", options["starting_timestamp"] == nil {
      problems.append(
        options.invalid(
          "starting_position", expected: "given together with starting_timestamp",
          hint: "add starting_timestamp = '2026-01-31T12:00:00Z'"))
    }
    if let entry = options.entries["starting_timestamp"], options["starting_position"] != "timestamp" {
      problems.append(
        SQLDiagnostic(
          message: "option starting_timestamp is for starting_position = 'timestamp'", location: entry.nameLocation,
          offendingText: "starting_timestamp", hint: "add starting_position = 'timestamp'"))
    }
    return problems
  }
}
