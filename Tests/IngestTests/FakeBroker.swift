import Glibc
import Ingest
import Synchronization

/// A broker that knows ApiVersions and Fetch and nothing else: strict about what it is asked, and able to misbehave.
final class FakeBroker: Sendable {
  /// What it does with one fetch, instead of answering it.
  enum Trouble: Sendable {
    /// An error of every partition.
    case partitionError(Int16)
    /// An error of the request, without partitions.
    case requestError(Int16)
    /// The answer ends after so many bytes, and the connection with it.
    case cut(after: Int)
    /// No answer, ever.
    case silence
    /// A byte at a time.
    case slow
    /// An answer to what was asked, so many milliseconds later.
    case late(milliseconds: UInt32)
    /// These bytes instead of the answer.
    case bytes([UInt8])
  }

  struct Log: Sendable {
    var batches: [(last: Int64, bytes: [UInt8])] = []
    var aborted: [AbortedTransaction] = []
  }

  struct Asked: Hashable, Sendable {
    let number: Int32
    let offset: Int64
  }

  private struct State {
    var logs: [Int32: Log] = [:]
    var troubles: [Trouble] = []
    var asked: [[Asked]] = []
    var fetchVersions: Set<Int16> = []
    var problems: [String] = []
    var connections = 0
    var isStopped = false
  }

  /// What it says it knows of Fetch; `nil` answers that ApiVersions is not known.
  private let versions: ClosedRange<Int16>?
  private let listener: Int32
  /// Where it listens, on 127.0.0.1.
  let port: UInt16
  private let state = Mutex(State())

  init(versions: ClosedRange<Int16>? = 0...17) {
    self.versions = versions
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = Self.address(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let found = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
        bind(listener, address, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, address, &size) == 0
      }
    }
    precondition(found, "no port on 127.0.0.1")
    port = UInt16(bigEndian: address.sin_port)
    startThread { [self] in
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0, !state.withLock({ $0.isStopped }) else { break }
        state.withLock { $0.connections += 1 }
        startThread { self.serve(connection) }
      }
      close(listener)
    }
  }

  private static func address(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = port.bigEndian
    return address
  }

  var brokerAddress: BrokerAddress {
    withUnsafeBytes(of: Self.address(port: port)) { BrokerAddress(family: AF_INET, bytes: Array($0)) }
  }

  /// Ends all of its threads.
  func stop() {
    state.withLock { $0.isStopped = true }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  // MARK: What it has, does and saw

  func append(_ batches: [TestBatch], to number: Int32 = 0, aborted: [AbortedTransaction] = []) {
    state.withLock { state in
      state.logs[number, default: Log()].batches += batches.map { ($0.last, $0.bytes) }
      state.logs[number, default: Log()].aborted += aborted
    }
  }

  func misbehave(_ troubles: Trouble...) { state.withLock { $0.troubles += troubles } }

  /// The partitions of each fetch, in order.
  var asked: [[Asked]] { state.withLock { $0.asked } }
  var fetchVersions: Set<Int16> { state.withLock { $0.fetchVersions } }
  /// What was wrong about requests.
  var problems: [String] { state.withLock { $0.problems } }
  /// Connections that are open.
  var connections: Int { state.withLock { $0.connections } }

  // MARK: Connections

  private func serve(_ connection: Int32) {
    while let length = read(4, connection) {
      let size = Int(Int32(bigEndian: length.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }))
      guard (8...1_000_000).contains(size), let request = read(size, connection) else { break }
      guard answer(request, connection) else { break }
    }
    close(connection)
    state.withLock { $0.connections -= 1 }
  }

  private func read(_ count: Int, _ connection: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      var watched = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
      guard poll(&watched, 1, 20) >= 0, !state.withLock({ $0.isStopped }) else { return nil }
      if watched.revents == 0 { continue }
      let got = bytes.withUnsafeMutableBytes { recv(connection, $0.baseAddress.map { $0 + filled }, count - filled, 0) }
      guard got > 0 else { return nil }
      filled += got
    }
    return bytes
  }

  private func write(_ bytes: [UInt8], _ connection: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  private func answer(_ request: [UInt8], _ connection: Int32) -> Bool {
    var reader = RequestReader(request)
    let (key, version, correlation) = (reader.int16(), reader.int16(), reader.int32())
    if reader.string() != "weir" { note("the client's name") }
    if key == 18 {
      if version != 0 || reader.left != 0 { note("ApiVersions") }
      let known = versions.map {
        big(Int16(0)) + big(Int32(1)) + big(Int16(1)) + big($0.lowerBound) + big($0.upperBound)
      }
      return write(framed(big(correlation) + (known ?? big(Int16(35)) + big(Int32(0)))), connection)
    }
    guard key == 1 else {
      note("request \(key)")
      return false
    }
    return fetch(&reader, version, correlation, connection)
  }

  private func note(_ problem: String) { state.withLock { $0.problems.append(problem) } }

  private func framed(_ bytes: [UInt8]) -> [UInt8] { big(Int32(bytes.count)) + bytes }
}

extension FakeBroker {
  private struct Wanted {
    let number: Int32
    let offset: Int64
    let bytes: Int32
  }

