import Columnar
import Foundation
import Parquet
import TestTraits
import Testing

@Suite("Parquet writer, at the edges", .fewAtOnce)
struct WriterEdgeTests {
  private func schema(_ type: LeafType, isRequired: Bool = false) -> ParquetSchema {
    ParquetSchema([ParquetField("v", .leaf(type), fieldID: 1, isRequired: isRequired)])
  }

  private func text(_ string: String) -> WriterValue { .bytes(Array(string.utf8)) }

  /// Files without rows, with one row, with only nulls or only NaNs, with signed zeros, extremes, empty and long values
  /// read back, and their bounds are right.
  @Test func unusualColumns() throws {
    var judge = try WriterJudge()
    let long = String(repeating: "ä", count: 70_000)
    let cases: [(String, LeafType, [WriterValue])] = [
      ("no-rows", .int64, []), ("one-null", .string, [.null]), ("one-value", .double, [.number(1.5)]),
      ("all-null", .decimal(precision: 20, scale: 2), Array(repeating: .null, count: 500)),
      ("all-nan", .double, Array(repeating: .number(.nan), count: 50)),
      ("nan-page", .float, Array(repeating: .number(.nan), count: 100) + [.number(1), .null]),
      ("zeros", .double, [.number(0), .number(-0.0)]), ("positive-zero", .double, [.number(0), .number(3)]),
      ("negative-zero", .float, [.number(-0.0), .number(-3)]),
      ("infinities", .double, [.number(.infinity), .number(-.infinity), .number(.nan)]),
      ("extremes", .int64, [.integer(.min), .integer(.max), .integer(0), .integer(-1)]),
      ("empty-text", .string, [text(""), text(""), .null]), ("long-text", .string, [text(long), text(long + "b")]),
      ("maximal-text", .string, [text(String(repeating: "\u{10FFFF}", count: 40))]),
      ("before-surrogates", .string, [text(String(repeating: "\u{D7FF}", count: 40))]),
      ("maximal-binary", .binary, [.bytes(Array(repeating: 0xFF, count: 2000)), .bytes([1])]),
      ("long-binary", .binary, [.bytes(Array(repeating: 0xFE, count: 2000)), .bytes([])]),
      ("same", .boolean, Array(repeating: .boolean(true), count: 20_000))
    ]
    for (name, type, values) in cases {
      for isCompact in [false, true] {
        var given = WriterJudge.Case(
          name: "\(name)-\(isCompact)", schema: schema(type), rows: values.map { [$0] })
        given.options.encodings = isCompact ? .all : .compatible
        given.options.dataPageVersion = isCompact ? .v2 : .v1
        given.options.pageRows = 100
        given.options.statisticsBytes = name.hasPrefix("maximal") ? 8 : 64
        given.options.boundBytes = 1 << 20
        try judge.add(given)
      }
    }
    #expect(try judge.verdict() == [])
  }

  /// A dictionary that grows too large is given up in the middle of a page, and what was coded before stays readable,
  /// for numbers and for text, with bloom filters that know all values.
  @Test func dictionariesThatOverflow() throws {
    var judge = try WriterJudge()
    for (name, type) in [
      ("numbers", LeafType.int64), ("decimals", .decimal(precision: 25, scale: 1)), ("texts", .string)
    ] {
      for encodings in [ParquetWriterOptions.Encodings.compatible, .all] {
        let values: [WriterValue] = (0..<6000).map { index in
          let value = index < 3000 ? index % 40 : index
          switch type {
          case .int64: return .integer(Int64(value) * 1_000_003)
          case .string: return text("sensor \(value) with a long name")
          default: return .decimal(Int128(value) * 1_000_000_007)
          }
        }
        var given = WriterJudge.Case(
          name: "\(name)-\(encodings.rawValue)", schema: schema(type), rows: values.map { [$0] })
        given.options.pageRows = 1000
        given.options.dictionaryBytes = 8000
        given.options.encodings = encodings
        given.hasBloomFilters = true
        given.batches = [0..<2500, 2500..<3700, 3700..<6000]
        try judge.add(given)
      }
    }
    #expect(try judge.verdict() == [])
  }

  private func encodings(_ values: [WriterValue], _ type: LeafType, _ change: (inout ParquetWriterOptions) -> Void)
    throws -> [Encoding]
  {
    var options = ParquetWriterOptions()
    change(&options)
    let schema = schema(type)
    let writer = try ParquetWriter(schema: schema, options: options, output: MemoryOutput())
    try writer.write([WriterColumns.array(values, schema.fields[0])])
    return try writer.finish().metadata.rowGroups[0].columns[0].encodings
  }

