import Iceberg

extension FuzzTarget {
  static let iceberg: [FuzzTarget] = [
    FuzzTarget(
      "avro", weight: 6, memory: (64 << 20, 65_536), dictionary: ["Obj\u{1}", "avro.codec"], seeds: avroFiles,
      check: checkAvro),
    FuzzTarget(
      "iceberg-manifest", weight: 6, memory: (64 << 20, 65_536), seeds: manifests, check: checkIcebergManifest),
    FuzzTarget("iceberg-manifest-list", weight: 6, memory: (64 << 20, 65_536), seeds: lists, check: checkList),
    FuzzTarget(
      "table-metadata", shape: .text, weight: 6, dictionary: metadataWords, seeds: { try [metadata().serialized()] },
      check: checkMetadata),
    FuzzTarget(
      "table-metadata-gzip", weight: 4, memory: (384 << 20, 65_536),
      seeds: { try [metadata().serialized(compressed: true)] }, check: checkMetadata),
    FuzzTarget(
      "catalog-json", shape: .text, weight: 8, dictionary: metadataWords, seeds: { catalogJSON }, check: checkJSON),
    FuzzTarget(
      "puffin", weight: 8, memory: (320 << 20, 4096), dictionary: ["PFA1"], seeds: puffins, repair: repairPuffin,
      check: checkPuffin),
    FuzzTarget(
      "deletion-vector", weight: 8, memory: (64 << 20, 65_536), seeds: vectors, repair: repairVector, check: checkVector
    )
  ]

  // MARK: Avro and manifests

  @Sendable private static func avroFiles() throws -> [[UInt8]] {
    let schema = try AvroSchema(
      parsing: """
        {"type":"record","name":"r","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string"]},
        {"name":"c","type":{"type":"array","items":"int"}},{"name":"d","type":{"type":"map","values":"bytes"}},
        {"name":"e","type":{"type":"fixed","name":"f","size":4}},{"name":"g","type":"double"},
        {"name":"h","type":{"type":"enum","name":"en","symbols":["A","B"]}}]}
        """)
    return try AvroCodec.allCases.map { codec in
      var file = AvroFileWriter(schema: schema, codec: codec, marker: [UInt8](repeating: 7, count: 16))
      return try file.finish()
    } + manifests() + lists()
  }

  private static func checkAvro(_ bytes: [UInt8]) throws {
    do throws(IcebergError) {
      var reader = try AvroFileReader(bytes, path: "file.avro", blockLimit: 1 << 22)
      var blocks = 0
      while blocks < 1000, try reader.nextBlock() != nil { blocks += 1 }
      _ = try AvroSchema(parsing: reader.header.schema.text)
    } catch { try requireMessage(error) }
  }

  private static let tableSchema = TableSchema(fields: [
    NestedField(id: 1, name: "a", type: .long, isRequired: true),
    NestedField(id: 2, name: "b", type: .string, isRequired: false),
    NestedField(id: 3, name: "c", type: .timestamptz, isRequired: false),
    NestedField(id: 4, name: "d", type: .decimal(precision: 20, scale: 2), isRequired: false)
  ])

  private static let spec = PartitionSpec(fields: [
    PartitionField(sourceID: 3, fieldID: 1000, name: "c_day", transform: .day),
    PartitionField(sourceID: 2, fieldID: 1001, name: "b", transform: .identity),
    PartitionField(sourceID: 1, fieldID: 1002, name: "a_bucket", transform: .bucket(8))
  ])

