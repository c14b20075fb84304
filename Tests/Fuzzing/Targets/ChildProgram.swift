import Glibc

/// A program in a process of its own, its output in a file: what ends it does not end us.
///
/// Foundation's `Process` learns of an end through a descriptor that the child holds, and so do the programs that the child
/// starts, such as the one that prints its backtrace. The kernel is asked directly.
public struct ChildProgram {
  /// How a program ended.
  public enum End: Hashable, Sendable {
    /// By itself, with this status.
    case exit(Int32)
    /// By this signal.
    case signal(Int32)
  }

  private let process: pid_t

  /// Starts `command`; both of its outputs are written to `output`.
  /// - Throws: ``FuzzFailure`` when it cannot be started.
  public init(_ command: [String], output: String, environment: [String: String] = [:]) throws {
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
    var arguments = command.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") }
    var inherited = environ
    while let variable = inherited.pointee {
      let name = String(cString: variable).prefix { $0 != "=" }
      if environment[String(name)] == nil { variables.append(strdup(variable)) }
      inherited += 1
    }
    variables.append(nil)
    defer { for text in arguments + variables { free(text) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, command[0], &files, nil, &arguments, &variables)
    guard code == 0 else {
      throw FuzzFailure("expected to start \(command[0]), found: \(String(cString: strerror(code)))")
    }
    self.process = process
  }

  /// How it ended; `nil` while it runs. Not to be asked again after its end.
  public func end() -> End? {
    var status: Int32 = 0
    return waitpid(process, &status, WNOHANG) == process ? Self.end(status) : nil
  }

  /// Waits for its end; blocks the thread.
  public func wait() -> End {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return Self.end(status)
  }

  /// Ends it at once, and waits for that.
  public func kill() {
    Glibc.kill(process, SIGKILL)
    _ = wait()
  }

  private static func end(_ status: Int32) -> End {
    status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
  }
}
