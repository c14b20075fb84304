import Actors
import ArgumentParser
import Runtime

/// `weir explain`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Shows what a job consists of: operators, exchanges, parallelism and state.")

  @Argument(help: "The SQL file.", completion: .file(extensions: ["sql"])) var file: String

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() throws {
    let settings = try EngineAdapter.settings(flags: try options.overrides())
    let plan = try EngineAdapter.plan(file)
    Terminal.say(JobExplanation(JobGraph(plan), parallelism: settings.parallelism, keyGroups: settings.keyGroups).text)
  }
}
