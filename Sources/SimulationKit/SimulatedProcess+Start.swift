import Runtime

extension SimulatedProcess {
  /// Starts `body` as the process's main task, which is cancelled when the process dies. Lanes that it makes are the
  /// process's.
  ///
  /// - Parameter ended: Is called with what came of it, also when the process has died.
  public func start<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value,
    ended: @escaping @Sendable (Result<Value, any Error>) -> Void
  ) {
    // The one place where a task is begun without waiting for it: the scheduler waits.
    let task = Task(executorPreference: self) {
      let outcome: Result<Value, any Error>
      do {
        outcome = .success(try await Lane.$host.withValue(self) { try await body() })
      } catch {
        outcome = .failure(error)
      }
      self.hasFinished = true
      ended(outcome)
    }
    cancel = { task.cancel() }
  }
}
