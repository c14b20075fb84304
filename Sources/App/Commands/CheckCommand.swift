import ArgumentParser
import SQL

/// `weir check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Finds mistakes in an SQL file without running anything.",
    discussion: "Every mistake is printed with line, column, the offending text and a hint; the exit code is 1 then.")

  @Argument(help: "The SQL file.", completion: .file(extensions: ["sql"])) var file: String

  func run() throws {
    let plan = try EngineAdapter.plan(file)
    let statements = plan.statements.count
    Terminal.say(
      "\(file): correct; \(plan.tables.count) tables, \(statements) statement\(statements == 1 ? "" : "s")")
  }
}
