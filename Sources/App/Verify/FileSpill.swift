import Glibc
import Verification

/// Buckets as files of a directory, which whoever made it removes.
struct FileSpill: SpillArea {
  private let directory: String

  init(directory: String) throws { self.directory = directory }

  func append(_ bytes: [UInt8], to bucket: Int) throws {
    guard let file = fopen(path(bucket), "a") else { throw failure() }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fflush(file) == 0 else { throw failure() }
  }

  func read(_ bucket: Int) throws -> [UInt8] {
    guard let file = fopen(path(bucket), "r") else {
      if errno == ENOENT { return [] }
      throw failure()
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    guard ferror(file) == 0 else { throw failure() }
    return bytes
  }

  private func path(_ bucket: Int) -> String { "\(directory)/bucket-\(bucket)" }

  private func failure() -> CannotVerify {
    CannotVerify("files cannot be written below \(directory): \(String(cString: strerror(errno))); set TMPDIR")
  }
}
