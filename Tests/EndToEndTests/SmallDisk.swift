import Foundation
import Testing

/// A disk that a test can fill: one of a megabyte when the test may mount it, otherwise a limit to the size of a
/// process's files.
struct SmallDisk {
  let path: String
  private let isMounted: Bool

  /// Mounts it at `path`, which is made.
  init(_ path: String) throws {
    self.path = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    isMounted = try Self.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path])
  }

  /// What the operating system says when it is full.
  var complaint: String { isMounted ? "No space left on device" : "File too large" }

  /// Fills it to the last block.
  /// - Parameter spared: where it could not be mounted, files of up to so many bytes can still be written.
  func fill(_ weir: ChildProcess, sparing spared: Int = 0) throws {
    guard isMounted else { return try limit(weir, "\(spared)") }
    // It ends when there is no room: not with 0.
    #expect(try !Self.run(["sh", "-c", "cat /dev/zero > \"$0\"", path + "/filling"]))
  }

  /// Gives the room back.
  func free(_ weir: ChildProcess) throws {
    guard isMounted else { return try limit(weir, "unlimited") }
    try FileManager.default.removeItem(atPath: path + "/filling")
  }

  /// To be called before the directory is removed.
  func remove() {
    if isMounted { _ = try? Self.run(["umount", "--lazy", path]) }
  }

  private func limit(_ weir: ChildProcess, _ bytes: String) throws {
    #expect(try Self.run(["prlimit", "--pid", "\(weir.process.processIdentifier)", "--fsize=\(bytes):"]))
  }

  /// Whether the command ended with 0.
  private static func run(_ command: [String]) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
