import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite("Table metadata", .fewAtOnce)
struct ModelMetadataTests {
  static let schema = TableSchema(
    fields: [
      NestedField(id: 10, name: "id", type: .long, isRequired: true),
      NestedField(
        id: 11, name: "place",
        type: .structure([
          NestedField(id: 12, name: "lat", type: .double),
          NestedField(id: 13, name: "tags", type: .list(element: NestedField(id: 14, name: "element", type: .string)))
        ])),
      NestedField(id: 15, name: "ts", type: .timestamptz)
    ], identifierFieldIDs: [10])

  func table(version: Int = 2, properties: [String: String] = [:]) throws -> TableMetadata {
    try TableMetadata.create(
      TableCreation(
        schema: Self.schema,
        spec: PartitionSpec(
          specID: 7, fields: [PartitionField(sourceID: 15, fieldID: 5, name: "ts_hour", transform: .hour)]),
        sortOrder: SortOrder(orderID: 9, fields: [SortField(sourceID: 10)]), properties: properties,
        formatVersion: version),
      location: "s3://bucket/table/", uuid: "9c12d441-03fe-4693-9a96-a0705ddf69c1", now: 1_000_000)
  }

  func snapshot(_ id: Int64, _ sequence: Int64, time: Int64 = 1_000_000, parent: Int64? = nil) -> Snapshot {
    Snapshot(
      snapshotID: id, parentID: parent, sequenceNumber: sequence, timestampMilliseconds: time,
      manifestList: "s3://bucket/table/metadata/snap-\(id).avro", summary: ["operation": "append"], schemaID: 0,
      firstRowID: 0, addedRows: 10)
  }

  func main(_ id: Int64) -> TableUpdate {
    .setReference(name: "main", SnapshotReference(snapshotID: id, kind: .branch))
  }

