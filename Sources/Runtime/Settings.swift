import Configuration

/// The settings of a process: from flags, then the environment, then defaults. All are checked when it is made.
public struct Settings: Sendable {
  /// Where a value came from.
  public enum Origin: String, Hashable, Sendable {
    /// A flag of the command line.
    case flag
    /// An environment variable.
    case environment
    /// Nobody set it.
    case fallback = "default"
  }

  /// A setting with its value, as `weir config` prints it.
  public struct Entry: Hashable, Sendable {
    /// The setting.
    public let definition: Definition
    /// The value as it is written, secrets replaced; `nil` when it is unset.
    public let value: String?
    /// Where the value came from.
    public let origin: Origin
  }

  /// Dataflow threads and instances of keyed operators.
  public let parallelism: Int
  /// Into how many groups keyed state is split.
  public let keyGroups: Int
  /// Rows in a batch.
  public let batchRows: Int
  /// How long a batch waits for more rows, in nanoseconds.
  public let batchLinger: Int64
  /// Batches in a channel.
  public let channelBatches: Int
  /// How long a partition without data holds watermarks back, in nanoseconds.
  public let idleTimeout: Int64
  /// How often sources are asked for new partitions, in nanoseconds.
  public let discoveryInterval: Int64
  /// From the start of one checkpoint to the next, in nanoseconds.
  public let checkpointInterval: Int64
  /// The least time between two checkpoints, in nanoseconds.
  public let checkpointPause: Int64
  /// When a checkpoint is abandoned, in nanoseconds.
  public let checkpointTimeout: Int64
  /// Where checkpoints are kept.
  public let checkpointDirectory: String
  /// How many checkpoints are kept.
  public let checkpointRetain: Int
  /// How many checkpoints may wait for the slowest sink.
  public let checkpointBacklog: Int
  /// Bytes of a sink's epoch that ask for an early checkpoint.
  public let epochBytes: Int
  /// Restarts allowed within ``restartWindow``.
  public let maxRestarts: Int
  /// The time in which restarts are counted, in nanoseconds.
  public let restartWindow: Int64
  /// The delay before the first restart, in nanoseconds.
  public let restartBackoff: Int64
  /// The longest delay before a restart, in nanoseconds.
  public let restartBackoffMaximum: Int64
  /// How long a shutdown may take, in nanoseconds.
  public let shutdownTimeout: Int64
  /// When a job without commits is not ready, in nanoseconds.
  public let stallTimeout: Int64
  /// The HTTP port; 0 for a free one.
  public let httpPort: Int
  /// The address that HTTP listens on.
  public let httpHost: String
  /// The least level that is logged.
  public let logLevel: String
  /// `text` or `json`.
  public let logFormat: String
  /// Bootstrap servers of Kafka tables that name none.
  public let kafkaBrokers: String
  /// The database of PostgreSQL tables that name none.
  public let postgresURL: String?
  /// Where tables of files are kept.
  public let warehouse: String
  /// `filesystem` or `sql`: where Iceberg tables are registered.
  public let catalog: String
  /// The name of the catalog in its database.
  public let catalogName: String
  /// The database of the catalog, when it is not ``postgresURL``.
  public let catalogURL: String?
  /// The port of the REST catalog; 0 for a free one, `nil` for no REST catalog.
  public let catalogPort: Int?
  /// The address that the REST catalog listens on.
  public let catalogHost: String
  /// The token that clients of the REST catalog must show.
  public let catalogToken: String?
  /// Whether clients of the REST catalog are given this process's S3 credentials.
  public let vendsCatalogCredentials: Bool
  /// Whether a job keeps its Iceberg tables in shape.
  public let maintainsTables: Bool
  /// How often each table is looked at, in nanoseconds.
  public let maintenanceInterval: Int64
  /// After about how many commits a table is compacted.
  public let maintenanceFiles: Int
  /// Bytes of data files that one round rewrites in a table.
  public let maintenanceBytes: Int
  /// The part of one core that rewriting may take, more than 0 and at most 1.
  public let maintenanceShare: Double
  /// How long snapshots stay readable where the table does not say so, in nanoseconds.
  public let snapshotRetention: Int64
  /// How often orphans are looked for, in nanoseconds; 0 for never.
  public let orphanInterval: Int64
  /// How old orphans must be, in nanoseconds.
  public let orphanGrace: Int64
  /// Every setting with its value and origin, in the order of the catalog.
  public let entries: [Entry]

