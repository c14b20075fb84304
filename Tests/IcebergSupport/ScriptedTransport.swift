import Iceberg
import Synchronization
import TestSupport

/// A transport whose answers a test decides.
public final class ScriptedTransport: HTTPTransport {
  private let answer: @Sendable (Int, HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse
  private let seen = Mutex<[HTTPTransportRequest]>([])

  /// A transport that calls `answer` with the number of the request, from 1, and the request.
  public init(
    _ answer: @escaping @Sendable (Int, HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse
  ) {
    self.answer = answer
  }

  /// What was sent.
  public var requests: [HTTPTransportRequest] { seen.withLock { $0 } }

  /// Notes the request, and asks the test.
  public func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let number = seen.withLock { seen in
      seen.append(request)
      return seen.count
    }
    return try await answer(number, request)
  }

  /// Does nothing.
  public func close() async {}
}

/// A transport that loses requests and answers on their way to and from a real server.
public final class FaultyTransport: HTTPTransport {
  private let base: any HTTPTransport
  private let random: Mutex<SeededNumbers>
  private let probability: Double
  private let count = Mutex(0)

  /// Each of the faults happens to one in 1/`probability` requests.
  public init(_ base: any HTTPTransport, seed: UInt64, probability: Double) {
    self.base = base
    random = Mutex(SeededNumbers(seed: seed))
    self.probability = probability
  }

  /// How many requests failed on purpose.
  public var injected: Int { count.withLock { $0 } }

  /// Passes on, or fails before, instead, or after.
  public func send(_ request: HTTPTransportRequest) async throws(HTTPTransportError) -> HTTPTransportResponse {
    let fault = random.withLock { random -> Int? in
      random.chance(probability) ? Int.random(in: 0..<4, using: &random) : nil
    }
    guard let fault else { return try await base.send(request) }
    count.withLock { $0 += 1 }
    switch fault {
    case 0: throw HTTPTransportError(.notSent, "no connection, on purpose")
    case 1: throw HTTPTransportError(.connectionLost, "the request was lost on purpose")
    case 2:
      return HTTPTransportResponse(status: 503, body: Array("<Error><Code>SlowDown</Code></Error>".utf8))
    default:
      _ = try await base.send(request)
      throw HTTPTransportError(.connectionLost, "the answer was lost on purpose")
    }
  }

  /// Passed on.
  public func close() async { await base.close() }
}

extension TransportEnvironment {
  /// A clock that only sleeping moves, and random numbers of a seed: nothing waits.
  public static func simulated(seed: UInt64, startMilliseconds: Int64 = 1_700_000_000_000) -> TransportEnvironment {
    let state = SimulatedTime(random: SeededNumbers(seed: seed), now: startMilliseconds)
    return TransportEnvironment(
      nowMilliseconds: { state.value.withLock { $0.now } },
      sleep: { milliseconds in
        try Task.checkCancellation()
        state.value.withLock { $0.now += Int64(milliseconds) }
      },
      random: { state.value.withLock { Double.random(in: 0..<1, using: &$0.random) } })
  }

  /// The real clock, for signatures, but nothing waits.
  public static func withoutWaiting(seed: UInt64) -> TransportEnvironment {
    var environment = simulated(seed: seed)
    environment.nowMilliseconds = TransportEnvironment.system.nowMilliseconds
    return environment
  }
}

private final class SimulatedTime: Sendable {
  struct State {
    var random: SeededNumbers
    var now: Int64
  }

  let value: Mutex<State>

  init(random: SeededNumbers, now: Int64) { value = Mutex(State(random: random, now: now)) }
}
