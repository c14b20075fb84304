import Glibc

/// Writes lines for people and scripts; each call is one write, so that lines of several tasks do not mix.
package enum Terminal {
  /// Whether standard output is a terminal that shows control sequences.
  package static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }

  /// Writes a line to standard output.
  package static func say(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

  /// Writes a line to standard error.
  package static func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    var remaining = Array(text.utf8)[...]
    while !remaining.isEmpty {
      let written = remaining.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written > 0 {
        remaining = remaining.dropFirst(written)
      } else if errno != EINTR {
        // Nobody reads any more: there is nobody left to tell.
        return
      }
    }
  }
}
