import Actors
import Checkpointing
import Columnar
import Formats
import Runtime
import SQL
import Sinks
import Verification

/// One comparison: both sides are read once, and a second time when they differ.
///
/// A class, because rows come through closures that several calls share; it never leaves the task that made it.
final class SinkComparison {
  private let verifier: Verifier
  private(set) var scope: VerificationScope
  private let decisions: [String: KeptDecisions]
  private let sinkIndex: [String: Int]
  private var buckets: EntryBuckets
  private var foundCounts: [Int: Int] = [:]
  private var job: SequentialJob
  /// How many streams the job has. Rows come while the job is being changed, and must not look at it.
  private let streamCount: Int
  private var partitions: [PartitionID: SourceReplay.Partition] = [:]
  /// The streams of kept records, beside those of the job: `nil` for computed rows.
  private var keptStreams: [PartitionID?] = [nil]
  /// Takes rows of the second reading.
  private var describer: DifferenceDescriber?

  init(_ verifier: Verifier, _ scope: VerificationScope, decisions: [String: KeptDecisions]) throws {
    self.verifier = verifier
    self.scope = scope
    self.decisions = decisions
    sinkIndex = Dictionary(
      scope.sinks.enumerated().map { ($1.table.name, $0) }, uniquingKeysWith: { first, _ in first })
    buckets = EntryBuckets(spill: FileSpill())
    let job = try SequentialJob(scope.graph, partitions: Array(scope.readTo.keys))
    self.job = job
    streamCount = job.streams.count
    keptStreams += scope.readTo.keys.sorted().map { $0 }
  }

  /// Compares, and adds what was found to the report.
  func run(_ report: inout VerificationReport) async throws {
    partitions = try await replay(watching: [:])
    try await scan()
    let judge = RowJudge(scope, job: job, partitions: partitions, decisions: decisions)
    var tally = DifferenceTally(sampleLimit: verifier.limit)
    for bucket in 0..<EntryBuckets.count {
      let entries = try buckets.takeEntries(bucket)
      tally.countExpected(entries, isKeyed: isKeyed, certainty: judge.certainty)
      ContentComparison.compare(entries, isKeyed: isKeyed, certainty: judge.certainty) { tally.add($0) }
    }
    if !tally.marks.isEmpty || !tally.samples.isEmpty {
      describer = DifferenceDescriber(tally, job: job, limit: verifier.limit)
      _ = try await replay(watching: windows(of: tally))
      try await scan()
      describer?.finish(job)
    }
    let writer = ReportWriter(scope: scope, job: job, partitions: partitions, judge: judge, decisions: decisions)
    try await writer.write(tally, describer, foundCounts, to: &report)
  }

  private func isKeyed(_ target: UInt32) -> Bool { scope.sinks[scope.targets[Int(target)].sink].content.isUpsert }

  /// The windows whose offsets are to be found.
  private func windows(of tally: DifferenceTally) -> [Int: [Range<Int64>]] {
    var watched: [Int: Set<Range<Int64>>] = [:]
    for entry in tally.marks.keys {
      guard Int(entry.stream) < job.streams.count, case .stage(let stage) = job.streams[Int(entry.stream)],
        watched[stage]?.count ?? 0 < verifier.limit
      else { continue }
      let size = scope.graph.stages[stage].aggregate.window.size
      watched[stage, default: []].insert(entry.order.subtractingReportingOverflow(size).partialValue..<entry.order)
    }
    return watched.mapValues { $0.sorted { $0.lowerBound < $1.lowerBound } }
  }

  // MARK: The source's side

  private func replay(watching watched: [Int: [Range<Int64>]]) async throws -> [PartitionID: SourceReplay.Partition] {
    job = try SequentialJob(scope.graph, partitions: Array(scope.readTo.keys))
    job.watched = watched
    for partition in scope.readTo.keys {
      for (statement, offsets) in decisions[partition.source]?.late[partition.name] ?? [:] {
        job.knownLate[SequentialJob.LateKey(partition: partition, statement: statement)] = offsets
      }
    }
    var sources: [String: any SourceConnector] = [:]
    for source in scope.graph.sources {
      let connector = try verifier.factory.source(source.table, source.scan)
      // Kafka's topics are looked for, with patience, before anything is asked about them.
      _ = try await connector.partitions()
      sources[source.table.name] = connector
    }
    do {
      let starts = try scope.starts()
      let replay = SourceReplay(
        graph: scope.graph, sources: sources, factory: verifier.factory, decisions: decisions, clock: verifier.clock,
        cuts: scope.readTo, starts: starts)
      let result = try await replay.run(&job) { try take($0) }
      try scope.check(starts, result, records: job.records)
      for connector in sources.values { await connector.close() }
      return result
    } catch {
      for connector in sources.values { await connector.close() }
      throw error
    }
  }

