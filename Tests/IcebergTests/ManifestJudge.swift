import Foundation
import Iceberg
import Testing

/// Runs `Tests/Judges/manifest_judge.py` and gives its answer.
enum ManifestJudge {
  static func run(_ arguments: [String], java: Bool = false) throws -> JSONValue {
    let variable = java ? "WEIR_JUDGES_JAVA_PYTHON" : "WEIR_JUDGES_PYTHON"
    let interpreter = try #require(
      ProcessInfo.processInfo.environment[variable], "\(variable) names the judges' interpreter; ./weir test sets it")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/manifest_judge.py").path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = [script] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "the judge failed: \(arguments)")
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
    return try JSONValue(parsing: String(lines.last { $0.hasPrefix("{") || $0.hasPrefix("[") } ?? "null"))
  }

  /// Runs `body` with a directory that is removed afterwards.
  static func withDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("manifests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url.path)
  }

  static func write(_ bytes: [UInt8], _ path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

  static func read(_ location: String) throws -> [UInt8] {
    let path = location.hasPrefix("file:") ? String(location.dropFirst(5)) : location
    return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }
}
