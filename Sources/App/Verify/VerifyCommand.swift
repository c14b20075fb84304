import ArgumentParser
import FoundationEssentials
import Runtime
import SQL
import Sinks

/// `weir verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Recounts, from the source, what each sink must hold, and compares.",
    discussion: """
      Reads each sink's position, reads the sources up to exactly there, runs the job's SQL over them in one thread, and
      compares the result with what is in the sinks: PostgreSQL and Iceberg. It writes nothing, and the job may run
      meanwhile. Exit codes: 0 everything is as it must be, 1 rows are missing, doubled, changed or unexplained,
      2 nothing can be said, and why.
      """)

  @Argument(help: "The SQL file.", completion: .file(extensions: ["sql"])) var file: String

  @Option(help: "The job's name (default: the file's name).") var job: String?

  @Flag(help: "Print the report as JSON.") var json = false

  @Option(help: "How many ranges, and examples of each kind, a table's report has.") var limit = 10

  @Flag(help: "Rows that others wrote into a table are no difference.") var allowForeign = false

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() async throws {
    let report: VerificationReport
    do {
      report = try await verify()
    } catch let failure as CommandFailure {
      throw CommandFailure(.usage, failure.message)
    } catch {
      throw CommandFailure(.usage, "cannot verify: \(Redaction.url("\(error)"))")
    }
    Terminal.say(json ? try Self.text(report) : VerificationText.render(report))
    switch report.outcome {
    case .sound: break
    case .differs: throw CommandFailure(.finding, "the sinks of job '\(report.job)' differ from its source")
    case .unverified: throw CommandFailure(.usage, "cannot verify: no sink of the job could be compared")
    }
  }

  private func verify() async throws -> VerificationReport {
    guard limit >= 0 else { throw CommandFailure(.usage, "--limit takes a number from 0, got \(limit)") }
    var flags = try options.overrides()
    // The report is the output; what libraries say goes to standard error only when it is asked for.
    if flags["WEIR_LOG_LEVEL"] == nil, EngineAdapter.environment["WEIR_LOG_LEVEL"] == nil {
      flags["WEIR_LOG_LEVEL"] = "error"
    }
    let settings = try EngineAdapter.settings(flags: flags)
    let logger = EngineAdapter.logger(settings)
    let plan = try EngineAdapter.plan(file)
    let name = try job ?? JobName.derived(fromFile: file)
    let verifier = Verifier(
      plan: plan, job: name, settings: settings, limit: limit,
      factory: EngineAdapter.factory(jobName: name, settings: settings, clock: SystemClock(), logger: logger),
      logger: logger)
    return try await verifier.run(allowsForeign: allowForeign)
  }

  private static func text(_ report: VerificationReport) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(report), as: UTF8.self)
  }
}
