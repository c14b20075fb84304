extension Settings {
  /// A setting: its name, what it may be, its default, and what it does.
  public struct Definition: Hashable, Sendable {
    /// The environment variable, `WEIR_…`.
    public let name: String
    /// How it is written.
    public let kind: SettingKind
    /// The value when nobody sets it, as it is written; `nil`: unset, or computed at start.
    public let fallback: String?
    /// What it does, in one sentence.
    public let summary: String
  }

  /// Every setting there is, in the order in which they are printed.
  public static let catalog: [Definition] =
    dataflow + checkpoints + supervision + operation + places + catalogs
    + maintenance

  private static let second: Int64 = 1_000_000_000
  private static let day: Int64 = 86400 * second

  private static let dataflow = [
    Definition(
      name: "WEIR_PARALLELISM", kind: .count(1...1024), fallback: nil,
      summary:
        "Dataflow threads, and instances of each keyed operator; by default the cores of the process, at most 128."),
    Definition(
      name: "WEIR_KEY_GROUPS", kind: .count(1...32768), fallback: "128",
      summary: "Into how many groups keyed state is split; cannot change once a job has checkpoints."),
    Definition(
      name: "WEIR_BATCH_ROWS", kind: .count(1...65536), fallback: "8192", summary: "Rows in a batch, at most."),
    Definition(
      name: "WEIR_BATCH_LINGER", kind: .duration(0...(60 * second)), fallback: "5ms",
      summary: "How long a batch that is not full waits for more rows."),
    Definition(
      name: "WEIR_CHANNEL_BATCHES", kind: .count(1...4096), fallback: "8",
      summary: "Batches in the channel between two actors, at most."),
    Definition(
      name: "WEIR_IDLE_TIMEOUT", kind: .duration(1_000_000...(365 * day)), fallback: "30s",
      summary: "How long a partition without data holds watermarks back."),
    Definition(
      name: "WEIR_DISCOVERY_INTERVAL", kind: .duration(100_000_000...day), fallback: "30s",
      summary: "How often sources are asked for new partitions.")
  ]

  private static let checkpoints = [
    Definition(
      name: "WEIR_CHECKPOINT_INTERVAL", kind: .duration(10_000_000...day), fallback: "1s",
      summary: "From the start of one checkpoint to the start of the next."),
    Definition(
      name: "WEIR_CHECKPOINT_PAUSE", kind: .duration(0...day), fallback: "0s",
      summary: "The least time between the end of one checkpoint and the start of the next."),
    Definition(
      name: "WEIR_CHECKPOINT_TIMEOUT", kind: .duration(100_000_000...day), fallback: "2m",
      summary: "A checkpoint that takes longer is abandoned and tried again."),
    Definition(
      name: "WEIR_CHECKPOINT_DIR", kind: .text, fallback: "./.weir/checkpoints", summary: "Where checkpoints are kept."),
    Definition(
      name: "WEIR_CHECKPOINT_RETAIN", kind: .count(1...1000), fallback: "3",
      summary: "So many of the newest checkpoints are kept."),
    Definition(
      name: "WEIR_CHECKPOINT_BACKLOG", kind: .count(1...1000), fallback: "4",
      summary: "So many checkpoints may wait for the slowest sink before the sources pause."),
    Definition(
      name: "WEIR_EPOCH_BYTES", kind: .size((1 << 20)...(1 << 40)), fallback: "256MiB",
      summary: "A sink that has collected so much since the last checkpoint asks for an early one.")
  ]

  private static let supervision = [
    Definition(
      name: "WEIR_MAX_RESTARTS", kind: .count(0...1_000_000), fallback: "10",
      summary: "More restarts than this within WEIR_RESTART_WINDOW end the process."),
    Definition(
      name: "WEIR_RESTART_WINDOW", kind: .duration(second...day), fallback: "5m",
      summary: "The time in which restarts are counted."),
    Definition(
      name: "WEIR_RESTART_BACKOFF", kind: .duration(1_000_000...(3600 * second)), fallback: "100ms",
      summary: "The delay before the first restart; it doubles with each one that follows."),
    Definition(
      name: "WEIR_RESTART_BACKOFF_MAX", kind: .duration(1_000_000...(3600 * second)), fallback: "10s",
      summary: "The longest delay before a restart."),
    Definition(
      name: "WEIR_SHUTDOWN_TIMEOUT", kind: .duration(second...day), fallback: "30s",
      summary: "How long the final checkpoint and its commits may take after SIGTERM."),
    Definition(
      name: "WEIR_STALL_TIMEOUT", kind: .duration(second...day), fallback: "60s",
      summary: "Readiness fails when input advances and nothing was committed for so long.")
  ]

  private static let operation = [
    Definition(
      name: "WEIR_HTTP_PORT", kind: .count(0...65535), fallback: "8080",
      summary: "The port for metrics, health and the dashboard; 0 takes a free one and says which."),
    Definition(
      name: "WEIR_HTTP_HOST", kind: .text, fallback: "127.0.0.1", summary: "The address that HTTP listens on."),
    Definition(
      name: "WEIR_LOG_LEVEL",
      kind: .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), fallback: "info",
      summary: "The least level that is logged."),
    Definition(
      name: "WEIR_LOG_FORMAT", kind: .choice(["text", "json"]), fallback: "text",
      summary: "How log lines are written to standard error.")
  ]

  private static let places = [
    Definition(
      name: "WEIR_KAFKA_BROKERS", kind: .text, fallback: "localhost:9092",
      summary: "Bootstrap servers of tables that name none."),
    Definition(
      name: "WEIR_POSTGRES_URL", kind: .url, fallback: nil,
      summary: "The database of PostgreSQL tables that name none."),
    Definition(
      name: "WEIR_WAREHOUSE", kind: .text, fallback: "./.weir/warehouse", summary: "Where tables of files are kept.")
  ]
  private static let catalogs = [
    Definition(
      name: "WEIR_CATALOG", kind: .choice(["filesystem", "sql", "rest"]), fallback: "filesystem",
      summary: "Where Iceberg tables are registered: directories of the warehouse, a PostgreSQL database, or a server."),
    Definition(
      name: "WEIR_CATALOG_NAME", kind: .text, fallback: "weir",
      summary: "The catalog's name in the database; several share one."),
    Definition(
      name: "WEIR_CATALOG_URL", kind: .url, fallback: nil,
      summary: "The database of sql, by default that of WEIR_POSTGRES_URL; the address of the server of rest."),
    Definition(
      name: "WEIR_CATALOG_PORT", kind: .count(0...65535), fallback: nil,
      summary: "The port of Weir's Iceberg REST catalog; unset: none is served; 0 takes a free one and says which."),
    Definition(
      name: "WEIR_CATALOG_HOST", kind: .text, fallback: "127.0.0.1",
      summary: "The address that the REST catalog listens on."),
    Definition(
      name: "WEIR_CATALOG_TOKEN", kind: .secret, fallback: nil,
      summary: "The token that clients of the REST catalog must show, also as OAuth client secret; unset: none."),
    Definition(
      name: "WEIR_CATALOG_VEND_CREDENTIALS", kind: .choice(["false", "true"]), fallback: "false",
      summary: "Whether clients of the REST catalog are given Weir's own S3 credentials.")
  ]

  private static let maintenance = [
    Definition(
      name: "WEIR_MAINTENANCE", kind: .choice(["on", "off"]), fallback: "on",
      summary: "Whether `weir run` keeps the Iceberg tables of its job in shape; a table's option maintenance says no."),
    Definition(
      name: "WEIR_MAINTENANCE_INTERVAL", kind: .duration((second / 10)...day), fallback: "30s",
      summary: "How often each table is looked at, at least; sooner when it has many commits."),
    Definition(
      name: "WEIR_MAINTENANCE_FILES", kind: .count(2...10_000), fallback: "8",
      summary: "A table is compacted after about so many commits, and never after less than half of them."),
    Definition(
      name: "WEIR_MAINTENANCE_BYTES", kind: .size((1 << 20)...(1 << 40)), fallback: "256MiB",
      summary: "Data files that one round rewrites in a table, at most; a group that is begun is finished."),
    Definition(
      name: "WEIR_MAINTENANCE_CPU", kind: .number(0.01...1), fallback: "0.25",
      summary: "The part of one core that rewriting may take."),
    Definition(
      name: "WEIR_SNAPSHOT_RETENTION", kind: .duration(0...(3650 * day)), fallback: "1h",
      summary:
        "How long snapshots stay readable in tables without history.expire.max-snapshot-age-ms; 10 stay at least."),
    Definition(
      name: "WEIR_ORPHAN_INTERVAL", kind: .duration(0...(365 * day)), fallback: "1d",
      summary: "How often files that no table refers to are looked for; 0 is never."),
    Definition(
      name: "WEIR_ORPHAN_GRACE", kind: .duration((3600 * second)...(3650 * day)), fallback: "3d",
      summary: "How old such files must be before they are removed; longer than any job or writer stands still.")
  ]
}
