import Runtime

extension SimulatedProcess {
  /// Starts `work` as all that the process does: its tasks, and the lanes that it makes, run under the world's scheduler.
  ///
  /// - Parameter ended: called when `work` has come to its end, also after the process died.
  public func start(
    _ work: @escaping @Sendable () async throws -> Void,
    ended: @escaping @Sendable (Result<Void, any Error>) -> Void
  ) {
    let task = Task(executorPreference: self) {
      do {
        try await Lane.$host.withValue(self) { try await work() }
        ended(.success(()))
      } catch {
        ended(.failure(error))
      }
      self.hasFinished = true
    }
    cancel = { task.cancel() }
  }

  /// Ends the process, if it has not ended by itself, and frees what its tasks hold.
  public func kill() {
    guard !hasFinished else { return }
    if cancel == nil { hasFinished = true }
    die()
    buryIfDead()
  }
}

extension SimulatedWorld {
  /// Whether another process than this one lives.
  func hasOthers(than process: SimulatedProcess) -> Bool {
    processes.contains { $0 !== process && !$0.isDead && !$0.hasFinished }
  }
}
