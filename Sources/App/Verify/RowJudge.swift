import Actors
import Checkpointing
import Columnar
import SQL
import Verification

/// Decides how sure it is that an expected row must be in its table.
struct RowJudge {
  private let scope: VerificationScope
  private let job: SequentialJob
  private let decisions: [String: KeptDecisions]
  /// Partitions whose first records, which the job read, are gone.
  let truncated: Set<PartitionID>
  /// By table and stage: the watermark that the stage had at the table's position, and whether that is known for sure.
  private var watermarks: [Int: [(watermark: Int64, isKnown: Bool)]] = [:]
  /// By stage: windows that begin before may lack rows.
  private var completeFrom: [Int64] = []

  init(
    _ scope: VerificationScope, job: SequentialJob, partitions: [PartitionID: SourceReplay.Partition],
    decisions: [String: KeptDecisions]
  ) {
    self.scope = scope
    self.job = job
    self.decisions = decisions
    truncated = Self.truncated(scope, job, partitions)
    completeFrom = scope.graph.stages.indices.map { stage in
      job.partitions(ofStage: stage).filter(truncated.contains).map { partition -> Int64 in
        let table = scope.graph.sources.first { $0.table.name == partition.source }?.table
        let delay = (try? table?.options.duration("watermark_delay", default: 0)) ?? 0
        let first = partitions[partition]?.firstTimes ?? .max
        return first.addingReportingOverflow(delay).overflow ? .max : first + delay
      }.max() ?? .min
    }
    for number in scope.cuts.indices {
      guard let cut = scope.cuts[number] else { continue }
      watermarks[number] = scope.graph.stages.indices.map { stage in
        if let manifest = cut.manifest {
          return (manifest.operators[scope.graph.stages[stage].id]?.watermark?.microseconds ?? .min, true)
        }
        var own: [PartitionID: Int64] = [:]
        for (partition, known) in partitions {
          own[partition] = cut.positions[partition].flatMap { known.watermarks[$0] }
        }
        return (job.watermark(ofStage: stage, partitions: own), false)
      }
    }
  }

  /// The partitions of which the job read more records than are left.
  private static func truncated(
    _ scope: VerificationScope, _ job: SequentialJob, _ partitions: [PartitionID: SourceReplay.Partition]
  ) -> Set<PartitionID> {
    Set(
      partitions.filter { partition, known in
        if let state = scope.stateAtEnd[partition] {
          return job.records[partition] ?? 0 < state.records
        }
        guard known.start > 0 else { return false }
        guard let state = scope.newest?.partitions.first(where: { $0.partition == partition }) else { return true }
        return state.nextOffset - known.start < Int64(clamping: state.records)
      }.keys)
  }

  /// How sure the row of `entry` is.
  func certainty(_ entry: ComparedEntry) -> Certainty {
    guard Int(entry.stream) < job.streams.count else {
      // Kept records of windows have no place in a partition, so nobody knows whether their table is that far.
      return Int(entry.stream) == job.streams.count ? .possible : .certain
    }
    guard case .stage(let stage) = job.streams[Int(entry.stream)],
      let reached = watermarks[Int(entry.target)]?[stage]
    else { return .certain }
    guard entry.order <= reached.watermark else { return reached.isKnown ? .absent : .possible }
    let size = scope.graph.stages[stage].aggregate.window.size
    let (start, overflow) = entry.order.subtractingReportingOverflow(size)
    if overflow || start < completeFrom[stage] { return .unknown }
    let name = scope.graph.stages[stage].name
    let isDisturbed = decisions.values.contains { $0.lateWindows[name]?.contains(start) == true }
    return isDisturbed || isCutShort(entry.order, stage) ? .unknown : .certain
  }

  /// Whether a window of several that overlap may lack rows which count in later ones only: where some row came after all
  /// of its windows had fired, others, of which nothing tells, came after some of theirs.
  private func isCutShort(_ end: Int64, _ stage: Int) -> Bool {
    let window = scope.graph.stages[stage].aggregate.window
    guard window.slide < window.size, let fired = job.forcedEnds[stage], !fired.isEmpty else { return false }
    let steps = window.size / window.slide
    return (-steps...steps).contains { fired.contains(end &+ $0 &* window.slide) }
  }
}

extension VerificationScope {
  /// The source tables whose rows reach the sink, or that keep records in it.
  func sources(ofSink name: String) -> Set<String> {
    var names: Set<String> = []
    for source in graph.sources {
      let isKept = [source.table.options["dead_letter"], source.table.options["late"]].contains(name)
      if isKept || source.branches.contains(where: { reaches($0.destination, name) }) {
        names.insert(source.table.name)
      }
    }
    return names
  }

  /// The source tables that a statement reads.
  func sources(ofStatement statement: Int) -> Set<String> {
    Set(graph.sources.filter { $0.branches.contains { $0.statement == statement } }.map(\.table.name))
  }

  private func reaches(_ destination: JobGraph.Destination, _ sink: String) -> Bool {
    switch destination {
    case .sink(let name): name == sink
    case .stage(let stage): reaches(graph.stages[stage].destination, sink)
    }
  }
}
