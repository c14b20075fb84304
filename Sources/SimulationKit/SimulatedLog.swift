import Logging

/// What a process logs becomes part of the trace; what it calls critical must not happen.
struct SimulatedLog: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info
  private let world: SimulatedWorld
  private let process: SimulatedProcess

  init(_ world: SimulatedWorld, _ process: SimulatedProcess) {
    self.world = world
    self.process = process
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    guard !process.isDead else { return }
    world.trace(
      "log \(process.number) \(event.level) \(event.message) "
        + (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
    if event.level == .critical, !world.isExcused { world.violate("critical: \(event.message)") }
  }
}
