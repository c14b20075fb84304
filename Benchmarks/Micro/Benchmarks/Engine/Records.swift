import Columnar
import Formats

/// What the JSON of a benchmark looks like.
enum RecordForm: String, CaseIterable {
  /// As `weir generate telemetry` writes it.
  case inOrder = "in-order"
  /// Each record has its keys in another order.
  case shuffled
  /// Quotes, newlines and code points in `site`.
  case escapes
  /// A third of the values are null, or not there.
  case nulls
  /// An object that goes to a `jsonb` column, and one that no column takes.
  case nested
}

/// Records, one behind another, and what decoding them must give.
struct Records {
  let bytes: [UInt8]
  /// Where each record ends.
  let ends: [Int]
  let schema: Schema
  private(set) var expected = DecodedSums()

  init(_ telemetry: Telemetry, _ form: RecordForm) {
    var generator = SeededGenerator(seed: 11)
    var bytes: [UInt8] = []
    var ends: [Int] = []
    for row in telemetry.rows {
      bytes += Self.text(row, form, &generator, &expected).utf8
      ends.append(bytes.count)
    }
    self.bytes = bytes
    self.ends = ends
    schema =
      form == .nested ? Schema(Telemetry.schema.fields + [Field("position", .jsonb)]) : Telemetry.schema
  }

  /// Calls `body` with each record's bytes.
  func forEach(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    try bytes.withUnsafeBytes { buffer in
      var start = 0
      for end in ends {
        try body(UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
        start = end
      }
    }
  }

  private static func text(
    _ row: Telemetry.Row, _ form: RecordForm, _ generator: inout SeededGenerator, _ expected: inout DecodedSums
  ) -> String {
    var temperature: Double? = row.temperature
    var humidity: Double? = row.humidity
    var site: String? = row.site
    var siteText = "\"\(row.site)\""
    if form == .escapes {
      site = "\(row.site) \"north\"\nétage"
      siteText = "\"\(row.site) \\\"north\\\"\\n\\u00e9tage\""
    }
    if form == .nulls {
      if generator.below(2) == 0 { temperature = nil }
      if generator.below(2) == 0 { humidity = nil }
      if generator.below(2) == 0 { site = nil }
    }
    var fields = [
      "\"sensor_id\":\"\(row.sensorID)\"", "\"temperature\":\(temperature.map { "\($0)" } ?? "null")",
      "\"humidity\":\(humidity.map { "\($0)" } ?? "null")", "\"ts\":\(row.milliseconds)", "\"site\":\(siteText)",
      "\"status\":\"ok\""
    ]
    if site == nil { fields.remove(at: 4) }
    if form == .shuffled { fields.shuffle(using: &generator) }
    if form == .nested {
      let position = "{\"lat\":52.\(row.sensor % 1_000),\"lon\":13.4,\"floor\":{\"level\":3,\"zones\":[\"a\",\"b\"]}}"
      fields.append("\"position\":\(position)")
      fields.append("\"firmware\":{\"version\":\"1.2.3\",\"parts\":[{\"id\":7,\"ok\":true},{\"id\":8,\"ok\":null}]}")
      expected.positionBytes += position.utf8.count
    }
    expected.add(row, temperature: temperature, humidity: humidity, siteBytes: site?.utf8.count ?? 0)
    return "{" + fields.joined(separator: ",") + "}"
  }
}

/// What tells decoded rows from other ones.
struct DecodedSums: Equatable {
  var rows = 0
  var temperature = 0.0
  var humidity = 0.0
  var microseconds: Int64 = 0
  var sensorBytes = 0
  var siteBytes = 0
  var positionBytes = 0

  mutating func add(_ row: Telemetry.Row, temperature: Double?, humidity: Double?, siteBytes: Int) {
    rows += 1
    self.temperature += temperature ?? 0
    self.humidity += humidity ?? 0
    microseconds &+= row.milliseconds * 1_000
    sensorBytes += row.sensorID.utf8.count
    self.siteBytes += siteBytes
  }

  mutating func add(_ batch: Batch) {
    rows += batch.count
    // One after another, as the rows were made: floating-point sums depend on the order.
    for row in 0..<batch.count where !batch.columns[1].isNull(row) { temperature += batch.columns[1].doubles[row] }
    for row in 0..<batch.count where !batch.columns[2].isNull(row) { humidity += batch.columns[2].doubles[row] }
    for value in batch.columns[3].integers { microseconds &+= value }
    sensorBytes += batch.columns[0].texts.bytes.count
    siteBytes += batch.columns[4].texts.bytes.count
    if batch.columns.count > 6 { positionBytes += batch.columns[6].texts.bytes.count }
  }
}
