import Actors
import Checkpointing
import Columnar
import Formats
import Logging
import Runtime
import SQL
import Sinks
import Verification

/// Recounts what the sinks of a job must hold and compares it with what they hold.
///
/// ```
/// sinks      ─▶ positions ─▶ offsets up to which the sources are read
/// sources    ─▶ SequentialJob ─▶ rows ─▶ digests ┐
///                                                ├─▶ buckets, in files when they are many ─▶ compared one at a time
/// the sinks' own content       ─▶ rows ─▶ digests ┘
/// ```
/// When something differs, both sides are read a second time, to say which rows and from which offsets.
package struct Verifier: Sendable {
  /// The job's plan.
  package let plan: JobPlan
  /// The job's name.
  package let job: String
  /// Where checkpoints, brokers and databases are.
  package let settings: Settings
  /// How many ranges and examples a table's report has, at most.
  package let limit: Int
  let factory: ConnectorFactory
  let logger: Logger
  let clock = SystemClock()

  /// A verifier of `job`.
  package init(
    plan: JobPlan, job: String, settings: Settings, limit: Int, factory: ConnectorFactory, logger: Logger
  ) {
    self.plan = plan
    self.job = job
    self.settings = settings
    self.limit = limit
    self.factory = factory
    self.logger = logger
  }

  /// Reads and compares.
  ///
  /// - Parameter allowsForeign: whether rows that the source does not explain are no difference.
  /// - Throws: ``CannotVerify``, and the errors of sources and sinks.
  package func run(allowsForeign: Bool = false) async throws -> VerificationReport {
    try checkPlan()
    let graph = JobGraph(plan)
    let before = JobCheckpoints(job: job, directory: settings.checkpointDirectory)
    var report = VerificationReport(job: job)
    let opened = try await openSinks(graph, &report)
    do {
      var checkpoints = before
      checkpoints.merge(JobCheckpoints(job: job, directory: settings.checkpointDirectory))
      try checkSignature(checkpoints)
      if let problem = checkpoints.problem {
        report.notes.append("the job's checkpoints are not taken into account: \(problem)")
      }
      let sinks = dropUnknown(opened, &report)
      if !sinks.isEmpty {
        let scope = VerificationScope(
          graph: graph, sinks: sinks, before: before.manifests.first, checkpoints: checkpoints)
        let comparison = try SinkComparison(self, scope, decisions: try await decisions(graph, sinks))
        try await comparison.run(&report)
      }
      for sink in opened { await sink.content.close() }
    } catch {
      for sink in opened { await sink.content.close() }
      throw error
    }
    conclude(&report, allowsForeign: allowsForeign)
    return report
  }

  private func conclude(_ report: inout VerificationReport, allowsForeign: Bool) {
    if report.tables.contains(where: { $0.differences(allowsForeign: allowsForeign) > 0 }) {
      report.outcome = .differs
    } else if !report.tables.contains(where: { $0.notVerified == nil }) {
      report.outcome = .unverified
    }
    report.tables.sort { ($0.sink, $0.table) < ($1.sink, $1.table) }
  }

  // MARK: What is compared

  private func checkPlan() throws {
    let volatile = VolatileExpression.all(in: plan)
    guard volatile.isEmpty else {
      throw CannotVerify(
        "what the sinks must hold depends on when the job ran: \(volatile.map(\.description).joined(separator: "; ")); "
          + "use a column of the source instead, such as _timestamp")
    }
  }

  /// A file that was changed since describes other results than those that are there.
  private func checkSignature(_ checkpoints: JobCheckpoints) throws {
    guard let newest = checkpoints.manifests.first else { return }
    let current = plan.stateSignature
    let changes = Set(current.keys).union(newest.stateSignature.keys).sorted().filter {
      current[$0] != newest.stateSignature[$0]
    }
    guard changes.isEmpty else {
      let texts = changes.map { "'\($0)' was \(newest.stateSignature[$0] ?? "absent"), is \(current[$0] ?? "absent")" }
      throw CannotVerify(
        "the SQL file is not the one that checkpoint \(newest.checkpoint) of job '\(job)' was made with: "
          + "\(texts.joined(separator: "; ")); verify with the file that the job ran with")
    }
  }

  private func openSinks(_ graph: JobGraph, _ report: inout VerificationReport) async throws -> [ComparedSink] {
    var sinks: [ComparedSink] = []
    let written = graph.sinks.map(\.name)
    let kept = Set(graph.sources.flatMap { [$0.table.options["dead_letter"], $0.table.options["late"]] })
      .compactMap(\.self).filter { plan.tables[$0] != nil }
    for name in written + kept.sorted().filter({ !written.contains($0) }) {
      guard let table = plan.tables[name] else { continue }
      let defaults = EngineAdapter.sinkDefaults(settings)
      do {
        guard let content = try await SinkContents.open(table, job: job, defaults: defaults, logger: logger) else {
          let kind = table.options["connector"] ?? "?"
          report.add(name, name, notVerified: "sinks of the kind \(kind) cannot be compared")
          continue
        }
        if written.contains(name), kept.contains(name) {
          report.add(name, name, notVerified: "a statement and kept records share the table")
          await content.close()
          continue
        }
        sinks.append(ComparedSink(table, content: content, isKeptOutput: kept.contains(name)))
      } catch {
        for sink in sinks { await sink.content.close() }
        throw error
      }
    }
    return sinks
  }

  /// Without a position nobody knows what a table must hold.
  private func dropUnknown(_ sinks: [ComparedSink], _ report: inout VerificationReport) -> [ComparedSink] {
    sinks.filter { sink in
      let unknown = sink.content.targets.filter { $0.position == nil }
      for target in unknown {
        report.add(
          sink.table.name, target.name,
          notVerified: "it has no position of job '\(job)': the job never wrote it under this name (see --job)")
      }
      return unknown.isEmpty
    }
  }

  // MARK: What was decided while the job ran

  private func decisions(_ graph: JobGraph, _ sinks: [ComparedSink]) async throws -> [String: KeptDecisions] {
    var decisions: [String: KeptDecisions] = [:]
    for source in graph.sources {
      var own = KeptDecisions()
      for (option, kind) in [("dead_letter", SinkConnectors.KeptKind.deadLetter), ("late", .late)] {
        if let name = source.table.options[option], plan.tables[name] != nil {
          if let sink = sinks.first(where: { $0.table.name == name }) { try await own.read(sink, source.table.name) }
        } else {
          own.read(
            directory: SinkConnectors.keptDirectory(
              kind, source: source.table.name, job: job, checkpointDirectory: settings.checkpointDirectory))
        }
      }
      decisions[source.table.name] = own
    }
    return decisions
  }
}

