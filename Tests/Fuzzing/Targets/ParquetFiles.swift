import Columnar
import Parquet

extension FuzzTarget {
  static let parquet: [FuzzTarget] = [
    FuzzTarget(
      "parquet", weight: 3, memory: (256 << 20, 65_536), dictionary: ["PAR1", "PARE"], seeds: parquetFiles,
      repair: repairFooter, check: checkParquet)
  ]

  private static let limits: ParquetLimits = {
    var limits = ParquetLimits()
    limits.pageBytes = 1 << 22
    limits.batchValues = 1 << 20
    limits.rowGroupRows = 1 << 16
    return limits
  }()

  private static let parquetSchema = ParquetSchema([
    ParquetField("flag", .leaf(.boolean), fieldID: 1), ParquetField("small", .leaf(.int32(bits: 32)), fieldID: 2),
    ParquetField("large", .leaf(.int64), fieldID: 3, isRequired: true),
    ParquetField("number", .leaf(.double), fieldID: 4),
    ParquetField("single", .leaf(.float)), ParquetField("price", .leaf(.decimal(precision: 30, scale: 2)), fieldID: 5),
    ParquetField("text", .leaf(.string), fieldID: 6), ParquetField("bytes", .leaf(.binary)),
    ParquetField("id", .leaf(.uuid)), ParquetField("day", .leaf(.date)),
    ParquetField("at", .leaf(.timestamp(.microseconds, isAdjustedToUTC: true)), fieldID: 7),
    ParquetField("items", .list(element: ParquetField("element", .leaf(.int64)))),
    ParquetField("pair", .group([ParquetField("a", .leaf(.string)), ParquetField("b", .leaf(.int64))])),
    ParquetField(
      "entries",
      .map(key: ParquetField("key", .leaf(.string), isRequired: true), value: ParquetField("value", .leaf(.double))))
  ])

  private static func arrays(rows: Int) -> [ParquetArray] {
    func leaf(_ type: DataType) -> ParquetArray { .leaf(Samples.column(type, rows: rows)) }
    let required = ParquetArray.leaf(Column(.bigint, .int64((0..<Int64(rows)).map { $0 * 1000 })))
    let offsets = (0...Int32(rows)).map { $0 / 2 * 2 }
    let elements = Int(offsets[rows])
    let keys = ParquetArray.leaf(
      Column(
        .text,
        .bytes((0..<elements).reduce(into: ByteValues()) { $0.append(contentsOf: "k\($1)".utf8) })))
    let decimals = (0..<rows).map { Numeric(unscaled: Int128($0) * 12345, scale: 2) }
    return [
      leaf(.boolean), leaf(.integer), required, leaf(.double), leaf(.real),
      .leaf(Column(.numeric(precision: 30, scale: 2), .numeric(decimals))), leaf(.text), leaf(.bytea), leaf(.uuid),
      leaf(.date), leaf(.timestamptz),
      .list(offsets: offsets, validity: nil, element: .leaf(Samples.column(.bigint, rows: elements))),
      .group(count: rows, validity: nil, [leaf(.text), leaf(.bigint)]),
      .map(offsets: offsets, validity: nil, key: keys, value: .leaf(Samples.column(.double, rows: elements)))
    ]
  }

  @Sendable private static func parquetFiles() throws -> [[UInt8]] {
    let codecs: [ParquetCompression] = [.none, .snappy, .gzip(level: 1), .zstd(level: 1)]
    return try codecs.enumerated().flatMap { index, codec in
      try [ParquetWriterOptions.DataPageVersion.v1, .v2].map { version in
        var options = ParquetWriterOptions()
        options.compression = codec
        options.dataPageVersion = version
        options.usesDictionary = index % 2 == 0
        options.encodings = version == .v2 ? .all : .compatible
        // Without checksums damage gets as far as the decoders.
        options.writesPageChecksums = index == 3
        options.pageRows = 20
        options.rowGroupRows = 60
        options.bloomFilters = [.path("text"): BloomFilterOptions(distinctValues: 10)]
        let output = MemoryOutput()
        let writer = try ParquetWriter(schema: parquetSchema, options: options, output: output)
        try writer.write(arrays(rows: 100))
        _ = try writer.finish()
        return output.bytes
      }
    }
  }

  /// The footer's length, and the mark behind it, as they must be for the footer to be read at all.
  @Sendable private static func repairFooter(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let mark = Array("PAR1".utf8)
    if bytes.count < 12 { bytes += [UInt8](repeating: 0, count: 12 - bytes.count) }
    bytes.replaceSubrange(0..<4, with: mark)
    bytes.replaceSubrange((bytes.count - 4)..., with: mark)
  }

  private static func checkParquet(_ bytes: [UInt8]) throws {
    do throws(ParquetError) {
      try readParquet(ParquetFile(MemorySource(bytes), limits: limits))
    } catch {
      try requireMessage(error)
    }
  }

  private static func readParquet(_ file: ParquetFile) throws(ParquetError) {
    for group in file.metadata.rowGroups.indices.prefix(3) {
      for leaf in file.leaves.indices.prefix(100) {
        _ = try file.bounds(rowGroup: group, leaf: leaf)
        do throws(ParquetError) { _ = try file.pageBounds(rowGroup: group, leaf: leaf) } catch {}
        do throws(ParquetError) {
          _ = try file.bloomFilter(rowGroup: group, leaf: leaf)?.mayContain([1, 2, 3])
        } catch {}
      }
      do throws(ParquetError) {
        var part = try file.reader(rowGroup: group, rows: [3..<5, 20..<30])
        while try part.next() != nil {}
      } catch {}
      var reader = try file.reader(rowGroup: group, batchRows: 100)
      var batches = 0
      while batches < 100, try reader.next() != nil { batches += 1 }
    }
  }
}
