import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite("Rules of the specification", .fewAtOnce)
struct ModelRulesTests {
  private func table(
    _ spec: String, version: Int = 3, _ fields: [NestedField]? = nil
  ) throws -> TableMetadata {
    let schema = TableSchema(
      fields: fields ?? [
        NestedField(id: 1, name: "id", type: .int, isRequired: true), NestedField(id: 2, name: "d", type: .date),
        NestedField(id: 3, name: "m", type: .decimal(precision: 5, scale: 2))
      ])
    return try TableMetadata.create(
      TableCreation(
        schema: schema, spec: try PartitioningText.parseSpec(spec, schema: schema), formatVersion: version),
      location: "s3://bucket/t", uuid: "9c12d441-03fe-4693-9a96-a0705ddf69c1", now: 1000)
  }

  @Test("A date becomes a timestamp only where no partition field, also of an old spec, would change its values")
  func promotions() throws {
    for (spec, isAllowed) in [
      ("day(d)", true), ("month(d)", true), ("year(d)", true), ("bucket(4, id)", true), ("d", false),
      ("bucket(8, d)", false)
    ] {
      var update = try SchemaUpdate(table(spec))
      if isAllowed {
        try update.updateType("d", to: .timestamp)
      } else {
        #expect(throws: IcebergError.self, "\(spec)") { try update.updateType("d", to: .timestamp) }
      }
    }
    var specs = try PartitionSpecUpdate(table("d"))
    try specs.removeField("d")
    let evolved = try table("d").applying([.addSpec(specs.apply()), .setDefaultSpec(-1)], now: 2000)
    var update = try SchemaUpdate(evolved)
    #expect(throws: IcebergError.self) { try update.updateType("d", to: .timestampNanos) }
    // An update that does not know the specs is refused by the table.
    var blind = try SchemaUpdate(#require(evolved.currentSchema), lastColumnID: 3, formatVersion: 3)
    try blind.updateType("d", to: .timestamp)
    let changes: [TableUpdate] = try [.addSchema(blind.apply().schema, lastColumnID: nil), .setCurrentSchema(-1)]
    #expect(throws: IcebergError.self) { try evolved.applying(changes, now: 3000) }
    #expect(try table("day(d)").applying(changes, now: 3000).currentSchema?.field(id: 2)?.type == .timestamp)
    var widened = try SchemaUpdate(table("bucket(4, id), truncate(m, 10)"))
    try widened.updateType("id", to: .long)
    try widened.updateType("m", to: .decimal(precision: 9, scale: 2))
    for (version, isAllowed) in [(2, false), (3, true)] {
      #expect(IcebergType.date.canBePromoted(to: .timestamp, formatVersion: version) == isAllowed)
      #expect(!IcebergType.date.canBePromoted(to: .timestamptz, formatVersion: version))
    }
  }

  @Test("A column's write default is its initial default until it is changed, and both are values of its type")
  func defaults() throws {
    var update = try SchemaUpdate(table("id"))
    try update.addColumn("since", .date, isRequired: true, initialDefault: "2020-02-29")
    try update.updateType("since", to: .timestamp)
    try update.addColumn("p", .structure([NestedField(id: 1, name: "x", type: .int)]), initialDefault: .object([]))
    let schema = try update.apply().schema
    let since = try #require(schema.field(named: "since"))
    #expect(since.initialDefault == Literal.timestamp(1_582_934_400_000_000).json)
    #expect(since.writeDefault == since.initialDefault)
    let wrong: [(IcebergType, JSONValue)] = [
      (.int, "1"), (.int, .integer(1 << 40)), (.unknown, .integer(1)), (.date, "2020-02-30"),
      (.unsupported("variant"), "x"), (.fixed(length: 2), "00"),
      (.structure([NestedField(id: 1, name: "x", type: .int)]), .object(["9": .integer(1)])),
      (.list(element: NestedField(id: 1, name: "element", type: .int)), .array([.bool(true)]))
    ]
    for (type, value) in wrong {
      var update = try SchemaUpdate(table("id"))
      try update.addColumn("c", type, initialDefault: value)
      #expect(throws: IcebergError.self, "\(type.text) \(value.text)") { try update.apply() }
    }
    var old = try SchemaUpdate(table("id", version: 2))
    try old.addColumn("c", .int, initialDefault: .integer(1))
    #expect(throws: IcebergError.self) { try old.apply() }
    let reserved = TableSchema(fields: [NestedField(id: 2_147_483_540, name: "_row_id", type: .long)])
    let base = try table("id")
    #expect(throws: IcebergError.self) { try base.applying([.addSchema(reserved, lastColumnID: nil)], now: 2000) }
  }

  @Test("A table of version 1 without an id gets one with version 2, which requires it")
  func upgrade() throws {
    var old = try table("id", version: 1)
    old.tableUUID = ""
    let upgraded = try old.applying([.upgradeFormatVersion(2)], now: 3000)
    #expect(upgraded.tableUUID.utf8.count == 36)
    #expect(try TableMetadata(json: upgraded.json) == upgraded)
    #expect(try table("id").applying([.upgradeFormatVersion(3)], now: 3000) == table("id"))
  }

  @Test("Tags have no rules for snapshots of a branch, and what is kept is above 0")
  func retention() throws {
    let snapshot = Snapshot(
      snapshotID: 7, sequenceNumber: 1, timestampMilliseconds: 2000, manifestList: "l",
      summary: ["operation": "append"])
    let base = try table("id", version: 2).applying([.addSnapshot(snapshot)], now: 2000)
    let wrong = [
      SnapshotReference(snapshotID: 7, kind: .tag, minimumSnapshotsToKeep: 2),
      SnapshotReference(snapshotID: 7, kind: .tag, maximumSnapshotAgeMilliseconds: 5),
      SnapshotReference(snapshotID: 7, kind: .branch, minimumSnapshotsToKeep: 0),
      SnapshotReference(snapshotID: 7, kind: .tag, maximumReferenceAgeMilliseconds: -1)
    ]
    for reference in wrong {
      #expect(throws: IcebergError.self) { try base.applying([.setReference(name: "r", reference)], now: 2001) }
    }
    let right = SnapshotReference(
      snapshotID: 7, kind: .branch, minimumSnapshotsToKeep: 1, maximumSnapshotAgeMilliseconds: 1)
    #expect(try base.applying([.setReference(name: "r", right)], now: 2001).references["r"] == right)
  }

  @Test("Transforms that are not known, of one column or several, are read, kept and never written to")
  func unknownTransforms() throws {
    var text = try table("id").json.text
    let known = #"{"source-id":1,"field-id":1000,"name":"id","transform":"identity"}"#
    let several = #"{"source-ids":[1,2],"field-id":1000,"name":"z","transform":"bucket[4]"}"#
    let order = #"{"transform":"zorder","source-ids":[2,1],"direction":"desc","null-order":"nulls-last"}"#
    #expect(text.contains(known) && text.contains(#""order-id":0,"fields":[]"#))
    text = text.split(separator: known, omittingEmptySubsequences: false).joined(separator: several)
    text = text.split(separator: #""order-id":0,"fields":[]"#, omittingEmptySubsequences: false)
      .joined(separator: #""order-id":0,"fields":[\#(order)]"#)
    let read = try TableMetadata(parsing: Array(text.utf8), location: "t")
    let field = try #require(read.defaultSpec?.fields.first)
    #expect(field.transform == .unknown("bucket[4]") && field.sourceIDs == [1, 2])
    #expect(read.json.text.contains(several) && read.json.text.contains(order))
    #expect(try TableMetadata(json: read.json) == read)
    let schema = try #require(read.currentSchema)
    var update = try SchemaUpdate(read)
    try update.addColumn("more", .string)
    let changes: [TableUpdate] = try [.addSchema(update.apply().schema, lastColumnID: nil), .setCurrentSchema(-1)]
    #expect(try read.applying(changes, now: 2000).partitionSpecs == read.partitionSpecs)
    #expect(read.defaultSpec?.project(.compare(1, .equal, .int(4)), schema: schema) == .alwaysTrue)
    #expect(throws: IcebergError.self) { try PartitionRouter(spec: #require(read.defaultSpec), schema: schema) }
  }

  @Test("A field that is added to a partitioning is called by its width, one of an earlier spec comes back as it was")
  func evolvedNames() throws {
    let start = try table("bucket(4, id)", version: 2)
    var update = try PartitionSpecUpdate(start)
    try update.removeField("id_bucket")
    try update.addField("id", .bucket(8))
    try update.addField("m", .truncate(10))
    let spec = try update.apply()
    #expect(spec.fields.map(\.name) == ["id_bucket_8", "m_trunc_10"] && spec.fields.map(\.fieldID) == [1001, 1002])
    let changed = try start.applying([.addSpec(spec), .setDefaultSpec(-1)], now: 2000)
    var back = try PartitionSpecUpdate(changed)
    try back.removeField("id_bucket_8")
    try back.removeField("m_trunc_10")
    try back.addField("id", .bucket(4))
    #expect(try back.apply() == start.defaultSpec)
  }

  @Test("Partition field ids that version 1 gave twice may go on, but no other is given to another column")
  func partitionFieldIDs() throws {
    var base = try table("id", version: 2)
    let former = PartitionSpec(
      specID: 1, fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "d", transform: .identity)])
    let new = PartitionSpec(
      fields: [
        PartitionField(sourceID: 2, fieldID: 1000, name: "d", transform: .identity),
        PartitionField(sourceID: 3, fieldID: 1001, name: "m", transform: .identity)
      ])
    #expect(throws: IcebergError.self) { try base.applying([.addSpec(new)], now: 2000) }
    base.partitionSpecs.append(former)
    #expect(try base.applying([.addSpec(new)], now: 2000).partitionSpecs.count == 3)
  }

  @Test("Texts and bytes of any kind are read or refused, and never end the process")
  func fuzz() throws {
    var random = SeededNumbers(seed: 41)
    let schema = TableSchema(fields: [
      NestedField(id: 1, name: "a", type: .int), NestedField(id: 2, name: "two words", type: .string),
      NestedField(id: 3, name: "ts", type: .timestamp)
    ])
    let words = [
      "bucket", "(", ")", ",", "16", "a", "\"two words\"", "\"", "`", "hour", "ts", " ", "as", "-1", "é", "desc"
    ]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
        .joined(separator: Bool.random(using: &random) ? " " : "")
      if let spec = try? PartitioningText.parseSpec(text, schema: schema) {
        #expect(try spec.partitionType(schema).count == spec.fields.count, "\(text)")
      }
      _ = try? PartitioningText.parseSortOrder(text, schema: schema)
    }
    let mapping = #"[{"field-id":1,"names":["a","b"]},{"names":["l"],"fields":[{"field-id":3,"names":["element"]}]}]"#
    #expect(try NameMapping(parsing: NameMapping(parsing: mapping).text) == NameMapping(parsing: mapping))
    for _ in 0..<3000 {
      var bytes = Array(mapping.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 32...126, using: &random)
      }
      if let read = try? NameMapping(parsing: String(decoding: bytes, as: UTF8.self)) {
        #expect(try NameMapping(parsing: read.text) == read)
      }
    }
    let types: [IcebergType] = [
      .boolean, .int, .long, .float, .double, .decimal(precision: 38, scale: 38), .date, .time, .timestamp,
      .timestamptzNanos, .timestampNanos, .string, .uuid, .fixed(length: 3), .binary, .unknown, .unsupported("variant")
    ]
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...20, using: &random)
      let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      guard let type = types.randomElement(using: &random), let literal = try? Literal(binary: bytes, type: type) else {
        continue
      }
      #expect(try Literal(binary: literal.binary, type: type) == literal, "\(type.text) \(bytes)")
      _ = (literal.text, literal.json, literal.bucketHash)
      for transform in [Transform.bucket(3), .truncate(7), .year, .month, .day, .hour] {
        _ = transform.text(of: transform.apply(literal))
      }
    }
  }
}
