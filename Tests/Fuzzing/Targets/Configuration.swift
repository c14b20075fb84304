import Iceberg
import Runtime

extension FuzzTarget {
  static let configuration: [FuzzTarget] = [
    FuzzTarget(
      "settings", shape: .text, weight: 6,
      dictionary: Settings.catalog.map(\.name) + [
        "ns", "us", "ms", "s", "m", "h", "d", "KiB", "MiB", "GB", "TiB", "B", "="
      ],
      seeds: { settingTexts }, check: checkSettings),
    FuzzTarget(
      "urls", shape: .text, weight: 16,
      dictionary: ["://", "@", ":", "/", "?", "#", "s3://", "s3a://", "http://", "[::1]", "password=", "%2F", "&"],
      seeds: { urls }, check: checkURL)
  ]

  private static var settingTexts: [[UInt8]] {
    let defaults = Settings.catalog.compactMap { definition in definition.fallback.map { "\(definition.name)=\($0)" } }
    let units = [
      "WEIR_BATCH_LINGER=200ms", "WEIR_EPOCH_BYTES=64MiB", "WEIR_CHECKPOINT_INTERVAL=1.5s", "WEIR_PARALLELISM=0"
    ]
    return [Array(defaults.joined(separator: "\n").utf8)] + (units + defaults).map { Array($0.utf8) }
  }

  private static func checkSettings(_ bytes: [UInt8]) throws {
    var environment: [String: String] = [:]
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      environment[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
      if let value = parts.last {
        if let nanoseconds = UnitText.nanoseconds(value) {
          try require(
            UnitText.nanoseconds(UnitText.duration(nanoseconds)) == nanoseconds, "a duration that changes: \(value)")
        }
        if let size = UnitText.bytes(value) {
          try require(UnitText.bytes(UnitText.size(size)) == size, "a size that changes: \(value)")
        }
      }
    }
    do {
      let settings = try Settings(environment: environment, cores: 2)
      try require(!settings.entries.isEmpty && settings.parallelism > 0, "settings without values")
    } catch let error as SettingsError {
      try require(!error.problems.isEmpty && error.problems.allSatisfy { !$0.isEmpty }, "a refusal without a reason")
    }
  }

  private static var urls: [[UInt8]] {
    [
      "postgres://user:secret@host:5432/db?sslmode=disable", "postgresql://host/db?password=secret&user=u",
      "s3://bucket/a/b%20c", "https://h:1/x", "host=h password=secret dbname=d",
      "http://127.0.0.1:9/v1/config?warehouse=w"
    ].map { Array($0.utf8) }
  }

  private static func checkURL(_ bytes: [UInt8]) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    let redacted = Redaction.url(text)
    try require(Redaction.url(redacted) == redacted, "expected '\(redacted)' to stay as it is")
    do {
      let location = try S3Location(text)
      let again = try S3Location(location.location(ofKey: location.key))
      try require(again.key == location.key && again.bucket == location.bucket, "a location that changes: \(text)")
    } catch let error as IcebergError {
      try requireMessage(error)
    }
    _ = CatalogHTTPRequest(method: "GET", target: text)
  }
}
