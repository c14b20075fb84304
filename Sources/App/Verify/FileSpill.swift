import Glibc
import Verification

/// Buckets as files that have no name: however the process ends, nothing is left of them.
final class FileSpill: SpillArea {
  /// What is read at once.
  private static let pieceBytes = 16_384 * ComparedEntry.bytes

  private let directory: String
  private var descriptors: [Int: Int32] = [:]

  /// A spill area below `TMPDIR`, or `/tmp`; nothing is made there before it is needed.
  init() { directory = ScratchDirectory.parent }

  deinit { for descriptor in descriptors.values { close(descriptor) } }

  func append(_ bytes: [UInt8], to bucket: Int) throws {
    let descriptor = try descriptors[bucket] ?? open(bucket)
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
      guard count > 0 || errno == EINTR else { throw failure("written") }
      written += max(0, count)
    }
  }

  func read(_ bucket: Int, _ body: (RawSpan) throws -> Void) throws {
    guard let descriptor = descriptors[bucket] else { return }
    var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
    var position = 0
    let end = try size(bucket)
    while position < end {
      let wanted = min(piece.count, end - position)
      var filled = 0
      while filled < wanted {
        let count = piece.withUnsafeMutableBytes { buffer in
          pread(descriptor, buffer.baseAddress.map { $0 + filled }, wanted - filled, position + filled)
        }
        guard count > 0 || count < 0 && errno == EINTR else { throw failure("read") }
        filled += max(0, count)
      }
      try body(piece.span.bytes.extracting(0..<wanted))
      position += wanted
    }
  }

  func size(_ bucket: Int) throws -> Int {
    guard let descriptor = descriptors[bucket] else { return 0 }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("read") }
    return Int(status.st_size)
  }

  /// A new file, which loses its name at once.
  private func open(_ bucket: Int) throws -> Int32 {
    // mkstemp puts characters of its own in place of the six.
    var template = Array("\(directory)/weir-verify-XXXXXX".utf8CString)
    let descriptor = template.withUnsafeMutableBufferPointer { path in
      let descriptor = path.baseAddress.map { mkstemp($0) } ?? -1
      if descriptor >= 0, let made = path.baseAddress { unlink(made) }
      return descriptor
    }
    guard descriptor >= 0 else { throw failure("made") }
    descriptors[bucket] = descriptor
    return descriptor
  }

  private func failure(_ verb: String) -> CannotVerify {
    CannotVerify("files in \(directory) cannot be \(verb): \(String(cString: strerror(errno))); set TMPDIR")
  }
}
