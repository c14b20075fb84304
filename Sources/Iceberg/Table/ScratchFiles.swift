import Glibc
import Parquet

/// Where data files are while they are written, before a table's store gets them.
///
/// A store that is not on the local disk reads them in ``ObjectStore/upload(file:to:)``: both must mean the same files.
public protocol ScratchFiles: Sendable {
  /// An empty file at `path`, whose directory exists; what is there is replaced.
  /// - Throws: `ParquetError` of kind `io`.
  func create(_ path: String) throws(ParquetError) -> any ByteOutput

  /// Removes the file at `path`; one that is not there is no failure.
  func remove(_ path: String)
}

/// Files of the local file system.
public struct LocalScratchFiles: ScratchFiles {
  /// The local file system.
  public init() {}

  /// Opens a file.
  public func create(_ path: String) throws(ParquetError) -> any ByteOutput {
    try FileOutput(path: path, replacing: true)
  }

  /// Removes a file.
  public func remove(_ path: String) { _ = unlink(path) }
}