  /// When checkpoints are taken is decided by these; see `CheckpointPolicy`.
  ///
  /// - Parameters:
  ///   - flags: values from the command line, by the name of the environment variable (`WEIR_BATCH_ROWS`).
  ///   - environment: the process's environment; only names that begin with `WEIR_` count.
  ///   - cores: the default of ``parallelism``.
  /// - Throws: ``SettingsError`` that lists everything that is wrong.
  public init(flags: [String: String] = [:], environment: [String: String], cores: Int = LaneSet.coreCount) throws {
    var lookup = Lookup(flags: flags, environment: environment, cores: cores)
    parallelism = lookup.count("WEIR_PARALLELISM")
    keyGroups = lookup.count("WEIR_KEY_GROUPS")
    batchRows = lookup.count("WEIR_BATCH_ROWS")
    batchLinger = lookup.duration("WEIR_BATCH_LINGER")
    channelBatches = lookup.count("WEIR_CHANNEL_BATCHES")
    idleTimeout = lookup.duration("WEIR_IDLE_TIMEOUT")
    discoveryInterval = lookup.duration("WEIR_DISCOVERY_INTERVAL")
    checkpointInterval = lookup.duration("WEIR_CHECKPOINT_INTERVAL")
    checkpointPause = lookup.duration("WEIR_CHECKPOINT_PAUSE")
    checkpointTimeout = lookup.duration("WEIR_CHECKPOINT_TIMEOUT")
    checkpointDirectory = lookup.text("WEIR_CHECKPOINT_DIR") ?? ""
    checkpointRetain = lookup.count("WEIR_CHECKPOINT_RETAIN")
    checkpointBacklog = lookup.count("WEIR_CHECKPOINT_BACKLOG")
    epochBytes = lookup.count("WEIR_EPOCH_BYTES")
    maxRestarts = lookup.count("WEIR_MAX_RESTARTS")
    restartWindow = lookup.duration("WEIR_RESTART_WINDOW")
    restartBackoff = lookup.duration("WEIR_RESTART_BACKOFF")
    restartBackoffMaximum = lookup.duration("WEIR_RESTART_BACKOFF_MAX")
    shutdownTimeout = lookup.duration("WEIR_SHUTDOWN_TIMEOUT")
    stallTimeout = lookup.duration("WEIR_STALL_TIMEOUT")
    httpPort = lookup.count("WEIR_HTTP_PORT")
    httpHost = lookup.text("WEIR_HTTP_HOST") ?? ""
    logLevel = lookup.text("WEIR_LOG_LEVEL") ?? ""
    logFormat = lookup.text("WEIR_LOG_FORMAT") ?? ""
    kafkaBrokers = lookup.text("WEIR_KAFKA_BROKERS") ?? ""
    postgresURL = lookup.text("WEIR_POSTGRES_URL")
    warehouse = lookup.text("WEIR_WAREHOUSE") ?? ""
    catalog = lookup.text("WEIR_CATALOG") ?? ""
    catalogName = lookup.text("WEIR_CATALOG_NAME") ?? ""
    catalogURL = lookup.text("WEIR_CATALOG_URL")
    catalogPort = lookup.optionalCount("WEIR_CATALOG_PORT")
    catalogHost = lookup.text("WEIR_CATALOG_HOST") ?? ""
    catalogToken = lookup.text("WEIR_CATALOG_TOKEN")
    vendsCatalogCredentials = lookup.text("WEIR_CATALOG_VEND_CREDENTIALS") == "true"
    maintainsTables = lookup.text("WEIR_MAINTENANCE") != "off"
    maintenanceInterval = lookup.duration("WEIR_MAINTENANCE_INTERVAL")
    maintenanceFiles = lookup.count("WEIR_MAINTENANCE_FILES")
    maintenanceBytes = lookup.count("WEIR_MAINTENANCE_BYTES")
    maintenanceShare = lookup.fraction("WEIR_MAINTENANCE_CPU")
    snapshotRetention = lookup.duration("WEIR_SNAPSHOT_RETENTION")
    orphanInterval = lookup.duration("WEIR_ORPHAN_INTERVAL")
    orphanGrace = lookup.duration("WEIR_ORPHAN_GRACE")
    lookup.rejectUnknownNames(flags: flags, environment: environment)
    if keyGroups < parallelism {
      lookup.problems.append(
        "WEIR_KEY_GROUPS is \(keyGroups): expected at least WEIR_PARALLELISM (\(parallelism)), so that none is idle")
    }
    entries = lookup.entries
    guard lookup.problems.isEmpty else { throw SettingsError(problems: lookup.problems) }
  }
}

/// Reads and checks one setting after another, and collects what is wrong.
private struct Lookup {
  let flags: ConfigReader
  let environment: ConfigReader
  let cores: Int
  var problems: [String] = []
  var entries: [Settings.Entry] = []

  init(flags: [String: String], environment: [String: String], cores: Int) {
    self.cores = cores
    let secrets = SecretsSpecifier<String, String>.specific([
      "WEIR_POSTGRES_URL", "WEIR_CATALOG_URL", "WEIR_CATALOG_TOKEN"
    ])
    // Both are looked up by the variable's name: a flag is handed in under the name of the setting that it sets.
    self.flags = ConfigReader(
      provider: EnvironmentVariablesProvider(environmentVariables: flags, secretsSpecifier: secrets))
    self.environment = ConfigReader(
      provider: EnvironmentVariablesProvider(environmentVariables: environment, secretsSpecifier: secrets))
  }

