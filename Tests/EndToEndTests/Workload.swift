import Foundation
import TestSupport

/// One record of the workload and what must become of it.
struct WorkloadRecord {
  enum Fate: String { case aggregated, filtered, late, dead }
  let key: String
  let value: String?
  let fate: Fate
}

/// One row of the table that the job fills.
struct ExpectedWindow: Equatable {
  var count = 0
  var sumOfQuarters = 0
  var minimum = Int.max
  var maximum = Int.min
}

/// Keyed events with everything that goes wrong in real topics, and an independent account of what each must become.
///
/// The account is plain sequential code over the records of one partition: a row is late when the last window that it
/// belongs to ended at or before the partition's greatest event time so far less the delay.
struct Workload {
  static let windowMilliseconds: Int64 = 10_000
  static let delayMilliseconds: Int64 = 2_000
  static let start: Int64 = 1_767_225_600_000

  let partitions: Int
  private(set) var windows: [String: ExpectedWindow] = [:]
  private(set) var fates: [WorkloadRecord.Fate: Int] = [:]
  private var numbers: SeededNumbers
  private var greatest: [Int64]
  private var clock: [Int64]
  private var previous: [String?]

  init(seed: UInt64, partitions: Int) {
    self.partitions = partitions
    numbers = SeededNumbers(seed: seed)
    greatest = Array(repeating: .min, count: partitions)
    clock = Array(repeating: Self.start, count: partitions)
    previous = Array(repeating: nil, count: partitions)
  }

  /// The next record of `partition`.
  mutating func next(_ partition: Int) -> WorkloadRecord {
    clock[partition] += Int64.random(in: 60...140, using: &numbers)
    // Keys belong to a partition, as a keyed producer deals them.
    let key = "s-\(partition * 100 + Int.random(in: 0..<12, using: &numbers))"
    switch Int.random(in: 0..<1000, using: &numbers) {
    case 0..<3:
      return note(WorkloadRecord(key: key, value: Self.malformed.randomElement(using: &numbers) ?? "", fate: .dead))
    case 3..<5: return note(WorkloadRecord(key: key, value: nil, fate: .dead))
    case 5..<15: return event(partition, key, at: clock[partition] - 60_000)
    case 15..<35:
      // The same bytes again: not a duplicate to be dropped but another event.
      if let value = previous[partition], let parsed = Self.parse(value) {
        return event(partition, parsed.key, at: parsed.time, quarters: parsed.quarters, isHot: parsed.isHot)
      }
      return event(partition, key, at: clock[partition])
    default:
      return event(partition, key, at: clock[partition] - Int64.random(in: 0...1_500, using: &numbers))
    }
  }

  private static let malformed = [
    "not json", "{\"sensor_id\":\"s-1\"", "[1,2]",
    "{\"sensor_id\":\"s-1\",\"temperature\":\"warm\",\"ts\":1767225600000}",
    "{\"temperature\":1.5,\"ts\":1767225600000}", "{\"sensor_id\":\"s-1\",\"temperature\":1.5,\"ts\":253402300799000}",
    "{\"sensor_id\":\"s-1\",\"temperature\":1.5,\"ts\":\"yesterday\"}", ""
  ]

  private mutating func event(
    _ partition: Int, _ key: String, at time: Int64, quarters: Int? = nil, isHot: Bool? = nil
  ) -> WorkloadRecord {
    let quarters = quarters ?? Int.random(in: -80...400, using: &numbers)
    let isHot = isHot ?? (Int.random(in: 0..<10, using: &numbers) > 0)
    let value =
      "{\"sensor_id\":\"\(key)\",\"temperature\":\(Double(quarters) / 4),\"ts\":\(time),\"active\":\(isHot)}"
    previous[partition] = value
    let watermark = greatest[partition] == .min ? Int64.min : greatest[partition] - Self.delayMilliseconds
    greatest[partition] = max(greatest[partition], time)
    guard isHot else { return note(WorkloadRecord(key: key, value: value, fate: .filtered)) }
    let start = time - time % Self.windowMilliseconds
    guard start + Self.windowMilliseconds > watermark else {
      return note(WorkloadRecord(key: key, value: value, fate: .late))
    }
    var window = windows["\(key) \(start)"] ?? ExpectedWindow()
    window.count += 1
    window.sumOfQuarters += quarters
    window.minimum = min(window.minimum, quarters)
    window.maximum = max(window.maximum, quarters)
    windows["\(key) \(start)"] = window
    return note(WorkloadRecord(key: key, value: value, fate: .aggregated))
  }

  private mutating func note(_ record: WorkloadRecord) -> WorkloadRecord {
    fates[record.fate, default: 0] += 1
    return record
  }

  private static func parse(_ value: String) -> (key: String, time: Int64, quarters: Int, isHot: Bool)? {
    guard let object = try? JSONSerialization.jsonObject(with: Data(value.utf8)) as? [String: Any],
      let key = object["sensor_id"] as? String, let temperature = object["temperature"] as? Double,
      let time = object["ts"] as? Int64, let isHot = object["active"] as? Bool
    else { return nil }
    return (key, time, Int(temperature * 4), isHot)
  }
}
