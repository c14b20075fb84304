import Actors
import Checkpointing
import Columnar
import Logging
import PostgresClient
import Runtime
import SQL
import SimulationKit
import Sinks
import TestSupport
import TestTraits
import Testing

@Suite("The simulated PostgreSQL, beside a real one", .fewAtOnce)
struct PostgresDifferentialTests {
  /// One sink, its history and its server: real or simulated.
  private struct Side {
    let connector: any SinkConnector

    init(_ trial: PostgresTrial, url: String, _ opener: @escaping PostgresSessionOpener) throws {
      var defaults = SinkDefaults(postgresURL: url, checkpointDirectory: "/nonexistent")
      defaults.openPostgresSession = opener
      connector = try SinkConnectors.make(
        trial.definition, job: trial.name, defaults: defaults,
        logger: Logger(label: "trial") { _ in SwiftLogNoOpLogHandler() })
    }
  }

  @Test("the same operations of the sink have the same outcomes and leave the same content", arguments: 0..<4)
  func sameAsReal(part: Int) async throws {
    let server = try SimulationServer.shared.get()
    let reader = try PostgresConnection(url: server.url, applicationName: "reader")
    var applied = 0
    for seed in UInt64(part) * 50..<UInt64(part) * 50 + 50 { applied += try await compare(seed: seed, server, reader) }
    #expect(applied > 50, "commits that brought rows")
  }

  /// Returns how many commits brought rows.
  private func compare(seed: UInt64, _ server: PostgresServer, _ reader: PostgresConnection) async throws -> Int {
    var random = SeededGenerator(seed: seed)
    let trial = PostgresTrial("trial_\(seed)", drawing: &random)
    let world = SimulatedWorld(seed: seed, faults: .none)
    let simulated = SimulatedPostgres(in: world)
    let process = SimulatedProcess(in: world)
    if trial.isPrepared {
      try reader.run(trial.statement)
      simulated.create(try trial.target())
    }
    var history = History(trial)
    var last: (sides: [Side], owner: JobOwner)?
    for attempt in 1...UInt64.random(in: 1...3, using: &random) {
      let sides = [
        try Side(trial, url: server.url, PostgresConnection.opener),
        try Side(trial, url: "postgresql://simulated/weir", simulated.opener(for: process))
      ]
      let owner = JobOwner(lineage: "L", attempt: attempt)
      let newest = CheckpointID(history.checkpoint)
      let isClaimed = await history.both("claim \(owner)", sides) { side, _ in
        "\(try await side.connector.claim(owner: owner, newest: newest))"
      }
      // From here on the last one is fenced.
      if let last, let pending = history.last {
        await history.both("late commit", last.sides) { side, index in
          "\(try await side.connector.commit(pending[index], owner: last.owner, files: NoFiles()).rowsApplied)"
        }
        for side in last.sides { await side.connector.close() }
      }
      if isClaimed { try await run(sides, owner, &random, &history) }
      last = (sides, owner)
    }
    for side in last?.sides ?? [] { await side.connector.close() }
    #expect(world.violation == nil, "seed \(seed)")
    try compareContent(trial, simulated, reader, "seed \(seed): \(history.text)")
    return history.applied
  }

  /// What was done in one trial.
  private struct History {
    let trial: PostgresTrial
    var text: String
    var checkpoint: UInt64 = 0
    /// Commits that brought rows.
    var applied = 0
    /// The last commits, one a side.
    var last: [PendingCommit]?

    init(_ trial: PostgresTrial) {
      self.trial = trial
      text = trial.statement
    }

    /// Does the same on both sides; whether that succeeded.
    @discardableResult
    mutating func both(_ what: String, _ sides: [Side], _ body: (Side, Int) async throws -> String) async -> Bool {
      let real = await outcome { try await body(sides[0], 0) }
      let simulated = await outcome { try await body(sides[1], 1) }
      text += "\n\(what): \(real)"
      #expect(simulated == real, "\(text)")
      return !real.hasPrefix("refused")
    }
  }

  private func run(
    _ sides: [Side], _ owner: JobOwner, _ random: inout SeededGenerator, _ history: inout History
  ) async throws {
    let trial = history.trial
    let writers = try sides.map { try $0.connector.makeWriter(files: NoFiles()) }
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let batch = trial.batch(drawing: &random)
        let rejections = try writers.map { try $0.write(batch).map { "\($0.row) \($0.message)" } }
        #expect(rejections[0] == rejections[1], "\(history.text)")
      }
      let checkpoint = CheckpointID(history.checkpoint + 1)
      var pending: [PendingCommit] = []
      for writer in writers {
        let sealed = try await writer.seal(checkpoint)
        pending.append(
          PendingCommit(
            sink: trial.name, checkpoint: checkpoint, from: CheckpointID(history.checkpoint),
            sources: SourcePositions(["s": ["p": Int64(checkpoint.number)]]), rows: sealed.rows,
            payload: sealed.payload, files: sealed.files))
      }
      let commits = pending
      for _ in 0..<(random.chance(0.2) ? 2 : 1) {
        var applied = 0
        let isDone = await history.both("commit \(checkpoint)", sides) { side, index in
          let outcome = try await side.connector.commit(commits[index], owner: owner, files: NoFiles())
          applied = outcome.rowsApplied
          let rejected = outcome.rejected.map { "\($0.json) \(code($0.message))" }
          return "applied \(outcome.rowsApplied), skipped \(outcome.wasSkipped), rejected \(rejected)"
        }
        if applied > 0 { history.applied += 1 }
        guard isDone else { return }
      }
      history.checkpoint += 1
      history.last = commits
    }
  }

  private func compareContent(
    _ trial: PostgresTrial, _ simulated: SimulatedPostgres, _ reader: PostgresConnection, _ context: String
  ) throws {
    func sorted(_ rows: [[String?]]) -> [String] {
      rows.map { row in row.map { $0 ?? "NULL" }.joined(separator: " | ") }.sorted()
    }
    func coded(_ row: [String?]) -> [String?] { row.dropLast() + [code((row.last ?? nil) ?? "")] }
    let real = try reader.run("SELECT * FROM \(trial.name)").rows
    #expect(sorted(simulated.rows(of: trial.name) ?? []) == sorted(real), "\(context)")
    let positions = try reader.run(
      "SELECT job, sink, lineage, attempt, checkpoint, sources FROM weir.positions WHERE job = '\(trial.name)'"
    ).rows
    let simulatedPositions = (simulated.rows(of: "positions", schema: "weir") ?? []).map { Array($0.prefix(6)) }
    #expect(sorted(simulatedPositions) == sorted(positions), "\(context)")
    let rejected = try reader.run(
      "SELECT job, sink, checkpoint, row, message FROM weir.rejected WHERE job = '\(trial.name)'"
    ).rows
    let simulatedRejected = (simulated.rows(of: "rejected", schema: "weir") ?? []).map { Array($0.prefix(5)) }
    #expect(sorted(simulatedRejected.map(coded)) == sorted(rejected.map(coded)), "\(context)")
  }
}

/// What an operation came to, without what differs between two servers.
private func outcome(_ body: () async throws -> String) async -> String {
  do { return try await body() } catch let error as SinkError {
    return "refused: \(error.severity) \(code(error.message))"
  } catch {
    return "refused: \(error)"
  }
}

/// The server's code in a message.
private func code(_ message: String) -> String {
  guard let range = message.firstRange(of: "(SQLSTATE ") else { return message }
  return String(message[range.upperBound...].prefix(5))
}

/// One real server for this target; what it holds need not last.
enum SimulationServer {
  static let shared = Result { try PostgresServer() }
}