  private func fetch(
    _ reader: inout RequestReader, _ version: Int16, _ correlation: Int32, _ connection: Int32
  ) -> Bool {
    if !(versions ?? 4...4).contains(version) { note("Fetch in version \(version)") }
    if reader.int32() != -1 { note("a replica") }
    let (wait, _, answerBytes) = (reader.int32(), reader.int32(), reader.int32())
    if reader.int8() != 1 { note("isolation") }
    if version >= 7, reader.int32() != 0 || reader.int32() != -1 { note("a session") }
    var wanted: [Wanted] = []
    for _ in 0..<reader.int32() {
      if reader.string() != "t" { note("another topic") }
      for _ in 0..<reader.int32() {
        let number = reader.int32()
        if version >= 9, reader.int32() != -1 { note("a leader epoch") }
        let offset = reader.int64()
        if version >= 5, reader.int64() != -1 { note("a log start") }
        wanted.append(Wanted(number: number, offset: offset, bytes: reader.int32()))
      }
    }
    if version >= 7, reader.int32() != 0 { note("forgotten topics") }
    if version >= 11, !reader.string().isEmpty { note("a rack") }
    if reader.left != 0 { note("\(reader.left) bytes behind the request") }
    let trouble = state.withLock { state -> Trouble? in
      state.asked.append(wanted.map { Asked(number: $0.number, offset: $0.offset) })
      state.fetchVersions.insert(version)
      return state.troubles.isEmpty ? nil : state.troubles.removeFirst()
    }
    let body = { (code: Int16, top: Int16) in
      self.framed(self.body(wanted, version, correlation, code: code, requestCode: top, answerBytes: answerBytes))
    }
    switch trouble {
    case nil:
      waitForRecords(wanted, milliseconds: wait)
      return write(body(0, 0), connection)
    case .partitionError(let code): return write(body(code, 0), connection)
    case .requestError(let code): return write(body(0, code), connection)
    case .cut(let count):
      _ = write(Array(body(0, 0).prefix(count)), connection)
      return false
    case .silence:
      _ = read(1, connection)
      return false
    case .slow: return body(0, 0).allSatisfy { write([$0], connection) }
    case .late(let milliseconds):
      let answer = body(0, 0)
      usleep(milliseconds * 1000)
      return write(answer, connection)
    case .bytes(let bytes): return write(bytes, connection)
    }
  }

  private func waitForRecords(_ wanted: [Wanted], milliseconds: Int32) {
    for _ in 0..<max(0, milliseconds) {
      let isThere = state.withLock { state in
        wanted.contains { one in state.logs[one.number]?.batches.contains { $0.last >= one.offset } ?? false }
      }
      if isThere { return }
      usleep(1000)
    }
  }

  /// As a broker fills it: what is too large for its partition comes only where nothing else has come before.
  private func body(
    _ wanted: [Wanted], _ version: Int16, _ correlation: Int32, code: Int16, requestCode: Int16, answerBytes: Int32
  ) -> [UInt8] {
    var bytes = big(correlation) + big(Int32(0))
    if version >= 7 { bytes += big(requestCode) + big(Int32(0)) }
    if requestCode != 0 { return bytes + big(Int32(0)) }
    bytes += big(Int32(1)) + big(Int16(1)) + Array("t".utf8) + big(Int32(wanted.count))
    var left = Int(answerBytes)
    var isFirst = true
    for one in wanted {
      let log = state.withLock { $0.logs[one.number] ?? Log() }
      let high = (log.batches.last?.last ?? -1) + 1
      bytes += big(one.number) + big(code) + big(code == 0 ? high : -1) + big(high)
      if version >= 5 { bytes += big(Int64(0)) }
      bytes += big(Int32(log.aborted.count))
      for aborted in log.aborted { bytes += big(aborted.producer) + big(aborted.firstOffset) }
      if version >= 11 { bytes += big(Int32(-1)) }
      var records: [UInt8] = []
      if code == 0 {
        let rest = log.batches.drop { $0.last < one.offset }.flatMap(\.bytes)
        let first = log.batches.first { $0.last >= one.offset }?.bytes.count ?? 0
        let room = min(left, Int(one.bytes))
        records = first <= room ? Array(rest.prefix(room)) : isFirst ? Array(rest.prefix(first)) : []
        if !records.isEmpty { isFirst = false }
      }
      left = max(0, left - records.count)
      bytes += big(Int32(records.count)) + records
    }
    return bytes
  }
}

/// Reads a request's fields; zeros behind its end.
private struct RequestReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var left: Int { bytes.count - position }

  private mutating func number(_ count: Int) -> UInt64 {
    defer { position += count }
    return (0..<count).reduce(0) { $0 << 8 | UInt64(position + $1 < bytes.count ? bytes[position + $1] : 0) }
  }

  mutating func int8() -> Int8 { Int8(truncatingIfNeeded: number(1)) }
  mutating func int16() -> Int16 { Int16(truncatingIfNeeded: number(2)) }
  mutating func int32() -> Int32 { Int32(truncatingIfNeeded: number(4)) }
  mutating func int64() -> Int64 { Int64(truncatingIfNeeded: number(8)) }

  mutating func string() -> String {
    let count = Int(int16())
    defer { position += count }
    return String(decoding: bytes[position..<min(bytes.count, position + count)], as: UTF8.self)
  }
}

/// Runs `body` on a thread of its own.
private func startThread(_ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { context in
      if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
      return nil
    }, Unmanaged.passRetained(Box(body)).toOpaque())
  precondition(status == 0, "no thread")
  pthread_detach(thread)
}
