import Columnar
import Formats
import SQL
import Verification

/// Says, while both sides are read a second time, where rows that differ come from and what is in them.
struct DifferenceDescriber {
  /// Where rows of a table come from.
  struct Place: Hashable {
    let target: UInt32
    let stream: UInt32
  }

  /// Neighbouring rows of a stream that differ in the same way.
  struct Run {
    let place: Place
    let kind: DifferenceKind
    var first: Int64
    var last: Int64
    var rows: Int
  }

  private let marks: [ComparedEntry: DifferenceKind]
  private let isWindow: [Bool]
  private let limit: Int
  private var open: [Place: Run] = [:]
  private var windows: [Place: [DifferenceKind: [Int64: Int]]] = [:]
  /// The runs of each table, at most ``limit``.
  private(set) var runs: [UInt32: [Run]] = [:]
  /// How many runs there are beyond the limit.
  private(set) var moreRuns: [UInt32: Int] = [:]
  private var wantedTexts: Set<ComparedEntry>
  /// The rows of samples, as JSON.
  private(set) var texts: [ComparedEntry: String] = [:]
  /// The windows' offsets.
  private(set) var contributions: [Int: [Range<Int64>: [PartitionID: ClosedRange<Int64>]]] = [:]

  init(_ tally: DifferenceTally, job: SequentialJob, limit: Int) {
    marks = tally.marks
    self.limit = limit
    isWindow = job.streams.map { stream in
      if case .stage = stream { true } else { false }
    }
    wantedTexts = Set(tally.samples.flatMap { [$0.expected, $0.found].compactMap(\.self) })
  }

  /// A row that the source makes.
  mutating func expected(_ entry: ComparedEntry, row: Int, of batch: Batch) {
    let place = Place(target: entry.target, stream: entry.stream)
    let kind = marks[entry]
    if Int(entry.stream) < isWindow.count, isWindow[Int(entry.stream)] {
      if let kind { windows[place, default: [:]][kind, default: [:]][entry.order, default: 0] += 1 }
    } else if let kind {
      if var run = open[place], run.kind == kind {
        run.last = entry.order
        run.rows += 1
        open[place] = run
      } else {
        close(place)
        open[place] = Run(place: place, kind: kind, first: entry.order, last: entry.order, rows: 1)
      }
    } else {
      close(place)
    }
    describe(entry, row, batch)
  }

  /// A row that a sink holds.
  mutating func found(_ entry: ComparedEntry, row: Int, of batch: Batch) { describe(entry, row, batch) }

  private mutating func describe(_ entry: ComparedEntry, _ row: Int, _ batch: Batch) {
    guard wantedTexts.remove(entry) != nil else { return }
    var bytes: [UInt8] = []
    JSONRowEncoder(batch.schema).append(row: row, of: batch, to: &bytes)
    texts[entry] = String(decoding: bytes, as: UTF8.self)
  }

  private mutating func close(_ place: Place) {
    guard let run = open.removeValue(forKey: place) else { return }
    add(run)
  }

  private mutating func add(_ run: Run) {
    guard runs[run.place.target]?.count ?? 0 < limit else {
      moreRuns[run.place.target, default: 0] += 1
      return
    }
    runs[run.place.target, default: []].append(run)
  }

  /// Closes what is open.
  mutating func finish(_ job: SequentialJob) {
    for place in open.keys.sorted(by: { ($0.target, $0.stream) < ($1.target, $1.stream) }) { close(place) }
    for (place, kinds) in windows.sorted(by: { ($0.key.target, $0.key.stream) < ($1.key.target, $1.key.stream) }) {
      for (kind, ends) in kinds.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        for (end, rows) in ends.sorted(by: { $0.key < $1.key }) {
          add(Run(place: place, kind: kind, first: end, last: end, rows: rows))
        }
      }
    }
    contributions = job.contributions
  }
}
