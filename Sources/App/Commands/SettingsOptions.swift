import ArgumentParser
import Runtime

/// The flags for settings; every setting can also be given as `--set NAME=value`.
struct SettingsOptions: ParsableArguments {
  @Option(
    name: .long, help: ArgumentHelp("A setting, as in the environment; may be repeated.", valueName: "WEIR_NAME=value"))
  var set: [String] = []

  @Option(name: .long, help: "How many actors share the work of a keyed operator (WEIR_PARALLELISM).")
  var parallelism: String?

  @Option(name: .long, help: "The time between checkpoints, such as 500ms (WEIR_CHECKPOINT_INTERVAL).")
  var checkpointInterval: String?

  @Option(name: .long, help: "Where checkpoints are kept (WEIR_CHECKPOINT_DIR).")
  var checkpointDir: String?

  @Option(name: .long, help: "The port of the dashboard, API and metrics; 0 takes a free one (WEIR_HTTP_PORT).")
  var httpPort: String?

  @Option(name: .long, help: "The address to listen on (WEIR_HTTP_HOST).")
  var httpHost: String?

  @Option(name: .long, help: "Kafka's bootstrap servers for tables that name none (WEIR_KAFKA_BROKERS).")
  var brokers: String?

  @Option(name: .long, help: "The database for tables that name none (WEIR_POSTGRES_URL).")
  var postgresUrl: String?

  @Option(name: .long, help: "trace, debug, info, notice, warning, error or critical (WEIR_LOG_LEVEL).")
  var logLevel: String?

  @Option(name: .long, help: "text or json (WEIR_LOG_FORMAT).")
  var logFormat: String?

  /// The settings given as flags, by their name in the environment.
  /// - Throws: ``CommandFailure`` for a `--set` that is not `NAME=value`.
  func overrides() throws -> [String: String] {
    var result: [String: String] = [:]
    for pair in set {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, sides[0].hasPrefix("WEIR_") else {
        throw CommandFailure(.usage, "--set takes WEIR_NAME=value, got '\(pair)'; `weir config` lists the names")
      }
      result[String(sides[0])] = String(sides[1])
    }
    let flags = [
      "WEIR_PARALLELISM": parallelism, "WEIR_CHECKPOINT_INTERVAL": checkpointInterval,
      "WEIR_CHECKPOINT_DIR": checkpointDir, "WEIR_HTTP_PORT": httpPort, "WEIR_HTTP_HOST": httpHost,
      "WEIR_KAFKA_BROKERS": brokers, "WEIR_POSTGRES_URL": postgresUrl, "WEIR_LOG_LEVEL": logLevel,
      "WEIR_LOG_FORMAT": logFormat
    ]
    return result.merging(flags.compactMapValues(\.self)) { _, flag in flag }
  }
}
