/// Takes an answer from the socket: what is about it into a small buffer, and a partition's records where they stay.
///
/// ```
///  length │ correlation │ … partition ▏records▕ partition ▏records▕ …
///         └───────── staged ─────────┘└ own ┘└─ staged ──┘
/// ```
/// One call to the system fills the rest of a partition's records and stages what follows them.
struct AnswerReceiver {
  /// What has become complete.
  enum Event {
    /// An answer other than to a fetch.
    case body(UnsafeRawBufferPointer)
    case partition(FetchAnswer, FetchBuffer?)
    case end(errorCode: Int16)
  }

  /// Which answer is due.
  enum Expected {
    case versions
    case fetch(version: Int16)
  }

  private static let stagedBytesLeast = 16 << 10

  private let memory: FetchMemory
  private let frameBytesMax: Int
  private var staged: FetchBuffer
  private var stagedStart = 0
  private var stagedEnd = 0
  /// Bytes of the answer that were not taken from the staged ones or received into records yet; `nil` between answers.
  private var frameLeft: Int?
  private var correlation: Int32 = 0
  private var expected = Expected.versions
  private var parser: FetchResponseParser?
  private var partition: (answer: FetchAnswer, buffer: FetchBuffer, filled: Int)?

  init(_ memory: FetchMemory, frameBytesMax: Int) {
    self.memory = memory
    self.frameBytesMax = frameBytesMax
    staged = FetchBuffer(capacity: Self.stagedBytesLeast)
  }

  /// A request was sent.
  mutating func expect(_ expected: Expected, correlation: Int32) {
    self.expected = expected
    self.correlation = correlation
    parser = nil
  }

  /// Receives what is there; returns how many bytes that is.
  /// - Throws: ``ConnectionError``.
  mutating func receive(from socket: BrokerSocket) throws(ConnectionError) -> Int {
    if stagedStart > 0 { moveToFront() }
    let tail = UnsafeMutableRawBufferPointer(start: staged.start + stagedEnd, count: staged.capacity - stagedEnd)
    guard let open = partition else {
      let count = try socket.receive(tail, UnsafeMutableRawBufferPointer(start: nil, count: 0))
      stagedEnd += count
      return count
    }
    let missing = open.answer.recordBytes - open.filled
    let count = try socket.receive(
      UnsafeMutableRawBufferPointer(start: open.buffer.start + open.filled, count: missing), tail)
    partition?.filled += min(count, missing)
    frameLeft = frameLeft.map { $0 - min(count, missing) }
    stagedEnd += max(0, count - missing)
    return count
  }

  /// The next complete part; `nil` when more bytes are needed.
  /// - Throws: ``ConnectionError`` when they are no answer.
  mutating func next() throws(ConnectionError) -> Event? {
    if partition != nil { return takeFilled() }
    do throws(WireError) {
      guard try beginFrame() else { return nil }
      switch expected {
      case .versions: return try takeBody()
      case .fetch(let version): return try nextPiece(version)
      }
    } catch {
      guard case .malformed(let reason) = error else {
        throw ConnectionError("the answer ends too early", isMalformed: true)
      }
      throw ConnectionError(reason, isMalformed: true)
    }
  }

  /// Reads an answer's length and correlation; `false` when they have not come yet.
  private mutating func beginFrame() throws(WireError) -> Bool {
    if frameLeft != nil { return true }
    var reader = WireReader(stagedBytes)
    guard reader.remaining >= 8 else { return false }
    let length = Int(try reader.integer(Int32.self))
    guard (4...frameBytesMax).contains(length) else {
      throw .malformed("the answer's length is \(length), expected 4 to \(frameBytesMax)")
    }
    let found = try reader.integer(Int32.self)
    guard found == correlation else { throw .malformed("the answer is to request \(found), expected \(correlation)") }
    stagedStart += reader.position
    frameLeft = length - 4
    return true
  }

  private var stagedBytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: staged.start + stagedStart, count: stagedEnd - stagedStart)
  }

  /// The staged bytes that belong to this answer.
  private func frameBytes(_ left: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: stagedBytes.prefix(left))
  }

  private mutating func takeBody() throws(WireError) -> Event? {
    guard let left = frameLeft else { return nil }
    let bytes = frameBytes(left)
    guard bytes.count == left else { return try needMore(left) }
    stagedStart += left
    frameLeft = nil
    return .body(bytes)
  }

  private mutating func nextPiece(_ version: Int16) throws(WireError) -> Event? {
    guard let left = frameLeft else { return nil }
    var (parser, reader) = (parser ?? FetchResponseParser(version: version), WireReader(frameBytes(left)))
    let result: FetchResponseParser.Piece?
    do throws(WireError) {
      result = try parser.next(&reader)
    } catch {
      guard error == .short else { throw error }
      result = nil
    }
    self.parser = parser
    stagedStart += reader.position
    let rest = left - reader.position
    frameLeft = rest
    switch result {
    case nil: return try needMore(rest)
    case .end:
      guard rest == 0 else { throw .malformed("\(rest) bytes are left behind the answer") }
      frameLeft = nil
      return .end(errorCode: parser.errorCode)
    case .partition(let answer):
      guard answer.recordBytes <= rest else { throw .short }
      if answer.recordBytes == 0 { return .partition(answer, nil) }
      begin(answer)
      return takeFilled()
    }
  }

  /// Takes what is staged of a partition's records.
  private mutating func begin(_ answer: FetchAnswer) {
    let buffer = memory.take(answer.recordBytes)
    let count = min(answer.recordBytes, stagedEnd - stagedStart)
    buffer.start.copyMemory(from: staged.start + stagedStart, byteCount: count)
    stagedStart += count
    frameLeft = frameLeft.map { $0 - count }
    partition = (answer, buffer, count)
  }

  private mutating func takeFilled() -> Event? {
    guard let done = partition, done.filled == done.answer.recordBytes else { return nil }
    partition = nil
    return .partition(done.answer, done.buffer)
  }

  /// Makes room for more of an answer of which `left` bytes are not taken.
  private mutating func needMore(_ left: Int) throws(WireError) -> Event? {
    let count = stagedEnd - stagedStart
    // All of it is here, and is not enough.
    guard count < left else { throw .short }
    guard count == staged.capacity else { return nil }
    let larger = FetchBuffer(capacity: staged.capacity * 2)
    larger.start.copyMemory(from: staged.start, byteCount: count)
    staged = larger
    return nil
  }

  private mutating func moveToFront() {
    let count = stagedEnd - stagedStart
    staged.start.copyMemory(from: staged.start + stagedStart, byteCount: count)
    (stagedStart, stagedEnd) = (0, count)
  }
}
