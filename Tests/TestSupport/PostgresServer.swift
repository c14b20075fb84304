import Foundation
import Glibc
import Synchronization

/// A private PostgreSQL server for tests: its own data directory, a free port, a Unix socket and the loopback address.
///
/// It works for root too (PostgreSQL refuses to run as root, so the server runs as the user `postgres` then). The
/// server dies with this process: it is stopped by ``stop(mode:)``, on deinitialisation, and at exit.
public final class PostgresServer: Sendable {
  /// What went wrong, with the output of the program that failed.
  public struct Failure: Error, CustomStringConvertible {
    /// The command and its output.
    public let description: String
  }

  /// How a server is stopped, as `pg_ctl -m` names it.
  public enum StopMode: String, Sendable {
    case smart, fast, immediate
  }

  /// The TCP port on 127.0.0.1.
  public let port: Int
  /// The directory that holds data, socket and log.
  public let directory: String
  /// The database's name.
  public let database = "postgres"
  /// The superuser's name; there is no password.
  public let user = "weir"
  private let binaries: String

  /// A connection string over TCP.
  public var url: String { "postgresql://\(user)@127.0.0.1:\(port)/\(database)" }

  /// Creates a cluster and starts it.
  ///
  /// - Parameters:
  ///   - settings: Further lines of `postgresql.conf`.
  ///   - binaries: Where `initdb` and `pg_ctl` are.
  public init(settings: [String] = [], binaries: String = "/usr/lib/postgresql/15/bin") throws {
    self.binaries = binaries
    port = try Self.freePort()
    directory = "/tmp/weir-postgres-\(getpid())-\(port)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if getuid() == 0 { try Self.run(["chown", "postgres", directory]) }
    try run([
      "\(binaries)/initdb", "-D", "\(directory)/data", "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C",
      "--lc-ctype=C.UTF-8",
      "--no-sync"
    ])
    let lines =
      [
        "listen_addresses = '127.0.0.1'", "port = \(port)", "unix_socket_directories = '\(directory)'",
        "timezone = 'UTC'", "fsync = off", "max_prepared_transactions = 100", "max_connections = 200"
      ] + settings
    let text = lines.joined(separator: "\n") + "\n"
    let handle = FileHandle(forWritingAtPath: "\(directory)/data/postgresql.conf")
    try handle?.seekToEnd()
    try handle?.write(contentsOf: Data(text.utf8))
    try handle?.close()
    try start()
  }

  deinit {
    try? stop(mode: .immediate)
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// Starts the server and waits until it accepts connections.
  public func start() throws {
    try run([
      "\(binaries)/pg_ctl", "-D", "\(directory)/data", "-l", "\(directory)/log", "-w", "-t", "60", "start"
    ])
    guard let text = try? String(contentsOfFile: "\(directory)/data/postmaster.pid", encoding: .utf8),
      let first = text.split(separator: "\n").first, let process = Int32(first)
    else { throw Failure(description: "the server in \(directory) has written no postmaster.pid") }
    ServersToStop.shared.add(process, directory: directory)
  }

  /// Stops the server and waits until it is gone; does nothing when it is not running.
  public func stop(mode: StopMode = .fast) throws {
    ServersToStop.shared.remove(directory: directory)
    guard FileManager.default.fileExists(atPath: "\(directory)/data/postmaster.pid") else { return }
    try run(["\(binaries)/pg_ctl", "-D", "\(directory)/data", "-w", "-t", "60", "-m", mode.rawValue, "stop"])
  }

  /// Stops the server in the way of `mode` and starts it again on the same port.
  public func restart(mode: StopMode = .fast) throws {
    try stop(mode: mode)
    try start()
  }

  /// Runs SQL through `psql` and returns the rows of its one query as text; NULL is `nil`.
  ///
  /// Throws a ``Failure`` with the server's message for the first statement that fails.
  @discardableResult
  public func run(sql: String) throws -> [[String?]] {
    let output = try Self.run(
      [
        "\(binaries)/psql", "-X", "-q", "-A", "-t", "-F", "\u{1F}", "-R", "\u{1E}", "-P", "null=\u{1D}", "-v",
        "ON_ERROR_STOP=1", "-d", url, "-f", "-"
      ], input: sql)
    var text = output[...]
    if text.hasSuffix("\n") { text = text.dropLast() }
    if text.isEmpty { return [] }
    return text.split(separator: "\u{1E}", omittingEmptySubsequences: false).map { line in
      line.split(separator: "\u{1F}", omittingEmptySubsequences: false).map { $0 == "\u{1D}" ? nil : String($0) }
    }
  }

  /// Runs a program as the user that owns the cluster.
  private func run(_ command: [String]) throws {
    let prefix = getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : []
    try Self.run(prefix + command, workingDirectory: directory)
  }

  /// Runs a program to its end; its output goes through files, so that a daemon it leaves behind holds no pipe.
  @discardableResult
  private static func run(_ command: [String], input: String? = nil, workingDirectory: String = "/tmp") throws -> String
  {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)")
    let paths = ["in", "out", "err"].map { scratch.path + "." + $0 }
    defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
    try Data((input ?? "").utf8).write(to: URL(fileURLWithPath: paths[0]))
    for path in paths.dropFirst() { try Data().write(to: URL(fileURLWithPath: path)) }
    let status = try spawn(command, standardFiles: paths, workingDirectory: workingDirectory)
    let output = String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: paths[1]))) ?? Data(), as: UTF8.self)
    guard status == 0 else {
      let errors = String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: paths[2]))) ?? Data(), as: UTF8.self)
      throw Failure(description: "\(command.joined(separator: " ")): \(errors)\(output)")
    }
    return output
  }

  /// Starts a program and waits for it alone: Foundation's `Process` waits for the daemons that it leaves behind, too.
  private static func spawn(_ command: [String], standardFiles: [String], workingDirectory: String) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, standardFiles[0], O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, standardFiles[1], O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, standardFiles[2], O_WRONLY, 0)
    let environment = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC", "PGCLIENTENCODING=UTF8"]
    var arguments = (["env", "--chdir=\(workingDirectory)"] + command).map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, "/usr/bin/env", &actions, nil, &arguments, &variables)
    guard code == 0 else { throw Failure(description: "\(command[0]) cannot be started: errno \(code)") }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    return status
  }

  private static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 ? getsockname(descriptor, generic, &length) : -1
      }
    }
    guard result == 0 else { throw Failure(description: "no free port: errno \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

/// The servers that are running, stopped when the process exits.
private final class ServersToStop: Sendable {
  static let shared = ServersToStop()
  private let running = Mutex<[String: Int32]>([:])

  private init() {
    atexit {
      for (directory, process) in ServersToStop.shared.running.withLock({ $0 }) {
        kill(process, SIGQUIT)
        try? FileManager.default.removeItem(atPath: directory)
      }
    }
  }

  func add(_ process: Int32, directory: String) { running.withLock { $0[directory] = process } }
  func remove(directory: String) { running.withLock { _ = $0.removeValue(forKey: directory) } }
}
