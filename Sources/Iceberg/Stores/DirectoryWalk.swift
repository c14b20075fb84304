import Glibc

/// The files below a directory in the order of their paths' bytes; it keeps one directory's names per level.
struct DirectoryWalk {
  /// A file that was found.
  struct File: Sendable {
    var path: String
    var status: FileStatus
  }

  static let depthMax = 64

  private(set) var found: [File] = []
  private let prefix: [UInt8]
  private let after: [UInt8]?
  private let filesMax: Int

  init(prefix: String, after: String?, filesMax: Int) {
    self.prefix = Array(prefix.utf8)
    self.after = after.map { Array($0.utf8) }
    self.filesMax = filesMax
  }

  mutating func run() throws(IcebergError) {
    let slash = prefix.lastIndex(of: UInt8(ascii: "/")) ?? 0
    try visit(Array(prefix[...slash]), depth: 0)
  }

  /// - Parameter directory: Its path, with a slash at the end.
  private mutating func visit(_ directory: [UInt8], depth: Int) throws(IcebergError) {
    let path = String(decoding: directory, as: UTF8.self)
    guard depth <= Self.depthMax else {
      throw IcebergError(.unsupported, "\(path) is more than \(Self.depthMax) directories deep")
    }
    for entry in try entries(directory, path) {
      guard found.count < filesMax else { return }
      let full = directory + entry.name
      if entry.isDirectory {
        if mayMatter(full) { try visit(full, depth: depth + 1) }
      } else if full.starts(with: prefix), isAfter(full), let status = try LocalFiles.status(Self.text(full)) {
        if status.isRegular { found.append(File(path: Self.text(full), status: status)) }
      }
    }
  }

  private func isAfter(_ path: [UInt8]) -> Bool {
    guard let after else { return true }
    return after.lexicographicallyPrecedes(path)
  }

  /// Whether a directory, with a slash at its end, may hold files to list.
  private func mayMatter(_ directory: [UInt8]) -> Bool {
    guard directory.starts(with: prefix) || prefix.starts(with: directory) else { return false }
    guard let after else { return true }
    return after.starts(with: directory) || after.lexicographicallyPrecedes(directory)
  }

  private struct Entry {
    /// With a slash at the end for a directory: so a directory's files sort as their paths do.
    var name: [UInt8]
    var isDirectory: Bool
  }

  private func entries(_ directory: [UInt8], _ path: String) throws(IcebergError) -> [Entry] {
    guard let stream = opendir(path) else {
      // Another process may remove it meanwhile; and a prefix need not exist.
      if errno == ENOENT || errno == ENOTDIR { return [] }
      throw FileFailures.error("list", path, errno)
    }
    defer { closedir(stream) }
    var entries: [Entry] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw FileFailures.error("list", path, errno) }
        break
      }
      var name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name == [0x2E] || name == [0x2E, 0x2E] { continue }
      let isDirectory = try isDirectory(directory + name, type: entry.pointee.d_type)
      if isDirectory { name.append(UInt8(ascii: "/")) }
      entries.append(Entry(name: name, isDirectory: isDirectory))
    }
    return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  /// Links to directories are not followed: they may lead in a circle.
  private func isDirectory(_ path: [UInt8], type: UInt8) throws(IcebergError) -> Bool {
    if Int(type) == Int(DT_DIR) { return true }
    guard Int(type) == Int(DT_UNKNOWN) else { return false }
    var value = stat()
    guard lstat(Self.text(path), &value) == 0 else { return false }
    return value.st_mode & S_IFMT == S_IFDIR
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
