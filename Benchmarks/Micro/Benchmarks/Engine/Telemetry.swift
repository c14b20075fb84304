import Columnar

/// A seeded source of randomness (SplitMix64): every run measures the same rows.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

/// Readings as `weir generate telemetry` makes them.
struct Telemetry {
  struct Row {
    let sensor: Int
    let temperature: Double
    let humidity: Double
    let milliseconds: Int64

    var sensorID: String { "s-" + padded(sensor, 6) }
    var site: String { "plant-" + padded(sensor % 50, 2) }
  }

  static let schema = Schema([
    Field("sensor_id", .text, isNullable: false), Field("temperature", .double), Field("humidity", .double),
    Field("ts", .timestamptz, isNullable: false), Field("site", .text), Field("status", .text)
  ])
  /// A full ten seconds since the epoch.
  static let start: Int64 = 1_767_882_600_000
  static let batchRows = 8_192

  let rows: [Row]

  /// `count` rows of `keys` sensors, evenly over `milliseconds`; each up to `disorder` milliseconds before its place.
  init(count: Int, keys: Int, milliseconds: Int, disorder: Int = 0) {
    var generator = SeededGenerator(seed: 7)
    rows = (0..<count).map { index in
      Row(
        sensor: generator.below(keys), temperature: Self.temperature(&generator),
        humidity: Self.humidity(&generator),
        milliseconds: Self.start + Int64(index * milliseconds / count - (disorder == 0 ? 0 : generator.below(disorder)))
      )
    }
  }

  /// One row of each of `keys` sensors, in their order, within one window of ten seconds.
  init(everySensorOnce keys: Int) {
    var generator = SeededGenerator(seed: 7)
    rows = (0..<keys).map { sensor in
      Row(
        sensor: sensor, temperature: Self.temperature(&generator), humidity: Self.humidity(&generator),
        milliseconds: Self.start)
    }
  }

  // Quotients of whole numbers: their shortest text has no more decimals than a sensor gives.
  private static func temperature(_ generator: inout SeededGenerator) -> Double {
    Double(1_500 + generator.below(8_000)) / 100
  }

  private static func humidity(_ generator: inout SeededGenerator) -> Double {
    Double(200 + generator.below(600)) / 10
  }

  /// The rows as batches of at most ``batchRows`` rows, with the columns that `schema` names.
  func batches(_ schema: Schema = schema) -> [Batch] {
    stride(from: 0, to: rows.count, by: Self.batchRows).map { first in
      let part = rows[first..<min(first + Self.batchRows, rows.count)]
      let columns = schema.fields.map { Self.column($0.name, part) }
      return Batch(schema: schema, columns: columns, count: part.count)
    }
  }

  private static func column(_ name: String, _ rows: ArraySlice<Row>) -> Column {
    switch name {
    case "sensor_id": Column(.text, texts(rows.map(\.sensorID)))
    case "temperature": Column(.double, .float64(rows.map(\.temperature)))
    case "humidity": Column(.double, .float64(rows.map(\.humidity)))
    case "ts": Column(.timestamptz, .int64(rows.map { $0.milliseconds * 1_000 }))
    case "site": Column(.text, texts(rows.map(\.site)))
    case "status": Column(.text, texts(rows.map { _ in "ok" }))
    default: preconditionFailure("telemetry has no column '\(name)'")
    }
  }

  private static func texts(_ values: [String]) -> Column.Storage {
    var result = ByteValues()
    for value in values { result.append(contentsOf: value.utf8) }
    return .bytes(result)
  }
}

private func padded(_ number: Int, _ digits: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

extension Column {
  /// The values of a column of times or whole numbers.
  var integers: [Int64] {
    guard case .int64(let values) = storage else { preconditionFailure("a column of \(type.sqlName)") }
    return values
  }

  /// The values of a column of `double precision`.
  var doubles: [Double] {
    guard case .float64(let values) = storage else { preconditionFailure("a column of \(type.sqlName)") }
    return values
  }

  /// The values of a column of `text` or `jsonb`.
  var texts: ByteValues {
    guard case .bytes(let values) = storage else { preconditionFailure("a column of \(type.sqlName)") }
    return values
  }
}
