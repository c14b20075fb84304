/// Finds the windows of each row of a batch and which rows are late; keeps its buffers between batches.
struct WindowSplitter: Sendable {
  private struct Segment: Sendable {
    var start: Int64
    var rows: [Int32]
  }

  private let assignment: WindowAssignment
  /// Only the first `segmentCount` are of the current batch; the others keep their memory.
  private var segments: [Segment] = []
  private var indexOfStart: [Int64: Int] = [:]
  /// 0, 1, 2, …: the rows of a batch that lies in one window.
  private var everyRow: [Int32] = []
  /// The number of rows when all of them are in the first segment, whose own list is then not filled.
  private var wholeCount: Int?
  private(set) var segmentCount = 0
  private(set) var lateRows: [Int32] = []
  private(set) var outsideCount = 0

  /// Beyond as many windows in a batch they are found through a dictionary.
  private static let linearSearchLimit = 8

  init(_ assignment: WindowAssignment) { self.assignment = assignment }

  /// The start of the window of a segment.
  func start(_ segment: Int) -> Int64 { segments[segment].start }

  /// Calls `body` with the rows of a segment, in ascending order.
  func withRows<Result>(_ segment: Int, _ body: (UnsafeBufferPointer<Int32>) -> Result) -> Result {
    if let wholeCount {
      return everyRow.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[0..<wholeCount])) }
    }
    return segments[segment].rows.withUnsafeBufferPointer(body)
  }

  /// Splits the rows that are not `excluded`.
  mutating func split(_ times: [Int64], watermarks: [Int64]?, excluded: [Bool]?) {
    segmentCount = 0
    wholeCount = nil
    lateRows.removeAll(keepingCapacity: true)
    outsideCount = 0
    if excluded == nil, assignment.isTumbling, splitWhole(times, watermarks) { return }
    indexOfStart.removeAll(keepingCapacity: true)
    // Neighbours mostly share a window, which spares the division and the search.
    var cached = (start: Int64.max, end: Int64.min, segment: 0)
    for row in times.indices {
      if let excluded, excluded[row] { continue }
      let time = times[row]
      let watermark = watermarks?[row] ?? .min
      if time >= cached.start, time < cached.end, watermark < cached.end {
        segments[cached.segment].rows.append(Int32(truncatingIfNeeded: row))
        continue
      }
      split(Int32(truncatingIfNeeded: row), time, watermark)
      guard assignment.isTumbling, segmentCount > 0 else { continue }
      let start = assignment.lastStart(time)
      if assignment.end(start) > watermark { cached = (start, assignment.end(start), segmentIndex(start)) }
    }
  }

  /// The usual batch lies in one window and has no late row; false when this one does not.
  private mutating func splitWhole(_ times: [Int64], _ watermarks: [Int64]?) -> Bool {
    let start = assignment.lastStart(times[0])
    let end = assignment.end(start)
    guard Self.areInside(times, start: start, length: end &- start) else { return false }
    if let watermarks, !Self.areBelow(watermarks, end) { return false }
    while everyRow.count < times.count { everyRow.append(Int32(everyRow.count)) }
    if segments.isEmpty { segments.append(Segment(start: start, rows: [])) }
    segments[0].start = start
    wholeCount = times.count
    segmentCount = 1
    return true
  }

  /// Whether `start <= time < start + length` for all; without a branch a row.
  private static func areInside(_ times: [Int64], start: Int64, length: Int64) -> Bool {
    let length = UInt64(bitPattern: length)
    var isOutside = false
    for time in times { isOutside = isOutside || UInt64(bitPattern: time &- start) >= length }
    return !isOutside
  }

  private static func areBelow(_ watermarks: [Int64], _ end: Int64) -> Bool {
    var isLate = false
    for watermark in watermarks { isLate = isLate || watermark >= end }
    return !isLate
  }

  private mutating func split(_ row: Int32, _ time: Int64, _ watermark: Int64) {
    let last = assignment.lastStart(time)
    if assignment.end(last) <= watermark {
      lateRows.append(row)
      return
    }
    var isInside = false
    assignment.forEachOpenStart(time, watermark: watermark) { start in
      isInside = true
      segments[segmentIndex(start)].rows.append(row)
    }
    if !isInside { outsideCount += 1 }
  }

  private mutating func segmentIndex(_ start: Int64) -> Int {
    if segmentCount <= Self.linearSearchLimit {
      for index in 0..<segmentCount where segments[index].start == start { return index }
    } else if let index = indexOfStart[start] {
      return index
    }
    let index = segmentCount
    if index == segments.count { segments.append(Segment(start: start, rows: [])) }
    segments[index].start = start
    segments[index].rows.removeAll(keepingCapacity: true)
    segmentCount += 1
    if segmentCount == Self.linearSearchLimit + 1 {
      for known in 0..<segmentCount { indexOfStart[segments[known].start] = known }
    } else if segmentCount > Self.linearSearchLimit {
      indexOfStart[start] = index
    }
    return index
  }
}
