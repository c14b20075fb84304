import Actors
import Checkpointing
import Ingest
import Logging
import Runtime
import SQL

/// The outside world of one run: its topic, its sinks' targets, its disk; and how a process is connected to them.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
public final class SimulatedPeers: @unchecked Sendable {
  let topic: SimulatedTopic
  private(set) var tables: [String: SimulatedTable] = [:]
  private unowned let world: SimulatedWorld

  init(_ world: SimulatedWorld, topic: SimulatedTopic) {
    self.world = world
    self.topic = topic
  }

  /// The plain table called `name`.
  func table(_ name: String) -> SimulatedTable {
    if let table = tables[name] { return table }
    let table = SimulatedTable(name, in: world)
    tables[name] = table
    return table
  }

  /// The connections of one process.
  func factory(_ process: SimulatedProcess, logger: Logger) -> ConnectorFactory {
    ConnectorFactory(
      source: { _, _ in SimulatedSource(self.topic, process: process) },
      decoder: { table, schema, partition in
        try SourceConnectors.decoderConfiguration(table, scan: schema, partition: partition)
      },
      sink: { SimulatedTableSink(self.table($0.name), schema: $0.schema, process: process) },
      deadLetters: { SimulatedTableSink(self.table($0 + ".dead"), schema: KeptRecord.schema, process: process) },
      late: { SimulatedTableSink(self.table($0 + ".late"), schema: KeptRecord.schema, process: process) })
  }
}
