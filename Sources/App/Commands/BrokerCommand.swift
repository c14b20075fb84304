import ArgumentParser
import Glibc
import Ingest
import Runtime
import UnixSignals

/// `weir broker`.
struct BrokerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "broker", abstract: "Runs a Kafka broker for development, in memory, until it is told to stop.",
    discussion: """
      The first line on standard output is bootstrap=host:port. It keeps the newest 5 MiB of each partition, and what it
      holds is gone when it ends.
      A line "down" on standard input cuts all connections and refuses new ones, "up" accepts them again: for trying
      out what a job does when its broker is away.
      """)

  @Option(
    name: .customLong("topic"), help: ArgumentHelp("A topic to make; may be repeated.", valueName: "name[:partitions]"))
  var topics: [String] = []

  func run() async throws {
    do {
      let broker = try DevelopmentBroker()
      for topic in topics {
        let sides = topic.split(separator: ":", maxSplits: 1).map(String.init)
        guard let name = sides.first, let partitions = sides.count == 2 ? Int(sides[1]) : 3 else {
          throw CommandFailure(.usage, "--topic takes a name, or name:partitions, got '\(topic)'")
        }
        try broker.createTopic(name, partitions: partitions)
      }
      Terminal.say("bootstrap=\(broker.bootstrap)")
      await withTaskGroup(of: Void.self) { group in
        let input = StandardInput()
        group.addTask { await Self.obey(broker, input) }
        for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { break }
        group.cancelAll()
      }
    } catch let error as DevelopmentError {
      throw CommandFailure(.usage, "\(error)")
    }
  }

  /// Carries out the lines of standard input until it ends; its end does not end the broker.
  private static func obey(_ broker: DevelopmentBroker, _ input: StandardInput) async {
    while let line = await input.nextLine() {
      switch line {
      case "down": broker.setReachable(false)
      case "up": broker.setReachable(true)
      default: Terminal.complain("weir: expected 'down' or 'up' on standard input, got '\(line)'")
      }
    }
  }
}

/// Lines of standard input, waited for on a thread of its own.
private actor StandardInput {
  private static let lineBytesMax = 4096
  private let lane = Lane(name: "input")
  private var bytes: [UInt8] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  /// The next line; `nil` at the end, when it cannot be read, and when the task is cancelled.
  func nextLine() -> String? {
    while !Task.isCancelled {
      if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
        defer { bytes.removeFirst(end + 1) }
        return String(decoding: bytes[..<end], as: UTF8.self)
      }
      var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      guard poll(&descriptor, 1, 100) > 0 else { continue }
      var chunk = [UInt8](repeating: 0, count: 256)
      let count = read(STDIN_FILENO, &chunk, chunk.count)
      guard count > 0, bytes.count < Self.lineBytesMax else { return nil }
      bytes += chunk[..<count]
    }
    return nil
  }
}
