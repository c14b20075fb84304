import Columnar
import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite(.fewAtOnce) struct ManifestTests {
  /// A column of each type that a partition may be made of.
  static let types: [IcebergType] = [
    .boolean, .int, .long, .float, .double, .decimal(precision: 9, scale: 2), .decimal(precision: 38, scale: 10), .date,
    .time, .timestamp, .timestamptz, .string, .uuid, .fixed(length: 5), .binary
  ]
  static let nanoTypes: [IcebergType] = [.timestampNanos, .timestamptzNanos]

  static func table(_ types: [IcebergType]) -> (schema: TableSchema, spec: PartitionSpec) {
    let fields = types.enumerated().map { NestedField(id: $0 + 1, name: "c \($0)", type: $1) }
    var partition = types.indices.map {
      PartitionField(sourceID: $0 + 1, fieldID: 1000 + $0, name: "p-\($0)", transform: .identity)
    }
    partition.append(PartitionField(sourceID: 10, fieldID: 1100, name: "day", transform: .day))
    partition.append(PartitionField(sourceID: 10, fieldID: 1101, name: "hour", transform: .hour))
    partition.append(PartitionField(sourceID: 12, fieldID: 1102, name: "bucket", transform: .bucket(16)))
    partition.append(PartitionField(sourceID: 12, fieldID: 1103, name: "3rd", transform: .truncate(3)))
    partition.append(PartitionField(sourceID: 1, fieldID: 1104, name: "gone", transform: .void))
    return (TableSchema(schemaID: 3, fields: fields), PartitionSpec(specID: 4, fields: partition))
  }

  static func literal(_ type: IcebergType, _ generator: inout SeededNumbers) -> Literal {
    let bits = Int64(bitPattern: generator.next())
    let bytes = (0..<5).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return switch type {
    case .boolean: .boolean(bits & 1 == 0)
    case .int: .int(Int32(truncatingIfNeeded: bits))
    case .long: .long(bits)
    case .float: .float(Float(bits >> 40) / 7)
    case .double: .double(Double(bits) / 7)
    case .decimal(let precision, let scale):
      .decimal(unscaled: Int128(bits % 999_999_999) * (precision > 9 ? 1 << 60 : 1), scale: scale)
    case .date: .date(Int32(bits % 100_000))
    case .time: .time(abs(bits % 86_400_000_000))
    case .timestamp: .timestamp(bits % 4_000_000_000_000_000)
    case .timestamptz: .timestamptz(bits % 4_000_000_000_000_000)
    case .timestampNanos: .timestampNanos(bits)
    case .timestamptzNanos: .timestamptzNanos(bits)
    case .string: .string("é\(bits % 1000)ß")
    case .uuid: .uuid(UUIDValue(high: generator.next(), low: generator.next()))
    case .fixed: .fixed(bytes)
    default: .binary(Array(bytes.prefix(Int(bits & 3))))
    }
  }

  static func tuple(_ types: [IcebergType], _ generator: inout SeededNumbers) -> PartitionTuple {
    var values: [Literal?] = types.map { Int.random(in: 0...4, using: &generator) == 0 ? nil : literal($0, &generator) }
    values += [
      .date(Int32.random(in: -5...20000, using: &generator)), .int(Int32.random(in: -5...400_000, using: &generator)),
      .int(Int32.random(in: 0..<16, using: &generator)), .string("abc"), nil
    ]
    return PartitionTuple(values)
  }

  static func file(_ index: Int, _ spec: PartitionSpec, _ partition: PartitionTuple) -> DataFile {
    var file = DataFile(
      filePath: "s3://bucket/é/data/\(index).parquet", specID: spec.specID, partition: partition,
      recordCount: Int64(index * 3 + 1), fileSizeInBytes: Int64(1000 + index))
    file.columnSizes = [1: 10, 2: 20]
    file.valueCounts = [1: 5, 2: 5]
    file.nullValueCounts = [1: 0, 2: 5]
    file.nanValueCounts = [:]
    file.lowerBounds = [3: [1, 0, 0, 0, 0, 0, 0, 0], 12: Array("é".utf8)]
    file.upperBounds = [3: [9, 0, 0, 0, 0, 0, 0, 0]]
    file.keyMetadata = index % 2 == 0 ? [1, 2] : nil
    file.splitOffsets = [4, 900]
    file.sortOrderID = 0
    return file
  }

  /// A manifest with entries of all statuses and a list that holds it.
  static func write(
    _ version: Int, types: [IcebergType], directory: String, codec: AvroCodec = .deflate
  ) throws -> (list: [UInt8], output: ManifestListWriter.Output, bytes: [UInt8], entries: [ManifestEntry]) {
    var generator = SeededNumbers(seed: UInt64(version))
    let (schema, spec) = table(types)
    var writer = try ManifestWriter(
      formatVersion: version, schema: schema, spec: spec, content: .data, snapshotID: 77, codec: codec)
    var entries: [ManifestEntry] = []
    for index in 0..<60 {
      let status = ManifestEntry.Status(rawValue: index % 3) ?? .added
      let number: Int64? = status == .added ? nil : Int64(3 + index % 2)
      let snapshot: Int64? = status == .added ? nil : 50
      var file = file(index, spec, tuple(types, &generator))
      if version == 3, status == .existing, index > 30 { file.firstRowID = 5000 + Int64(index) }
      let entry = ManifestEntry(
        status: status, snapshotID: snapshot, sequenceNumber: number, fileSequenceNumber: number, file: file)
      try writer.append(entry)
      entries.append(entry)
    }
    let (manifest, bytes) = try writer.finish(path: "\(directory)/m-0.avro")
    var list = try ManifestListWriter(
      formatVersion: version, snapshotID: 77, parentSnapshotID: nil, sequenceNumber: 9,
      firstRowID: version == 3 ? 100 : nil, codec: codec)
    try list.append(manifest)
    let output = try list.finish()
    return (output.bytes, output, bytes, entries)
  }

  @Test("Entries are read as they were written, with what they inherit, for every partition type", arguments: [2, 3])
  func roundTrip(_ version: Int) throws {
    let types = Self.types + (version == 3 ? Self.nanoTypes : [])
    let (schema, spec) = Self.table(types)
    let (list, output, bytes, entries) = try Self.write(version, types: types, directory: "mem")
    let manifests = try ManifestListReader.read(list, path: "list")
    #expect(manifests == output.manifests)
    let manifest = try #require(manifests.first)
    #expect(manifest.manifestLength == Int64(bytes.count) && manifest.sequenceNumber == 9)
    #expect(manifest.minimumSequenceNumber == 3 && manifest.addedSnapshotID == 77)
    #expect([manifest.addedFilesCount, manifest.existingFilesCount, manifest.deletedFilesCount] == [20, 20, 20])
    let read = try ManifestReader.read(bytes, manifest: manifest, specs: [4: spec], schemas: [schema])
    var next: Int64 = 100
    for (entry, original) in zip(read, entries) {
      var expected = original
      expected.snapshotID = expected.snapshotID ?? 77
      expected.sequenceNumber = expected.sequenceNumber ?? 9
      expected.fileSequenceNumber = expected.fileSequenceNumber ?? 9
      if version == 3, expected.status != .deleted, expected.file.firstRowID == nil {
        expected.file.firstRowID = next
        next += expected.file.recordCount
      }
      #expect(entry == expected)
    }
    #expect(read.count == 60)
    let live = try ManifestReader.read(bytes, manifest: manifest, specs: [4: spec], schemas: [schema], liveOnly: true)
    #expect(live.count == 40)
    let rows = (manifest.addedRowsCount ?? 0) + (manifest.existingRowsCount ?? 0)
    #expect(output.addedRows == (version == 3 ? rows : 0))
    #expect(manifest.firstRowID == (version == 3 ? 100 : nil))
  }

  @Test("Partition summaries are those of the values: nulls, NaN, bounds; none of a void field")
  func summaries() throws {
    let schema = TableSchema(fields: [
      NestedField(id: 1, name: "d", type: .double), NestedField(id: 2, name: "i", type: .int)
    ])
    let spec = PartitionSpec(fields: [
      PartitionField(sourceID: 1, fieldID: 1000, name: "d", transform: .identity),
      PartitionField(sourceID: 2, fieldID: 1001, name: "i", transform: .identity)
    ])
    var writer = try ManifestWriter(formatVersion: 2, schema: schema, spec: spec, content: .data, snapshotID: 1)
    for value in [Double.nan, 0.0, -0.0, 2] {
      let file = DataFile(
        filePath: "a", specID: 0, partition: PartitionTuple([.double(value), nil]), recordCount: 1, fileSizeInBytes: 1)
      try writer.append(
        ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file))
    }
    let manifest = try writer.finish(path: "m").manifest
    let expected = [
      PartitionFieldSummary(
        containsNull: false, containsNaN: true, lowerBound: Literal.double(-0.0).binary,
        upperBound: Literal.double(2).binary),
      PartitionFieldSummary(containsNull: true, containsNaN: false, lowerBound: nil, upperBound: nil)
    ]
    #expect(manifest.partitions == expected)
    #expect(manifest.sequenceNumber == -1 && manifest.minimumSequenceNumber == -1)
  }

  @Test("pyiceberg and fastavro read manifests and lists of version 2 and 3 with the same values", arguments: [2, 3])
  func pyiceberg(_ version: Int) throws {
    try ManifestJudge.withDirectory { directory in
      let types = Self.types
      let (list, output, bytes, entries) = try Self.write(version, types: types, directory: directory)
      try ManifestJudge.write(bytes, "\(directory)/m-0.avro")
      try ManifestJudge.write(list, "\(directory)/list.avro")
      let manifests = try ManifestJudge.run(["pyiceberg", "\(directory)/list.avro"]).arrayValue ?? []
      let manifest = try #require(manifests.first)
      #expect(try manifest.integer("sequence") == 9 && manifest.integer("min") == 3)
      #expect(try manifest.array("counts").compactMap(\.integerValue) == [20, 20, 20])
      #expect(try manifest.integer("length") == output.manifests[0].manifestLength)
      let read = try manifest.array("entries")
      #expect(read.count == 60)
      for (entry, original) in zip(read, entries) {
        #expect(try entry.string("path") == original.file.filePath)
        #expect(try entry.string("format") == "PARQUET" && entry.integer("content") == 0)
        #expect(try entry.integer("sequence") == original.sequenceNumber ?? 9)
        #expect(try entry.integer("rows") == original.file.recordCount)
        #expect(try entry.required("value_counts")["2"] == .integer(5))
        #expect(try entry.required("lower")["12"]?["hex"] == .string("c3a9"))
        let partition = try entry.array("partition")
        #expect((partition[0] == .null) == (original.file.partition.values[0] == nil))
        if case .string(let text)? = original.file.partition.values[11] { #expect(partition[11] == .string(text)) }
        if case .long(let number)? = original.file.partition.values[2] { #expect(partition[2] == .integer(number)) }
        if case .decimal? = original.file.partition.values[6] {
          #expect(partition[6].stringValue?.isEmpty == false)
        }
      }
      let raw = try ManifestJudge.run(["avro", "\(directory)/m-0.avro", "\(directory)/list.avro"]).arrayValue ?? []
      #expect(try raw[0].required("metadata").string("content") == "data")
      #expect(try raw[0].required("metadata").string("schema-id") == "3")
      #expect(try raw[1].required("metadata").string("parent-snapshot-id") == "null")
      #expect(try raw[0].array("rows").count == 60)
    }
  }

  @Test("A table of pyiceberg has the same live files, partitions and bounds as pyiceberg plans")
  func writtenByPyiceberg() throws {
    try ManifestJudge.withDirectory { directory in
      let answer = try ManifestJudge.run(["pyiceberg-write", directory])
      let schema = try TableSchema(json: try JSONValue(parsing: try answer.string("schema")))
      let spec = try PartitionSpec(
        json: try JSONValue(parsing: try #require(try answer.array("specs").first?.stringValue)))
      let list = try answer.string("list")
      var live: [ManifestEntry] = []
      for manifest in try ManifestListReader.read(try ManifestJudge.read(list), path: list) {
        live += try ManifestReader.read(
          try ManifestJudge.read(manifest.manifestPath), manifest: manifest, specs: [0: spec], schemas: [schema],
          liveOnly: true)
      }
      live.sort { $0.file.filePath < $1.file.filePath }
      let plan = try answer.array("plan")
      try #require(live.count == plan.count && live.count == 9)
      for (entry, expected) in zip(live, plan) {
        #expect(try entry.file.filePath == expected.string("path"))
        #expect(try entry.file.recordCount == expected.integer("rows"))
        let values = try expected.array("partition")
        #expect(entry.file.partition.values[0]?.integer == values[0].integerValue)
        #expect(entry.file.partition.values[1] == values[1].stringValue.map { .string($0) })
        #expect(entry.file.partition.values[2] == values[2].integerValue.map { .date(Int32($0)) })
        #expect(entry.file.partition.values[3]?.json.stringValue == values[3].stringValue)
        #expect(entry.file.partition.values[4]?.integer == values[4].integerValue)
        let lower = try expected.required("lower").string("1", "hex")
        #expect(entry.file.lowerBounds?[1]?.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == lower)
      }
    }
  }

  @Test("Files that are partitioned by a transform that is not known are read with their values, and never left out")
  func unknownTransform() throws {
    let schema = TableSchema(fields: [NestedField(id: 1, name: "a", type: .string)])
    var spec = PartitionSpec(fields: [PartitionField(sourceID: 1, fieldID: 1000, name: "p", transform: .identity)])
    var writer = try ManifestWriter(formatVersion: 3, schema: schema, spec: spec, content: .data, snapshotID: 1)
    let file = DataFile(
      filePath: "x", specID: 0, partition: PartitionTuple([.string("v")]), recordCount: 1, fileSizeInBytes: 1)
    try writer.append(
      ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file))
    var (manifest, bytes) = try writer.finish(path: "m")
    manifest.sequenceNumber = 1
    spec.fields[0].transform = .unknown("zorder")
    spec.fields[0].sourceIDs = [1, 2]
    let read = try ManifestReader.read(bytes, manifest: manifest, specs: [0: spec], schemas: [schema])
    #expect(read.map(\.file.partition) == [file.partition])
    let evaluator = InclusiveMetricsEvaluator(
      .compare(1, .equal, .string("other")), specs: [0: spec], schemas: [schema])
    #expect(evaluator.mayMatch(manifest) && evaluator.mayMatch(read[0].file))
  }

  @Test("Entries that do not fit a manifest are refused, and leave it as it was")
  func refusals() throws {
    let spec = PartitionSpec()
    let schema = TableSchema(fields: [NestedField(id: 1, name: "a", type: .int)])
    var writer = try ManifestWriter(formatVersion: 2, schema: schema, spec: spec, content: .data, snapshotID: 1)
    let file = DataFile(filePath: "x", specID: 0, partition: PartitionTuple(), recordCount: 1, fileSizeInBytes: 1)
    var deletes = file
    deletes.content = .positionDeletes
    var otherSpec = file
    otherSpec.specID = 1
    let wrong = [
      ManifestEntry(status: .existing, snapshotID: 1, sequenceNumber: nil, fileSequenceNumber: nil, file: file),
      ManifestEntry(status: .added, snapshotID: 1, sequenceNumber: nil, fileSequenceNumber: 1, file: file),
      ManifestEntry(status: .added, snapshotID: 1, sequenceNumber: nil, fileSequenceNumber: nil, file: deletes),
      ManifestEntry(status: .added, snapshotID: 1, sequenceNumber: nil, fileSequenceNumber: nil, file: otherSpec)
    ]
    for entry in wrong { #expect(throws: IcebergError.self) { try writer.append(entry) } }
    #expect(writer.isEmpty)
    var vectors = try ManifestWriter(formatVersion: 3, schema: schema, spec: spec, content: .deletes, snapshotID: 1)
    #expect(throws: IcebergError.self, "version 3 takes no new position delete files") {
      try vectors.append(
        ManifestEntry(status: .added, snapshotID: 1, sequenceNumber: nil, fileSequenceNumber: nil, file: deletes))
    }
    try vectors.append(
      ManifestEntry(status: .existing, snapshotID: 1, sequenceNumber: 1, fileSequenceNumber: 1, file: deletes))
    let unknown = PartitionSpec(fields: [
      PartitionField(sourceID: 1, fieldID: 1000, name: "p", transform: .unknown("zorder"))
    ])
    #expect(throws: IcebergError.self) {
      try ManifestWriter(formatVersion: 2, schema: schema, spec: unknown, content: .data, snapshotID: 1)
    }
    var list = try ManifestListWriter(formatVersion: 2, snapshotID: 2, parentSnapshotID: nil, sequenceNumber: 1)
    let manifest = try writer.finish(path: "m").manifest
    #expect(throws: IcebergError.self) { try list.append(manifest) }
  }

  @Test("Damaged manifests and lists give errors that name the file, and never end the process")
  func fuzz() throws {
    let (schema, spec) = Self.table(Self.types)
    let (list, output, bytes, _) = try Self.write(2, types: Self.types, directory: "mem", codec: .null)
    var generator = SeededNumbers(seed: 12)
    var failures = 0
    for round in 0..<400 {
      var damaged = round % 2 == 0 ? bytes : list
      for _ in 0..<3 {
        damaged[Int.random(in: 0..<damaged.count, using: &generator)] = UInt8.random(
          in: .min ... .max, using: &generator)
      }
      do {
        if round % 2 == 0 {
          _ = try ManifestReader.read(damaged, manifest: output.manifests[0], specs: [4: spec], schemas: [schema])
        } else {
          _ = try ManifestListReader.read(damaged, path: "mem/list")
        }
      } catch {
        failures += 1
        #expect(error.message.contains("mem/"), "\(error)")
      }
    }
    #expect(failures > 50)
  }
}

extension JSONValue {
  fileprivate func string(_ first: String, _ second: String) throws -> String {
    try required(first).string(second)
  }
}
