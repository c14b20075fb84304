import Iceberg
import IcebergSupport
import TestSupport
import TestTraits
import Testing

/// The choice of files, without tables: sizes go in, groups come out.
@Suite("Which files are compacted", .fewAtOnce)
struct MaintenancePolicyTests {
  private static let target: Int64 = 512 << 20

  private static func task(_ number: Int, _ bytes: Int64) throws -> ScanTask {
    let file = DataFile(
      filePath: "file:///t/\(number).parquet", specID: 0, partition: PartitionTuple([]), recordCount: 1,
      fileSizeInBytes: bytes)
    let entry = ManifestEntry(
      status: .existing, snapshotID: 1, sequenceNumber: Int64(number), fileSequenceNumber: Int64(number), file: file)
    return ScanTask(
      entry: entry, deletes: try DeleteFileIndex(entries: [], specs: [:], schemas: []).deletes(for: entry))
  }

  @Test(
    "with files of a stream for hours a partition has at most 20 small ones, and a byte is rewritten a few times only",
    arguments: [2_000, 100_000, 1_000_000] as [Int64])
  func stream(bytes: Int64) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("files of a stream: seed \(seed)")
    var random = SeededNumbers(seed: seed)
    let policy = CompactionPolicy(minimumInputFiles: 4, growthRatio: 2)
    var files: [Int: Int64] = [:]
    var (number, total, rewritten) = (0, Int64(0), Int64(0))
    for commit in 1...20_000 {
      number += 1
      let size = bytes / 2 + Int64(random.next() % UInt64(bytes))
      files[number] = size
      total += size
      if commit % 8 == 0 {
        let tasks = try files.map { try Self.task($0.key, $0.value) }
        for group in policy.groups(tasks, targetBytes: Self.target) {
          for task in group.tasks { files[Int(task.entry.sequenceNumber ?? 0)] = nil }
          rewritten += group.bytes
          var rest = group.bytes
          while rest > 0 {
            number += 1
            files[number] = min(rest, Self.target)
            rest -= Self.target
          }
        }
      }
      let small = files.values.filter { $0 < Self.target * 3 / 4 }.count
      #expect(small <= 20, "commit \(commit)")
    }
    #expect(files.values.reduce(0, +) == total)
    #expect(rewritten < total * 9, "every byte was rewritten \(rewritten / total) times")
  }

  @Test("a table may want files of any size", arguments: [Int64.max - 1, Int64.max])
  func anyTarget(bytes: Int64) throws {
    let tasks = try (1...10).map { try Self.task($0, 1000) }
    #expect(CompactionPolicy(minimumInputFiles: 4).groups(tasks, targetBytes: bytes).count == 1)
  }

  @Test("a great file is not rewritten for a few small ones, unless the policy does not look at sizes")
  func growth() throws {
    let sizes: [Int64] = [1000, 1100, 900, 1000, 1200, 100 << 20]
    let tasks = try sizes.enumerated().map { try Self.task($0.offset + 1, $0.element) }
    let careful = CompactionPolicy(minimumInputFiles: 4, growthRatio: 2).groups(tasks, targetBytes: Self.target)
    #expect(careful.map(\.tasks.count) == [5])
    let careless = CompactionPolicy(minimumInputFiles: 4).groups(tasks, targetBytes: Self.target)
    #expect(careless.map(\.tasks.count) == [6])
  }
}
