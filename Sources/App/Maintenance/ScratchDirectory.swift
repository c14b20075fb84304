import Glibc
import Runtime
import UnixSignals

/// A directory for files of one run of `weir maintain`, removed with what is in it however the run ends.
struct ScratchDirectory {
  /// `TMPDIR`, or `/tmp`.
  static var parent: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

  private let path: String

  /// Hands a new directory to `body`. A signal that ends the process removes it first.
  /// - Throws: ``CommandFailure`` when there is no place for it, and what `body` throws.
  static func use<Value>(_ body: (_ path: String) async throws -> Value) async throws -> Value {
    let directory = try ScratchDirectory()
    defer { directory.remove() }
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
          directory.remove()
          _exit(signal == .sigint ? 130 : 143)
        }
      }
      defer { tasks.cancelAll() }
      return try await body(directory.path)
    }
  }

  private init() throws {
    let parent = Self.parent
    // mkdtemp puts characters of its own in place of the six.
    var template = Array("\(parent)/weir-maintain-XXXXXX".utf8CString)
    guard let made = template.withUnsafeMutableBufferPointer({ $0.baseAddress.flatMap { mkdtemp($0) } }) else {
      throw CommandFailure(
        .usage, "no directory can be made in \(parent): \(String(cString: strerror(errno))); set TMPDIR to another one")
    }
    path = String(cString: made)
  }

  private func remove() { try? LocalFileSystem().removeTree(path) }
}
