import Glibc
import Runtime

/// Starts other programs, and ends them with this one, however it ends.
///
/// The kernel ends a child when the *thread* that started it goes away: children are started on a lane that lives as long as
/// the process, never on a thread of the cooperative pool.
package actor ChildProcesses {
  /// A program that runs.
  package struct Child: Sendable {
    /// Its name in messages.
    package let name: String
    /// The file with its output.
    package let log: String
    let process: pid_t
    let stopSignal: Int32
  }

  private let lane = Lane(name: "children")
  private let clock: any EngineClock
  private var running: [Child] = []

  /// The lane that the actor is pinned to.
  nonisolated package var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  /// Nothing runs yet.
  package init(clock: any EngineClock) { self.clock = clock }

  /// Starts a program in a process group of its own, so that Ctrl-C reaches only this process, which ends the others in
  /// order.
  ///
  /// - Parameters:
  ///   - user: the user to run as; only root can ask for one.
  ///   - stopSignal: what ends the program in good order.
  /// - Throws: ``CommandFailure`` when it cannot be started.
  @discardableResult
  package func start(
    _ name: String, _ command: [String], log: String, user: String? = nil, stopSignal: Int32 = SIGTERM
  ) throws -> Child {
    // A database that loses its engine must still close its log in good order; the others have nothing to save.
    var arguments = ["setpriv", "--pdeathsig", stopSignal == SIGINT ? "INT" : "KILL"]
    if let user { arguments += ["--reuid", user, "--regid", user, "--init-groups"] }
    let process = try spawn(arguments + command, log: log)
    let child = Child(name: name, log: log, process: process, stopSignal: stopSignal)
    running.append(child)
    return child
  }

  /// Runs a program to its end.
  /// - Returns: its exit code; 128 and the signal when a signal ended it.
  /// - Throws: ``CommandFailure`` when it cannot be started.
  package func run(_ command: [String], log: String, user: String? = nil) throws -> Int32 {
    var arguments = ["setpriv", "--pdeathsig", "KILL"]
    if let user { arguments += ["--reuid", user, "--regid", user, "--init-groups"] }
    let process = try spawn(arguments + command, log: log)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
  }

  /// The children that ended by themselves since they were started.
  package func ended() -> [Child] {
    var ended: [Child] = []
    running.removeAll { child in
      var status: Int32 = 0
      guard waitpid(child.process, &status, WNOHANG) == child.process else { return false }
      ended.append(child)
      return true
    }
    return ended
  }

  /// Ends one child in good order, or after `patience` seconds without.
  package func stop(_ child: Child, patience: Double = 10) async {
    guard running.contains(where: { $0.process == child.process }) else { return }
    kill(child.process, child.stopSignal)
    let deadline = clock.monotonicNanoseconds() + Int64(patience * 1e9)
    var status: Int32 = 0
    while waitpid(child.process, &status, WNOHANG) == 0 {
      if clock.monotonicNanoseconds() > deadline { kill(child.process, SIGKILL) }
      // The actor's lane is made for blocking. A sleep of the clock would return at once in a task that was cancelled, which is
      // how demos end, and a child's end is to be awaited all the same.
      usleep(10_000)
    }
    running.removeAll { $0.process == child.process }
  }

  /// Ends all children, the youngest first.
  package func stopAll() async {
    while let last = running.last { await stop(last) }
  }

  /// Starts a program with its output in `log`; whoever calls waits for its end.
  func spawn(_ command: [String], log: String) throws -> pid_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Signals that this process ignores or handles must do in the child what they do by default.
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGPIPE, SIGTERM, SIGINT] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
    var arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let code = posix_spawnp(&process, command[0], &files, &attributes, &arguments, environ)
    guard code == 0 else {
      throw CommandFailure(.usage, "'\(command[0])' cannot be started: \(String(cString: strerror(code)))")
    }
    return process
  }
}

/// Small files and sockets, and the broker, of demos and benchmarks.
package enum DemoPlace {
  /// Makes a directory and those above it.
  /// - Throws: ``CommandFailure``.
  static func makeDirectory(_ path: String) throws {
    var made = ""
    for part in path.split(separator: "/") {
      made += "/" + part
      guard mkdir(made, 0o755) == 0 || errno == EEXIST else {
        throw CommandFailure(.usage, "the directory \(made) cannot be made: \(String(cString: strerror(errno)))")
      }
    }
  }

  /// The most that is read of a program's output.
  private static let textBytesMax = 1 << 16

  /// The beginning of a file; empty when there is none.
  private static func beginning(_ path: String) -> String { text(path, fromEnd: false) }

  /// The end of a file; empty when there is none.
  static func end(_ path: String) -> String { text(path, fromEnd: true) }

  private static func text(_ path: String, fromEnd: Bool) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    // A file that is shorter stays at its beginning.
    if fromEnd, fseek(file, -textBytesMax, SEEK_END) != 0 { rewind(file) }
    var bytes = [UInt8](repeating: 0, count: textBytesMax)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// The last lines of a program's output, for a message.
  package static func lastLines(_ path: String, count: Int = 5) -> String {
    end(path).split(separator: "\n").suffix(count).joined(separator: "\n")
  }

  /// Removes a directory with everything in it, or a file; what does not exist is fine.
  /// - Throws: ``CommandFailure``.
  static func remove(_ path: String) throws {
    do { try LocalFileSystem().removeTree(path) } catch { throw CommandFailure(.usage, "\(error)") }
  }

  /// The path of this program, for its children.
  /// - Throws: ``CommandFailure``.
  static func program() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { throw CommandFailure(.usage, "the path of this program cannot be found: is /proc mounted?") }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Starts the development broker with one topic.
  /// - Returns: its address.
  /// - Throws: ``CommandFailure``.
  static func startBroker(
    _ children: ChildProcesses, topic: String, partitions: Int, log: String, clock: any EngineClock
  ) async throws -> String {
    let command = [try program(), "broker", "--topic", "\(topic):\(partitions)"]
    try await children.start("the development broker", command, log: log)
    for _ in 0..<600 {
      for line in beginning(log).split(separator: "\n") where line.hasPrefix("bootstrap=") {
        return String(line.dropFirst("bootstrap=".count))
      }
      if await !children.ended().isEmpty { break }
      try await clock.sleep(for: 50_000_000)
    }
    throw CommandFailure(.usage, "the development broker does not start:\n\(lastLines(log))")
  }

  /// `preferred` when it is free on this machine, otherwise some free port, and says so.
  static func port(_ preferred: UInt16, for purpose: String) throws -> UInt16 {
    if let port = bindable(preferred) { return port }
    guard let port = bindable(0) else { throw CommandFailure(.usage, "there is no free port for \(purpose)") }
    Terminal.complain("port \(preferred) is taken: \(purpose) uses \(port)")
    return port
  }

  private static func bindable(_ port: UInt16) -> UInt16? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // As servers bind: connections that linger after an earlier run do not count.
    var one: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
        guard bind(descriptor, socketAddress, size) == 0, getsockname(descriptor, socketAddress, &size) == 0 else {
          return nil
        }
        return UInt16(bigEndian: pointer.pointee.sin_port)
      }
    }
  }
}
