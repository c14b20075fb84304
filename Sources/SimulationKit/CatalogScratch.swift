import Iceberg
import Parquet
import Runtime

/// Data files that are being written to a process's own file system, with all that can befall it.
struct FileSystemScratch: ScratchFiles {
  let files: any FileSystem

  func create(_ path: String) throws(ParquetError) -> any ByteOutput {
    do {
      return FileSystemOutput(path, try files.create(path, mode: 0o644), files)
    } catch {
      throw ParquetError(.io, "\(error)")
    }
  }

  func remove(_ path: String) { try? files.remove(path) }
}

/// A Parquet file on its way into a file system.
private final class FileSystemOutput: ByteOutput {
  private let path: String
  private let file: any OpenFile
  private let files: any FileSystem

  init(_ path: String, _ file: any OpenFile, _ files: any FileSystem) {
    self.path = path
    self.file = file
    self.files = files
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(ParquetError) {
    do { try file.write(bytes) } catch { throw ParquetError(.io, "\(error)") }
  }

  func close() throws(ParquetError) {
    defer { file.close() }
    do { try file.synchronize() } catch { throw ParquetError(.io, "\(error)") }
  }

  func abandon() {
    file.close()
    try? files.remove(path)
  }
}

/// Data files that are being written, in the memory of whoever writes them: they are gone with it.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class MemoryScratch: ScratchFiles, @unchecked Sendable {
  private var files: [String: MemoryOutput] = [:]

  func create(_ path: String) throws(ParquetError) -> any ByteOutput {
    let output = MemoryOutput()
    files[path] = output
    return output
  }

  func remove(_ path: String) { files[path] = nil }

  /// The content of a file; `nil` when there is none.
  func contents(_ path: String) -> [UInt8]? { files[path]?.bytes }
}