  private func take(_ output: SequentialJob.Output) throws {
    switch output {
    case .rows(let sink, let stream, let batch):
      guard let index = sinkIndex[sink] else { return }
      let expected = scope.sinks[index].content.expected(batch)
      let partition = batch.origin.map(\.partition)
      for (table, rows) in expected.routed {
        try add(rows, sink: index, table: table, stream: stream, partition: partition?.source == "" ? nil : partition)
      }
      if !expected.refused.isEmpty { try takeRefused(expected.refused, of: batch, sink: sink, stream: stream) }
    case .kept(let source, let isLate, let records): try takeKept(records, source: source, isLate: isLate)
    }
  }

  private func takeRefused(_ refused: [RowRejection], of batch: Batch, sink: String, stream: Int) throws {
    guard let origin = batch.origin else { return }
    let reason = RejectionReason.sink.rawValue
    if origin.partition.source.isEmpty {
      guard let stage = scope.graph.stages.first(where: { $0.id == origin.partition.name }) else { return }
      let source = scope.sources(ofStatement: stage.statement).sorted().first ?? ""
      let plain = Batch(schema: batch.schema, columns: batch.columns, count: batch.count)
      let records = refused.map {
        KeptRecord(
          computedRow: $0.row, of: plain, source: source, reason: reason, message: $0.message, statement: sink)
      }
      try takeKept(records, source: source, isLate: false)
    } else {
      let records = refused.map {
        KeptRecord(row: $0.row, of: batch, origin: origin, reason: reason, message: $0.message, statement: sink)
      }
      try takeKept(records, source: origin.partition.source, isLate: false)
    }
  }

  private func takeKept(_ records: [KeptRecord], source: String, isLate: Bool) throws {
    guard let table = scope.graph.sources.first(where: { $0.table.name == source })?.table,
      let name = table.options[isLate ? "late" : "dead_letter"], let index = sinkIndex[name],
      scope.sinks[index].isKeptOutput
    else { return }
    let partition = records.first?.partition.map { PartitionID(source: source, name: $0) }
    let plain = KeptRecord.batch(records, schema: scope.sinks[index].table.schema)
    let batch = Batch(
      schema: plain.schema, columns: plain.columns, count: plain.count,
      origin: RowOrigin(
        partition: partition ?? PartitionID(source: "", name: ""), offsets: records.map { $0.offset ?? 0 }))
    let stream = streamCount + (keptStreams.firstIndex(of: partition) ?? 0)
    for (table, rows) in scope.sinks[index].content.expected(batch).routed {
      try add(rows, sink: index, table: table, stream: stream, partition: partition)
    }
  }

  private func add(_ batch: Batch, sink: Int, table: String, stream: Int, partition: PartitionID?) throws {
    let number = scope.number(sink: sink, table: table)
    guard let cut = scope.cuts[number], let offsets = batch.origin?.offsets else { return }
    let end = partition.map { cut.positions[$0] ?? 0 } ?? .max
    let digests = digests(batch, sink: sink, number: number)
    for row in 0..<batch.count where offsets[row] < end {
      let entry = ComparedEntry(
        key: digests.keys[row], row: digests.rows[row], target: UInt32(number), stream: UInt32(stream),
        order: offsets[row])
      if describer != nil { describer?.expected(entry, row: row, of: batch) } else { try buckets.add(entry) }
    }
  }

  private func digests(_ batch: Batch, sink: Int, number: Int) -> (keys: [RowDigest], rows: [RowDigest]) {
    let sink = scope.sinks[sink]
    let rows = RowDigester(columns: sink.columns, salt: UInt64(number)).digests(batch)
    if sink.key.isEmpty { return (rows, rows) }
    return (RowDigester(columns: sink.key, salt: UInt64(number)).digests(batch), rows)
  }

  // MARK: The sinks' side

  private func scan() async throws {
    for index in scope.sinks.indices {
      let content = scope.sinks[index].content
      try await content.rewind()
      while let (table, batch) = try await content.next() {
        let number = scope.number(sink: index, table: table)
        let digests = digests(batch, sink: index, number: number)
        if describer == nil { foundCounts[number, default: 0] += batch.count }
        for row in 0..<batch.count {
          let entry = ComparedEntry(
            key: digests.keys[row], row: digests.rows[row], target: UInt32(number), stream: ComparedEntry.found,
            order: 0)
          if describer != nil { describer?.found(entry, row: row, of: batch) } else { try buckets.add(entry) }
        }
      }
    }
  }
}
