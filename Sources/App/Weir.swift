import ArgumentParser
import Glibc

/// The command line.
@main
struct Weir: AsyncParsableCommand {
  /// The release this source tree becomes.
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "weir",
    abstract: "Streams in, SQL with event time, results delivered exactly once.",
    discussion: """
      weir demo               a whole pipeline on this machine: broker, database, generator, dashboard
      weir run pipeline.sql   runs a job until it is told to stop (SIGTERM, Ctrl-C)
      weir check pipeline.sql finds mistakes without running anything

      Exit codes: 0 done, 1 what was looked at is wrong (the SQL; for verify the sinks, for sim an invariant), 2 the command
      line or configuration is wrong, 3 the job failed.
      """,
    version: version,
    groupedSubcommands: [
      CommandGroup(name: "Jobs", subcommands: [RunCommand.self, CheckCommand.self, ExplainCommand.self]),
      CommandGroup(
        name: "Trying it out",
        subcommands: [
          DemoCommand.self, GenerateCommand.self, BrokerCommand.self, SimulateCommand.self, BenchCommand.self
        ]),
      CommandGroup(
        name: "Operating",
        subcommands: [
          VerifyCommand.self, MaintainCommand.self, CatalogCommand.self, ConfigCommand.self, HealthCommand.self
        ]),
      CommandGroup(name: "Parts of the weather pipeline", subcommands: [WeatherCommand.self])
    ])

  /// Runs the command; the exit code is 0 or that of ``CommandFailure/Code``.
  static func main() async {
    // A reader that goes away (`weir check … | head`) must not end the process in the middle of a checkpoint.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let failure as CommandFailure {
      Terminal.complain("weir: \(failure.message)")
      Glibc.exit(failure.code.rawValue)
    } catch {
      let code = exitCode(for: error)
      guard code != .success else {
        Terminal.say(fullMessage(for: error))
        Glibc.exit(0)
      }
      Terminal.complain(fullMessage(for: error))
      Glibc.exit(code == .validationFailure ? CommandFailure.Code.usage.rawValue : code.rawValue)
    }
  }
}
