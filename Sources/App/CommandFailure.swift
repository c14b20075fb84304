/// A command ended without success: what to print as the last line on standard error, and the exit code.
package struct CommandFailure: Error, CustomStringConvertible, Sendable {
  /// What the exit code tells a script.
  package enum Code: Int32, Sendable {
    /// What was looked at is wrong: the SQL file has mistakes, sinks differ from their source, a seed breaks an invariant.
    case finding = 1
    /// The command line or the configuration is wrong, or the machine lacks something.
    case usage = 2
    /// The job could not go on.
    case job = 3
  }

  /// The exit code.
  package let code: Code
  /// What was expected, what came, what to do.
  package let message: String

  /// A failure.
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  package var description: String { message }
}
