import Glibc

/// Files of this machine. `file:///x`, `file:/x` and `/x` are the same; nothing in them is decoded.
///
/// Calls of the operating system run on threads of their own.
public struct LocalFileStore: ObjectStore {
  private let pool: BlockingPool

  /// The store.
  public init() { pool = .shared }

  /// On threads of the caller's choice.
  package init(pool: BlockingPool) { self.pool = pool }

  /// What is known of a file; `nil` when nothing, or a directory, is there.
  public func info(_ location: String) async throws(IcebergError) -> ObjectInfo? {
    let path = try Self.path(location)
    return try await pool.run { () throws(IcebergError) in
      guard let status = try LocalFiles.status(path), !status.isDirectory else { return nil }
      return Self.info(location, status)
    }
  }

  /// The bytes of a file, or of a part of it. A range beyond the end is cut.
  public func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    let path = try Self.path(location)
    if let range, range.lowerBound < 0 {
      throw IcebergError(.invalid, "\(location): the range \(range) begins before the file")
    }
    return try await pool.run { () throws(IcebergError) in
      let file = try ReadableFile(path: path)
      let status = try file.status()
      guard !status.isDirectory else { throw IcebergError(.notFound, "\(path) is a directory, not a file") }
      let wanted = range ?? 0..<status.size
      let end = min(wanted.upperBound, status.size)
      return wanted.lowerBound < end ? try file.read(wanted.lowerBound..<end) : []
    }
  }

  /// Writes a file whole: beside it first, then under its name. Directories are made when missing.
  public func write(
    _ location: String, _ bytes: [UInt8], ifAbsent: Bool
  ) async throws(IcebergError) -> ObjectInfo {
    let path = try Self.path(location)
    return try await pool.run { () throws(IcebergError) in
      let temporary = try LocalFiles.makeTemporary(for: path)
      do throws(IcebergError) {
        try LocalFiles.fill(temporary, bytes)
        try LocalFiles.publish(temporary.path, as: path, ifAbsent: ifAbsent)
        return Self.info(location, try temporary.status())
      } catch {
        unlink(temporary.path)
        throw error
      }
    }
  }

  /// Puts a file to `location`: as another name of it where that is possible, else as a copy.
  ///
  /// The file must not be changed afterwards: its other name would change with it.
  public func upload(file source: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    let path = try Self.path(location)
    return try await pool.run { () throws(IcebergError) in
      let file = try ReadableFile(path: source)
      let status = try file.status()
      guard status.isRegular else { throw IcebergError(.invalid, "\(source) is not a regular file") }
      try file.synchronize()
      let temporary = try LocalFiles.linkOrCopy(file, size: status.size, for: path)
      do throws(IcebergError) {
        try LocalFiles.publish(temporary, as: path, ifAbsent: false)
      } catch {
        unlink(temporary)
        throw error
      }
      // Renaming one name of a file to another name of it does nothing: the temporary name would stay.
      unlink(temporary)
      guard let written = try LocalFiles.status(path), written.size == status.size else {
        throw IcebergError(.io, "\(source) changed while it was put to \(path)")
      }
      return Self.info(location, written)
    }
  }

  /// Removes files; those that are not there are no failure. Directories stay.
  public func delete(_ locations: [String]) async throws(IcebergError) {
    var paths: [String] = []
    for location in locations { paths.append(try Self.path(location)) }
    let all = paths
    for start in stride(from: 0, to: all.count, by: 256) {
      let some = all[start..<min(start + 256, all.count)]
      try await pool.run { () throws(IcebergError) in
        for path in some where unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR {
          throw FileFailures.error("remove", path, errno)
        }
      }
    }
  }

  /// Files whose location begins with `prefix`, of all directories below, in the order of the locations' bytes.
  ///
  /// - Parameter after: The location after which to go on: `next` of the page before.
  public func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await list(prefix: prefix, after: after, pageMax: 1000)
  }

  /// With pages of another size.
  package func list(prefix: String, after: String?, pageMax: Int) async throws(IcebergError) -> ObjectPage {
    let path = try Self.path(prefix)
    let written = String(prefix.dropLast(path.utf8.count))
    let last = try after.map { (location) throws(IcebergError) in try Self.path(location) }
    let found = try await pool.run { () throws(IcebergError) in
      var walk = DirectoryWalk(prefix: path, after: last, filesMax: pageMax + 1)
      try walk.run()
      return walk.found
    }
    let objects = found.prefix(pageMax).map { Self.info(written + $0.path, $0.status) }
    return ObjectPage(objects: objects, next: found.count > pageMax ? objects.last?.location : nil)
  }

  /// The path of `location`.
  public func localPath(_ location: String) -> String? { try? Self.path(location) }

  /// Does nothing.
  public func close() async {}

  /// The path of `file:///x`, `file://localhost/x`, `file:/x` or `/x`.
  static func path(_ location: String) throws(IcebergError) -> String {
    var rest = location[...]
    if location.prefix(5).lowercased() == "file:" {
      rest = location.dropFirst(5)
      if rest.hasPrefix("//") {
        rest = rest.dropFirst(2)
        if rest.hasPrefix("localhost/") { rest = rest.dropFirst("localhost".count) }
      }
    }
    guard rest.utf8.first == UInt8(ascii: "/"), !rest.utf8.contains(0) else {
      throw IcebergError(.invalid, "expected a local file like file:///path or /path, got \(location)")
    }
    return String(rest)
  }

  private static func info(_ location: String, _ status: FileStatus) -> ObjectInfo {
    ObjectInfo(location: location, size: status.size, modifiedMilliseconds: status.modifiedMilliseconds)
  }
}
