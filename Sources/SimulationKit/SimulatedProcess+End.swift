extension SimulatedProcess {
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
