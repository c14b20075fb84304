import Checkpointing
import FoundationEssentials

/// What a sealed epoch says about its rows: everything that a commit in a later process needs.
package struct PostgresPayload: Hashable, Sendable, Codable {
  /// How rows reach the target.
  package enum Mode: String, Hashable, Sendable, Codable {
    /// By primary key; the last row of a key wins.
    case upsert
    /// Each row is added.
    case append
  }

  /// The version of this description.
  var version = 1
  /// How rows reach the target.
  var mode: Mode
  /// What each row holds, after the ordinal and the deletion mark of `upsert`.
  var columns: [PostgresColumn]
  /// The key of `upsert`.
  var key: [String]
  /// Whether some rows delete.
  var hasDeletes: Bool
  /// How many rows.
  var rowCount: Int
  /// Where they are.
  package var rows: SpilledRows

  package init(
    mode: Mode, columns: [PostgresColumn], key: [String], hasDeletes: Bool, rowCount: Int, rows: SpilledRows
  ) {
    self.mode = mode
    self.columns = columns
    self.key = key
    self.hasDeletes = hasDeletes
    self.rowCount = rowCount
    self.rows = rows
  }

  package func encoded(inline: [UInt8]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return PayloadCodec.encode(header: Array(try encoder.encode(self)), inline: inline)
  }

  package static func decode(_ payload: [UInt8]) -> (PostgresPayload, inline: ArraySlice<UInt8>)? {
    guard let parts = PayloadCodec.decode(payload),
      let header = try? JSONDecoder().decode(PostgresPayload.self, from: Data(parts.header)), header.version == 1
    else { return nil }
    return (header, parts.inline)
  }
}
