import SQL

/// Which windows a time belongs to. Arithmetic saturates: times at the ends of the range never trap or wrap.
struct WindowAssignment: Hashable, Sendable {
  let slide: Int64
  let size: Int64

  init(_ specification: WindowSpecification) {
    slide = max(1, specification.slide)
    size = max(1, specification.size)
  }

  var isTumbling: Bool { slide == size }

  /// The start of the last window that begins at or before `time`.
  @inline(__always)
  func lastStart(_ time: Int64) -> Int64 {
    let remainder = time % slide
    let back = remainder < 0 ? remainder &+ slide : remainder
    let (start, overflow) = time.subtractingReportingOverflow(back)
    return overflow ? .min : start
  }

  /// The end of the window that begins at `start`.
  @inline(__always)
  func end(_ start: Int64) -> Int64 {
    let (end, overflow) = start.addingReportingOverflow(size)
    return overflow ? .max : end
  }

  /// Calls `body` with the start of every window of `time`, the last one first, that has not closed by `watermark`.
  @inline(__always)
  func forEachOpenStart(_ time: Int64, watermark: Int64, _ body: (Int64) -> Void) {
    var start = lastStart(time)
    while true {
      let (age, isTooOld) = time.subtractingReportingOverflow(start)
      if isTooOld || age >= size { return }
      if end(start) <= watermark { return }
      body(start)
      let (previous, overflow) = start.subtractingReportingOverflow(slide)
      if overflow { return }
      start = previous
    }
  }
}