  @Test("A new table has fresh ids in the reference implementation's order, and spec and order follow")
  func creation() throws {
    let table = try table()
    let schema = try #require(table.currentSchema)
    #expect(schema.fields.map(\.id) == [1, 2, 3])
    #expect(schema.field(named: "place.lat")?.id == 4)
    #expect(schema.field(named: "place.tags")?.id == 5)
    #expect(schema.field(named: "place.tags.element")?.id == 6)
    #expect(table.lastColumnID == 6)
    #expect(schema.identifierFieldIDs == [1])
    #expect(
      table.defaultSpec?.fields == [PartitionField(sourceID: 3, fieldID: 1000, name: "ts_hour", transform: .hour)])
    #expect(table.lastPartitionID == 1000)
    #expect(table.defaultSortOrder == SortOrder(orderID: 1, fields: [SortField(sourceID: 1)]))
    #expect(table.location == "s3://bucket/table")
  }

  @Test("Metadata survive writing and reading, compressed too, with members that are not known", arguments: [1, 2, 3])
  func roundTrip(version: Int) throws {
    var table = try table(version: version, properties: ["a": "b"])
    table.unknownMembers = [JSONValue.Member("x-new", .array([.number("1.50"), .null]))]
    table = try table.applying(
      [.addSnapshot(snapshot(5, 1)), main(5)], now: 1_000_500, previousLocation: "s3://bucket/table/metadata/0.json")
    if version == 1 {
      for index in table.snapshots.indices { table.snapshots[index].sequenceNumber = 0 }
    }
    #expect(try TableMetadata(parsing: table.serialized(compressed: false), location: "x") == table)
    let compressed = table.serialized(compressed: true)
    #expect(compressed.starts(with: [0x1F, 0x8B]))
    #expect(try TableMetadata(parsing: compressed, location: "x") == table)
    #expect(throws: IcebergError.self) { try TableMetadata(parsing: Array(compressed.dropLast(9)), location: "x") }
    #expect(table.metadataLog.map(\.metadataFile) == ["s3://bucket/table/metadata/0.json"])
    #expect(table.nextRowID == (version == 3 ? 10 : 0))
  }

  @Test("An old v1 file, with one schema and spec and -1 for no snapshot, is read")
  func oldForms() throws {
    let text = """
      {"format-version":1,"location":"/t","last-updated-ms":1,"last-column-id":1,"current-snapshot-id":-1,
      "schema":{"type":"struct","fields":[{"id":1,"name":"x","required":false,"type":"decimal(9,2)"}]},
      "partition-spec":[{"source-id":1,"name":"x_b","transform":"bucket[4]"}],"properties":{}}
      """
    let table = try TableMetadata(parsing: Array(text.utf8), location: "f")
    #expect(table.currentSnapshotID == nil)
    #expect(table.defaultSpec?.fields.first?.fieldID == 1000)
    #expect(table.lastPartitionID == 1000)
    #expect(table.currentSchema?.fields.first?.type == .decimal(precision: 9, scale: 2))
    #expect(try TableMetadata(json: table.json) == table)
  }

  @Test("Broken files are refused with what is wrong")
  func broken() throws {
    let good = try table().applying([.addSnapshot(snapshot(5, 1)), main(5)], now: 1_000_500).json.text
    let cases: [(String, String, String)] = [
      ("\"current-schema-id\":0", "\"current-schema-id\":3", "current-schema-id"),
      ("\"default-spec-id\":0", "\"default-spec-id\":3", "default-spec-id"),
      ("\"current-snapshot-id\":5", "\"current-snapshot-id\":6", "current-snapshot-id"),
      ("\"source-id\":3", "\"source-id\":33", "source 33"),
      ("\"format-version\":2", "\"format-version\":4", "format-version"),
      ("\"last-sequence-number\":1", "\"last-sequence-number\":0", "sequence number"),
      ("\"id\":6", "\"id\":7", ""), ("\"element-id\":6", "\"element-id\":1", "id 1 is there twice"),
      ("{\"main\":{\"snapshot-id\":5", "{\"main\":{\"snapshot-id\":8", "refs.main"),
      ("\"transform\":\"hour\"", "\"transform\":\"bucket[0]\"", "width")
    ]
    for (from, to, message) in cases where good.contains(from) {
      let text = good.replacing(from, with: to)
      let error = #expect(throws: IcebergError.self) {
        try TableMetadata(parsing: Array(text.utf8), location: "f.json")
      }
      #expect(
        error?.message.contains(message) == true && error?.message.contains("f.json") == true,
        "\(to): \(error?.message ?? "")")
    }
  }

  @Test("Mutations of a metadata file never crash the parser", arguments: 0..<8)
  func fuzz(seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let good = try table(version: 3).applying([.addSnapshot(snapshot(5, 1)), main(5)], now: 1_000_500).json.bytes
    for _ in 0..<300 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 1...20, using: &random)))
        default: bytes.insert(contentsOf: "-9223372036854775808".utf8, at: index)
        }
      }
      if let table = try? TableMetadata(parsing: bytes, location: "f") {
        #expect(try TableMetadata(json: table.json) == table, "seed \(seed)")
        _ = try? table.applying([.addSnapshot(snapshot(6, .max)), main(6)], now: 1)
      }
    }
  }

  @Test("Snapshots follow the rules of sequence numbers, time, ids and row ids")
  func snapshotRules() throws {
    let table = try table(version: 3).applying([.addSnapshot(snapshot(5, 1)), main(5)], now: 1_000_500)
    #expect(table.currentSnapshotID == 5 && table.nextRowID == 10 && table.lastSequenceNumber == 1)
    #expect(table.snapshotLog.map(\.snapshotID) == [5])
    var next = snapshot(6, 2, parent: 5)
    next.firstRowID = 10
    let after = try table.applying([.addSnapshot(next), main(6)], now: 1_000_700)
    #expect(after.nextRowID == 20 && after.snapshotLog.map(\.snapshotID) == [5, 6])
    func refused(_ kind: IcebergError.Kind, _ change: (inout Snapshot) -> Void) {
      var wrong = next
      change(&wrong)
      let error = #expect(throws: IcebergError.self) { try table.applying([.addSnapshot(wrong)], now: 1_000_700) }
      #expect(error?.kind == kind)
    }
    refused(.conflict) { $0.sequenceNumber = 1 }
    refused(.conflict) { $0.firstRowID = 9 }
    refused(.invalid) { $0.snapshotID = 5 }
    refused(.invalid) { $0.timestampMilliseconds = 1_000_000 - 60_001 }
    refused(.invalid) { $0.addedRows = nil }
    #expect(throws: IcebergError.self) { try table.applying([main(99)], now: 1) }
    // A snapshot that was current only within the commit leaves no trace in the log.
    var third = snapshot(7, 3)
    third.firstRowID = 20
    let both = try table.applying([.addSnapshot(next), main(6), .addSnapshot(third), main(7)], now: 1_000_700)
    #expect(both.snapshotLog.map(\.snapshotID) == [5, 7])
  }

  @Test("Removing snapshots removes references, statistics, and the log before a gap")
  func removal() throws {
    var table = try table()
    for id in 1...3 {
      table = try table.applying([.addSnapshot(snapshot(Int64(id), Int64(id))), main(Int64(id))], now: 1_000_000)
    }
    let statistics = JSONValue.object([
      "action": "set-statistics", "statistics": .object(["snapshot-id": .integer(2), "statistics-path": "p"])
    ])
    table = try table.applying(
      [.setReference(name: "tag", SnapshotReference(snapshotID: 2, kind: .tag)), .other(statistics)], now: 1_000_000)
    #expect(table.statistics.count == 1)
    let after = try table.applying([.removeSnapshots([2])], now: 1_000_000)
    #expect(after.references.keys.sorted() == ["main"])
    #expect(after.statistics.isEmpty)
    #expect(after.snapshotLog.map(\.snapshotID) == [3])
    let none = try table.applying([.removeSnapshots([3])], now: 1_000_000)
    #expect(none.currentSnapshotID == nil && none.references["main"] == nil)
  }

  @Test("Equal schemas, specs and orders are used again; -1 is the one added last")
  func reuse() throws {
    let table = try table()
    var schema = try #require(table.currentSchema)
    let same = try table.applying([.addSchema(schema, lastColumnID: 6), .setCurrentSchema(-1)], now: 2_000_000)
    #expect(same == table, "nothing changed")
    schema.fields.append(NestedField(id: 7, name: "new", type: .int))
    let grown = try table.applying([.addSchema(schema, lastColumnID: nil), .setCurrentSchema(-1)], now: 2_000_000)
    #expect(grown.currentSchemaID == 1 && grown.lastColumnID == 7 && grown.lastUpdatedMilliseconds == 2_000_000)
    let spec = PartitionSpec(
      specID: 50, fields: [PartitionField(sourceID: 1, fieldID: 1001, name: "id_bucket", transform: .bucket(3))])
    let partitioned = try grown.applying([.addSpec(spec), .setDefaultSpec(-1)], now: 2_000_000)
    #expect(partitioned.defaultSpecID == 1 && partitioned.lastPartitionID == 1001)
    let back = try partitioned.applying(
      [.addSpec(PartitionSpec(specID: 4, fields: table.partitionSpecs[0].fields)), .setDefaultSpec(-1)], now: 2_000_000)
    #expect(back.defaultSpecID == 0 && back.partitionSpecs.count == 2)
    #expect(throws: IcebergError.self) { try table.applying([.setCurrentSchema(-1)], now: 1) }
    #expect(throws: IcebergError.self) { try table.applying([.removeSpecs([0])], now: 1) }
    #expect(throws: IcebergError.self) { try table.applying([.upgradeFormatVersion(1)], now: 1) }
    // The column of the default spec cannot go.
    var without = schema
    without.fields.removeAll { $0.name == "ts" }
    #expect(throws: IcebergError.self) {
      try table.applying([.addSchema(without, lastColumnID: nil), .setCurrentSchema(-1)], now: 1)
    }
  }

  @Test("The metadata log is bounded, and requirements say what was expected and found")
  func logAndRequirements() throws {
    var table = try table(properties: ["write.metadata.previous-versions-max": "3"])
    for number in 0..<5 {
      table = try table.applying(
        [.setProperties(["n": "\(number)"])], now: 1_000_000 + Int64(number), previousLocation: "f\(number)")
    }
    #expect(table.metadataLog.map(\.metadataFile) == ["f2", "f3", "f4"])
    #expect(table.metadataLog.map(\.timestampMilliseconds) == [1_000_001, 1_000_002, 1_000_003])
    let wrong: [TableRequirement] = [
      .tableDoesNotExist, .tableUUID("x"), .reference(name: "main", snapshotID: 4), .lastColumnID(7),
      .currentSchemaID(1), .lastPartitionID(1), .defaultSpecID(5), .defaultSortOrderID(0)
    ]
    for requirement in wrong {
      let error = #expect(throws: IcebergError.self) { try table.check([requirement]) }
      #expect(error?.kind == .conflict)
      #expect(try TableRequirement(json: requirement.json) == requirement)
    }
    try table.check([
      .reference(name: "main", snapshotID: nil), .tableUUID(table.tableUUID.uppercased()), .lastColumnID(6)
    ])
  }

  @Test("Every update survives its JSON, and a staged table is built of updates")
  func updates() throws {
    let table = try table(version: 2)
    let schema = try #require(table.currentSchema)
    let updates: [TableUpdate] = [
      .assignUUID(table.tableUUID), .upgradeFormatVersion(2), .addSchema(schema, lastColumnID: 6),
      .setCurrentSchema(-1),
      .addSpec(table.partitionSpecs[0]), .setDefaultSpec(-1), .addSortOrder(table.sortOrders[0]),
      .setDefaultSortOrder(-1), .setLocation("s3://bucket/table"), .setProperties(["a": "b"]),
      .addSnapshot(snapshot(5, 1)),
      .setReference(
        name: "main",
        SnapshotReference(snapshotID: 5, kind: .branch, minimumSnapshotsToKeep: 3, maximumSnapshotAgeMilliseconds: 4))
    ]
    let others: [TableUpdate] = [
      .removeSnapshots([4]), .removeReference(name: "b"), .removeProperties(["a"]), .removeSpecs([3]),
      .removeSchemas([2]),
      .other(.object(["action": "remove-statistics", "snapshot-id": .integer(3)]))
    ]
    for update in updates + others {
      #expect(try TableUpdate(json: JSONValue(parsing: update.json.text)) == update)
    }
    let commit = TableCommit(
      identifier: TableIdentifier(Namespace(["a", "b"]), "t"), requirements: [.tableDoesNotExist], updates: updates)
    #expect(try TableCommit(json: commit.json) == commit)
    let built = try TableMetadata.building(updates, now: 1_000_000)
    #expect(built.schemas == table.schemas && built.partitionSpecs == table.partitionSpecs)
    #expect(built.currentSnapshotID == 5)
    #expect(throws: IcebergError.self) { try TableUpdate(json: .object(["action": "add-snapshot"])) }
    #expect(throws: IcebergError.self) { try table.applying([.other(.object(["action": "dance"]))], now: 1) }
  }
}
