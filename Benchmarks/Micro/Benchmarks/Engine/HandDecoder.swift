import Glibc

/// Telemetry by hand: keys in their order, text without escapes, numbers of few digits; it gives up at anything else.
/// What a decoder for any table is compared with.
///
/// The pointers are owned: allocated by `init` for `capacity` records and freed by `deinit`.
final class HandDecoder {
  private let temperatures: UnsafeMutablePointer<Double>
  private let humidities: UnsafeMutablePointer<Double>
  private let times: UnsafeMutablePointer<Int64>
  private let sensors: HandTexts
  private let sites: HandTexts
  private let statuses: HandTexts
  private var count = 0

  init(capacity: Int) {
    temperatures = .allocate(capacity: capacity)
    humidities = .allocate(capacity: capacity)
    times = .allocate(capacity: capacity)
    sensors = HandTexts(capacity: capacity)
    sites = HandTexts(capacity: capacity)
    statuses = HandTexts(capacity: capacity)
  }

  deinit {
    temperatures.deallocate()
    humidities.deallocate()
    times.deallocate()
  }

  func decode(_ records: Records) throws {
    count = 0
    for texts in [sensors, sites, statuses] { texts.byteCount = 0 }
    try records.forEach { record in
      guard let start = record.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      var cursor = HandCursor(at: start, end: start + record.count)
      guard cursor.take("{\"sensor_id\":\""), cursor.takeText(sensors, count), cursor.take("\",\"temperature\":"),
        cursor.takeNumber(temperatures + count), cursor.take(",\"humidity\":"), cursor.takeNumber(humidities + count),
        cursor.take(",\"ts\":"), cursor.takeMilliseconds(times + count), cursor.take(",\"site\":\""),
        cursor.takeText(sites, count), cursor.take("\",\"status\":\""), cursor.takeText(statuses, count),
        cursor.take("\"}")
      else { throw WrongResult(description: "the record is not telemetry as it is generated") }
      count += 1
    }
  }

  var sums: DecodedSums {
    var sums = DecodedSums()
    sums.rows = count
    for row in 0..<count {
      sums.temperature += temperatures[row]
      sums.humidity += humidities[row]
      sums.microseconds &+= times[row]
    }
    sums.sensorBytes = sensors.byteCount
    sums.siteBytes = sites.byteCount
    return sums
  }
}

/// Texts of at most ``maximumBytes`` bytes one behind another, and where each ends; owns its memory.
final class HandTexts {
  static let maximumBytes = 16
  let bytes: UnsafeMutablePointer<UInt8>
  let ends: UnsafeMutablePointer<Int32>
  var byteCount = 0

  init(capacity: Int) {
    bytes = .allocate(capacity: capacity * Self.maximumBytes)
    ends = .allocate(capacity: capacity)
  }

  deinit {
    bytes.deallocate()
    ends.deallocate()
  }
}

/// A position in a record; nothing is read from `end` on.
private struct HandCursor {
  var at: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>

  @inline(__always)
  mutating func take(_ literal: StaticString) -> Bool {
    let size = literal.utf8CodeUnitCount
    guard end - at >= size, memcmp(at, literal.utf8Start, size) == 0 else { return false }
    at += size
    return true
  }

  @inline(__always)
  mutating func takeText(_ texts: HandTexts, _ row: Int) -> Bool {
    let start = at
    while at < end, at.pointee != 0x22, at.pointee != 0x5c { at += 1 }
    let size = at - start
    guard at < end, at.pointee == 0x22, size <= HandTexts.maximumBytes else { return false }
    memcpy(texts.bytes + texts.byteCount, start, size)
    texts.byteCount += size
    texts.ends[row] = Int32(truncatingIfNeeded: texts.byteCount)
    return true
  }

  @inline(__always)
  private mutating func takeDigits(_ value: inout Int64) -> Int {
    let start = at
    while at < end, at.pointee &- 0x30 < 10 {
      value = value &* 10 &+ Int64(at.pointee &- 0x30)
      at += 1
    }
    return at - start
  }

  @inline(__always)
  mutating func takeMilliseconds(_ target: UnsafeMutablePointer<Int64>) -> Bool {
    var value: Int64 = 0
    guard 1...15 ~= takeDigits(&value) else { return false }
    target.pointee = value &* 1_000
    return true
  }

  /// Whole digits divided by a power of ten: correctly rounded, because both are exact.
  @inline(__always)
  mutating func takeNumber(_ target: UnsafeMutablePointer<Double>) -> Bool {
    var value: Int64 = 0
    let whole = takeDigits(&value)
    var divisor = 1.0
    if at < end, at.pointee == 0x2e {
      at += 1
      switch takeDigits(&value) {
      case 1: divisor = 10
      case 2: divisor = 100
      default: return false
      }
    }
    guard 1...12 ~= whole else { return false }
    target.pointee = Double(value) / divisor
    return true
  }
}
