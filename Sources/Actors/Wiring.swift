import Columnar
import Runtime
import SQL

/// Which actors a region has and which channel leads from each to which: the graph, spread over partitions and shards.
struct Wiring {
  /// Somebody who receives.
  enum Receiver: Hashable, Sendable {
    case window(stage: Int, shard: Int)
    case sink(String)
  }

  /// Somebody who sends.
  enum Sender: Hashable, Sendable {
    case partition(PartitionID)
    case window(stage: Int, shard: Int)
    case sink(String)
  }

  /// The outputs for rows that leave at the side, of one source.
  struct KeptOutputs: Hashable, Sendable {
    let deadLetters: String
    let late: String
  }

  let graph: JobGraph
  let parallelism: Int
  let partitions: [PartitionID]
  let kept: [String: KeptOutputs]

  private var inputs: [Receiver: [Sender]] = [:]
  /// Every sink, the kept outputs included, in the order in which barriers reach them.
  private(set) var sinks: [String] = []

  init(graph: JobGraph, partitions: [PartitionID], parallelism: Int, kept: [String: KeptOutputs]) {
    self.graph = graph
    self.parallelism = parallelism
    self.partitions = partitions
    self.kept = kept
    for partition in partitions { connect(partition) }
    for stage in graph.stages.indices {
      for shard in 0..<parallelism { connect(stage: stage, shard: shard) }
    }
    let keptNames = Set(kept.values.flatMap { [$0.deadLetters, $0.late] })
    for sink in graph.sinks.map(\.name) where !keptNames.contains(sink) {
      if let outputs = source(ofSink: sink).flatMap({ kept[$0] }) {
        add(Sender.sink(sink), to: Receiver.sink(outputs.deadLetters))
      }
    }
    let ordered = graph.sinks.map(\.name) + keptNames.sorted()
    sinks = ordered.enumerated().filter { ordered.firstIndex(of: $0.element) == $0.offset }.map(\.element)
  }

  private mutating func connect(_ partition: PartitionID) {
    guard let source = graph.sources.first(where: { $0.table.name == partition.source }) else { return }
    let sender = Sender.partition(partition)
    for branch in source.branches { add(sender, to: branch.destination) }
    addKept(sender, source: partition.source)
  }

  private mutating func connect(stage: Int, shard: Int) {
    let sender = Sender.window(stage: stage, shard: shard)
    add(sender, to: graph.stages[stage].destination)
    addKept(sender, source: source(ofStage: stage))
  }

  private mutating func add(_ sender: Sender, to destination: JobGraph.Destination) {
    switch destination {
    case .stage(let stage):
      for shard in 0..<parallelism { add(sender, to: Receiver.window(stage: stage, shard: shard)) }
    case .sink(let name): add(sender, to: Receiver.sink(name))
    }
  }

  private mutating func addKept(_ sender: Sender, source: String) {
    guard let outputs = kept[source] else { return }
    add(sender, to: Receiver.sink(outputs.deadLetters))
    add(sender, to: Receiver.sink(outputs.late))
  }

  private mutating func add(_ sender: Sender, to receiver: Receiver) {
    if inputs[receiver]?.contains(sender) == true { return }
    inputs[receiver, default: []].append(sender)
  }

  /// Who sends to `receiver`, in the order of its inputs.
  func senders(to receiver: Receiver) -> [Sender] { inputs[receiver] ?? [] }

  /// The input of `receiver` that belongs to `sender`.
  func input(from sender: Sender, to receiver: Receiver) -> Int? { inputs[receiver]?.firstIndex(of: sender) }

  /// The first source whose rows reach `stage`; what the stage rejects is kept under its name.
  func source(ofStage stage: Int) -> String {
    for source in graph.sources where source.branches.contains(where: { $0.destination == .stage(stage) }) {
      return source.table.name
    }
    let below = graph.stages.indices.first { graph.stages[$0].destination == .stage(stage) }
    return below.map { self.source(ofStage: $0) } ?? ""
  }

  /// The first source, by name, whose rows reach `sink`; what the sink refuses is kept under its name.
  func source(ofSink sink: String) -> String? {
    let direct = graph.sources.filter { source in source.branches.contains { $0.destination == .sink(sink) } }
    let stages = graph.stages.indices.filter { graph.stages[$0].destination == .sink(sink) }
    return (direct.map(\.table.name) + stages.map { source(ofStage: $0) }).min()
  }
}

extension Wiring.Sender {
  /// How the API names a sender that holds a watermark back.
  var displayName: String {
    switch self {
    case .partition(let partition): "\(partition.source)/\(partition.name)"
    case .window(let stage, let shard): "stage \(stage), shard \(shard)"
    case .sink(let name): name
    }
  }
}