  mutating func count(_ name: String) -> Int { Int(number(name)) }

  mutating func duration(_ name: String) -> Int64 { number(name) }

  /// A number that may have a fraction.
  mutating func fraction(_ name: String) -> Double {
    guard let (definition, written, origin) = find(name), case .number(let range) = definition.kind else { return 0 }
    let text = written ?? ""
    guard let value = Double(text), range.contains(value) else {
      problems.append("\(name) (\(origin.rawValue)): expected \(expected(definition.kind)), found '\(text)'")
      return range.upperBound
    }
    note(definition, text, origin)
    return value
  }

  mutating func text(_ name: String) -> String? {
    guard let (definition, written, origin) = find(name) else { return nil }
    if case .choice(let words) = definition.kind, let written, !words.contains(written) {
      problems.append(
        "\(name) (\(origin.rawValue)): expected one of \(words.joined(separator: ", ")), found '\(written)'")
    }
    let shown: String? =
      switch definition.kind {
      case .url: written.map(Redaction.url)
      case .secret: written.map { _ in "***" }
      default: written
      }
    note(definition, shown, origin)
    return written
  }

  /// A number that may stay unset.
  mutating func optionalCount(_ name: String) -> Int? {
    guard let (definition, written, origin) = find(name) else { return nil }
    guard written == nil else { return count(name) }
    note(definition, nil, origin)
    return nil
  }

  mutating func rejectUnknownNames(flags: [String: String], environment: [String: String]) {
    let known = Settings.catalog.map(\.name)
    let candidates = flags.keys.map { ($0, "flag") } + environment.keys.map { ($0, "environment") }
    for (name, origin) in candidates.sorted(by: { $0.0 < $1.0 }) where name.hasPrefix("WEIR_") {
      guard !known.contains(name) else { continue }
      let hint = NearestName.find(name, in: known).map { "did you mean \($0)?" } ?? "`weir config` lists all"
      problems.append("\(name) (\(origin)): there is no such setting; \(hint)")
    }
  }

  private mutating func number(_ name: String) -> Int64 {
    guard let (definition, written, origin) = find(name) else { return 0 }
    let text = written ?? (name == "WEIR_PARALLELISM" ? String(min(cores, 128)) : "0")
    guard let value = parse(text, definition.kind), isAllowed(value, definition.kind) else {
      problems.append("\(name) (\(origin.rawValue)): expected \(expected(definition.kind)), found '\(text)'")
      return 1
    }
    note(definition, spelled(value, definition.kind), origin)
    return value
  }

  private func find(_ name: String) -> (Settings.Definition, String?, Settings.Origin)? {
    guard let definition = Settings.catalog.first(where: { $0.name == name }) else { return nil }
    let key = ConfigKey(name.lowercased().split(separator: "_").map(String.init))
    if let value = flags.string(forKey: key) { return (definition, value, .flag) }
    if let value = environment.string(forKey: key), !value.isEmpty { return (definition, value, .environment) }
    return (definition, definition.fallback, .fallback)
  }

  private mutating func note(_ definition: Settings.Definition, _ value: String?, _ origin: Settings.Origin) {
    entries.append(Settings.Entry(definition: definition, value: value, origin: origin))
  }

  private func parse(_ text: String, _ kind: SettingKind) -> Int64? {
    switch kind {
    case .count: Int64(text)
    case .duration: UnitText.nanoseconds(text)
    case .size: UnitText.bytes(text)
    case .number, .choice, .text, .url, .secret: nil
    }
  }

  private func isAllowed(_ value: Int64, _ kind: SettingKind) -> Bool {
    switch kind {
    case .count(let range), .size(let range): range.contains(Int(value))
    case .duration(let range): range.contains(value)
    case .number, .choice, .text, .url, .secret: true
    }
  }

  private func spelled(_ value: Int64, _ kind: SettingKind) -> String {
    switch kind {
    case .duration: UnitText.duration(value)
    case .size: UnitText.size(value)
    case .count, .number, .choice, .text, .url, .secret: String(value)
    }
  }

  private func expected(_ kind: SettingKind) -> String {
    switch kind {
    case .count(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .duration(let range):
      "a duration such as 200ms, 5s or 2m, from \(UnitText.duration(range.lowerBound)) "
        + "to \(UnitText.duration(range.upperBound))"
    case .size(let range):
      "a size such as 64MiB, from \(UnitText.size(Int64(range.lowerBound))) to \(UnitText.size(Int64(range.upperBound)))"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .choice(let words): "one of \(words.joined(separator: ", "))"
    case .text, .url, .secret: "text"
    }
  }
}
