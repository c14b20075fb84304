import Actors
import Columnar
import Formats
import Glibc
import Ingest
import Logging
import Runtime
import SQL
import Sinks

/// Where the command meets the modules below: loads SQL files, connects sources and sinks, makes engines.
package enum EngineAdapter {
  /// The settings of this process.
  ///
  /// - Parameter flags: values from the command line, by their names in the environment.
  /// - Throws: ``CommandFailure`` that lists everything that is wrong.
  package static func settings(flags: [String: String]) throws -> Settings {
    do {
      return try Settings(flags: flags, environment: environment)
    } catch {
      throw CommandFailure(.usage, "\(error)")
    }
  }

  /// The environment, without what the launcher leaves there for tests.
  package static var environment: [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let sides = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if sides.count == 2, sides[0] != "WEIR_BINARY" { result[String(sides[0])] = String(sides[1]) }
      entry += 1
    }
    return result
  }

  /// `path`, from the root.
  package static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    return String(cString: directory) + "/" + path
  }

  /// What to exit with when a job ends with `error`.
  package static func commandFailure(_ error: any Error) -> CommandFailure {
    error as? CommandFailure ?? CommandFailure(.job, "the job failed: \(error)")
  }
}
