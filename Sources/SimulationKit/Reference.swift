/// What the sinks of a ``Workload`` must hold, computed record by record in the plainest way: one loop, dictionaries, none of
/// the code under test.
public struct Reference: Sendable {
  /// The rows of the table `passed`, as JSON objects, in order.
  public private(set) var passed: [String] = []
  /// The rows of the table `windows`, as JSON objects, in order.
  public private(set) var windows: [String] = []
  /// By partition: the offsets of the records whose rows are in ``passed``, ascending.
  public private(set) var passedOffsets: [[Int64]] = []
  /// Records that cannot be read, as `partition/offset`.
  public private(set) var dead: [String] = []
  /// Rows that are late, as `partition/offset`.
  public private(set) var late: [String] = []
  /// How many records there are.
  public private(set) var records = 0

  private struct Group: Hashable {
    let sensor: String
    let start: Int64
  }

  fileprivate struct Totals {
    var count = 0
    var sum: Int64?
    var least: Int64?
    var most: Int64?
  }

  /// - Parameters:
  ///   - delay: by how many seconds watermarks lie behind the greatest event time.
  ///   - size, slide: of the windows, in seconds.
  ///   - isBounded: whether the job fires what is left in the end.
  init(partitions: [SimulatedTopic.Partition], delay: Int64, size: Int64, slide: Int64, isBounded: Bool) {
    var groups: [Group: Totals] = [:]
    var final = Int64.max
    for (number, partition) in partitions.enumerated() {
      var watermark = Int64.min
      passedOffsets.append([])
      for record in partition.records {
        records += 1
        guard let row = ReferenceRecord(record.value) else {
          dead.append("\(number)/\(record.offset)")
          continue
        }
        if let value = row.value, value >= 0 {
          passed.append(Self.passedRow(row, value * 2))
          passedOffsets[number].append(record.offset)
        }
        let open = Self.starts(row.time, size * 1000, slide * 1000).filter { $0 + size * 1000 > watermark }
        if open.isEmpty { late.append("\(number)/\(record.offset)") }
        for start in open { groups[Group(sensor: row.sensor, start: start), default: Totals()].add(row.value) }
        watermark = max(watermark, row.time - delay * 1000)
      }
      final = min(final, watermark)
    }
    for (group, totals) in groups where isBounded || group.start + size * 1000 <= final {
      windows.append(Self.windowRow(group, totals))
    }
    passed.sort()
    windows.sort()
    dead.sort()
    late.sort()
  }

  /// The starts of the windows that `time` lies in, in milliseconds.
  private static func starts(_ time: Int64, _ size: Int64, _ slide: Int64) -> [Int64] {
    var result: [Int64] = []
    var start = time - time % slide
    while start > time - size {
      result.append(start)
      start -= slide
    }
    return result
  }

  private static func passedRow(_ row: ReferenceRecord, _ value: Int64) -> String {
    #"{"id":\#(row.id),"sensor":"\#(row.sensor)","value":\#(value)}"#
  }

  private static func windowRow(_ group: Group, _ totals: Totals) -> String {
    func text(_ value: Int64?) -> String { value.map(String.init) ?? "null" }
    return #"{"sensor":"\#(group.sensor)","window_start":"\#(utc(group.start))","readings":\#(totals.count),"#
      + #""total":\#(text(totals.sum)),"least":\#(text(totals.least)),"most":\#(text(totals.most))}"#
  }

  /// Milliseconds since the epoch as ISO 8601 with microseconds, by counting days from a date that is known.
  static func utc(_ milliseconds: Int64) -> String {
    var day = milliseconds / 86_400_000
    let rest = milliseconds % 86_400_000
    var year: Int64 = 1970
    func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
    while day >= (isLeap(year) ? 366 : 365) {
      day -= isLeap(year) ? 366 : 365
      year += 1
    }
    var month = 0
    let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    while day >= lengths[month] {
      day -= lengths[month]
      month += 1
    }
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(rest % 1000 + 1000).dropFirst()
    return "\(year)-\(two(Int64(month) + 1))-\(two(day + 1))T"
      + "\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):\(two(rest / 1000 % 60)).\(fraction)000Z"
  }
}

extension Reference.Totals {
  fileprivate mutating func add(_ value: Int64?) {
    count += 1
    guard let value else { return }
    sum = (sum ?? 0) + value
    least = min(least ?? value, value)
    most = max(most ?? value, value)
  }
}
