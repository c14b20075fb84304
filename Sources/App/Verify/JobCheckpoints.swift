import Actors
import Checkpointing
import Columnar
import FoundationEssentials
import Glibc
import Runtime
import SQL
import Sinks

/// What a job's checkpoint directory tells about what it did: useful, not needed.
struct JobCheckpoints {
  /// The job's manifests, newest first.
  private(set) var manifests: [Manifest] = []
  /// Why they could not be read; `nil` when they were, or there are none.
  private(set) var problem: String?

  private static let attempts = 5

  /// Reads the manifests of `job`. A job that runs replaces them meanwhile.
  init(job: String, directory: String) {
    for _ in 0..<Self.attempts {
      do {
        manifests = try CheckpointDirectory.manifests(in: directory).filter { $0.job == job }
          .sorted { $0.checkpoint > $1.checkpoint }
        problem = nil
        return
      } catch {
        problem = "\(error)"
      }
    }
  }

  /// Adds what was there at another moment. What could be read at one of the two is not reported as missing.
  mutating func merge(_ other: JobCheckpoints) {
    if other.problem == nil { problem = nil }
    let known = Set(manifests.map(\.checkpoint))
    manifests = (manifests + other.manifests.filter { !known.contains($0.checkpoint) })
      .sorted { $0.checkpoint > $1.checkpoint }
  }

  /// The manifest of a position: of the same lineage and number.
  func manifest(of position: SinkPosition) -> Manifest? {
    manifests.first {
      $0.checkpoint == position.checkpoint && $0.owner.lineage == position.owner.lineage
        && $0.sourcePositions == position.sources
    }
  }
}

/// A kept record as the local output has it; only what tells which row it was.
struct KeptLine: Decodable {
  var partition: String?
  var offset: Int64?
  var statement: String?
  var reason: String?
  var value: String?
}

/// What the local outputs of kept records say about rows that nobody can judge again from the source alone.
struct KeptDecisions {
  /// Rows that were called late, by partition and statement.
  var late: [String: [String: Set<Int64>]] = [:]
  /// Records that lay too far in the future of the moment at which they were read, by partition.
  var future: [String: Set<Int64>] = [:]
  /// The starts of windows for which partial results came too late, by statement.
  var lateWindows: [String: Set<Int64>] = [:]

  mutating func add(_ line: KeptLine) {
    if line.reason == "late" {
      if let partition = line.partition, let offset = line.offset, let statement = line.statement {
        late[partition, default: [:]][statement, default: []].insert(offset)
      } else if let statement = line.statement, let start = line.value.flatMap(Self.windowStart) {
        lateWindows[statement, default: []].insert(start)
      }
    } else if line.reason == "future", let partition = line.partition, let offset = line.offset {
      future[partition, default: []].insert(offset)
    }
  }

  private static func windowStart(_ json: String) -> Int64? {
    struct Group: Decodable {
      enum CodingKeys: String, CodingKey { case start = "window_start" }
      var start: String?
    }
    let group = try? JSONDecoder().decode(Group.self, from: Data(json.utf8))
    return group?.start.flatMap { try? TimeText.parseTimestamp($0).utc }
  }

  /// Reads the JSON lines of a directory; a directory that is not there has none.
  mutating func read(directory: String) {
    let names = (try? LocalFileSystem().names(in: directory)) ?? []
    for name in names where name.hasSuffix(".jsonl") && !name.hasPrefix(".") && !name.hasPrefix("_") {
      guard let file = fopen("\(directory)/\(name)", "r") else { continue }
      defer { fclose(file) }
      var line: UnsafeMutablePointer<CChar>?
      var capacity = 0
      defer { free(line) }
      while true {
        let count = getline(&line, &capacity, file)
        guard count > 0, let line else { break }
        let data = Data(bytes: line, count: count)
        if let record = try? JSONDecoder().decode(KeptLine.self, from: data) { add(record) }
      }
    }
  }
}
