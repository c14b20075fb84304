import Glibc

/// Small operations on paths.
enum FilePath {
  /// The permission bits of files with rows, less the process' mask: others may read them.
  static let dataMode: UInt32 = 0o644
  /// The permission bits of directories of such files.
  static let directoryMode: UInt32 = 0o755

  /// The directory that holds `path`.
  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// `path` with the working directory before it when it is relative.
  static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    var rest = path[...]
    while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
    return rest == "." ? String(cString: directory) : "\(String(cString: directory))/\(rest)"
  }
}
