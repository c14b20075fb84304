import TestTraits
import Testing
import Verification

@Suite("Where a job began to read", .fewAtOnce)
struct PartitionBeginningTests {
  @Test("the records of a checkpoint prove the beginning, or refute it; with gaps nothing is taken for granted")
  func proof() {
    let beginning = PartitionBeginning(end: 1_000, records: 300)
    #expect(beginning.offset == 700)
    #expect(beginning.proof(start: 700, records: 300) == .confirmed)
    // The log has fewer records than offsets there: the job began earlier than at 700.
    #expect(beginning.proof(start: 700, records: 290) == .refuted)
    #expect(beginning.proof(start: 700, records: 0) == .refuted)
    // The log begins behind the job's first record.
    #expect(beginning.proof(start: 900, records: 100) == .truncated)
    #expect(beginning.proof(start: 900, records: 300) == .refuted)
    #expect(PartitionBeginning(end: 10, records: 30).offset == 0)
    #expect(PartitionBeginning(end: 10, records: 0).proof(start: 10, records: 0) == .confirmed)
  }
}
