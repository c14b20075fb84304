/// A job that is measured, and what the C program does for the same result.
package enum BenchJob: String, CaseIterable, Sendable {
  case passthrough, filter, tumble, hop
  case millionKeys = "million-keys"
  case iceberg, postgres

  /// Where the results of a run go.
  package enum Target: Hashable, Sendable {
    /// Where the job's definition says.
    case own
    /// To standard output, for the run that is only checked.
    case standardOutput
  }

  /// What it does, in a few words.
  package var summary: String {
    switch self {
    case .passthrough: "every column of every event, into blackhole"
    case .filter: "events warmer than 90 degrees, about one in five, into blackhole"
    case .tumble: "count, sum, min and max per sensor and 10 seconds, into blackhole"
    case .hop: "count, sum, min and max per sensor and 10 seconds, every 5 seconds, into blackhole"
    case .millionKeys: "count, sum, min and max per sensor and minute, 1,000,000 sensors, into blackhole"
    case .iceberg: "every column of every event, into an Iceberg table; the C program decodes only"
    case .postgres: "count, sum, min and max per sensor and 10 seconds, into PostgreSQL; the C program writes nothing"
    }
  }

  /// How many sensors send.
  package var sensors: Int { self == .millionKeys ? 1_000_000 : 1000 }

  /// The C program's words for the same work.
  package var baseline: [String] {
    switch self {
    case .passthrough, .iceberg: ["rows"]
    case .filter: ["filter"]
    case .tumble, .postgres: ["windows", "--size", "10000", "--slide", "10000"]
    case .hop: ["windows", "--size", "10000", "--slide", "5000"]
    case .millionKeys: ["windows", "--size", "60000", "--slide", "60000"]
    }
  }

  /// The columns whose sums must be the C program's, in its order.
  package var checkedColumns: [String] {
    isWindowed ? ["readings", "total", "low", "high"] : ["temperature", "humidity"]
  }

  private var isWindowed: Bool { baseline[0] == "windows" }

  /// The pipeline.
  ///
  /// - Parameters:
  ///   - topic: the topic to read.
  ///   - table: the PostgreSQL table to write.
  ///   - fetch: who fetches the records, as the table's option of this name says it.
  package func sql(topic: String, table: String, fetch: String = "librdkafka", target: Target = .own) -> String {
    let columns =
      isWindowed
      ? "sensor_id text NOT NULL, window_start timestamptz NOT NULL, readings bigint, total double precision,\n"
        + "  low double precision, high double precision"
      : "sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,\n"
        + "  site text, status text"
    return """
      CREATE TABLE readings (
        sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
        site text, status text
      ) WITH (connector = 'kafka', topic = '\(topic)', format = 'json', event_time = 'ts', watermark_delay = '5 seconds',
              max_future = '36500 days', fetch = '\(fetch)');
      CREATE TABLE results (
        \(columns)
      ) WITH (\(target == .own ? connector(table) : "connector = 'stdout'"));
      INSERT INTO results
      \(query);

      """
  }

  private func connector(_ table: String) -> String {
    switch self {
    case .iceberg: "connector = 'iceberg', table = 'bench.readings', partitioning = 'hour(ts)'"
    case .postgres: "connector = 'postgres', table = '\(table)', mode = 'append'"
    default: "connector = 'blackhole'"
    }
  }

  private var query: String {
    let rows = "SELECT sensor_id, temperature, humidity, ts, site, status FROM readings"
    let window: String
    switch self {
    case .passthrough, .iceberg: return rows
    case .filter: return rows + " WHERE temperature > 90"
    case .tumble, .postgres: window = "tumble(readings, ts, INTERVAL '10 seconds')"
    case .hop: window = "hop(readings, ts, INTERVAL '5 seconds', INTERVAL '10 seconds')"
    case .millionKeys: window = "tumble(readings, ts, INTERVAL '1 minute')"
    }
    return """
      SELECT sensor_id, window_start, count(*), sum(temperature), min(temperature), max(temperature)
      FROM \(window)
      GROUP BY sensor_id, window_start, window_end
      """
  }
}
