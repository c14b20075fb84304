import Ingest
import Runtime
import ServiceLifecycle

/// Sends a temperature per city every five seconds, as a sensor network would.
struct WeatherClient: Service {
  private let url: String
  private let random: SeededRandom
  private let clock: any EngineClock
  private let caller = LaneCaller()

  init(url: String, random: SeededRandom, clock: any EngineClock) {
    self.url = url
    self.random = random
    self.clock = clock
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        for city in WeatherEvents.cities { await send(city) }
        guard (try? await clock.sleep(for: 5_000_000_000)) != nil else { return }
      }
    }
  }

  private func send(_ city: String) async {
    let hundredths = random.next() % 12_001
    let fraction = hundredths % 100
    let temperature = "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    let name = city.replacing(" ", with: "%20")
    do {
      let answer = try await caller.get("\(url)/log?city=\(name)&temperature=\(temperature)")
      if answer.status != 200 { Terminal.complain("\(city): \(answer.status) \(answer.body)") }
    } catch {
      // The server may still be starting; the next round tries again.
      Terminal.complain("\(city): \(error)")
    }
  }
}

/// Makes blocking requests on a thread of its own.
private actor LaneCaller {
  private let lane = Lane(name: "client")

  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  func get(_ url: String) throws -> (status: Int, body: String) { try PlainHTTP.get(url) }
}
