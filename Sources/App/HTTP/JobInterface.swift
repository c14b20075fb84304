import Actors
import Checkpointing

/// The HTTP interface of the engine, as a function from questions to answers: health, metrics, API and dashboard.
package struct JobInterface: Sendable {
  private let handles: [any JobHandle]
  private let metrics: @Sendable () async -> String

  /// An interface to jobs.
  ///
  /// - Parameters:
  ///   - handles: the jobs of this process.
  ///   - metrics: writes all metrics in Prometheus' text format.
  package init(handles: [any JobHandle], metrics: @escaping @Sendable () async -> String) {
    self.handles = handles
    self.metrics = metrics
  }

  /// Answers a question; whatever is asked, there is an answer.
  package func answer(_ question: HTTPQuestion) async -> HTTPAnswer {
    switch question.path {
    case []: return await get(question) { .page(PackageResources.dashboard_html) }
    case ["healthz"]: return await get(question) { .json(["status": "alive"]) }
    case ["readyz"]: return await get(question) { await readiness() }
    case ["metrics"]:
      return await get(question) {
        .text(await metrics(), contentType: "text/plain; version=0.0.4; charset=utf-8")
      }
    case ["api", "v1", "jobs"]: return await get(question) { .json(JobList(jobs: await summaries())) }
    default:
      guard question.path.count >= 4, question.path.starts(with: ["api", "v1", "jobs"]) else {
        return .failure(404, "there is nothing at this address; the API starts at /api/v1/jobs")
      }
      return await answer(question, job: question.path[3], rest: question.path.dropFirst(4))
    }
  }

  private func answer(_ question: HTTPQuestion, job: String, rest: ArraySlice<String>) async -> HTTPAnswer {
    guard let (handle, status) = await find(job) else {
      return .failure(404, "no job '\(job)' runs here; GET /api/v1/jobs lists those that do")
    }
    switch rest {
    case []: return await get(question) { .json(status) }
    case ["checkpoints"]: return await get(question) { .json(CheckpointList(checkpoints: status.checkpoints)) }
    case ["checkpoint"]:
      guard question.method == "POST" else { return .methodNotAllowed(question.method, allowed: ["POST"]) }
      do {
        return .json(["checkpoint": try await handle.triggerCheckpoint().number], status: 202)
      } catch {
        return .failure(409, "no checkpoint was started: \(error)")
      }
    default: return .failure(404, "a job has nothing at this address, only checkpoints and checkpoint")
    }
  }

  private func get(_ question: HTTPQuestion, _ body: () async -> HTTPAnswer) async -> HTTPAnswer {
    guard question.method == "GET" || question.method == "HEAD" else {
      return .methodNotAllowed(question.method, allowed: ["GET", "HEAD"])
    }
    return await body()
  }

  private func find(_ job: String) async -> (any JobHandle, JobStatus)? {
    for handle in handles {
      let status = await handle.status()
      if status.job == job { return (handle, status) }
    }
    return nil
  }

  private func summaries() async -> [JobSummaryLine] {
    var lines: [JobSummaryLine] = []
    for handle in handles { lines.append(JobSummaryLine(await handle.status())) }
    return lines
  }

  private func readiness() async -> HTTPAnswer {
    var reasons: [String: String] = [:]
    var isReady = true
    var reason = handles.isEmpty ? "no job runs here" : "making progress"
    for handle in handles {
      let verdict = await handle.readiness()
      reasons[await handle.status().job] = verdict.reason
      if isReady { reason = verdict.reason }
      isReady = isReady && verdict.isReady
    }
    return .json(ReadinessAnswer(ready: isReady, reason: reason, jobs: reasons), status: isReady ? 200 : 503)
  }
}

/// The body of `/readyz`.
private struct ReadinessAnswer: Encodable {
  let ready: Bool
  let reason: String
  let jobs: [String: String]
}

private struct JobList: Encodable {
  let jobs: [JobSummaryLine]
}

private struct CheckpointList: Encodable {
  let checkpoints: [CheckpointStatus]
}

/// A job in the list of jobs.
private struct JobSummaryLine: Encodable {
  let job: String
  let state: JobStatus.State
  let reason: String?
  let startedAt: WallTime
  let rowsIn: UInt64
  let rowsOut: UInt64
  let lag: Int64?
  let restarts: Int

  init(_ status: JobStatus) {
    job = status.job
    state = status.state
    reason = status.reason
    startedAt = status.startedAt
    rowsIn = status.partitions.reduce(0) { $0 + $1.rowsIn }
    rowsOut = status.sinks.reduce(0) { $0 + $1.rowsOut }
    let lags = status.partitions.compactMap(\.lag)
    lag = lags.isEmpty ? nil : lags.reduce(0, +)
    restarts = status.restartCount
  }
}
