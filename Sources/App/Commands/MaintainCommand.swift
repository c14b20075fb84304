import ArgumentParser
import Iceberg
import Logging
import Runtime

/// `weir maintain`.
struct MaintainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintain", abstract: "Keeps Iceberg tables in shape: small files, manifests, snapshots, orphans.",
    discussion: """
      weir maintain                        all tables of the configured catalog
      weir maintain lake.events lake.raw   these tables
      weir maintain pipeline.sql           the tables that a job writes, wherever they are registered

      Safe while jobs and other engines write the tables: what they change meanwhile is left alone until another time.
      `weir run` does the same for the tables of its job, a little at a time (WEIR_MAINTENANCE). Files of commits that a
      job has yet to make stay when its checkpoints are in WEIR_CHECKPOINT_DIR; otherwise only their age protects them:
      keep --older-than longer than any writer stands still. Exit codes: 1 the SQL is wrong, 2 a table or catalog
      is missing or wrong, 3 a step failed.
      """)

  @Argument(help: "Tables as namespace.name, or one SQL file.") var targets: [String] = []

  @Option(help: "The job's name, for tables of an SQL file (default: the file's name).") var job: String?

  @Option(help: "filesystem, sql or rest (WEIR_CATALOG).") var catalog: String?

  @Option(help: "The database or server of the catalog (WEIR_CATALOG_URL, else WEIR_POSTGRES_URL).") var url: String?

  @Option(help: "The catalog's name in the database (WEIR_CATALOG_NAME).") var name: String?

  @Option(help: "Where tables are put: a directory, or s3://bucket/path (WEIR_WAREHOUSE).") var warehouse: String?

  @Flag(help: "Compact small files, and files with many deleted rows. Without any of these four flags: do all.")
  var compact = false

  @Flag(help: "Gather small manifests.") var manifests = false

  @Flag(help: "Expire old snapshots, and remove the files that only they need.") var expire = false

  @Flag(help: "Remove files below the table's location that nothing refers to.") var orphans = false

  @Option(help: "How old orphans must be, such as 3d (WEIR_ORPHAN_GRACE). 0s only when nobody writes.")
  var olderThan: String?

  @Option(
    help: "How long snapshots stay, such as 1h; by default the table's own property, or WEIR_SNAPSHOT_RETENTION.")
  var retain: String?

  @Option(help: "The size of data files, such as 512MiB (by default the table's own).") var targetFileSize: String?

  @Flag(help: "Say what would be done, and change nothing.") var dryRun = false

  @Flag(help: "Print the reports as a JSON array.") var json = false

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() async throws {
    let flags = [
      "WEIR_CATALOG": catalog, "WEIR_CATALOG_URL": url, "WEIR_CATALOG_NAME": name, "WEIR_WAREHOUSE": warehouse
    ].compactMapValues(\.self)
    let settings = try EngineAdapter.settings(flags: try options.overrides().merging(flags) { _, flag in flag })
    let logger = EngineAdapter.logger(settings)
    let groups = try groups(settings, logger)
    let directory = EngineAdapter.absolute(settings.checkpointDirectory)
    var reports: [UpkeepReport] = []
    var failure: CommandFailure?
    try await ScratchDirectory.use { scratch in
      let upkeep = try upkeep(settings, scratch)
      try Self.check(upkeep, checkpoints: directory)
      for group in groups {
        let outcome = await Self.run(upkeep, on: group, isQuiet: json, checkpoints: directory)
        reports += outcome.reports
        failure = failure ?? outcome.failure
      }
    }
    if json { Terminal.say(String(decoding: HTTPAnswer.json(reports).body.dropLast(), as: UTF8.self)) }
    if let failure { throw failure }
    let failed = reports.filter { !$0.failures.isEmpty }
    guard failed.isEmpty else {
      throw CommandFailure(.job, "maintenance failed in part: \(failed.map(\.table).joined(separator: ", "))")
    }
  }

  // MARK: Options

  private func upkeep(_ settings: Settings, _ scratch: String) throws -> TableUpkeep {
    var upkeep = TableUpkeep(scratchDirectory: scratch)
    if compact || manifests || expire || orphans {
      (upkeep.compacts, upkeep.gathersManifests) = (compact, manifests)
      (upkeep.expires, upkeep.removesOrphans) = (expire, orphans)
    }
    upkeep.standardRetention.ageMilliseconds = settings.snapshotRetention / 1_000_000
    upkeep.retentionMilliseconds = try duration(retain, "--retain")
    upkeep.orphanGraceMilliseconds =
      try duration(olderThan, "--older-than") ?? settings.orphanGrace / 1_000_000
    if let targetFileSize {
      guard let bytes = UnitText.bytes(targetFileSize), bytes > 0 else {
        throw CommandFailure(.usage, "--target-file-size takes a size such as 512MiB, got '\(targetFileSize)'")
      }
      upkeep.targetFileSizeBytes = bytes
    }
    upkeep.isDryRun = dryRun
    return upkeep
  }

  /// The youngest orphans that may be removed while a job runs, in milliseconds: it has files that no commit names yet.
  private static let safeGraceMilliseconds: Int64 = 3_600_000

  private static func check(_ upkeep: TableUpkeep, checkpoints: String) throws {
    guard upkeep.removesOrphans, !upkeep.isDryRun, upkeep.orphanGraceMilliseconds < safeGraceMilliseconds else {
      return
    }
    let running: [String]
    do { running = try CheckpointDirectory.runningJobs(in: checkpoints) } catch {
      throw CommandFailure(.usage, "\(error)")
    }
    guard running.isEmpty else {
      throw CommandFailure(
        .usage,
        "a job is running (\(running.joined(separator: ", "))), and files that it writes just now would be taken for "
          + "orphans: stop it, or give --older-than 1h or more")
    }
  }

  private func duration(_ text: String?, _ flag: String) throws -> Int64? {
    guard let text else { return nil }
    guard let nanoseconds = UnitText.nanoseconds(text), nanoseconds >= 0 else {
      throw CommandFailure(.usage, "\(flag) takes a duration such as 3d, 12h or 0s, got '\(text)'")
    }
    return nanoseconds / 1_000_000
  }

  private func groups(_ settings: Settings, _ logger: Logger) throws -> [MaintainedTables] {
    guard let file = targets.first(where: { $0.hasSuffix(".sql") || $0 == "-" }) else {
      return [try MaintainedTables.named(try targets.map(Self.identifier), settings: settings, logger: logger)]
    }
    guard targets.count == 1 else {
      throw CommandFailure(.usage, "give tables or one SQL file, not both: \(targets.joined(separator: " "))")
    }
    let plan = try EngineAdapter.plan(file)
    let job = try job ?? JobName.derived(fromFile: file)
    let groups: [MaintainedTables]
    do {
      groups = try MaintainedTables.of(plan, job: job, settings: settings, all: true, logger: logger)
    } catch {
      throw CommandFailure(.finding, "\(error)")
    }
    guard !groups.isEmpty else { throw CommandFailure(.usage, "no statement of \(file) writes an Iceberg table") }
    return groups
  }

  /// `namespace.name`; the last dot separates them, as in the option `table` of a sink.
  package static func identifier(_ text: String) throws -> TableIdentifier {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.allSatisfy({ !$0.isEmpty }), let last = parts.last else {
      throw CommandFailure(.usage, "'\(text)' is no table: expected namespace.name")
    }
    return TableIdentifier(Namespace(parts.count == 1 ? ["default"] : Array(parts.dropLast())), last)
  }

  // MARK: Work

  private static func run(
    _ upkeep: TableUpkeep, on group: MaintainedTables, isQuiet: Bool, checkpoints: String
  ) async -> (reports: [UpkeepReport], failure: CommandFailure?) {
    var reports: [UpkeepReport] = []
    do throws(IcebergError) {
      let catalog = try await group.open()
      do throws(IcebergError) {
        for table in try await group.list(catalog, []) {
          let report = try await upkeep.run(table, in: catalog) { () throws(IcebergError) in
            try await PendingDataFiles.read(checkpoints)
          }
          if !isQuiet { Terminal.say(UpkeepText.render(report)) }
          reports.append(report)
        }
      } catch {
        await catalog.close()
        throw error
      }
      await catalog.close()
    } catch {
      let code: CommandFailure.Code = error.kind == .notFound || error.kind == .invalid ? .usage : .job
      return (reports, CommandFailure(code, "\(group.name): \(Redaction.url(error.message))"))
    }
    return (reports, nil)
  }
}
