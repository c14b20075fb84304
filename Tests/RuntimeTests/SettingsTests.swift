import Runtime
import TestTraits
import Testing

@Suite("Settings", .fewAtOnce)
struct SettingsTests {
  private func problems(_ environment: [String: String], flags: [String: String] = [:]) -> [String] {
    do {
      _ = try Settings(flags: flags, environment: environment, cores: 4)
      return []
    } catch let error as SettingsError {
      return error.problems
    } catch { return ["\(error)"] }
  }

  @Test("nothing set means the defaults, and every setting is listed once")
  func defaults() throws {
    let settings = try Settings(environment: ["PATH": "/bin"], cores: 4)
    #expect(settings.parallelism == 4 && settings.batchRows == 8192 && settings.keyGroups == 128)
    #expect(settings.checkpointInterval == 1_000_000_000 && settings.batchLinger == 5_000_000)
    #expect(settings.postgresURL == nil && settings.httpPort == 8080)
    #expect(settings.entries.map(\.definition.name) == Settings.catalog.map(\.name))
    #expect(settings.entries.allSatisfy { $0.origin == .fallback })
  }

  @Test("a flag wins over the environment, and the environment over the default")
  func precedence() throws {
    let settings = try Settings(
      flags: ["WEIR_BATCH_ROWS": "10"],
      environment: ["WEIR_BATCH_ROWS": "20", "WEIR_CHECKPOINT_INTERVAL": "200ms", "WEIR_EPOCH_BYTES": "64MiB"])
    #expect(settings.batchRows == 10)
    #expect(settings.checkpointInterval == 200_000_000 && settings.epochBytes == 64 << 20)
    let origins = Dictionary(uniqueKeysWithValues: settings.entries.map { ($0.definition.name, $0) })
    #expect(origins["WEIR_BATCH_ROWS"]?.origin == .flag && origins["WEIR_BATCH_ROWS"]?.value == "10")
    #expect(origins["WEIR_CHECKPOINT_INTERVAL"]?.origin == .environment)
    #expect(origins["WEIR_CHECKPOINT_INTERVAL"]?.value == "200ms")
    #expect(origins["WEIR_EPOCH_BYTES"]?.value == "64MiB")
    #expect(origins["WEIR_LOG_LEVEL"]?.origin == .fallback)
  }

  @Test("an unknown name is an error that suggests the nearest; other programs' names are not our business")
  func unknown() {
    #expect(problems(["HOME": "/", "WEIRD": "x"]).isEmpty)
    let found = problems(["WEIR_CHECKPOINT_INTERVALL": "1s", "WEIR_XYZZY_PLUGH_ABC": "1"])
    #expect(found.count == 2)
    #expect(found[0].contains("did you mean WEIR_CHECKPOINT_INTERVAL?"))
    #expect(found[1].contains("weir config"))
  }

  @Test(
    "a value that is malformed or out of range is an error that says what was expected",
    arguments: [
      ("WEIR_BATCH_ROWS", "0"), ("WEIR_BATCH_ROWS", "many"), ("WEIR_BATCH_ROWS", "65537"), ("WEIR_HTTP_PORT", "65536"),
      ("WEIR_CHECKPOINT_INTERVAL", "5"), ("WEIR_CHECKPOINT_INTERVAL", "1ms"), ("WEIR_CHECKPOINT_INTERVAL", "-1s"),
      ("WEIR_CHECKPOINT_INTERVAL", "99999999999999999999s"), ("WEIR_EPOCH_BYTES", "64 parsecs"),
      ("WEIR_LOG_FORMAT", "xml"), ("WEIR_LOG_LEVEL", "loud"), ("WEIR_PARALLELISM", "0")
    ])
  func outOfRange(name: String, value: String) {
    let found = problems([name: value])
    #expect(found.count == 1)
    #expect(found.first?.contains(name) == true && found.first?.contains("expected") == true)
    #expect(found.first?.contains("'\(value)'") == true)
  }

  @Test("all problems are reported at once")
  func allProblems() {
    #expect(problems(["WEIR_BATCH_ROWS": "0", "WEIR_HTTP_PORT": "x", "WEIR_NOPE": "1"]).count == 3)
    #expect(problems(["WEIR_KEY_GROUPS": "2"]).count == 1)
  }