extension KeptDecisions {
  /// Reads the records of one source in a declared table, as far as its columns tell which rows they are.
  mutating func read(_ sink: ComparedSink, _ source: String) async throws {
    let names = sink.table.columns.map(\.field.name)
    func column(_ name: String, _ batch: Batch) -> Column? { names.firstIndex(of: name).map { batch.columns[$0] } }
    func text(_ column: Column?, _ row: Int) -> String? {
      guard let column, !column.isNull(row), case .bytes(let values) = column.storage else { return nil }
      return values.string(row)
    }
    try await sink.content.rewind()
    while let (_, batch) = try await sink.content.next() {
      let offsets = column("offset", batch)
      for row in 0..<batch.count where text(column("source", batch), row) ?? source == source {
        var line = KeptLine(
          partition: text(column("partition", batch), row), statement: text(column("statement", batch), row),
          reason: text(column("reason", batch), row), value: text(column("value", batch), row))
        if let offsets, !offsets.isNull(row), case .int64(let values) = offsets.storage { line.offset = values[row] }
        add(line)
      }
    }
  }
}

extension VerificationReport {
  fileprivate init(job: String) {
    self.init(job: job, outcome: .sound, tables: [], accounts: [], readFrom: [:], readTo: [:], notes: [])
  }

  fileprivate mutating func add(_ sink: String, _ table: String, notVerified: String) {
    tables.append(Table(sink: sink, table: table, state: "", notVerified: notVerified))
  }
}
