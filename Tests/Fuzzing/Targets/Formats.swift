import Columnar
import Formats
import SQL

extension FuzzTarget {
  static let formats: [FuzzTarget] = [
    FuzzTarget(
      "json-records", shape: .text, weight: 12, dictionary: recordWords, seeds: { jsonRecords },
      check: { try checkRecord($0, format: .json) }),
    FuzzTarget(
      "csv-lines", shape: .text, weight: 12, dictionary: recordWords + [",", "\"\"", ";"], seeds: { csvLines },
      check: checkLines),
    FuzzTarget(
      "value-text", shape: .text, weight: 16, dictionary: recordWords, seeds: { valueTexts }, check: checkValue),
    FuzzTarget(
      "jsonb", shape: .text, weight: 12, dictionary: recordWords,
      seeds: { jsonRecords.map { Array($0.dropFirst()) } }, check: checkTree),
    FuzzTarget(
      "zstd", weight: 4, memory: (base: 96 << 20, perByte: 4096), seeds: zstdFrames,
      check: { bytes in
        do {
          let content = try Zstandard.decompress(bytes, maximumSize: 16 << 20)
          let again = try Zstandard.decompress(try Zstandard.compress(content), maximumSize: content.count)
          try require(again == content, "expected the content that was compressed")
        } catch let error as FormatError {
          try requireMessage(error)
        }
      })
  ]

  // MARK: Records

  private static let recordWords = [
    "{", "}", "[", "]", ":", ",", "\"c0\"", "\"c7\"", "\"c14\"", "\"_key\"", "null", "true", "false", "\\u00e9",
    "\\ud83d",
    "\\ude00", "1.5e3", "-0", "\\\\x00ff", "2024-02-29T23:59:60.999999999Z", "1 mon 2 days 03:04:05.678",
    "P1Y2M3DT4H5M6S",
    "00000000-0000-0000-0000-000000000000", "NaN", "-Infinity", "1e400", "infinity", "epoch", "+14:00", "BC"
  ]

  private static let schemas: [Schema] = {
    let all = Samples.batch(rows: 0).schema
    return [
      all, Schema(all.fields.reversed()), Schema(Array(all.fields.prefix(3))), Schema([]),
      Schema(all.fields.map { Field($0.name, $0.type, isNullable: false) }),
      Schema([
        Field("_key", .bytea), Field("_partition", .integer), Field("_offset", .bigint),
        Field("_timestamp", .timestamptz),
        Field("_headers", .jsonb), Field("c7", .text)
      ]),
      Schema(Samples.types.map { Field("a\($0.sqlName)", $0) } + [Field("c14", .jsonb), Field("c13", .text)])
    ]
  }()

  private static let units: [TimestampUnit] = [.milliseconds, .seconds, .microseconds, .nanoseconds]

  private static var jsonRecords: [[UInt8]] {
    var text: [UInt8] = []
    let batch = Samples.batch(rows: 12)
    JSONRowEncoder(batch.schema).append(batch, to: &text)
    let rows = text.split(separator: 10).map { [0] + Array($0) }
    let others = [
      "\u{1}{}", "\u{2}{\"c0\":true,\"c1\":\"7\",\"c2\":9223372036854775807,\"x\":{\"y\":[{}]}}",
      "\u{10}{\"c9\":\"2024-02-29\",\"c10\":1700000000.5,\"c11\":\"2024-01-01 00:00:00.000001+05:30\"}",
      "\u{5}{\"c7\":\"text\"}", "\u{8}[1, 2]", "\u{0}{\"c14\":{\"a\":[1,2,{\"b\":null}]},\"c7\":{\"kept\": 1}}"
    ]
    return rows + others.map { Array($0.utf8) }
  }

  private static var csvLines: [[UInt8]] {
    [
      "\u{0}true,1,2,3.5,4.5,5,6.25,text,\\x00ff,2024-02-29,2024-01-01 00:00:00,2024-01-01T00:00:00Z,1 day,"
        + "00000000-0000-0000-0000-000000000001,\"{\"\"a\"\":1}\"\r\n",
      "\u{1}\"quoted, and \"\"so\"\"\nover lines\",,,\n", "\u{2};;;\n1;2;3\n", "\u{3}a,b\n"
    ].map { Array($0.utf8) }
  }

