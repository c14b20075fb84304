import Actors
import Checkpointing
import FoundationEssentials
import Iceberg
import Runtime

/// What a sealed epoch says about its rows: the data files, by table.
package struct IcebergPayload: Hashable, Sendable {
  /// The files for one table.
  package struct TableFiles: Hashable, Sendable {
    let identifier: TableIdentifier
    /// The table that the files were written for; another one of the same name has other columns.
    let uuid: String
    let files: [DataFile]

    package init(identifier: TableIdentifier, uuid: String, files: [DataFile]) {
      self.identifier = identifier
      self.uuid = uuid
      self.files = files
    }
  }

  /// The header, before what is kept in line or in a file.
  private struct Header: Codable {
    var version = 1
    var rows: SpilledRows
  }

  /// The files, by table.
  var tables: [TableFiles]
  /// The checkpoints that tables had reached when the epoch was sealed: a table that has less has lost rows.
  var reached: [TableIdentifier: CheckpointID]

  private static let version: UInt64 = 1

  package var bytes: [UInt8] {
    var encoder = IcebergEncoder()
    encoder.put(Self.version)
    encoder.put(list: tables) { encoder, table in
      encoder.put(table.identifier)
      encoder.put(table.uuid)
      encoder.put(list: table.files) { $0.put($1) }
    }
    encoder.put(list: reached.sorted { $0.key < $1.key }) { encoder, entry in
      encoder.put(entry.key)
      encoder.put(entry.value.number)
    }
    return encoder.bytes
  }

  package init(tables: [TableFiles], reached: [TableIdentifier: CheckpointID]) {
    self.tables = tables
    self.reached = reached
  }

  package init(bytes: [UInt8]) throws(IcebergDecoder.Damage) {
    typealias Damage = IcebergDecoder.Damage
    var decoder = IcebergDecoder(bytes)
    guard try decoder.unsigned() == Self.version else { throw Damage() }
    tables = try decoder.list { decoder throws(Damage) in
      TableFiles(
        identifier: try decoder.identifier(), uuid: try decoder.text(),
        files: try decoder.list { decoder throws(Damage) in try decoder.dataFile() })
    }
    reached = [:]
    let entries = try decoder.list { decoder throws(Damage) in
      (try decoder.identifier(), CheckpointID(try decoder.unsigned()))
    }
    for (identifier, checkpoint) in entries { reached[identifier] = checkpoint }
    guard decoder.isAtEnd else { throw Damage() }
  }

  /// The epoch as the sink's part of a checkpoint; long ones are put into a file.
  package func sealed(rows: Int, sink: String, files: any PendingFileStore) throws -> SealedEpoch {
    if tables.isEmpty && reached.isEmpty { return SealedEpoch(rows: rows, payload: [], files: []) }
    var spill = EpochSpill(sink: sink, files: files)
    spill.buffer = bytes
    let (spilled, inline) = try spill.seal()
    let header = Array(try JSONEncoder().encode(Header(rows: spilled)))
    return SealedEpoch(
      rows: rows, payload: PayloadCodec.encode(header: header, inline: inline),
      files: spilled.file.map { [$0] } ?? [])
  }

  /// The epoch of a pending commit.
  /// - Throws: ``SinkError`` when another version wrote it, ``SpillReader/Damage``.
  package static func open(_ pending: PendingCommit, files: any PendingFileStore) throws -> IcebergPayload {
    if pending.payload.isEmpty { return IcebergPayload(tables: [], reached: [:]) }
    guard let parts = PayloadCodec.decode(pending.payload),
      let header = try? JSONDecoder().decode(Header.self, from: Data(parts.header)), header.version == 1
    else { throw unreadable(pending) }
    var bytes: [UInt8] = []
    try SpillReader(rows: header.rows, inline: parts.inline, files: files).forEachPiece { bytes += $0 }
    guard let payload = try? IcebergPayload(bytes: bytes) else { throw unreadable(pending) }
    return payload
  }

  private static func unreadable(_ pending: PendingCommit) -> SinkError {
    SinkError(
      sink: pending.sink, severity: .fatal,
      message: "checkpoint \(pending.checkpoint) has a pending commit that this version cannot read")
  }
}
