import Ingest
import TestTraits
import Testing

/// What the fetch client decides and parses, without a connection.
@Suite(.fewAtOnce)
struct FetchProtocolTests {
  private static let answer = Array(FakeBroker.answer(bytes: TestBatch(0..<3).bytes)[8...])

  /// Parses an answer whose bytes come `step` at a time; records are skipped.
  private func parse(_ bytes: [UInt8], step: Int = .max) throws -> [FetchAnswer] {
    var parser = FetchResponseParser(version: 11)
    var (answers, position, available) = ([FetchAnswer](), 0, min(step, bytes.count))
    while true {
      let piece: FetchResponseParser.Piece? = try bytes[position..<available].withUnsafeBytes { part in
        var reader = WireReader(part)
        defer { position += reader.position }
        do {
          return try parser.next(&reader)
        } catch WireError.short {
          return nil
        }
      }
      switch piece {
      case nil:
        if available == bytes.count { throw WireError.short }
        available = min(bytes.count, available + step)
      case .partition(let answer):
        answers.append(answer)
        position += answer.recordBytes
        guard position <= bytes.count else { throw WireError.short }
        available = max(available, position)
      case .end: return answers
      }
    }
  }

  @Test("an answer is the same in whatever pieces it comes", arguments: [1, 2, 3, 7, 20, .max])
  func pieces(step: Int) throws {
    let answers = try parse(Self.answer, step: step)
    #expect(answers.map(\.topic) == ["t"] && answers.map(\.highWatermark) == [200])
    #expect(answers.map(\.recordBytes) == [TestBatch(0..<3).bytes.count])
  }

  @Test("an answer with any bytes changed or cut is an answer or an error, never a trap")
  func mutations() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed)
    for _ in 0..<20_000 {
      var bytes = Array(Self.answer.prefix(70))
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] =
          [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
      }
      _ = try? parse(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
      _ = try? bytes.withUnsafeBytes { try ApiVersionsResponse.fetchVersion($0) }
    }
  }

  @Test("a number of aborted transactions that cannot be there takes no memory")
  func abortedCount() throws {
    var bytes = Self.answer
    // Behind: throttle 4, error 2, session 4, topics 4, name 3, partitions 4, number 4, error 2, three offsets.
    bytes.replaceSubrange(51..<55, with: big(Int32.max))
    #expect(throws: WireError.short) { try parse(bytes) }
    bytes.replaceSubrange(51..<55, with: big(Int32(-2)))
    #expect(throws: WireError.self) { try parse(bytes) }
  }

  @Test("a turn asks for the partitions with room, each first at some time, and briefly while others have none")
  func turns() {
    let settings = FetchSettings()
    let free = FetchTurn.Candidate(hasRoom: true, notBefore: .min)
    let all = (0..<3).map { FetchTurn([free, free, free], now: 0, turn: $0, settings: settings).chosen }
    #expect(all == [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    let mixed = FetchTurn(
      [free, .init(hasRoom: false, notBefore: .min), .init(hasRoom: true, notBefore: 10)], now: 9, turn: 5,
      settings: settings)
    #expect(mixed.chosen == [0] && mixed.waitMilliseconds < settings.waitMilliseconds)
    #expect(FetchTurn([free], now: 0, turn: 0, settings: settings).waitMilliseconds == settings.waitMilliseconds)
    #expect(FetchTurn([], now: 0, turn: 3, settings: settings).chosen == [])
  }

  @Test("pauses double up to the longest, and begin anew after a success")
  func backoff() {
    var backoff = Backoff(100...500)
    #expect((0..<5).map { _ in backoff.next() } == [100, 200, 400, 500, 500])
    backoff.reset()
    #expect(backoff.next() == 100)
  }

  @Test(
    "what would need a secured connection is refused with advice",
    arguments: [
      ["kafka.security.protocol": "SASL_SSL"], ["kafka.security.protocol": "ssl"], ["kafka.sasl.username": "me"],
      ["kafka.ssl.ca.location": "/nowhere"]
    ])
  func security(options: [String: String]) throws {
    let own = ["connector": "kafka", "brokers": "127.0.0.1:1", "topic": "t", "fetch": "native"]
    #expect(throws: Never.self) { try SourceFixture(own) }
    let error = try #require(throws: (any Error).self) { try SourceFixture(own.merging(options) { $1 }) }
    #expect("\(error)".contains("fetch = 'librdkafka'") && "\(error)".contains(options.keys.first ?? "?"))
    #expect(throws: (any Error).self) { try SourceFixture(own.merging(["fetch": "other"]) { $1 }) }
  }
}
