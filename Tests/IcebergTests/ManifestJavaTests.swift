import Columnar
import Foundation
import Iceberg
import TestTraits
import Testing

@Suite(.fewAtOnce) struct ManifestJavaTests {
  // No partition by a fixed column: Java 1.9 reads fixed partition values as if a length came before them.
  private static let schema = TableSchema(fields: [
    NestedField(id: 1, name: "id", type: .long, isRequired: true),
    NestedField(id: 2, name: "day of", type: .timestamptz),
    NestedField(id: 3, name: "u", type: .uuid), NestedField(id: 4, name: "m", type: .decimal(precision: 20, scale: 3)),
    NestedField(id: 5, name: "t", type: .time), NestedField(id: 6, name: "f", type: .fixed(length: 4)),
    NestedField(id: 7, name: "d", type: .double)
  ])
  private static let spec = PartitionSpec(
    fields: [
      PartitionField(sourceID: 2, fieldID: 1000, name: "day of", transform: .day),
      PartitionField(sourceID: 3, fieldID: 1001, name: "u", transform: .identity),
      PartitionField(sourceID: 4, fieldID: 1002, name: "m", transform: .identity),
      PartitionField(sourceID: 5, fieldID: 1003, name: "t", transform: .identity),
      PartitionField(sourceID: 7, fieldID: 1005, name: "d", transform: .identity),
      PartitionField(sourceID: 1, fieldID: 1006, name: "b", transform: .bucket(8))
    ])
  private static let partition = PartitionTuple([
    .date(-3), .uuid(UUIDValue(high: 1, low: 2)), .decimal(unscaled: -12345, scale: 3), nil,
    .double(-0.0), .int(7)
  ])

  private static func file(_ name: String, _ content: FileContent = .data) -> DataFile {
    var file = DataFile(
      content: content, filePath: "file:///d/\(name)", specID: 0, partition: partition, recordCount: 10,
      fileSizeInBytes: 100)
    if content == .equalityDeletes { file.equalityIDs = [1] }
    return file
  }

  private static func deletes(_ version: Int) -> [DataFile] {
    let equality = file("eq.parquet", .equalityDeletes)
    var position = file("pos.parquet", .positionDeletes)
    position.referencedDataFile = "file:///d/1.parquet"
    if version == 3 {
      position.filePath = "file:///d/dv.puffin"
      position.fileFormat = "puffin"
      position.contentOffset = 4
      position.contentSizeInBytes = 44
    }
    return [equality, position]
  }

  private static func manifest(
    _ version: Int, _ content: ManifestFile.Content, _ entries: [ManifestEntry], _ path: String
  ) throws -> ManifestFile {
    var writer = try ManifestWriter(
      formatVersion: version, schema: schema, spec: spec, content: content, snapshotID: 11)
    for entry in entries { try writer.append(entry) }
    let (manifest, bytes) = try writer.finish(path: path)
    try ManifestJudge.write(bytes, path)
    return manifest
  }

  private static func metadata(_ version: Int, _ directory: String, addedRows: Int64) -> String {
    let rows = version == 3 ? #""first-row-id":1000,"added-rows":\#(addedRows),"# : ""
    return
      #"{"format-version":\#(version),"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"\#(directory)","#
      + #""last-sequence-number":9,"last-updated-ms":1600000000000,"last-column-id":7,"current-schema-id":0,"#
      + (version == 3 ? #""next-row-id":\#(1000 + addedRows),"# : "")
      + #""schemas":[\#(schema.json.text)],"partition-specs":[\#(spec.json.text)],"default-spec-id":0,"#
      + #""last-partition-id":1006,"sort-orders":[{"order-id":0,"fields":[]}],"default-sort-order-id":0,"#
      + #""current-snapshot-id":11,"snapshots":[{"snapshot-id":11,"sequence-number":9,\#(rows)"#
      + #""timestamp-ms":1600000000000,"manifest-list":"\#(directory)/list.avro","schema-id":0,"#
      + #""summary":{"operation":"append"}}]}"#
  }

  @Test("Java plans the scan of our manifests, with names that Avro does not allow, as we do")
  func plan() throws {
    try ManifestJudge.withDirectory { root in
      let tables = try [2, 3].map { version in try Self.write(version, "\(root)/\(version)") }
      let plans = try ManifestJudge.run(["java-plan"] + tables, java: true).arrayValue ?? []
      try #require(plans.count == 2)
      for (version, plan) in zip([2, 3], plans) { try check(plan.arrayValue ?? [], version) }
    }
  }

  /// A table's manifests, manifest list and metadata; the latter's path.
  private static func write(_ version: Int, _ directory: String) throws -> String {
    func added(_ file: DataFile) -> ManifestEntry {
      ManifestEntry(status: .added, snapshotID: nil, sequenceNumber: nil, fileSequenceNumber: nil, file: file)
    }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let old = ManifestEntry(
      status: .existing, snapshotID: 5, sequenceNumber: 4, fileSequenceNumber: 4, file: file("1.parquet"))
    let data = try manifest(version, .data, [old, added(file("2.parquet"))], "\(directory)/data.avro")
    let deletes = try manifest(version, .deletes, deletes(version).map { added($0) }, "\(directory)/deletes.avro")
    var list = try ManifestListWriter(
      formatVersion: version, snapshotID: 11, parentSnapshotID: 5, sequenceNumber: 9,
      firstRowID: version == 3 ? 1000 : nil)
    for manifest in [data, deletes] { try list.append(manifest) }
    let output = try list.finish()
    #expect(output.manifests.map(\.minimumSequenceNumber) == [4, 9])
    try ManifestJudge.write(output.bytes, "\(directory)/list.avro")
    let text = metadata(version, directory, addedRows: output.addedRows)
    try ManifestJudge.write(Array(text.utf8), "\(directory)/v1.metadata.json")
    return "\(directory)/v1.metadata.json"
  }

  private func check(_ plan: [JSONValue], _ version: Int) throws {
    try #require(plan.count == 2)
    #expect(try plan[0].integer("sequence") == 4 && plan[1].integer("sequence") == 9)
    let position = version == 3 ? "file:///d/dv.puffin@4" : "file:///d/pos.parquet@None"
    let found = try plan[0].array("deletes").compactMap(\.stringValue)
    #expect(Set(found) == [position, "file:///d/eq.parquet@None"])
    #expect(plan[1]["deletes"] == .array([]))
    #expect(plan.map { $0["first_row_id"] } == (version == 3 ? [.integer(1000), .integer(1010)] : [.null, .null]))
    let partition = try plan[0].string("partition")
    #expect(partition.contains("-3") && partition.contains("00000000-0000-0001-0000-000000000002"))
    #expect(partition.contains("-12.345") && partition.contains("t=null") && partition.contains("b=7"))
  }
}
