import Actors
import Checkpointing
import Columnar
import SQL
import Sinks
import Verification

/// Puts what was found into a report.
struct ReportWriter {
  let scope: VerificationScope
  let job: SequentialJob
  let partitions: [PartitionID: SourceReplay.Partition]
  let judge: RowJudge
  let decisions: [String: KeptDecisions]

  func write(
    _ tally: DifferenceTally, _ describer: DifferenceDescriber?, _ found: [Int: Int],
    to report: inout VerificationReport
  ) async throws {
    for number in scope.targets.indices {
      var table = table(number, tally, found)
      if table.notVerified == nil {
        table.refusedByTarget = try await scope.sinks[scope.targets[number].sink].content.refusedByTarget()
        table.missing = max(0, table.missing - table.refusedByTarget)
        if let describer { describe(&table, number, describer, tally) }
      }
      report.tables.append(table)
    }
    report.accounts += accounts()
    for (partition, known) in partitions {
      report.readFrom["\(partition)"] = known.start
      report.readTo["\(partition)"] = scope.readTo[partition]?.last
    }
    report.notes += notes(tally)
  }

  private func table(_ number: Int, _ tally: DifferenceTally, _ found: [Int: Int]) -> VerificationReport.Table {
    let target = scope.targets[number]
    let sink = scope.sinks[target.sink]
    let own = sink.content.targets.first { $0.name == target.name }
    var table = VerificationReport.Table(
      sink: sink.table.name, table: target.name, checkpoint: own?.position?.checkpoint.number,
      state: own?.state ?? "it does not exist")
    guard scope.cuts[number] != nil else {
      table.notVerified = "it has no position, and no checkpoint of the job says how far its sink is"
      return table
    }
    table.expected = tally.expected[UInt32(number)] ?? 0
    table.found = found[number] ?? 0
    table.missing = tally.count(number, .missing)
    table.doubled = tally.count(number, .doubled)
    table.changed = tally.count(number, .changed)
    table.unexplained = tally.count(number, .unexplained)
    table.unverifiable = tally.count(number, .unverifiable)
    excuse(&table, sink)
    return table
  }

  /// Rows that may come of records that are gone, or of windows that nobody can recompute, are no differences.
  private func excuse(_ table: inout VerificationReport.Table, _ sink: ComparedSink) {
    let sources = scope.sources(ofSink: sink.table.name)
    guard judge.truncated.contains(where: { sources.contains($0.source) }) else {
      let excused = min(table.unexplained, table.unverifiable)
      table.unexplained -= excused
      return
    }
    table.unverifiable += table.unexplained
    table.unexplained = 0
    // Without a key equal rows are no proof: one may come of a record that is gone. The number of all rows is.
    guard sink.key.isEmpty, let total = total(sink.table.name) else { return }
    let surplus = max(0, table.found - total)
    let excused = max(0, table.doubled - surplus)
    table.doubled -= excused
    table.unverifiable += excused
  }

  /// How many rows a sink without windows got in all, as the job counted them.
  private func total(_ sink: String) -> Int? {
    guard let reference = scope.reference else { return nil }
    let branches = scope.graph.sources.flatMap { source in
      source.branches.filter { $0.destination == .sink(sink) }.map { (source.table.name, $0.name) }
    }
    guard !branches.isEmpty, !scope.graph.stages.contains(where: { $0.destination == .sink(sink) }) else { return nil }
    return reference.partitions.reduce(0) { total, state in
      branches.filter { $0.0 == state.partition.source }.reduce(total) {
        $0 + Int(clamping: state.accounts[$1.1]?.out ?? 0)
      }
    }
  }

  // MARK: Where differences come from

  private func describe(
    _ table: inout VerificationReport.Table, _ number: Int, _ describer: DifferenceDescriber, _ tally: DifferenceTally
  ) {
    for run in describer.runs[UInt32(number)] ?? [] { table.ranges.append(range(run, describer)) }
    table.moreRanges = describer.moreRuns[UInt32(number)] ?? 0
    for sample in tally.samples where Int(sample.target) == number {
      table.examples.append(
        VerificationReport.Example(
          kind: sample.kind.rawValue, expected: sample.expected.flatMap { describer.texts[$0] },
          found: sample.found.flatMap { describer.texts[$0] }, origin: sample.expected.map { origin($0) }))
    }
  }

