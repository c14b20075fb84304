import Iceberg

private let fileCount = 1_000
private let snapshotID: Int64 = 5_938_122_338_774_118_905

/// Manifests of data files with metrics of every column, uncompressed and compressed; compared with the same Avro bytes
/// appended by hand.
func registerManifests() {
  for codec in [AvroCodec.null, .deflate] {
    measure("manifest/\(codec == .null ? "plain" : codec.rawValue)", units: fileCount) {
      dataFiles()
    } work: { files in
      try write(files, codec)
    } check: { files, written in
      try expect(written.manifest.addedFilesCount, fileCount, "added files")
      let read = try ManifestReader.read(
        written.bytes, manifest: written.manifest, specs: [0: spec], schemas: [schema])
      try expect(read.map(\.file), files, "files of the manifest")
    }
  }
  measure("manifest/by-hand", units: fileCount) {
    let files = dataFiles()
    return (files, try write(files, .null).bytes)
  } work: { files, _ in
    files.map { entryByHand($0) }
  } check: { input, entries in
    // Blocks of about 64 KiB, each begun with its sizes: an entry lies whole in the file, the first behind the header.
    let (manifest, first) = (input.1, entries[0])
    let isThere = (0...manifest.count - first.count).contains { manifest[$0..<$0 + first.count].elementsEqual(first) }
    try expect(isThere, true, "the first entry by hand is in the manifest")
    let size = entries.reduce(0) { $0 + $1.count }
    try expect((size...size + 16_384).contains(manifest.count), true, "the manifest has the size of its entries")
  }
}

private let schema = TableSchema(fields: [
  NestedField(id: 1, name: "sensor_id", type: .string, isRequired: true),
  NestedField(id: 2, name: "temperature", type: .double), NestedField(id: 3, name: "humidity", type: .double),
  NestedField(id: 4, name: "ts", type: .timestamptz, isRequired: true), NestedField(id: 5, name: "site", type: .string),
  NestedField(id: 6, name: "status", type: .string)
])
private let spec = PartitionSpec(
  specID: 0, fields: [PartitionField(sourceID: 4, fieldID: 1_000, name: "ts_hour", transform: .hour)])

private func dataFiles() -> [DataFile] {
  (0..<fileCount).map { index in
    let rows = Int64(100_000 + index)
    var file = DataFile(
      filePath: "s3://warehouse/telemetry/readings/data/ts_hour=2026-01-08-14/00000-\(index)-9b2c1d.parquet", specID: 0,
      partition: PartitionTuple([.int(Int32(491_078 + index / 100))]), recordCount: rows, fileSizeInBytes: rows * 6)
    file.columnSizes = counts(rows)
    file.valueCounts = counts(rows)
    file.nullValueCounts = counts(0)
    file.nanValueCounts = [2: 0, 3: 0]
    file.lowerBounds = bounds(index, sensor: "s-000000", site: "plant-00")
    file.upperBounds = bounds(index + 1, sensor: "s-009999", site: "plant-49")
    file.splitOffsets = [4]
    file.sortOrderID = 0
    return file
  }
}

private func counts(_ value: Int64) -> [Int: Int64] {
  Dictionary(uniqueKeysWithValues: (1...6).map { ($0, value) })
}

private func bounds(_ index: Int, sensor: String, site: String) -> [Int: [UInt8]] {
  func little(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) } }
  return [
    1: Array(sensor.utf8), 2: little((15 + Double(index)).bitPattern), 3: little((20 + Double(index)).bitPattern),
    4: little(UInt64(Telemetry.start) * 1_000 + UInt64(index)), 5: Array(site.utf8), 6: Array("ok".utf8)
  ]
}

private func write(_ files: [DataFile], _ codec: AvroCodec) throws -> (manifest: ManifestFile, bytes: [UInt8]) {
  var writer = try ManifestWriter(
    formatVersion: 2, schema: schema, spec: spec, content: .data, snapshotID: snapshotID, codec: codec)
  for file in files {
    try writer.append(
      ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file))
  }
  return try writer.finish(path: "s3://warehouse/telemetry/readings/metadata/m-0.avro")
}

/// The Avro bytes of an added file (Iceberg specification, "Manifests", version 2).
private func entryByHand(_ file: DataFile) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(512)
  append(1, to: &bytes)
  appendOptional(snapshotID, to: &bytes)
  for _ in 0..<2 { append(0, to: &bytes) }
  append(0, to: &bytes)
  append(file.filePath.utf8, to: &bytes)
  append("PARQUET".utf8, to: &bytes)
  if case .int(let hour)? = file.partition.values[0] { appendOptional(Int64(hour), to: &bytes) }
  append(file.recordCount, to: &bytes)
  append(file.fileSizeInBytes, to: &bytes)
  for map in [file.columnSizes, file.valueCounts, file.nullValueCounts, file.nanValueCounts] {
    appendMap(map, to: &bytes) { append($0, to: &$1) }
  }
  for map in [file.lowerBounds, file.upperBounds] { appendMap(map, to: &bytes) { append($0, to: &$1) } }
  append(0, to: &bytes)
  append(1, to: &bytes)
  append(Int64(file.splitOffsets?.count ?? 0), to: &bytes)
  for offset in file.splitOffsets ?? [] { append(offset, to: &bytes) }
  append(0, to: &bytes)
  append(0, to: &bytes)
  appendOptional(Int64(file.sortOrderID ?? 0), to: &bytes)
  append(0, to: &bytes)
  return bytes
}

private func append(_ value: Int64, to bytes: inout [UInt8]) {
  var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  bytes.append(UInt8(truncatingIfNeeded: rest))
}

private func append(_ value: some Collection<UInt8>, to bytes: inout [UInt8]) {
  append(Int64(value.count), to: &bytes)
  bytes.append(contentsOf: value)
}

private func appendOptional(_ value: Int64, to bytes: inout [UInt8]) {
  append(1, to: &bytes)
  append(value, to: &bytes)
}

private func appendMap<Value>(
  _ map: [Int: Value]?, to bytes: inout [UInt8], _ appendValue: (Value, inout [UInt8]) -> Void
) {
  guard let map else { return append(0, to: &bytes) }
  append(1, to: &bytes)
  append(Int64(map.count), to: &bytes)
  for (key, value) in map.sorted(by: { $0.key < $1.key }) {
    append(Int64(key), to: &bytes)
    appendValue(value, &bytes)
  }
  append(0, to: &bytes)
}
