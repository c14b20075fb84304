import Glibc
import Runtime

/// A private PostgreSQL for a demo: made at first use, kept between runs, reachable from this machine only.
struct DemoDatabase: Sendable {
  /// Whom the server runs as when root starts it.
  private static let user = "postgres"

  /// Where to connect.
  let url: String
  /// For people: how to look at the tables.
  var shellCommand: String { "psql \(url)" }

  /// Starts the server, after making the cluster and the database `analytics` when they do not exist.
  ///
  /// - Parameter directory: the demo's directory.
  /// - Throws: ``CommandFailure`` when PostgreSQL is not installed or does not start.
  static func start(
    _ children: ChildProcesses, directory: String, logs: String, clock: any EngineClock
  ) async throws -> DemoDatabase {
    let programs = try programDirectory()
    // PostgreSQL refuses to run as root.
    let user = geteuid() == 0 ? Self.user : nil
    let place = try await clusterDirectory(children, directory, user, logs)
    let log = logs + "/postgres.log"
    if access(place + "/data/PG_VERSION", F_OK) != 0 {
      Terminal.complain("making a private PostgreSQL in \(place)")
      try DemoPlace.remove(place + "/new")
      let command = [
        programs + "/initdb", "-D", place + "/new", "-U", "analytics", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
      ]
      guard try await children.run(command, log: log, user: user) == 0, rename(place + "/new", place + "/data") == 0
      else { throw CommandFailure(.usage, "initdb failed:\n\(DemoPlace.lastLines(log))") }
    }
    let port = try DemoPlace.port(7777, for: "PostgreSQL")
    let server = [
      programs + "/postgres", "-D", place + "/data", "-c", "listen_addresses=127.0.0.1", "-c", "port=\(port)",
      "-c", "unix_socket_directories=", "-c", "shared_buffers=64MB", "-c", "max_connections=30"
    ]
    // An interrupt is a fast shutdown: sessions are ended, and the log is closed in good order.
    let child = try await children.start("PostgreSQL", server, log: log, user: user, stopSignal: SIGINT)
    let client = ["-h", "127.0.0.1", "-p", "\(port)", "-U", "analytics"]
    try await waitUntilReady(children, child, [programs + "/pg_isready", "-q"] + client, clock)
    // Fails when the database exists; whether it does is what the connection that follows finds out.
    _ = try await children.run([programs + "/createdb"] + client + ["analytics"], log: logs + "/createdb.log")
    let forget = "DROP SCHEMA IF EXISTS weir CASCADE"
    guard
      try await children.run([programs + "/psql", "-q"] + client + ["-c", forget, "analytics"], log: log) == 0
    else { throw CommandFailure(.usage, "PostgreSQL does not take commands:\n\(DemoPlace.lastLines(log))") }
    return DemoDatabase(url: "postgresql://analytics@127.0.0.1:\(port)/analytics")
  }

  private static func programDirectory() throws -> String {
    let base = "/usr/lib/postgresql"
    let versions = (10...40).reversed().map { "\(base)/\($0)/bin" }
    if let found = versions.first(where: { access($0 + "/initdb", X_OK) == 0 }) { return found }
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    if let found = path.split(separator: ":").first(where: { access("\($0)/initdb", X_OK) == 0 }) {
      return String(found)
    }
    throw CommandFailure(
      .usage,
      "the demo needs a PostgreSQL server, and there is no initdb below \(base) or in PATH; "
        + "install it: apt-get install postgresql-15")
  }

  /// Below the demo's directory; when the server's user cannot get there (a home directory of root), below /var/tmp.
  private static func clusterDirectory(
    _ children: ChildProcesses, _ directory: String, _ user: String?, _ logs: String
  ) async throws -> String {
    let place = directory + "/postgres"
    try DemoPlace.makeDirectory(place)
    guard let user else { return place }
    guard let account = getpwnam(user) else {
      throw CommandFailure(.usage, "PostgreSQL does not run as root, and there is no user '\(user)' to run it as")
    }
    try give(place, to: account.pointee)
    let reach = ["test", "-w", place]
    if try await children.run(reach, log: logs + "/access.log", user: user) == 0 { return place }
    let other = otherDirectory(directory)
    guard mkdir(other, 0o700) == 0 || errno == EEXIST else {
      throw CommandFailure(.usage, "the directory \(other) cannot be made: \(String(cString: strerror(errno)))")
    }
    try give(other, to: account.pointee)
    return other
  }

  /// The cluster of a directory that the server's user cannot get to; each directory has its own.
  private static func otherDirectory(_ directory: String) -> String {
    "/var/tmp/weir-postgres-" + String(Checksum.xxh64(Array(directory.utf8)), radix: 16)
  }

  /// Makes the server's user the owner. Below /var/tmp anybody could have put something else there before: only a
  /// directory that root or that user owns already is given away.
  private static func give(_ place: String, to account: passwd) throws {
    var status = stat()
    guard lstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, [0, account.pw_uid].contains(status.st_uid)
    else { throw CommandFailure(.usage, "\(place) is not a directory of root or of '\(user)': remove it") }
    guard lchown(place, account.pw_uid, account.pw_gid) == 0 else {
      throw CommandFailure(.usage, "\(place) cannot be given to '\(user)': \(String(cString: strerror(errno)))")
    }
  }

  /// Removes the cluster of a directory, wherever it is; the server has ended.
  /// - Throws: ``CommandFailure``.
  static func remove(of directory: String) throws {
    try DemoPlace.remove(directory + "/postgres")
    if geteuid() == 0 { try DemoPlace.remove(otherDirectory(directory)) }
  }

  private static func waitUntilReady(
    _ children: ChildProcesses, _ child: ChildProcesses.Child, _ probe: [String], _ clock: any EngineClock
  ) async throws {
    for _ in 0..<300 {
      if try await children.run(probe, log: "/dev/null") == 0 { return }
      if await children.ended().contains(where: { $0.name == child.name }) { break }
      try await clock.sleep(for: 100_000_000)
    }
    throw CommandFailure(.usage, "PostgreSQL does not start:\n\(DemoPlace.lastLines(child.log))")
  }
}
