import Actors
import App
import Checkpointing
import TestTraits
import Testing

/// A job that stands still, in whatever state a test wants.
private struct StillJob: JobHandle {
  var isReady = true
  var isRunning = true

  func status() async -> JobStatus {
    var status = JobStatus(
      job: "weather ä", state: isRunning ? .running : .failed, startedAt: WallTime(microseconds: 1_700_000_000_000_000))
    status.checkpoints = [
      CheckpointStatus(id: 7, startedAt: status.startedAt, durationSeconds: 0.02, bytes: 10, state: .inProgress)
    ]
    status.partitions = [PartitionStatus(source: "log", partition: "weather/0", nextOffset: 12)]
    return status
  }

  func triggerCheckpoint() async throws -> CheckpointID {
    guard isRunning else { throw CommandFailure(.job, "the job is not running") }
    return CheckpointID(8)
  }

  func readiness() async -> Readiness {
    Readiness(isReady: isReady, reason: isReady ? "commits go on" : "sink 'weather' stands still")
  }
}

@Suite("The HTTP interface", .fewAtOnce)
struct InterfaceTests {
  private func ask(_ method: String, _ target: String, _ job: StillJob = StillJob()) async throws -> (Int, String) {
    let interface = JobInterface(handles: [job], metrics: { "weir_up 1\n" })
    let question = try #require(HTTPQuestion(method: method, target: target))
    let answer = await interface.answer(question)
    return (answer.status, String(decoding: answer.body, as: UTF8.self))
  }

  @Test("readiness is 200 or 503 and names the cause")
  func readiness() async throws {
    let good = try await ask("GET", "/readyz")
    #expect(good.0 == 200 && good.1.contains(#""ready":true"#))
    let bad = try await ask("GET", "/readyz", StillJob(isReady: false))
    #expect(bad.0 == 503 && bad.1.contains("sink 'weather' stands still"))
  }

  @Test("a job is found by its percent-encoded name, and its keys are in snake case")
  func job() async throws {
    let answer = try await ask("GET", "/api/v1/jobs/weather%20%C3%A4")
    #expect(answer.0 == 200)
    #expect(answer.1.contains(#""next_offset":12"#) && answer.1.contains(#""state":"in_progress""#))
    #expect(answer.1.contains(#""started_at":"2023-11-14T22:13:20.000000Z""#))
    #expect(try await ask("GET", "/api/v1/jobs/none").0 == 404)
  }

  @Test("a checkpoint is started by POST only, and refused with the reason when the job does not run")
  func checkpoint() async throws {
    let path = "/api/v1/jobs/weather%20%C3%A4/checkpoint"
    #expect(try await ask("POST", path).0 == 202)
    #expect(try await ask("GET", path).0 == 405)
    let refused = try await ask("POST", path, StillJob(isRunning: false))
    #expect(refused.0 == 409 && refused.1.contains("the job is not running"))
  }

  @Test(
    "what does not exist is 404 and what cannot be done is 405, both as JSON",
    arguments: [
      ("GET", "/nothing", 404), ("DELETE", "/metrics", 405), ("POST", "/", 405),
      ("GET", "/api/v1/jobs/weather%20%C3%A4/x", 404)
    ])
  func errors(method: String, target: String, status: Int) async throws {
    let answer = try await ask(method, target)
    #expect(answer.0 == status && answer.1.hasPrefix(#"{"error":"#))
  }

  @Test("a question's path and query are percent-decoded, and broken escapes are refused")
  func questions() throws {
    let question = try #require(
      HTTPQuestion(method: "get", target: "/log?city=San+Francisco&temperature=%2B7&city=x&z"))
    #expect(question.method == "GET" && question.path == ["log"])
    #expect(question.query == ["city": "San Francisco", "temperature": "+7", "z": ""])
    for target in ["/%", "/%2", "/%zz", "/%ff"] { #expect(HTTPQuestion(method: "GET", target: target) == nil) }
  }

  @Test("the dashboard loads nothing from other hosts")
  func dashboard() async throws {
    let page = try await ask("GET", "/").1
    #expect(page.contains("<title>Weir</title>"))
    for part in page.split(separator: "http").dropFirst() where part.hasPrefix("://") || part.hasPrefix("s://") {
      // The name of a format, not an address that is asked.
      #expect(part.hasPrefix("://www.w3.org/2000/svg"))
    }
  }
}
