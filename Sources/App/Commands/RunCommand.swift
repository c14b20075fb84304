import Actors
import ArgumentParser

/// `weir run`.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs the job of an SQL file until SIGTERM or Ctrl-C.",
    discussion: """
      The first signal stops the sources, takes a last checkpoint, commits it and exits 0; a second one exits at once,
      which loses nothing either. Exit codes: 1 the SQL is wrong, 2 the configuration is wrong, 3 the job failed.
      """)

  @Argument(help: "The SQL file.", completion: .file(extensions: ["sql"])) var file: String

  @Flag(help: "Read up to what are the ends now, deliver everything, print a summary as JSON, and exit.")
  var untilEnd = false

  @Option(help: "The job's name, which its checkpoints and positions go by (default: the file's name).") var job:
    String?

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() async throws {
    let settings = try EngineAdapter.settings(flags: try options.overrides())
    let logger = EngineAdapter.logger(settings)
    let plan = try EngineAdapter.plan(file)
    let name = try job ?? JobName.derived(fromFile: file)
    let engine = try EngineAdapter.engine(plan: plan, jobName: name, settings: settings, logger: logger)
    let maintenance = try JobMaintenance.service(plan, job: name, settings: settings, logger: logger)
    let runner = JobRunner(engine: engine, settings: settings, logger: logger)
    let summary = try await CatalogBesideJob.run(settings, logger: logger) { extra in
      try await runner.run(untilEnd: untilEnd, extra: extra + (maintenance.map { [$0] } ?? []))
    }
    if untilEnd { Terminal.say(String(decoding: HTTPAnswer.json(summary).body.dropLast(), as: UTF8.self)) }
  }
}

/// The name of a job that was given none.
package enum JobName {
  /// The file's name without its extension; for a `pipeline.sql`, the name of the directory that it is in.
  /// - Throws: ``CommandFailure`` when that leaves nothing.
  package static func derived(fromFile path: String) throws -> String {
    let parts = EngineAdapter.absolute(path).split(separator: "/").map(String.init)
    var name = parts.last ?? ""
    if let dot = name.lastIndex(of: "."), dot != name.startIndex { name = String(name[..<dot]) }
    if name == "pipeline", parts.count > 1 { name = parts[parts.count - 2] }
    guard !name.isEmpty, name != "-" else {
      throw CommandFailure(.usage, "no name for the job can be derived from '\(path)'; give one with --job")
    }
    return name
  }
}