  private func range(_ run: DifferenceDescriber.Run, _ describer: DifferenceDescriber) -> VerificationReport.Range {
    var range = VerificationReport.Range(kind: run.kind.rawValue, rows: run.rows)
    switch place(run.place.stream) {
    case .partition(let partition):
      (range.topic, range.partition) = Self.names(partition)
      range.from = run.first
      range.to = run.last
    case .stage(let stage):
      let start = run.first - scope.graph.stages[stage].aggregate.window.size
      range.windowStart = Timestamp(microseconds: start).description
      range.windowEnd = Timestamp(microseconds: run.first).description
      let offsets = describer.contributions[stage]?[start..<run.first] ?? [:]
      range.contributions = Dictionary(
        uniqueKeysWithValues: offsets.map { ($0.key.description, [$0.value.lowerBound, $0.value.upperBound]) })
    case nil: break
    }
    return range
  }

  private enum Origin {
    case partition(PartitionID)
    case stage(Int)
  }

  private func place(_ stream: UInt32) -> Origin? {
    let stream = Int(stream)
    if stream < job.streams.count {
      switch job.streams[stream] {
      case .branch(let partition, _): return .partition(partition)
      case .stage(let stage): return .stage(stage)
      }
    }
    let kept = stream - job.streams.count - 1
    let all = scope.readTo.keys.sorted()
    return all.indices.contains(kept) ? .partition(all[kept]) : nil
  }

  private static func names(_ partition: PartitionID) -> (topic: String, partition: String) {
    guard let slash = partition.name.lastIndex(of: "/"),
      Int(partition.name[partition.name.index(after: slash)...]) != nil
    else { return (partition.source, partition.name) }
    return (String(partition.name[..<slash]), String(partition.name[partition.name.index(after: slash)...]))
  }

  private func origin(_ entry: ComparedEntry) -> String {
    switch place(entry.stream) {
    case .partition(let partition): return "\(partition.name) offset \(entry.order)"
    case .stage(let stage):
      let start = entry.order - scope.graph.stages[stage].aggregate.window.size
      return "window \(Timestamp(microseconds: start)) to \(Timestamp(microseconds: entry.order))"
    case nil: return "a computed row"
    }
  }

  // MARK: Accounts and notes

  private func accounts() -> [VerificationReport.Account] {
    var sums: [String: RowAccount] = [:]
    for accounts in job.accounts.values {
      for (statement, account) in accounts { sums[statement, default: RowAccount()] += account }
    }
    var stored: [String: RowAccount] = [:]
    for state in scope.reference?.partitions ?? [] {
      for (statement, account) in state.accounts { stored[statement, default: RowAccount()] += account }
    }
    return sums.sorted { $0.key < $1.key }.map { statement, sum in
      VerificationReport.Account(
        statement: statement, read: sum.total, out: sum.out, filtered: sum.filtered, aggregated: sum.aggregated,
        late: sum.late, dead: sum.dead, matchesCheckpoint: scope.reference.map { _ in stored[statement] == sum })
    }
  }

  private func notes(_ tally: DifferenceTally) -> [String] {
    var notes: [String] = []
    for partition in judge.truncated.sorted() {
      notes.append(
        "\(partition): the records before offset \(partitions[partition]?.start ?? 0) are gone; what came of them "
          + "cannot be compared, nor windows that may have rows of them")
    }
    let forced = job.forcedLate.filter { $0.value > 0 }.map { ($0.key, $0.value) }
    for (key, rows) in forced.sorted(by: { ($0.0.partition, $0.0.statement) < ($1.0.partition, $1.0.statement) }) {
      notes.append(
        "\(key.statement), \(key.partition): \(rows) rows are kept as late although their own partition's order does not "
          + "make them so: their windows had fired while the partition was idle, or had been read to its end")
    }
    let disturbed = decisions.values.reduce(0) { $0 + $1.lateWindows.values.reduce(0) { $0 + $1.count } }
    if disturbed > 0 {
      notes.append("\(disturbed) windows got partial results of idle partitions too late and cannot be recomputed")
    }
    if scope.cuts.contains(where: { $0?.manifest == nil }), !scope.graph.stages.isEmpty {
      notes.append(
        "the checkpoint of a table's position is not kept any more: windows that only an idle partition could have made "
          + "fire are compared where they are there")
    }
    if scope.reference != nil, accounts().contains(where: { $0.matchesCheckpoint == false }), judge.truncated.isEmpty {
      notes.append(
        "the checkpoint's accounts differ from the recount: rows that were late for another reason than their partition's "
          + "order, or too far in the future when they were read, and whose kept records are not there any more")
    }
    if tally.isCut { notes.append("ranges cover the first \(DifferenceTally.marksMax) rows that differ") }
    return notes
  }
}
