import Foundation
import Synchronization

/// A process that a test starts, listens to, and kills.
final class ChildProcess: Sendable {
  private struct Output {
    var lines: [String] = []
    var partial: [UInt8] = []
  }

  let process: Process
  private let output = Mutex(Output())
  private let errors = Mutex<[UInt8]>([])
  private let input = Pipe()
  private let openOutputs = Mutex(2)
  /// Left by the process. Foundation's own way to wait for it takes a whole core.
  private let running = DispatchGroup()

  /// Starts `executable`; its standard output is collected by lines, its standard error as it is.
  init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("WEIR_") }
      .merging(environment) { _, new in new }
    let out = Pipe()
    let err = Pipe()
    process.standardOutput = out
    process.standardError = err
    process.standardInput = input
    out.fileHandleForReading.readabilityHandler = { [self] handle in
      let data = handle.availableData
      if data.isEmpty { outputEnded(handle) }
      output.withLock { output in
        output.partial += data
        while let end = output.partial.firstIndex(of: 0x0a) {
          output.lines.append(String(decoding: output.partial[..<end], as: UTF8.self))
          output.partial.removeSubrange(...end)
        }
      }
    }
    err.fileHandleForReading.readabilityHandler = { [self] handle in
      let data = handle.availableData
      if data.isEmpty { outputEnded(handle) }
      errors.withLock { $0 += data }
    }
    running.enter()
    process.terminationHandler = { [running] _ in running.leave() }
    do {
      try process.run()
    } catch {
      running.leave()
      throw error
    }
  }

  /// The lines of standard output so far.
  var lines: [String] { output.withLock { $0.lines } }

  /// Standard error so far.
  var errorText: String { errors.withLock { String(decoding: $0, as: UTF8.self) } }

  /// Writes a line to standard input.
  func tell(_ line: String) { input.fileHandleForWriting.write(Data((line + "\n").utf8)) }

  /// Ends standard input.
  func endInput() { try? input.fileHandleForWriting.close() }

  private func outputEnded(_ handle: FileHandle) {
    handle.readabilityHandler = nil
    openOutputs.withLock { $0 -= 1 }
  }

  /// Sends a signal.
  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits for the end, on a thread of its own, and returns the exit code; a signal counts as 128 and its number.
  /// All output has arrived then.
  func wait() async -> Int32 {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { [self] in
        running.wait()
        // Bounded, because a child of the process may hold the pipes open.
        for _ in 0..<2_000 where openOutputs.withLock({ $0 > 0 }) { Thread.sleep(forTimeInterval: 0.001) }
        let code = process.terminationStatus
        continuation.resume(returning: process.terminationReason == .uncaughtSignal ? 128 + code : code)
      }
    }
  }

  /// Ends it at once, as a power cut would.
  func killAndWait() async {
    signal(SIGKILL)
    _ = await wait()
  }
}

/// The release binary, and a directory of a test's own.
struct Workbench: Sendable {
  let directory: String
  let binary: String

  init() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    binary = ProcessInfo.processInfo.environment["WEIR_BINARY"] ?? root + "/.build/release/weir"
    directory = NSTemporaryDirectory() + "weir-e2e-" + UUID().uuidString.lowercased().prefix(8)
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  /// Writes a file into the directory and returns its path.
  func write(_ name: String, _ text: String) throws -> String {
    let path = directory + "/" + name
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  /// Starts `weir` with `arguments`.
  func weir(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess {
    try ChildProcess(binary, arguments, environment: environment)
  }

  /// Starts a development broker and waits until it tells its address.
  func broker(topics: [String]) async throws -> (process: ChildProcess, bootstrap: String) {
    let process = try weir(["broker"] + topics.flatMap { ["--topic", $0] })
    for _ in 0..<600 {
      if let line = process.lines.first(where: { $0.hasPrefix("bootstrap=") }) {
        return (process, String(line.dropFirst("bootstrap=".count)))
      }
      try await Task.sleep(nanoseconds: 50_000_000)
    }
    throw WorkbenchError(message: "the broker did not start: \(process.errorText)")
  }

  /// The records of all JSON-lines files below `path`.
  func jsonLines(below path: String) throws -> [[String: Any]] {
    guard let files = FileManager.default.enumerator(atPath: path) else { return [] }
    var records: [[String: Any]] = []
    for case let file as String in files where file.hasSuffix(".jsonl") {
      let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
      for line in text.split(separator: "\n") {
        if let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] {
          records.append(record)
        }
      }
    }
    return records
  }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }
}

struct WorkbenchError: Error, CustomStringConvertible {
  let message: String
  var description: String { message }
}

/// Waits until `condition` holds; a test that cannot go on without it fails after `seconds`.
func eventually(
  _ what: String, seconds: Double = 60, _ condition: () async throws -> Bool
) async throws {
  let deadline = Date().addingTimeInterval(seconds)
  while true {
    if try await condition() { return }
    guard Date() < deadline else { throw WorkbenchError(message: "still waiting for \(what) after \(seconds) s") }
    try await Task.sleep(nanoseconds: 50_000_000)
  }
}
