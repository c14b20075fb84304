import Actors
import Checkpointing
import Columnar
import Glibc
import Sinks
import TestTraits
import Testing

@Suite("The standard output", .fewAtOnce)
struct StandardOutputTests {
  @Test("a pipe that does not block and that nobody reads is waited for, until the sink is closed")
  func unreadPipe() async throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    for end in ends { try #require(fcntl(end, F_SETFL, O_NONBLOCK) == 0) }
    let files = try ScratchFileStore()
    let schema = Schema([Field("n", .bigint)])
    let connector = StandardOutputConnector(sink: "out", schema: schema, descriptor: ends[1])
    let writer = try connector.makeWriter(files: files)
    let count = 100_000
    _ = try writer.write(Batch(schema: schema, columns: [Make.whole((0..<count).map { Int64($0) })], count: count))
    let sealed = try await writer.seal(CheckpointID(1))
    let pending = PendingCommit(
      sink: "out", checkpoint: CheckpointID(1), from: CheckpointID(0), sources: SourcePositions(), rows: sealed.rows,
      payload: sealed.payload, files: sealed.files)
    let printing = Task { try await connector.commit(pending, owner: JobOwner(lineage: "L", attempt: 1), files: files) }
    var first: UInt8 = 0
    while read(ends[0], &first, 1) != 1 { await Task.yield() }
    await connector.close()
    let error = await #expect(throws: SinkError.self) { try await printing.value }
    #expect(error?.message == "stopped while nobody read the standard output")
  }
}
