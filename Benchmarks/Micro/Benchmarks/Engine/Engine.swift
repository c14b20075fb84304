import Benchmark

/// Every benchmark of this package, group by group; `limits.txt` says what each is compared with.
let benchmarks: @Sendable () -> Void = {
  registerJSON()
  registerExpressions()
  registerWindows()
  registerChannels()
  registerShuffle()
  registerBarriers()
  registerState()
  registerParquet()
  registerManifests()
  registerCopy()
  registerPlanning()
}