  @Test("durations and sizes are read and spelled back")
  func units() {
    let durations: [(String, Int64?)] = [
      ("200ms", 200_000_000), ("5s", 5_000_000_000), ("2m", 120_000_000_000), ("1.5s", 1_500_000_000), ("0", 0),
      ("1h", 3_600_000_000_000), ("7us", 7000), ("5", nil), ("s", nil), ("", nil), ("5 s", 5_000_000_000),
      ("1e3s", nil),
      ("..s", nil)
    ]
    for (text, expected) in durations { #expect(UnitText.nanoseconds(text) == expected, "\(text)") }
    let sizes: [(String, Int64?)] = [
      ("64MiB", 64 << 20), ("10MB", 10_000_000), ("512", 512), ("512B", 512), ("-1", nil), ("MiB", nil),
      ("1.5KiB", 1536)
    ]
    for (text, expected) in sizes { #expect(UnitText.bytes(text) == expected, "\(text)") }
    #expect(UnitText.duration(90_000_000_000) == "90s" && UnitText.duration(120_000_000_000) == "2m")
    #expect(UnitText.size(1 << 20) == "1MiB" && UnitText.size(1000) == "1000B" && UnitText.duration(0) == "0ns")
  }

  @Test("passwords are never shown")
  func redaction() throws {
    let urls = [
      "postgres://weir:s3cret@db:5432/app", "postgres://weir:s3@cr:et@db/app", "postgres://db/app?password=s3cret&x=1",
      "host=db password=s3cret user=weir", "host=db password='s3cret with space' user=weir"
    ]
    for url in urls {
      let settings = try Settings(environment: ["WEIR_POSTGRES_URL": url])
      #expect(settings.postgresURL == url)
      let shown = settings.entries.first { $0.definition.name == "WEIR_POSTGRES_URL" }?.value ?? ""
      #expect(shown.contains("***") && !shown.contains("s3") && !shown.contains("cret"), "\(shown)")
    }
    #expect(Redaction.url("postgres://weir@db:5432/app?x=1") == "postgres://weir@db:5432/app?x=1")
    #expect(Redaction.url("postgres://u:p@h/d") == "postgres://u:***@h/d")
  }

  @Test("no catalog is served unless its port is set, and its token is never shown")
  func catalog() throws {
    let unset = try Settings(environment: [:])
    #expect(unset.catalogPort == nil && unset.catalog == "filesystem" && unset.catalogName == "weir")
    #expect(unset.catalogToken == nil && !unset.vendsCatalogCredentials && unset.catalogHost == "127.0.0.1")
    let settings = try Settings(environment: [
      "WEIR_CATALOG": "sql", "WEIR_CATALOG_URL": "postgresql://u:s3cret@h/d", "WEIR_CATALOG_PORT": "0",
      "WEIR_CATALOG_TOKEN": "hush", "WEIR_CATALOG_VEND_CREDENTIALS": "true"
    ])
    #expect(settings.catalogPort == 0 && settings.catalogToken == "hush" && settings.vendsCatalogCredentials)
    #expect(settings.catalogURL == "postgresql://u:s3cret@h/d")
    for name in ["WEIR_CATALOG_TOKEN", "WEIR_CATALOG_URL"] {
      let shown = settings.entries.first { $0.definition.name == name }?.value ?? ""
      #expect(shown.contains("***") && !shown.contains("hush") && !shown.contains("s3cret"), "\(shown)")
    }
    let remote = try Settings(environment: ["WEIR_CATALOG": "rest", "WEIR_CATALOG_URL": "https://u:s3cret@h/catalog"])
    #expect(remote.catalog == "rest" && remote.catalogURL == "https://u:s3cret@h/catalog")
    #expect(problems(["WEIR_CATALOG_PORT": "-1"]).count == 1 && problems(["WEIR_CATALOG": "hive"]).count == 1)
    #expect(problems(["WEIR_CATALOG_VEND_CREDENTIALS": "yes"]).count == 1)
  }
}
