import Foundation
import Iceberg
import TestTraits
import Testing

@Suite("Codecs of manifests", .fewAtOnce)
struct AvroCodecTests {
  /// The table's manifests and lists, written anew with `codec` by us.
  private static func recode(_ fixture: TableFixture, _ codec: AvroCodec) throws {
    // Lists last: they say how long manifests are.
    let names = try fixture.files().filter { $0.hasSuffix(".avro") }
    for name in names.filter({ !$0.contains("snap-") }) + names.filter({ $0.contains("snap-") }) {
      let path = "\(fixture.directory)/wh/ns/t/\(name)"
      var reader = try AvroFileReader([UInt8](Data(contentsOf: URL(fileURLWithPath: path))), path: path)
      let own = reader.header.metadata.filter { !$0.key.hasPrefix("avro.") }.sorted { $0.key < $1.key }
      // Small blocks, so that there are several.
      var writer = AvroFileWriter(
        schema: reader.header.schema, metadata: own.map { ($0.key, $0.value) }, codec: codec, blockSize: 100)
      while let values = try reader.nextBlock() {
        for value in values { try writer.append(try withLength(value, reader.header.schema)) }
      }
      try Data(try writer.finish()).write(to: URL(fileURLWithPath: path))
    }
  }

  /// An entry of a manifest list with the length that the manifest has now.
  private static func withLength(_ value: AvroValue, _ schema: AvroSchema) throws -> AvroValue {
    guard case .record(let record) = schema, case .record(var values) = value,
      let length = record.fields.firstIndex(where: { $0.name == "manifest_length" }),
      let path = record.fields.firstIndex(where: { $0.name == "manifest_path" }),
      case .string(let location) = values[path]
    else { return value }
    let manifest = try Data(contentsOf: URL(fileURLWithPath: location.replacing("file://", with: "")))
    values[length] = .integer(Int64(manifest.count))
    return .record(values)
  }

  private static func fixture() async throws -> TableFixture {
    var fixture = try await TableFixture(
      TableAppendTests.fields, spec: "bucket(8, id)", properties: ["commit.manifest-merge.enabled": "false"])
    for part in Int64(0)..<3 { try await fixture.append(TableAppendTests.columns(part * 20..<part * 20 + 20)) }
    return fixture
  }

  @Test("manifests that we write with any codec are read by Java, those that they know by DuckDB and fastavro")
  func ours() async throws {
    for codec in AvroCodec.allCases {
      let fixture = try await Self.fixture()
      defer { fixture.remove() }
      let rows = try await fixture.rows()
      try Self.recode(fixture, codec)
      #expect(try await fixture.rows() == rows, "\(codec)")
      let files = try fixture.files().filter { $0.hasSuffix(".avro") }.map { "\(fixture.directory)/wh/ns/t/\($0)" }
      let read = try TableJudge.run("avro_readers.py", [codec.rawValue] + files)
      #expect(read.status == 0, "\(codec): \(read.output)")
      // Java's table format has no Zstandard here: its Avro library has, and writes the files anew.
      if codec == .zstandard {
        let recoded = try TableJudge.run("avro_recode.py", ["null"] + files, java: true)
        #expect(recoded.status == 0, "\(recoded.output)")
      }
      #expect(try RowsJudge.read([fixture.table.loaded.metadataLocation], java: true) == [.rows(rows)], "\(codec)")
    }
  }

  @Test("manifests that Java's Avro library writes with any codec are read, and written on")
  func theirs() async throws {
    for codec in AvroCodec.allCases {
      var fixture = try await Self.fixture()
      defer { fixture.remove() }
      let rows = try await fixture.rows()
      let files = try fixture.files().filter { $0.hasSuffix(".avro") }.map { "\(fixture.directory)/wh/ns/t/\($0)" }
      let recoded = try TableJudge.run("avro_recode.py", [codec.rawValue] + files, java: true)
      try #require(recoded.status == 0, "\(recoded.output)")
      #expect(try await fixture.rows() == rows, "\(codec)")
      try await fixture.append(TableAppendTests.columns(60..<70))
      #expect(try await fixture.rows().count == 70, "\(codec)")
    }
  }
}
