import Foundation
import Glibc
import Synchronization

/// Passes bytes between a client and a PostgreSQL server, and cuts both connections when it sees a pattern from the
/// client: before passing it on, or after, without the answer. Or it holds a client back, as one that is stopped.
public final class CuttingProxy: Sendable {
  /// When a connection is cut.
  public enum Cut: Sendable {
    case never, beforePassing, afterPassing
    /// Not cut: nothing of the client is passed on until ``release()``.
    case hold
  }

  /// The TCP port on 127.0.0.1 that clients connect to.
  public let port: Int
  private let serverPort: Int
  private let listener: Int32
  private let pattern = Mutex<(bytes: [UInt8], cut: Cut)>(([], .never))
  private let cuts = Atomic<Int>(0)
  private let held = DispatchSemaphore(value: 0)

  /// How many connections were cut, or held.
  public var cutCount: Int { cuts.load(ordering: .sequentiallyConsistent) }

  /// A proxy of the server on a port of 127.0.0.1.
  public init(serverPort: Int) throws {
    self.serverPort = serverPort
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = CuttingProxy.loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && listen(descriptor, 16) == 0
          ? getsockname(descriptor, generic, &length) : -1
      }
    }
    guard result == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    port = Int(UInt16(bigEndian: address.sin_port))
    let thread = Thread { [self] in acceptAll() }
    thread.start()
  }

  /// Cuts the next connection whose client sends `text`.
  public func cut(_ cut: Cut, at text: String) { pattern.withLock { $0 = (Array(text.utf8), cut) } }

  /// Lets a connection that is held go on.
  public func release() { held.signal() }

  private static func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = UInt16(port).bigEndian
    return address
  }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else { return }
      let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = CuttingProxy.loopback(serverPort)
      let status = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard status == 0 else {
        close(client)
        close(server)
        continue
      }
      Thread { self.pass(from: client, to: server, watches: true) }.start()
      Thread { self.pass(from: server, to: client, watches: false) }.start()
    }
  }

  private func pass(from source: Int32, to target: Int32, watches: Bool) {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(source, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      let cut = watches ? takeCut(buffer[..<count]) : .never
      if cut == .beforePassing { break }
      if cut == .hold { held.wait() }
      if cut == .afterPassing {
        // The client is cut off first, so that no answer can reach it; the server then gets the message.
        shutdown(source, Int32(SHUT_RDWR))
      }
      guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
    }
    shutdown(source, Int32(SHUT_RDWR))
    shutdown(target, Int32(SHUT_WR))
  }

  private func takeCut(_ bytes: ArraySlice<UInt8>) -> Cut {
    pattern.withLock { pattern in
      guard pattern.cut != .never, bytes.count >= pattern.bytes.count else { return .never }
      let end = bytes.endIndex - pattern.bytes.count
      let isFound = (bytes.startIndex...end).contains { bytes[$0...].starts(with: pattern.bytes) }
      guard isFound else { return .never }
      defer { pattern.cut = .never }
      cuts.add(1, ordering: .sequentiallyConsistent)
      return pattern.cut
    }
  }
}