  /// The encoding follows from the data: dictionaries for few values, differences for steady times, prefixes for
  /// sorted names, split bytes for noise of one magnitude; and only plain ones unless others are allowed.
  @Test func encodingsFollowTheData() throws {
    var generator = WriterGenerator(seed: 5)
    let times: [WriterValue] = (0..<20_000).map { .integer(1_767_882_600_000_000 + Int64($0) * 1000) }
    let names: [WriterValue] = (0..<20_000).map { text("warehouse/section/\(1_000_000 + $0)") }
    let noise: [WriterValue] = (0..<20_000).map { _ in .number(Double.random(in: 20...21, using: &generator)) }
    let few: [WriterValue] = (0..<20_000).map { _ in .number(Double(generator.below(3000)) / 100) }
    let time = LeafType.timestamp(.microseconds, isAdjustedToUTC: true)
    #expect(try encodings(times, time) { $0.encodings = .all } == [.rle, .deltaBinaryPacked])
    #expect(try encodings(names, .string) { $0.encodings = .all } == [.rle, .deltaByteArray])
    #expect(try encodings(noise, .double) { $0.encodings = .all } == [.rle, .byteStreamSplit])
    #expect(try encodings(few, .double) { $0.encodings = .all } == [.plain, .rle, .rleDictionary])
    for (values, type) in [(times, time), (names, .string), (noise, .double)] {
      #expect(try encodings(values, type) { _ in } == [.plain, .rle])
    }
    #expect(try encodings(few, .double) { $0.usesDictionary = false } == [.plain, .rle])
  }

  /// Text that is not UTF-8 is written as it is, and bounds that would not be text are left out.
  @Test func invalidText() throws {
    let output = MemoryOutput()
    let writer = try ParquetWriter(schema: schema(.string), output: output)
    try writer.write([WriterColumns.array([.bytes([0xFF, 0xFE]), text("a")], schema(.string).fields[0])])
    let result = try writer.finish()
    #expect(result.leaves[0].minimum == nil && result.leaves[0].maximum == nil)
    #expect(result.metadata.rowGroups[0].columns[0].statistics.maximum == nil)
    #expect(result.metadata.rowGroups[0].columns[0].columnIndexOffset == nil)
    #expect(result.fileSize == Int64(output.bytes.count))
  }

  private func failure(_ type: LeafType, _ storage: Column.Storage, _ validity: Bitmap? = nil, isRequired: Bool = false)
    throws -> ParquetError?
  {
    let writer = try ParquetWriter(schema: schema(type, isRequired: isRequired), output: MemoryOutput())
    let column = ParquetArray.leaf(Column(type.columnType, storage, validity: validity))
    let error = #expect(throws: ParquetError.self) { try writer.write([column]) }
    // A writer that failed takes nothing more, rather than a file that lacks rows.
    #expect(throws: ParquetError.self) { try writer.finish() }
    return error
  }

  /// Values that a leaf cannot hold are errors that name the column, not wrong numbers.
  @Test func valuesThatDoNotFit() throws {
    let decimal = LeafType.decimal(precision: 5, scale: 2)
    for number in [
      Numeric(unscaled: 100_000, scale: 2), Numeric(unscaled: 12_345, scale: 3),
      Numeric(unscaled: 1, scale: Numeric.nanScale), Numeric(unscaled: 1000, scale: 0),
      Numeric(unscaled: Int128.max, scale: 0)
    ] {
      let error = try failure(decimal, .numeric([number]))
      #expect(error?.kind == .invalid && error?.message.contains("column v") == true)
    }
    #expect(try failure(.decimal(precision: 38, scale: 10), .numeric([Numeric(unscaled: .max / 2, scale: 0)])) != nil)
    #expect(try failure(.int32(bits: 8), .int64([1, 128]))?.message.contains("128") == true)
    #expect(try failure(.date, .int64([1 << 31])) != nil)
    #expect(try failure(.time(.microseconds, isAdjustedToUTC: true), .int64([-1])) != nil)
    #expect(try failure(.float, .float64([1e300])) != nil)
    #expect(try failure(.fixed(length: 3), .bytes(ByteValues(offsets: [0, 2], bytes: [1, 2]))) != nil)
    #expect(try failure(.binary, .bytes(ByteValues(offsets: [0, 2, 1], bytes: [1, 2]))) != nil)
    #expect(try failure(.uuid, .int64([1]))?.message.contains("uuid") == true)
    let null = try failure(.int64, .int64([1, 2, 3]), Bitmap([true, true, false]), isRequired: true)
    #expect(null?.message == "column v is required, but row 2 of the batch is null")
  }

  /// Numbers with another scale are rescaled when they are exactly representable.
  @Test func decimalsAreRescaled() throws {
    let writer = try ParquetWriter(schema: schema(.decimal(precision: 5, scale: 2)), output: MemoryOutput())
    let numbers = [
      Numeric(unscaled: 7, scale: 0), Numeric(unscaled: -12_300, scale: 4), Numeric(unscaled: 0, scale: 30)
    ]
    try writer.write([.leaf(Column(.numeric, .numeric(numbers)))])
    let leaf = try writer.finish().leaves[0]
    #expect(leaf.minimum == [0x85, 0xFF, 0xFF, 0xFF])  // -1.23
    #expect(leaf.maximum == [0xBC, 0x02, 0, 0])  // 7.00
  }