  private static func decoder(_ selector: Int, _ format: RecordFormat) throws -> (RecordDecoder, Schema)? {
    let schema = schemas[selector % schemas.count]
    let time = schema.index(of: "c11")
    var configuration = DecoderConfiguration(
      schema: schema, format: format, partition: PartitionID(source: "s", name: "0"),
      timestampUnit: units[selector / schemas.count % units.count], eventTimeColumn: time, watermarkDelay: 1000,
      keepsPayloads: selector % 2 == 0)
    if skipsEmptyValues(selector) { configuration.tombstones = .skip }
    do throws(FormatError) { return (try RecordDecoder(configuration), schema) } catch {
      try requireMessage(error)
      return nil
    }
  }

  /// Values without a byte are counted, and are neither rows nor rejected.
  private static func skipsEmptyValues(_ selector: Int) -> Bool { selector % 5 == 4 }

  private static func decode(_ value: ArraySlice<UInt8>, _ decoder: RecordDecoder) -> DecodedBatch {
    value.withUnsafeBytes { value in
      decoder.append(RawRecord(key: value, value: value, headers: nil, offset: 7, timestamp: 1_700_000_000_000_000))
    }
    return decoder.finish()
  }

  private static func checkRecord(_ bytes: [UInt8], format: RecordFormat) throws {
    let selector = Int(bytes.first ?? 0)
    guard let (first, schema) = try decoder(selector, format) else { return }
    let decoded = decode(bytes.dropFirst(), first)
    try checkAccount(decoded, records: 1, skipped: bytes.count == 1 && skipsEmptyValues(selector) ? 1 : 0)
    guard decoded.batch.count == 1, !schema.fields.contains(where: { $0.name.hasPrefix("_") }) else { return }
    try checkRoundTrip(decoded.batch, selector)
  }

  private static func checkAccount(_ decoded: DecodedBatch, records: Int, skipped: Int) throws {
    try require(
      decoded.batch.count + decoded.rejected.count + skipped == records && decoded.records == records,
      "expected \(records) rows, rejected and \(skipped) skipped records, found \(decoded.batch.count) rows and "
        + "\(decoded.rejected.count) rejected of \(decoded.records)")
    for rejected in decoded.rejected { try require(!rejected.message.isEmpty, "a rejected record without a message") }
    for column in decoded.batch.columns {
      try require(column.count == decoded.batch.count, "columns of unequal length")
    }
    // The codec of checkpoints must take whatever the decoder gives.
    let stored = try BatchCodec.decode(BatchCodec.encode(decoded.batch))
    try require(stored.count == decoded.batch.count, "a batch that the checkpoint's codec does not keep")
  }

  /// Written as JSON and read again, a row is the same row.
  private static func checkRoundTrip(_ batch: Batch, _ selector: Int) throws {
    var written: [UInt8] = []
    JSONRowEncoder(batch.schema).append(row: 0, of: batch, to: &written)
    try require(String(validating: written, as: UTF8.self) != nil, "a JSON row that is not UTF-8")
    guard let (second, _) = try decoder(selector, .json) else { return }
    let again = decode(written[...], second)
    let text = String(decoding: written, as: UTF8.self)
    try require(again.batch.count == 1, "expected a row from \(text), found \(again.rejected.first?.message ?? "none")")
    var rewritten: [UInt8] = []
    JSONRowEncoder(batch.schema).append(row: 0, of: again.batch, to: &rewritten)
    try require(rewritten == written, "expected \(text), found \(String(decoding: rewritten, as: UTF8.self))")
  }

