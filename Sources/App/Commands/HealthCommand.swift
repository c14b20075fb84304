import ArgumentParser

/// `weir health`: what a container's health check calls.
struct HealthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Asks a running Weir whether it is alive or ready; exits 0 if so, otherwise 3.")

  @Option(help: "What to ask: …/healthz is alive, …/readyz makes progress.")
  var url = "http://127.0.0.1:8080/healthz"

  func run() throws {
    let answer = try PlainHTTP.get(url)
    Terminal.say(answer.body)
    guard answer.status == 200 else { throw CommandFailure(.job, "\(url) answered \(answer.status)") }
  }
}