  /// A null within a required nested field is an error that names the path and the row.
  @Test func nullInRequiredElement() throws {
    let element = ParquetField("element", .leaf(.int64), isRequired: true)
    let schema = ParquetSchema([ParquetField("tags", .list(element: element))])
    let writer = try ParquetWriter(schema: schema, output: MemoryOutput())
    let values = ParquetArray.leaf(Column(.bigint, .int64([1, 2, 3]), validity: Bitmap([true, true, false])))
    let error = #expect(throws: ParquetError.self) {
      try writer.write([.list(offsets: [0, 1, 1, 3], validity: nil, element: values)])
    }
    #expect(error?.message == "column tags.list.element is required, but is null in row 2 of those written")
  }

  /// Arrays that do not fit the schema or each other, and rows that are not there, are refused before anything is
  /// written; the writer goes on.
  @Test func shapesThatDoNotFit() throws {
    let field = ParquetField("a", .leaf(.int64))
    let schema = ParquetSchema([field, ParquetField("b", .leaf(.int64))])
    let writer = try ParquetWriter(schema: schema, output: MemoryOutput())
    let two = ParquetArray.leaf(Column(.bigint, .int64([1, 2])))
    let three = ParquetArray.leaf(Column(.bigint, .int64([1, 2, 3])))
    #expect(throws: ParquetError.self) { try writer.write([two]) }
    #expect(throws: ParquetError.self) { try writer.write([two, three]) }
    #expect(throws: ParquetError.self) { try writer.write([two, two], rows: [0, 2]) }
    #expect(throws: ParquetError.self) { try writer.write([two, two], rows: [-1]) }
    #expect(throws: ParquetError.self) { try writer.write([two, two], rows: 1..<3) }
    try writer.write([two, two], rows: [1, 1, 0])
    #expect(try writer.finish().metadata.rowCount == 3)
    #expect(throws: ParquetError.self) { try writer.write([two, two]) }
    for bad in [
      ParquetSchema([]), ParquetSchema([field, field]), ParquetSchema([ParquetField("g", .group([]))]),
      self.schema(.unsigned(bits: 8)), self.schema(.decimal(precision: 39, scale: 0)), self.schema(.fixed(length: 0)),
      ParquetSchema([ParquetField("m", .map(key: field, value: field))])
    ] {
      #expect(throws: ParquetError.self) { try ParquetWriter(schema: bad, output: MemoryOutput()) }
    }
  }

  /// Row groups end at their size, so memory stays bounded, and the result says where each begins.
  @Test func rowGroupsEndAtTheirSize() throws {
    var generator = WriterGenerator(seed: 9)
    var options = ParquetWriterOptions()
    options.rowGroupBytes = 1 << 20
    let writer = try ParquetWriter(schema: schema(.uuid), options: options, output: MemoryOutput())
    var most = 0
    for _ in 0..<100 {
      let values = (0..<4096).map { _ in UUIDValue(high: generator.next(), low: generator.next()) }
      try writer.write([.leaf(Column(.uuid, .uuid(values)))])
      most = max(most, writer.bufferedBytes)
    }
    let size = writer.bytesWritten
    let result = try writer.finish()
    #expect(most < 2 << 20)
    #expect((5...8).contains(result.splitOffsets.count))
    #expect(result.splitOffsets == result.metadata.rowGroups.map { $0.columns[0].startOffset })
    #expect(abs(size - result.fileSize) < result.fileSize / 20)
  }

  /// An abandoned file is gone, and a finished one is not replaced unless asked.
  @Test func filesOnDisk() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    let writer = try ParquetWriter(schema: schema(.int64), output: FileOutput(path: path))
    writer.abandon()
    #expect(!FileManager.default.fileExists(atPath: path))
    let second = try ParquetWriter(schema: schema(.int64), output: FileOutput(path: path))
    let size = try second.finish().fileSize
    second.abandon()  // Too late: the file is whole.
    #expect(FileManager.default.contents(atPath: path)?.count == Int(size))
    #expect(throws: ParquetError.self) { try FileOutput(path: path) }
    try FileManager.default.removeItem(atPath: path)
  }

  /// XXH64 gives the published values (xxHash specification; its reference implementation's self-test).
  @Test func hashVectors() {
    func hash(_ text: String) -> UInt64 { Array(text.utf8).withUnsafeBytes { XXHash64.hash($0) } }
    #expect(hash("") == 0xEF46_DB37_51D8_E999)
    #expect(hash("a") == 0xD24E_C4F1_A98C_6E5B)
    #expect(hash("abc") == 0x44BC_2CF5_AD77_0999)
    #expect(hash("Nobody inspects the spammish repetition") == 0xFBCE_A83C_8A37_8BF1)
    let word: UInt64 = 0x0123_4567_89AB_CDEF
    #expect(XXHash64.hash(word) == withUnsafeBytes(of: word.littleEndian) { XXHash64.hash($0) })
    let half: UInt32 = 0x89AB_CDEF
    #expect(XXHash64.hash(half) == withUnsafeBytes(of: half.littleEndian) { XXHash64.hash($0) })
  }
}
