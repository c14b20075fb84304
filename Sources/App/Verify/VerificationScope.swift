import Actors
import Checkpointing
import Columnar
import SQL
import Sinks
import Verification

/// Which tables are compared, up to where, and from where the sources are read.
struct VerificationScope {
  /// A table of a sink.
  struct Target: Hashable {
    /// The index of the sink.
    let sink: Int
    /// The table's name.
    let name: String
  }

  let graph: JobGraph
  let sinks: [ComparedSink]
  /// The tables, in the order of their numbers. Those that must be there and are not are added when a row for them comes.
  private(set) var targets: [Target] = []
  private(set) var cuts: [TableCut?] = []
  private let others: [TableCut?]
  private var numbers: [Target: Int] = [:]
  /// The state of the job where reading ends; `nil` when no manifest of that moment is kept.
  let reference: Manifest?
  /// The newest manifest of the job, from whichever moment.
  let newest: Manifest?
  /// For each partition: the job's state where its reading ends, when a manifest of that moment is kept.
  let stateAtEnd: [PartitionID: PartitionState]
  /// For each partition: where tables are, ascending.
  let readTo: [PartitionID: [Int64]]

  init(graph: JobGraph, sinks: [ComparedSink], before: Manifest?, checkpoints: JobCheckpoints) {
    self.graph = graph
    self.sinks = sinks
    newest = checkpoints.manifests.first
    let found = sinks.map { $0.cuts(before: before, checkpoints: checkpoints) }
    others = found.map(\.others)
    var ends: [PartitionID: Set<Int64>] = [:]
    for cut in found.flatMap({ Array($0.cuts.values) + [$0.others].compactMap(\.self) }) {
      for (source, offsets) in cut.positions.offsets {
        for (name, offset) in offsets { ends[PartitionID(source: source, name: name), default: []].insert(offset) }
      }
    }
    readTo = ends.mapValues { $0.sorted() }
    let last = readTo.compactMapValues(\.last)
    reference = checkpoints.manifests.first { manifest in
      last.allSatisfy { manifest.sourcePositions[$0.key] == $0.value }
    }
    let states = checkpoints.manifests.flatMap(\.partitions).filter { last[$0.partition] == $0.nextOffset }
    stateAtEnd = Dictionary(states.map { ($0.partition, $0) }, uniquingKeysWith: { newer, _ in newer })
    for index in sinks.indices {
      for target in sinks[index].content.targets {
        _ = number(Target(sink: index, name: target.name), cut: found[index].cuts[target.name])
      }
    }
  }

  /// The number of a table.
  mutating func number(sink: Int, table: String) -> Int {
    let target = Target(sink: sink, name: table)
    return numbers[target] ?? number(target, cut: others[sink])
  }

  private mutating func number(_ target: Target, cut: TableCut?) -> Int {
    numbers[target] = targets.count
    targets.append(target)
    cuts.append(cut)
    return targets.count - 1
  }

  /// Where each partition starts to be read when that is not its first record.
  ///
  /// - Throws: ``CannotVerify`` when nobody knows any more.
  func starts() throws -> [PartitionID: ReadPosition] {
    var starts: [PartitionID: ReadPosition] = [:]
    for partition in readTo.keys {
      guard let table = graph.sources.first(where: { $0.table.name == partition.source })?.table,
        table.options["connector"] == "kafka"
      else { continue }
      switch table.options["starting_position"] ?? "earliest" {
      case "timestamp": starts[partition] = .initial
      case "latest":
        guard let beginning = beginning(of: partition) else {
          throw CannotVerify(
            "table \(partition.source) starts at 'latest', and no checkpoint of the job is left of where its sinks are, "
              + "which would say where that was: WEIR_CHECKPOINT_DIR must be the job's own; while the job runs, keep "
              + "more of them (WEIR_CHECKPOINT_RETAIN)")
        }
        starts[partition] = .offset(beginning.offset)
      default: break
      }
    }
    return starts
  }

  private func beginning(of partition: PartitionID) -> PartitionBeginning? {
    stateAtEnd[partition].map { PartitionBeginning(end: $0.nextOffset, records: $0.records) }
  }

  /// Checks that partitions whose beginning was computed were read from there.
  ///
  /// - Parameter records: how many records of each partition were read.
  /// - Throws: ``CannotVerify`` when other records were read than the job's.
  func check(
    _ starts: [PartitionID: ReadPosition], _ partitions: [PartitionID: SourceReplay.Partition],
    records: [PartitionID: UInt64]
  ) throws {
    for (partition, position) in starts.sorted(by: { $0.key < $1.key }) {
      guard case .offset = position, let beginning = beginning(of: partition) else { continue }
      let count = records[partition] ?? 0
      guard beginning.proof(start: partitions[partition]?.start ?? 0, records: count) == .refuted else { continue }
      throw CannotVerify(
        "\(partition): the job read \(beginning.records) records up to offset \(beginning.end), and \(count) are there "
          + "from the offset where it must have begun if every offset has a record: the topic has gaps (transactions, "
          + "compaction) or is another one, and nobody knows where 'latest' was")
    }
  }
}