  private static func checkLines(_ bytes: [UInt8]) throws {
    let selector = Int(bytes.first ?? 0)
    let names = schemas[selector % schemas.count].fields.map(\.name)
    let delimiter: UInt8 = selector % 3 == 2 ? 0x3b : 0x2c
    let isRaw = selector % 7 == 3
    let format: RecordFormat = isRaw ? .raw(column: "c7") : .csv(CSVOptions(names: names, delimiter: delimiter))
    let chosen = isRaw ? 5 : selector
    guard let (decoder, _) = try decoder(chosen, format) else { return }
    var framer = RecordFramer(quoted: !isRaw)
    var rest = bytes.dropFirst()
    var (count, skipped) = (0, 0)
    while !rest.isEmpty {
      let end = rest.withUnsafeBytes { framer.recordEnd(in: $0) } ?? rest.count
      try require(end > 0 && end <= rest.count, "a record of \(end) of \(rest.count) bytes")
      rest.withUnsafeBytes { bytes in
        let line = RecordFramer.content(bytes, end: end)
        if line.isEmpty, skipsEmptyValues(chosen) { skipped += 1 }
        decoder.append(RawRecord(key: nil, value: line, offset: Int64(count), timestamp: nil))
        _ = CSVLine.values(line, delimiter: delimiter)
      }
      framer.reset()
      rest = rest.dropFirst(end)
      count += 1
    }
    try checkAccount(decoder.finish(), records: count, skipped: skipped)
  }

  // MARK: Values

  private static var valueTexts: [[UInt8]] {
    Samples.texts.map { Array($0.utf8) }
      + [
        "2024-02-29 23:59:59.999999+05:30", "1 year 2 mons -3 days 04:05:06.789", "P1Y2M3DT4H5M6.7S", "-12345.678900",
        "1e-20", "00000000-0000-0000-0000-000000000001", "\\x00ff", "Jan 2 2024", "5874897-12-31", "200ms",
        "1 minute 30 seconds", "64MiB"
      ].map { Array($0.utf8) }
  }

  /// What a text means, once written, is read as the same again, for each type of value.
  private static func checkValue(_ bytes: [UInt8]) throws {
    func same<Value: Equatable>(_ read: (String) throws -> Value, _ write: (Value) -> String) throws {
      guard let value = try? read(String(decoding: bytes, as: UTF8.self)) else { return }
      let text = write(value)
      let again = try? read(text)
      try require(again == value, "expected \(value) again from '\(text)', found \(String(describing: again))")
    }
    func written(_ write: (inout [UInt8]) -> Void) -> String {
      var bytes: [UInt8] = []
      write(&bytes)
      return String(decoding: bytes, as: UTF8.self)
    }
    try same({ try Numeric($0) }, { $0.description })
    try same({ try Interval($0) }, { $0.description })
    try same({ try UUIDValue($0) }, { $0.description })
    try same({ try ByteaText.parse($0) }, { value in written { ByteaText.append(value, to: &$0) } })
    try same({ try TimeText.parseDate($0) }, { value in written { TimeText.appendISO8601Date(value, to: &$0) } })
    try same({ try TimeText.parseDate($0) }, { value in written { TimeText.appendDate(value, to: &$0) } })
    for isUTC in [false, true] {
      try same(
        { try TimeText.parseTimestamp($0).utc },
        { value in
          written { TimeText.appendTimestamp(value, withZone: isUTC, to: &$0) }
        })
      try same(
        { try TimeText.parseTimestamp($0).utc },
        { value in
          written { TimeText.appendISO8601(value, withZone: isUTC, to: &$0) }
        })
    }
    if let duration = DurationText.parse(String(decoding: bytes, as: UTF8.self)) {
      try require(DurationText.parse(DurationText.text(duration)) == duration, "a duration that is not the same again")
    }
  }

  private static func checkTree(_ bytes: [UInt8]) throws {
    for isComparable in [false, true] {
      guard let tree = try? JSONTree(bytes[...], isComparable: isComparable) else { continue }
      var text: [UInt8] = []
      tree.append(to: &text)
      let again = try? JSONTree(text[...], isComparable: isComparable)
      try require(again == tree, "expected the same jsonb again from \(String(decoding: text, as: UTF8.self))")
      for position in Mutator.boundaries { _ = tree.element(position) }
      _ = tree.member(Array("a".utf8)[...])
    }
  }

  @Sendable private static func zstdFrames() throws -> [[UInt8]] {
    try [0, 1, 100, 5000].map { count in
      try Zstandard.compress((0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) })
    } + [try Zstandard.compress([UInt8](repeating: 7, count: 1 << 20), level: 9)]
  }
}
