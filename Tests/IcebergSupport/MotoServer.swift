import Glibc
import Iceberg
import Synchronization

/// An S3 server for tests: moto, a child process on a free port of the loopback address. It dies with this process.
public final class MotoServer: Sendable {
  /// What went wrong.
  public struct Failure: Error, CustomStringConvertible {
    /// In words.
    public let description: String
  }

  /// `http://127.0.0.1:port`.
  public let endpoint: String
  private let process: pid_t

  /// The Python of the judges, from `WEIR_JUDGES_PYTHON`.
  public static func python() throws -> String {
    guard let path = getenv("WEIR_JUDGES_PYTHON").map({ String(cString: $0) }), !path.isEmpty else {
      throw Failure(description: "WEIR_JUDGES_PYTHON is not set: it names the Python that has moto, boto3 and pyarrow")
    }
    return path
  }

  /// Starts a server and waits until it accepts connections.
  public init() async throws {
    let port = try Self.freePort()
    endpoint = "http://127.0.0.1:\(port)"
    // It looks itself whether this process is still there: a test run that is killed leaves no server behind.
    let code = """
      import os, sys, threading, time
      parent = os.getppid()
      def watch():
          while os.getppid() == parent: time.sleep(0.5)
          os._exit(0)
      threading.Thread(target=watch, daemon=True).start()
      from moto.server import main
      main(['-H', '127.0.0.1', '-p', '\(port)'])
      """
    process = try ChildProcess.start([try Self.python(), "-c", code], output: "/dev/null")
    for _ in 0..<600 {
      if Self.accepts(port) { return }
      if waitpid(process, nil, WNOHANG) != 0 { throw Failure(description: "moto ended while it was starting") }
      try await Task.sleep(nanoseconds: 50_000_000)
    }
    throw Failure(description: "moto did not accept connections within 30 seconds")
  }

  deinit { stop() }

  /// Ends the server.
  public func stop() {
    kill(process, SIGKILL)
    waitpid(process, nil, 0)
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 ? getsockname(descriptor, generic, &length) : -1
      }
    }
    guard result == 0 else { throw Failure(description: "no free port: errno \(errno)") }
    return UInt16(bigEndian: address.sin_port)
  }

  private static func accepts(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(port)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = port.bigEndian
    return address
  }
}

/// Programs that tests run.
public enum ChildProcess {
  /// Starts a program; its output goes to a file.
  public static func start(_ command: [String], output: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var arguments = command.map { strdup($0) } + [nil]
    defer { for pointer in arguments { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, command[0], &actions, nil, &arguments, environ)
    guard code == 0 else { throw MotoServer.Failure(description: "\(command[0]) cannot be started: errno \(code)") }
    return process
  }

  /// Runs a program to its end and returns its output; a failure has it, too.
  public static func run(_ command: [String]) async throws -> String {
    let output = "/tmp/iceberg-judge-\(getpid())-\(UInt64.random(in: .min ... .max))"
    defer { unlink(output) }
    let process = try start(command, output: output)
    var status: Int32 = 0
    while true {
      let result = waitpid(process, &status, WNOHANG)
      if result == process || result < 0 && errno != EINTR { break }
      try await Task.sleep(nanoseconds: 10_000_000)
    }
    let text = String(decoding: try await LocalFileStore().read(output, range: nil), as: UTF8.self)
    guard status == 0 else { throw MotoServer.Failure(description: "\(command) ended with \(status): \(text)") }
    return text
  }
}
