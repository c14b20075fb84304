/// What a verification found; printed as JSON with `--json`.
package struct VerificationReport: Codable, Sendable {
  /// The outcome in a word.
  package enum Outcome: String, Codable, Sendable {
    /// Everything that could be compared is as it must be.
    case sound
    /// Some row is missing, doubled, changed or unexplained.
    case differs
    /// Nothing could be compared.
    case unverified
  }

  /// Offsets of a partition, or windows, whose rows differ in the same way.
  package struct Range: Codable, Hashable, Sendable {
    /// `missing`, `doubled`, `changed` or `unverifiable`.
    package var kind: String
    /// The source's topic (or file), for rows that come straight from a partition.
    package var topic: String?
    /// The partition's number, or name.
    package var partition: String?
    /// The first offset.
    package var from: Int64?
    /// The last offset.
    package var to: Int64?
    /// The window's start.
    package var windowStart: String?
    /// The window's end.
    package var windowEnd: String?
    /// The offsets that contribute to the window, by partition: first and last.
    package var contributions: [String: [Int64]]?
    /// How many rows.
    package var rows: Int
  }

  /// A row that differs.
  package struct Example: Codable, Hashable, Sendable {
    /// What is wrong with it.
    package var kind: String
    /// The row as the source makes it, as a JSON object.
    package var expected: String?
    /// The row as the sink holds it, as a JSON object.
    package var found: String?
    /// Where it comes from.
    package var origin: String?
  }

  /// One table of a sink.
  package struct Table: Codable, Sendable {
    /// The sink's name.
    package var sink: String
    /// The table's name in its store.
    package var table: String
    /// The checkpoint that the table says it has reached.
    package var checkpoint: UInt64?
    /// What was read: `snapshot 123`.
    package var state: String
    /// Why the table was not compared; then all counts are 0.
    package var notVerified: String?
    /// How many rows it must hold.
    package var expected = 0
    /// How many rows it holds.
    package var found = 0
    /// Rows that must be there and are not.
    package var missing = 0
    /// Surplus copies.
    package var doubled = 0
    /// Rows whose values are others.
    package var changed = 0
    /// Rows that the source does not explain.
    package var unexplained = 0
    /// Rows that cannot be judged.
    package var unverifiable = 0
    /// Rows that the target itself refused at commit, which it keeps elsewhere; they are not missing.
    package var refusedByTarget = 0
    /// Where the differences come from.
    package var ranges: [Range] = []
    /// How many ranges there are beyond `--limit`.
    package var moreRanges = 0
    /// Some of the rows.
    package var examples: [Example] = []

    func differences(allowsForeign: Bool) -> Int { missing + doubled + changed + (allowsForeign ? 0 : unexplained) }
  }

  /// What became of the records of one statement.
  package struct Account: Codable, Sendable {
    /// The statement.
    package var statement: String
    /// Records that were read.
    package var read: UInt64
    /// Rows that went to the sink as they are.
    package var out: UInt64
    /// Rows for which a condition was not true.
    package var filtered: UInt64
    /// Rows that became part of windows.
    package var aggregated: UInt64
    /// Late rows.
    package var late: UInt64
    /// Dead letters.
    package var dead: UInt64
    /// Whether the job's own checkpoint says the same; absent when it is not kept.
    package var matchesCheckpoint: Bool?
  }

  /// The job.
  package var job: String
  /// The outcome.
  package var outcome = Outcome.sound
  /// The tables.
  package var tables: [Table] = []
  /// What became of the records, by statement.
  package var accounts: [Account] = []
  /// From which offset each partition was read.
  package var readFrom: [String: Int64] = [:]
  /// Up to which offset.
  package var readTo: [String: Int64] = [:]
  /// What has to be known to judge the result.
  package var notes: [String] = []
}
