import Actors
import Glibc
import Logging
import Runtime
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Runs an engine and its HTTP interface as one group of services, and turns signals into an orderly end.
package struct JobRunner: Sendable {
  private let engine: Engine
  private let settings: Settings
  private let logger: Logger
  private let onListening: @Sendable (Int) async -> Void

  /// A runner of one engine.
  /// - Parameter onListening: is told the HTTP port once connections are accepted.
  package init(
    engine: Engine, settings: Settings, logger: Logger, onListening: (@Sendable (Int) async -> Void)? = nil
  ) {
    self.engine = engine
    self.settings = settings
    self.logger = logger
    self.onListening = onListening ?? { [settings, logger] in JobRunner.announce(port: $0, settings, logger) }
  }

  /// Runs until the job ends or a signal comes.
  ///
  /// - Parameter extra: services beside the job; when one of them ends, the job is stopped in good order.
  /// - Throws: ``CommandFailure`` with the exit code; nothing that was delivered is lost.
  package func run(untilEnd: Bool, extra: [any Service] = []) async throws -> JobSummary {
    let job = EngineService(engine: engine, untilEnd: untilEnd)
    let interface = JobInterface(handles: [engine], metrics: { EngineAdapter.metricsText() })
    let http = HTTPService(
      host: settings.httpHost, port: settings.httpPort, logger: logger, onListening: onListening
    ) { await interface.answer($0) }
    var services = (extra + [http]).map {
      ServiceGroupConfiguration.ServiceConfiguration(
        service: $0, successTerminationBehavior: .gracefullyShutdownGroup, failureTerminationBehavior: .cancelGroup)
    }
    // Also when the job fails: a server that is cancelled instead logs errors, which hide the one that matters.
    services.append(
      ServiceGroupConfiguration.ServiceConfiguration(
        service: job, successTerminationBehavior: .gracefullyShutdownGroup,
        failureTerminationBehavior: .gracefullyShutdownGroup))
    var configuration = ServiceGroupConfiguration(services: services, logger: quiet)
    configuration.maximumGracefulShutdownDuration = .nanoseconds(settings.shutdownTimeout)
    try await SignalGuard.run(ServiceGroup(configuration: configuration), failure: { job.failure })
    if let failure = job.failure { throw EngineAdapter.commandFailure(failure) }
    guard let summary = job.summary else { throw await endedTooLate() }
    return summary
  }

  /// Names the sinks that could not commit: who reads it must know what to repair before the next start.
  private func endedTooLate() async -> CommandFailure {
    let causes = await engine.status().sinks.filter { $0.pendingCommits > 0 }
      .map { "sink '\($0.name)' cannot commit" + ($0.lastError.map { ": \($0)" } ?? "") }
    let time = UnitText.duration(settings.shutdownTimeout)
    return CommandFailure(
      .job,
      "the job did not end within WEIR_SHUTDOWN_TIMEOUT (\(time))\(causes.map { ", because " + $0 }.joined()); "
        + "it goes on from its last checkpoint when it is started again")
  }

  /// Without the group's own log lines: the engine says what happens in words of its own.
  private var quiet: Logger {
    var logger = logger
    logger.logLevel = max(logger.logLevel, .critical)
    return logger
  }

  private static func announce(port: Int, _ settings: Settings, _ logger: Logger) {
    let url = HTTPListener.address(host: settings.httpHost, port: port) + "/"
    if logger.logLevel <= .notice {
      logger.notice("dashboard, API and metrics are up", metadata: ["url": "\(url)"])
    } else if settings.httpPort == 0 {
      Terminal.complain("weir: listening on \(url)")
    }
  }
}

/// The engine as a service: graceful shutdown is its orderly stop.
private final class EngineService: Service {
  private let engine: Engine
  private let untilEnd: Bool
  private let outcome = Mutex<Result<JobSummary, any Error>?>(nil)

  init(engine: Engine, untilEnd: Bool) {
    self.engine = engine
    self.untilEnd = untilEnd
  }

  var summary: JobSummary? { outcome.withLock { try? $0?.get() } }

  var failure: (any Error)? {
    outcome.withLock {
      if case .failure(let error) = $0 { error } else { nil }
    }
  }

  func run() async throws {
    do {
      let summary = try await withGracefulShutdownHandler {
        try await engine.run(untilEnd: untilEnd)
      } onGracefulShutdown: {
        self.engine.stop()
      }
      outcome.withLock { $0 = .success(summary) }
    } catch {
      if !(error is CancellationError) { outcome.withLock { $0 = .failure(error) } }
      throw error
    }
  }
}

/// Signals: the first asks services to end in order, the second ends the process at once.
package enum SignalGuard {
  /// Runs a group until it ends by itself or by a signal.
  ///
  /// - Parameter failure: the failure that matters most, when a service keeps one; it is thrown by the caller.
  /// - Throws: ``CommandFailure``, or the error of the service that failed.
  package static func run(_ group: ServiceGroup, failure: @Sendable () -> (any Error)? = { nil }) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { tasks in
      tasks.addTask {
        try await group.run()
        return true
      }
      tasks.addTask {
        var count = 0
        for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
          count += 1
          if count > 1 { _exit(signal == .sigint ? 130 : 143) }
          await group.triggerGracefulShutdown()
        }
        return false
      }
      defer { tasks.cancelAll() }
      do {
        while let isDone = try await tasks.next(), !isDone {}
      } catch {
        // What the group reports may be the cancellation of a neighbour; the cause is what its service kept.
        if failure() == nil, !(error is CancellationError), !(error is ServiceGroupError) { throw error }
      }
    }
  }
}
