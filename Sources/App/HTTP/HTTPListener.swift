import Glibc
import Hummingbird
import Logging
import NIOCore

/// An address that is listened on by HTTP, whatever is served there.
struct HTTPListener: Sendable {
  /// The address, and the setting that it comes from.
  let host: (value: String, setting: String)
  /// The port, and the setting that it comes from; 0 takes a free one.
  let port: (value: Int, setting: String)
  let logger: Logger
  /// Is told the port once connections are accepted.
  let onListening: @Sendable (Int) async -> Void

  /// Answers requests until graceful shutdown or cancellation.
  ///
  /// - Parameter respond: answers one request; called concurrently.
  /// - Throws: ``CommandFailure`` when the address cannot be listened on.
  func serve(_ respond: @escaping @Sendable (Request) async -> Response) async throws {
    var quiet = logger
    // The server announces itself at this level; what it listens on is said once, by the command.
    if quiet.logLevel == .info { quiet.logLevel = .notice }
    let application = Application(
      responder: CallbackResponder<BasicRequestContext> { request, _ in await respond(request) },
      configuration: ApplicationConfiguration(
        address: .hostname(host.value, port: port.value), serverName: "weir"),
      onServerRunning: { [onListening] channel in
        // No address: it is closed again already.
        if let port = channel.localAddress?.port { await onListening(port) }
      },
      logger: quiet)
    do {
      try await application.run()
    } catch let error as IOError {
      throw failure(advice(error))
    } catch let error as SocketAddressError {
      throw failure("\(error); set \(host.setting) to an address of this machine")
    }
  }

  /// The address to open in a browser: on this machine when everything is listened on.
  static func address(host: String, port: Int) -> String {
    let reachable = ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
    return "http://\(reachable.contains(":") ? "[\(reachable)]" : reachable):\(port)"
  }

  private func failure(_ reason: String) -> CommandFailure {
    CommandFailure(.usage, "cannot listen on \(host.value):\(port.value): \(reason)")
  }

  private func advice(_ error: IOError) -> String {
    switch error.errnoCode {
    case EADDRINUSE: "another program listens there; set \(port.setting) to another port, or to 0 for a free one"
    case EADDRNOTAVAIL: "this machine does not have that address; set \(host.setting) to one that it has"
    case EACCES: "ports below 1024 need privileges; set \(port.setting) to a greater one"
    default: "\(error)"
    }
  }
}
