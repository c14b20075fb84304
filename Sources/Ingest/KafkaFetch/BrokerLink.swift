import Glibc

/// A partition as the fetch thread sees it. Only that thread touches it.
final class FetchSlot {
  let partition: FetchPartition
  /// The next offset to ask for.
  var offset: Int64
  /// The broker that leads it, as far as is known.
  var leader: Int32?
  /// Where an answer for it is due. Any other answer is not for this slot: it was asked for by an earlier reader of the
  /// partition, at another offset.
  var asked: BrokerLink?
  /// When it may be asked for, after an error.
  var notBefore: Int64 = .min
  /// Errors since the last answer without one.
  var backoff: Backoff
  /// Nothing more is fetched: an error was handed to the reader.
  var isStopped = false

  init(_ partition: FetchPartition, backoff: Backoff) {
    self.partition = partition
    offset = partition.start
    self.backoff = backoff
  }
}

/// The connection to one broker: one request at a time, because a broker answers one at a time. Only the fetch thread
/// touches it.
///
/// ```
/// resting ─▶ connecting ─▶ greeting ─▶ ready ⇄ fetching
///    ▲            └────────────┴─────────┴────────┘  when anything fails, with pauses that double
/// ```
final class BrokerLink {
  /// What the connection is doing; deadlines are of the monotonic clock.
  enum State: Equatable {
    case resting(until: Int64)
    case connecting(deadline: Int64)
    case greeting(deadline: Int64)
    case ready
    case fetching(deadline: Int64)
  }

  /// Longer than any attempt to reach a host that is there.
  private static let connectNanoseconds: Int64 = 10_000_000_000
  /// How often the socket is read in a row before other connections have their turn.
  private static let readsMax = 64

  let broker: Int32
  var addresses: [BrokerAddress] = []
  private(set) var state = State.resting(until: .min)
  /// Answers in a row that were none.
  private(set) var malformedCount = 0
  /// How often the connection failed since an answer came.
  private(set) var failureCount = 0
  /// Counts requests.
  private(set) var turn = 0

  private let settings: FetchSettings
  private let memory: FetchMemory
  private var socket: BrokerSocket?
  private var receiver: AnswerReceiver
  private var outgoing: ArraySlice<UInt8> = []
  private var version = FetchRequest.versions.lowerBound
  private var correlation: Int32 = 0
  private var nextAddress = 0
  private var backoff: Backoff

  init(_ broker: Int32, settings: FetchSettings, memory: FetchMemory) {
    self.broker = broker
    self.settings = settings
    self.memory = memory
    receiver = AnswerReceiver(memory, frameBytesMax: settings.frameBytesMax)
    backoff = Backoff(settings.retryMilliseconds)
  }

  /// What poll(2) must watch; `nil` while there is no connection.
  var watched: pollfd? {
    guard let socket else { return nil }
    let isWriting = !outgoing.isEmpty || isConnecting
    return pollfd(fd: socket.descriptor, events: Int16(POLLIN) | (isWriting ? Int16(POLLOUT) : 0), revents: 0)
  }

  private var isConnecting: Bool { if case .connecting = state { true } else { false } }

  /// When something is due without the broker's doing.
  var deadline: Int64? {
    switch state {
    case .resting(let time): addresses.isEmpty ? nil : time
    case .connecting(let time), .greeting(let time), .fetching(let time): time
    case .ready: nil
    }
  }

  /// Connects when the pause is over; fails when an answer is overdue.
  func act(now: Int64) throws(ConnectionError) {
    switch state {
    case .resting(let until):
      if until <= now, !addresses.isEmpty { try connect(now) }
    case .connecting(let deadline):
      if deadline <= now { throw ConnectionError("the connection is not accepted") }
    case .greeting(let deadline), .fetching(let deadline):
      if deadline <= now {
        throw ConnectionError("no answer for \(settings.silenceMilliseconds) ms")
      }
    case .ready: break
    }
  }

  private func connect(_ now: Int64) throws(ConnectionError) {
    receiver = AnswerReceiver(memory, frameBytesMax: settings.frameBytesMax)
    outgoing = []
    state = .connecting(deadline: now + Self.connectNanoseconds)
    socket = try BrokerSocket(addresses[nextAddress % addresses.count])
  }

  /// Sends a request for these partitions; only when ``state`` is ready.
  func fetch(_ partitions: [FetchRequest.Partition], waitMilliseconds: Int32, now: Int64) throws(ConnectionError) {
    turn += 1
    correlation &+= 1
    receiver.expect(.fetch(version: version), correlation: correlation)
    state = .fetching(deadline: silence(now))
    try send(
      FetchRequest.fetch(
        partitions, version: version, correlation: correlation, waitMilliseconds: waitMilliseconds, settings: settings))
  }

  /// Does what the socket is ready for, and hands over what has become complete.
  func progress(_ events: Int16, now: Int64, _ handle: (AnswerReceiver.Event) -> Void) throws(ConnectionError) {
    guard let socket else { return }
    if isConnecting {
      guard events & Int16(POLLOUT | POLLERR | POLLHUP) != 0 else { return }
      try socket.checkConnected()
      correlation &+= 1
      receiver.expect(.versions, correlation: correlation)
      state = .greeting(deadline: silence(now))
      return try send(FetchRequest.apiVersions(correlation: correlation, clientID: settings.clientID))
    }
    if !outgoing.isEmpty { try send([]) }
    for _ in 0..<Self.readsMax {
      guard try receiver.receive(from: socket) > 0 else { return }
      if case .fetching = state { state = .fetching(deadline: silence(now)) }
      while let event = try receiver.next() {
        try take(event)
        handle(event)
        if state == .ready { return }
      }
    }
  }

  private func take(_ event: AnswerReceiver.Event) throws(ConnectionError) {
    switch event {
    case .partition: break
    case .body(let bytes):
      let found: Int16?
      do {
        found = try ApiVersionsResponse.fetchVersion(bytes)
      } catch {
        throw ConnectionError("the answer about versions is damaged: \(error)", isMalformed: true)
      }
      guard let found else {
        throw ConnectionError("it does not know Fetch in version 4 to 11", isTooOld: true)
      }
      version = found
      state = .ready
    case .end:
      state = .ready
      backoff.reset()
      (malformedCount, failureCount) = (0, 0)
    }
  }

  private func send(_ bytes: [UInt8]) throws(ConnectionError) {
    outgoing += bytes
    if let socket { outgoing = outgoing.dropFirst(try socket.send(outgoing)) }
  }

  private func silence(_ now: Int64) -> Int64 { now + settings.silenceMilliseconds * 1_000_000 }

  /// Ends the connection after an error; returns for how many milliseconds it rests.
  @discardableResult
  func close(_ error: ConnectionError, now: Int64) -> Int64 {
    socket = nil
    failureCount += 1
    malformedCount = error.isMalformed ? malformedCount + 1 : 0
    nextAddress += 1
    // A name can stand for several addresses, not all of which are listened at: all are tried before a pause.
    let isRoundDone = addresses.isEmpty || nextAddress % addresses.count == 0
    let pause = isConnecting && !isRoundDone ? 0 : backoff.next()
    state = .resting(until: now + pause * 1_000_000)
    return pause
  }
}
