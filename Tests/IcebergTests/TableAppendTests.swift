import Columnar
import Foundation
import Iceberg
import Parquet
import TestTraits
import Testing

@Suite("Appending to tables", .fewAtOnce)
struct TableAppendTests {
  static let fields = [
    NestedField(id: 1, name: "id", type: .long, isRequired: true), NestedField(id: 2, name: "name", type: .string)
  ]

  static func columns(_ ids: Range<Int64>) -> [ParquetArray] {
    [.longs(ids.map { $0 }), .texts(ids.map { $0 % 7 == 0 ? nil : "name \($0)" })]
  }

  @Test("rows of several appends are read back, and every judge finds the table valid", arguments: [2, 3])
  func appends(version: Int) async throws {
    var fixture = try await TableFixture(Self.fields, formatVersion: version)
    defer { fixture.remove() }
    for part in 0..<3 { try await fixture.append(Self.columns(Int64(part) * 100..<Int64(part + 1) * 100)) }
    let rows = try await fixture.rows()
    #expect(rows.count == 300)
    #expect(Set(rows).count == 300)
    #expect(try fixture.validate(["--unique-key", "id"]) == [])
    let summary = try #require(fixture.table.currentSnapshot?.summary)
    #expect(summary["total-records"] == "300")
    #expect(summary["added-records"] == "100")
    #expect(summary["total-data-files"] == "3")
    #expect(summary["operation"] == "append")
  }

  @Test("partitioned rows go to one file each, and the judges recompute the same partitions", arguments: [2, 3])
  func partitioned(version: Int) async throws {
    var fixture = try await TableFixture(
      Self.fields, spec: "bucket(4, id), truncate(6, name)", formatVersion: version)
    defer { fixture.remove() }
    for part in 0..<2 { try await fixture.append(Self.columns(Int64(part) * 20..<Int64(part + 1) * 20)) }
    #expect(try await fixture.rows().count == 40)
    #expect(try fixture.validate(["--unique-key", "id"]) == [])
  }
}
