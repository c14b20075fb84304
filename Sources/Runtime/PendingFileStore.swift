/// Files of epochs that are not committed yet; they live beside the checkpoints. All calls may block: IO lanes only.
public protocol PendingFileStore: Sendable {
  /// Where the files are.
  var fileSystem: any FileSystem { get }
  /// A new file's path to write to, with a unique name that contains `sink`. The caller fsyncs it before sealing.
  func create(sink: String) throws -> (name: String, path: String)
  /// The path of a file that exists.
  func path(_ name: String) -> String
}

extension PendingFileStore {
  /// The operating system's files.
  public var fileSystem: any FileSystem { LocalFileSystem() }
}
