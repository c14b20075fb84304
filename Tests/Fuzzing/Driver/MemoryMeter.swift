import Glibc

/// How much memory this thread came to hold at once, as jemalloc counts it.
struct MemoryMeter {
  private typealias Control =
    @convention(c) (
      UnsafePointer<CChar>, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?, UnsafeMutableRawPointer?, Int
    ) -> CInt

  private let control: Control

  /// The meter; `nil` where memory is not jemalloc's.
  init?() {
    guard let symbol = dlsym(nil, "mallctl") else { return nil }
    control = unsafeBitCast(symbol, to: Control.self)
    guard control("thread.peak.reset", nil, nil, nil, 0) == 0, read() != nil else { return nil }
  }

  /// Counts from here.
  func reset() { _ = control("thread.peak.reset", nil, nil, nil, 0) }

  /// The most bytes that were held at once since ``reset()``, beyond what was held then.
  /// What cannot be read is too much.
  var peak: Int { read() ?? .max }

  private func read() -> Int? {
    var value: UInt64 = 0
    var size = MemoryLayout<UInt64>.size
    return control("thread.peak.read", &value, &size, nil, 0) == 0 ? Int(clamping: value) : nil
  }
}
