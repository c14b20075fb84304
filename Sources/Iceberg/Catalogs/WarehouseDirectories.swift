import Glibc

/// Directories of a warehouse: those of the file system where it is local, and otherwise what the names of objects
/// make of them, with an empty object `<directory>/` for one that has nothing else in it (as Hadoop's S3A does).
struct WarehouseDirectories: Sendable {
  let store: any ObjectStore

  /// Whether it exists.
  func exists(_ directory: String) async throws(IcebergError) -> Bool {
    if let path = store.localPath(directory) {
      return try await BlockingPool.shared.run { () throws(IcebergError) in try LocalDirectory.exists(path) }
    }
    // The directory's own object is there at once, also where listings come late.
    if try await store.info("\(directory)/") != nil { return true }
    return try await !store.list(prefix: "\(directory)/", after: nil).objects.isEmpty
  }

  /// The names of the directories in it.
  func children(_ directory: String) async throws(IcebergError) -> [String] {
    if let path = store.localPath(directory) {
      return try await BlockingPool.shared.run { () throws(IcebergError) in
        var found: [String] = []
        for name in try LocalDirectory.entries(path) where try LocalDirectory.exists("\(path)/\(name)") {
          found.append(name)
        }
        return found
      }
    }
    return try await childrenOfNames(directory)
  }

  private func childrenOfNames(_ directory: String) async throws(IcebergError) -> [String] {
    let start = "\(directory)/"
    var found: Set<String> = []
    var token: String?
    repeat {
      let page = try await store.list(prefix: start, after: token)
      var last: String?
      for object in page.objects where object.location.hasPrefix(start) {
        let name = object.location.dropFirst(start.count)
        guard let slash = name.utf8.firstIndex(of: 0x2F) else {
          last = nil
          continue
        }
        let child = String(name[..<slash])
        if !child.isEmpty { found.insert(child) }
        last = child
      }
      token = page.next
      // What else is in the last one may be very much, and says nothing new: the listing goes on behind it.
      if token != nil, let last { token = "\(start)\(last)/\u{10FFFF}" }
    } while token != nil
    return found.sorted()
  }

  /// The names of the files in it whose name begins with `prefix`; none when it does not exist.
  func files(_ directory: String, prefix: String = "") async throws(IcebergError) -> [String] {
    if let path = store.localPath(directory) {
      return try await BlockingPool.shared.run { () throws(IcebergError) in
        guard try LocalDirectory.exists(path) else { return [] }
        return try LocalDirectory.entries(path).filter { $0.hasPrefix(prefix) }
      }
    }
    var found: [String] = []
    try await forEachName(below: directory, prefix: prefix) { name in
      if !name.isEmpty, !name.utf8.contains(0x2F) { found.append(String(name)) }
      return true
    }
    return found
  }

  /// Whether a file in it has a name that ends so.
  func hasFile(_ directory: String, endingWith suffix: String) async throws(IcebergError) -> Bool {
    if store.localPath(directory) != nil { return try await files(directory).contains { $0.hasSuffix(suffix) } }
    var found = false
    try await forEachName(below: directory) { name in
      found = name.hasSuffix(suffix) && !name.utf8.contains(0x2F)
      return !found
    }
    return found
  }

  /// Makes it, and those above it.
  func create(_ directory: String) async throws(IcebergError) {
    if let path = store.localPath(directory) {
      return try await BlockingPool.shared.run { () throws(IcebergError) in try LocalFiles.makeDirectory(path) }
    }
    _ = try await store.write("\(directory)/", [], ifAbsent: false)
  }

  /// Removes it when nothing is in it; whether it did.
  func removeIfEmpty(_ directory: String) async throws(IcebergError) -> Bool {
    if let path = store.localPath(directory) {
      return try await BlockingPool.shared.run { () throws(IcebergError) in try LocalDirectory.removeIfEmpty(path) }
    }
    let page = try await store.list(prefix: "\(directory)/", after: nil)
    guard page.next == nil, page.objects.allSatisfy({ $0.location == "\(directory)/" }) else { return false }
    try await store.delete(["\(directory)/"])
    return true
  }

  /// Removes the directories in it that nothing is in, and itself if nothing is left. Only local ones are there at all.
  func removeEmptyTree(_ directory: String) async throws(IcebergError) {
    guard let path = store.localPath(directory) else {
      try await store.delete(["\(directory)/"])
      return
    }
    try await BlockingPool.shared.run { () throws(IcebergError) in try LocalDirectory.removeEmptyTree(path, depth: 0) }
  }

  /// Hands the rest of each object's name to `body`, until that has enough.
  private func forEachName(
    below directory: String, prefix: String = "", _ body: (Substring) -> Bool
  ) async throws(IcebergError) {
    let start = "\(directory)/"
    var token: String?
    repeat {
      let page = try await store.list(prefix: start + prefix, after: token)
      for object in page.objects where object.location.hasPrefix(start) {
        if !body(object.location.dropFirst(start.count)) { return }
      }
      token = page.next
    } while token != nil
  }
}

/// Calls to the operating system about directories; they block.
enum LocalDirectory {
  private static let depthMax = 64

  static func exists(_ path: String) throws(IcebergError) -> Bool {
    var status = stat()
    if stat(path, &status) == 0 { return status.st_mode & S_IFMT == S_IFDIR }
    guard errno == ENOENT || errno == ENOTDIR else { throw FileFailures.error("look at", path, errno) }
    return false
  }

  static func entries(_ path: String) throws(IcebergError) -> [String] {
    guard let handle = opendir(path) else { throw FileFailures.error("list", path, errno) }
    defer { closedir(handle) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(handle) else {
        if errno != 0 { throw FileFailures.error("list", path, errno) }
        return names.sorted()
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  static func removeIfEmpty(_ path: String) throws(IcebergError) -> Bool {
    if rmdir(path) == 0 || errno == ENOENT { return true }
    guard errno == ENOTEMPTY || errno == EEXIST else { throw FileFailures.error("remove", path, errno) }
    return false
  }

  static func removeEmptyTree(_ path: String, depth: Int) throws(IcebergError) {
    guard depth < depthMax, try exists(path) else { return }
    for name in try entries(path) {
      var status = stat()
      // A link is nobody's empty directory.
      guard lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
      try removeEmptyTree("\(path)/\(name)", depth: depth + 1)
    }
    _ = try removeIfEmpty(path)
  }
}
