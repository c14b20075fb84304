import App
import Runtime
import Synchronization
import TestTraits
import Testing

@Suite("The weather pipeline's ends", .fewAtOnce)
struct WeatherTests {
  private func ask(_ target: String, publish: @escaping @Sendable (WeatherRecord) async throws -> Void = { _ in })
    async throws -> HTTPAnswer
  {
    // 2026-01-31 12:34:56 UTC
    let clock = ManualClock(wallMicroseconds: 1_769_862_896_000_000)
    let question = try #require(HTTPQuestion(method: "GET", target: target))
    return await WeatherServer(clock: clock, publish: publish).answer(question)
  }

  @Test("an accepted temperature is published as it was sent, with the hour, before the answer")
  func accepted() async throws {
    let published = Mutex<[WeatherRecord]>([])
    let answer = try await ask("/log?city=New%20York&temperature=071.50") { record in
      published.withLock { $0.append(record) }
    }
    #expect(answer.status == 200)
    let record = try #require(published.withLock { $0.first })
    #expect(record.city == "New York" && record.temperature == "071.50" && record.ts == "2026-01-31-12")
    let body = String(decoding: answer.body, as: UTF8.self)
    #expect(body.contains(#""status":"success""#) && body.contains(#""ts":"2026-01-31-12""#))
  }

  @Test(
    "a parameter that is missing or not valid is 400, and nothing is published",
    arguments: [
      "/log", "/log?city=Denver", "/log?temperature=1", "/log?city=&temperature=1", "/log?city=Denver&temperature=warm",
      "/log?city=Denver&temperature=nan", "/log?city=Denver&temperature=1e999", "/log?city=a%00b&temperature=1"
    ])
  func refused(target: String) async throws {
    let count = Mutex(0)
    let answer = try await ask(target) { _ in count.withLock { $0 += 1 } }
    #expect(answer.status == 400)
    #expect(count.withLock { $0 } == 0)
  }

  @Test("a record that Kafka does not take is 503")
  func unavailable() async throws {
    let answer = try await ask("/log?city=Denver&temperature=1") { _ in throw CommandFailure(.job, "no broker") }
    #expect(answer.status == 503)
  }

  @Test("points are grouped by city, whatever the city is called")
  func points() async throws {
    let dashboard = WeatherDashboard { _, _ in
      [["San Francisco", "2026-01-31T12:00:00Z", "61.25"], ["aCity_x", "2026-01-31T12:00:05Z", "50"]]
    }
    let question = try #require(HTTPQuestion(method: "GET", target: "/api/weather"))
    let body = String(decoding: await dashboard.answer(question).body, as: UTF8.self)
    #expect(body.contains(#""cities":["San Francisco","aCity_x"]"#))
    #expect(body.contains(#""aCity_x":[{"temperature":50,"time":"2026-01-31T12:00:05Z"}]"#))
  }

  @Test("the newest points need a time")
  func latest() async throws {
    let dashboard = WeatherDashboard { _, parameters in parameters == ["2026-01-31T12:00:00Z"] ? [] : [["no"]] }
    let without = try #require(HTTPQuestion(method: "GET", target: "/api/weather/latest"))
    #expect(await dashboard.answer(without).status == 400)
    let with = try #require(HTTPQuestion(method: "GET", target: "/api/weather/latest?since=2026-01-31T12:00:00Z"))
    #expect(await dashboard.answer(with).status == 200)
  }
}