  private static func written(_ version: Int, _ codec: AvroCodec) throws -> (manifest: ManifestFile, bytes: [UInt8]) {
    var writer = try ManifestWriter(
      formatVersion: version, schema: tableSchema, spec: spec, content: .data, snapshotID: 5, codec: codec)
    for index in 0..<3 {
      var file = DataFile(
        content: .data, filePath: "s3://b/\(index).parquet", fileFormat: "PARQUET", specID: 0,
        partition: PartitionTuple([.date(19000), index == 1 ? nil : .string("x"), .int(3)]), recordCount: 10,
        fileSizeInBytes: 1000)
      file.columnSizes = [1: 10, 2: 20]
      file.valueCounts = [1: 10]
      file.lowerBounds = [1: [0, 0, 0, 0, 0, 0, 0, 0], 2: [0x61]]
      file.upperBounds = [1: [9, 0, 0, 0, 0, 0, 0, 0], 2: [0x7a]]
      file.splitOffsets = [4]
      try writer.append(
        ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file))
    }
    return try writer.finish(path: "s3://b/m.avro")
  }

  @Sendable private static func manifests() throws -> [[UInt8]] {
    try [2, 3].flatMap { version in try [AvroCodec.null, .deflate].map { try written(version, $0).bytes } }
  }

  @Sendable private static func lists() throws -> [[UInt8]] {
    try [AvroCodec.null, .zstandard].map { codec in
      var list = try ManifestListWriter(
        formatVersion: 2, snapshotID: 5, parentSnapshotID: 4, sequenceNumber: 6, codec: codec)
      try list.append(try written(2, codec).manifest)
      return try list.finish().bytes
    }
  }

  private static func checkIcebergManifest(_ bytes: [UInt8]) throws {
    var manifest = ManifestFile(
      manifestPath: "m.avro", manifestLength: Int64(bytes.count), specID: 0, content: .data, sequenceNumber: 3,
      minimumSequenceNumber: 1, addedSnapshotID: 5)
    manifest.firstRowID = 10
    do throws(IcebergError) {
      let entries = try ManifestReader.read(bytes, manifest: manifest, specs: [0: spec], schemas: [tableSchema])
      let index = try DeleteFileIndex(entries: [], specs: [0: spec], schemas: [tableSchema])
      let evaluator = InclusiveMetricsEvaluator(
        .compare(1, .less, .long(5)), specs: [0: spec], schemas: [tableSchema])
      for entry in entries.prefix(1000) {
        _ = try index.deletes(for: entry)
        _ = evaluator.mayMatch(entry.file)
        _ = spec.path(of: entry.file.partition)
      }
    } catch { try requireMessage(error) }
  }

  private static func checkList(_ bytes: [UInt8]) throws {
    do throws(IcebergError) {
      let evaluator = InclusiveMetricsEvaluator(
        .compare(1, .less, .long(5)), specs: [0: spec], schemas: [tableSchema])
      for manifest in try ManifestListReader.read(bytes, path: "list.avro") { _ = evaluator.mayMatch(manifest) }
    } catch { try requireMessage(error) }
  }

  // MARK: Metadata

  static let metadataWords = [
    "\"format-version\":", "\"current-snapshot-id\":", "\"snapshots\":", "\"refs\":", "\"schemas\":", "\"fields\":",
    "\"id\":",
    "\"type\":", "\"struct\"", "\"list\"", "\"map\"", "\"decimal(38,10)\"", "\"fixed[2147483648]\"", "\"bucket[0]\"",
    "\"truncate[-1]\"", "\"element-id\":", "\"last-column-id\":", "\"action\":", "\"add-snapshot\"",
    "\"last-sequence-number\":"
  ]

  static func metadata() throws -> TableMetadata {
    var table = try TableMetadata.create(
      TableCreation(
        schema: tableSchema, spec: spec,
        sortOrder: SortOrder(orderID: 1, fields: [SortField(sourceID: 1)]), properties: ["a": "b"]),
      location: "s3://bucket/table", uuid: "9c12d441-03fe-4693-9a96-a0705ddf69c1", now: 1_700_000_000_000)
    let snapshot = Snapshot(
      snapshotID: 5, sequenceNumber: 1, timestampMilliseconds: 1_700_000_000_001,
      manifestList: "s3://bucket/table/list.avro", summary: ["operation": "append"], schemaID: 0)
    table = try table.applying(
      [
        .addSnapshot(snapshot),
        .setReference(name: "main", SnapshotReference(snapshotID: 5, kind: .branch))
      ], now: 1_700_000_000_002)
    return table
  }

  private static func checkMetadata(_ bytes: [UInt8]) throws {
    do throws(IcebergError) {
      let table = try TableMetadata(parsing: bytes, location: "v1.metadata.json")
      let again = try TableMetadata(parsing: table.serialized(), location: "again")
      guard again == table else { throw IcebergError(.invalid, "changed") }
      for schema in table.schemas { _ = try schema.parquetSchema() }
      _ = try table.nameMapping()
      _ = table.metricsModes(table.schemas.first ?? tableSchema)
    } catch {
      try requireMessage(error)
      try require(error.message != "changed", "metadata that changes when it is written again")
    }
  }

  private static var catalogJSON: [[UInt8]] {
    [
      #"{"requirements":[{"type":"assert-table-uuid","uuid":"x"},{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":5}],"updates":[{"action":"set-properties","updates":{"a":"b"}},{"action":"add-schema","schema":{"type":"struct","schema-id":1,"fields":[{"id":1,"name":"a","type":"long","required":false}]}},{"action":"upgrade-format-version","format-version":3}]}"#,
      #"{"name":"t","location":"s3://b/t","schema":{"type":"struct","fields":[{"id":1,"name":"m","type":{"type":"map","key-id":2,"key":"string","value-id":3,"value":{"type":"list","element-id":4,"element":"decimal(9,2)","element-required":true}},"required":true}]},"partition-spec":{"spec-id":0,"fields":[{"source-id":1,"field-id":1000,"name":"p","transform":"bucket[4]"}]},"write-order":{"order-id":1,"fields":[{"source-id":1,"transform":"identity","direction":"asc","null-order":"nulls-first"}]},"properties":{}}"#,
      #"{"namespace":["a","b"],"name":"t"}"#, #"[{"field-id":1,"names":["a","b"],"fields":[]}]"#,
      "day(c), bucket(8, a), truncate(3, b)", "a DESC NULLS LAST, bucket(8, b)", "decimal(10, 2)", "fixed[16]"
    ].map { Array($0.utf8) }
  }

  private static func checkJSON(_ bytes: [UInt8]) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    func attempt(_ body: () throws(IcebergError) -> Void) throws {
      do throws(IcebergError) { try body() } catch { try requireMessage(error) }
    }
    try attempt { () throws(IcebergError) in _ = try PartitioningText.parseSpec(text, schema: tableSchema) }
    try attempt { () throws(IcebergError) in _ = try PartitioningText.parseSortOrder(text, schema: tableSchema) }
    try attempt { () throws(IcebergError) in _ = try IcebergType(parsing: text) }
    try attempt { () throws(IcebergError) in _ = try Transform(parsing: text) }
    try attempt { () throws(IcebergError) in _ = try NameMapping(parsing: text) }
    try attempt { () throws(IcebergError) in _ = try AvroSchema(parsing: text) }
    guard let json = try? JSONValue(parsing: bytes) else { return }
    try require(
      (try? JSONValue(parsing: json.text)) == json, "JSON that changes when it is written again: \(json.text)")
    try attempt { () throws(IcebergError) in
      let creation = try TableCreation(json: json)
      _ = try TableMetadata.create(creation, location: "s3://b/t", uuid: "u", now: 1)
    }
    try attempt { () throws(IcebergError) in _ = try TableIdentifier(json: json) }
    try attempt { () throws(IcebergError) in
      let commit = try TableCommit(json: json, identifier: TableIdentifier(Namespace(["a"]), "t"))
      let table = try metadataForCommits.get()
      try table.check(commit.requirements)
      _ = try table.applying(commit.updates, now: 1_700_000_000_003)
    }
  }

  private static let metadataForCommits: Result<TableMetadata, IcebergError> = {
    do { return .success(try metadata()) } catch { return .failure(IcebergError(.invalid, "\(error)")) }
  }()

  // MARK: Deletes

  private static let positions = PositionSet([0, 1, 5, 70_000, 1 << 33])

  @Sendable private static func puffins() throws -> [[UInt8]] {
    var writer = PuffinWriter()
    _ = try writer.appendDeletionVector(positions, referencedDataFile: "s3://b/1.parquet")
    var ranges = PositionSet()
    ranges.insert(contentsOf: 10..<100_000)
    _ = try writer.appendDeletionVector(ranges, referencedDataFile: "s3://b/2.parquet")
    return [writer.finish(), PuffinWriter().emptyFile]
  }

  @Sendable private static func repairPuffin(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let mark = Array("PFA1".utf8)
    if bytes.count < 20 { bytes += [UInt8](repeating: 0, count: 20 - bytes.count) }
    bytes.replaceSubrange(0..<4, with: mark)
    bytes.replaceSubrange((bytes.count - 4)..., with: mark)
  }

  private static func checkPuffin(_ bytes: [UInt8]) throws {
    do throws(IcebergError) {
      let file = try PuffinFile.read(bytes, path: "a.puffin")
      for blob in file.blobs.prefix(100) {
        let content = try PuffinFile.content(of: blob, in: bytes, path: "a.puffin")
        _ = try DeletionVector.decode(content, source: "a.puffin")
      }
    } catch { try requireMessage(error) }
  }

  @Sendable private static func vectors() throws -> [[UInt8]] {
    var ranges = PositionSet()
    ranges.insert(contentsOf: 10..<200_000)
    var dense = PositionSet()
    for position in stride(from: Int64(0), to: 60_000, by: 3) { _ = dense.insert(position) }
    return [positions, ranges, dense, PositionSet([])].map { DeletionVector.encode($0) }
  }

  /// Length and checksum as they must be for the bitmap to be read.
  @Sendable private static func repairVector(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard bytes.count >= 12 else { return }
    func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    bytes.replaceSubrange(0..<4, with: bigEndian(UInt32(bytes.count - 8)))
    bytes.replaceSubrange(4..<8, with: [0xD1, 0xD3, 0x39, 0x64])
    var checksum = UInt32.max
    for byte in bytes[4..<bytes.count - 4] {
      checksum ^= UInt32(byte)
      for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 0 ? 0 : 0xEDB8_8320) }
    }
    bytes.replaceSubrange((bytes.count - 4)..., with: bigEndian(~checksum))
  }

  private static func checkVector(_ bytes: [UInt8]) throws {
    do throws(IcebergError) {
      let set = try DeletionVector.decode(bytes, source: "a.puffin")
      let again = try DeletionVector.decode(DeletionVector.encode(set), source: "again", cardinality: set.count)
      guard again == set else { throw IcebergError(.invalid, "changed") }
    } catch {
      try requireMessage(error)
      try require(error.message != "changed", "a deletion vector that changes when it is written again")
    }
  }
}

extension PuffinWriter {
  /// A file without blobs.
  fileprivate var emptyFile: [UInt8] {
    var writer = self
    return writer.finish()
  }
}
