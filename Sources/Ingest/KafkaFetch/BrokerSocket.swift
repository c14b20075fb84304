import Glibc

/// A TCP connection that never waits. Closed with the object.
final class BrokerSocket {
  /// What poll(2) watches.
  let descriptor: Int32

  /// Begins to connect.
  /// - Throws: ``ConnectionError``.
  init(_ address: BrokerAddress) throws(ConnectionError) {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    descriptor = socket(address.family, type, 0)
    guard descriptor >= 0 else { throw ConnectionError(errno) }
    // A request must not wait for the acknowledgement of the one before.
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let status = address.bytes.withUnsafeBytes { bytes -> Int32 in
      guard let start = bytes.baseAddress, bytes.count >= MemoryLayout<sockaddr>.size else {
        errno = EINVAL
        return -1
      }
      return connect(descriptor, start.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    guard status == 0 || errno == EINPROGRESS else { throw ConnectionError(errno) }
  }

  deinit { Glibc.close(descriptor) }

  /// To be called when the socket has become writable for the first time.
  /// - Throws: ``ConnectionError`` when connecting failed.
  func checkConnected() throws(ConnectionError) {
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { throw ConnectionError(errno) }
    if code != 0 { throw ConnectionError(code) }
  }

  /// Sends what the socket takes; returns how many bytes that is.
  /// - Throws: ``ConnectionError``.
  func send(_ bytes: ArraySlice<UInt8>) throws(ConnectionError) -> Int {
    let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    if count >= 0 { return count }
    guard errno == EAGAIN || errno == EINTR else { throw ConnectionError(errno) }
    return 0
  }

  /// Receives into one piece of memory, and what it has no room for into a second; returns how many bytes came, 0 when none
  /// is there.
  /// - Throws: ``ConnectionError``, also when the other side has closed the connection.
  func receive(
    _ first: UnsafeMutableRawBufferPointer, _ second: UnsafeMutableRawBufferPointer
  ) throws(ConnectionError) -> Int {
    let pieces = (
      iovec(iov_base: first.baseAddress, iov_len: first.count),
      iovec(iov_base: second.baseAddress, iov_len: second.count)
    )
    let count = withUnsafeBytes(of: pieces) { list in
      readv(descriptor, list.baseAddress?.assumingMemoryBound(to: iovec.self), 2)
    }
    if count > 0 { return count }
    if count == 0 { throw ConnectionError("the broker closed the connection") }
    guard errno == EAGAIN || errno == EINTR else { throw ConnectionError(errno) }
    return 0
  }
}

/// A connection ended, or cannot be used.
struct ConnectionError: Error {
  /// Why, for the log.
  let reason: String
  /// Whether what came was no answer of a broker: the other side does not speak this protocol, or is damaged.
  let isMalformed: Bool
  /// Whether the broker is too old for this client.
  let isTooOld: Bool

  init(_ reason: String, isMalformed: Bool = false, isTooOld: Bool = false) {
    self.reason = reason
    self.isMalformed = isMalformed
    self.isTooOld = isTooOld
  }

  init(_ code: Int32) { self.init(String(cString: strerror(code))) }
}
