import Columnar
import Ingest
import Runtime

/// A temperature that the logging server accepted.
package struct WeatherRecord: Hashable, Sendable, Codable {
  /// The city.
  package let city: String
  /// Degrees Fahrenheit, as they were sent.
  package let temperature: String
  /// The hour, `YYYY-MM-DD-HH`, in UTC.
  package let ts: String
}

/// The logging server's interface, as a function from questions to answers.
package struct WeatherServer: Sendable {
  private let clock: any EngineClock
  private let publish: @Sendable (WeatherRecord) async throws -> Void

  /// An interface.
  /// - Parameter publish: returns once the record is in Kafka.
  package init(clock: any EngineClock, publish: @escaping @Sendable (WeatherRecord) async throws -> Void) {
    self.clock = clock
    self.publish = publish
  }

  /// Answers `GET /log?city=&temperature=` and `GET /health`.
  package func answer(_ question: HTTPQuestion) async -> HTTPAnswer {
    guard ["GET", "HEAD"].contains(question.method) else {
      return .methodNotAllowed(question.method, allowed: ["GET", "HEAD"])
    }
    switch question.path {
    case ["health"]: return .json(["status": "healthy"])
    // A question without side effects must not log.
    case ["log"] where question.method == "GET": return await log(question)
    case ["log"]: return .methodNotAllowed(question.method, allowed: ["GET"])
    default: return failure(404, "there is /log?city=&temperature= and /health")
    }
  }

  private func log(_ question: HTTPQuestion) async -> HTTPAnswer {
    guard let city = question.query["city"]?.trimmed, !city.isEmpty else {
      return failure(400, "the parameter 'city' is missing")
    }
    // As many as the table's column takes; NUL is what PostgreSQL's text cannot hold.
    guard city.unicodeScalars.count <= 255, !city.unicodeScalars.contains("\0") else {
      return failure(400, "the parameter 'city' is not valid: expected at most 255 characters")
    }
    guard let temperature = question.query["temperature"]?.trimmed, !temperature.isEmpty else {
      return failure(400, "the parameter 'temperature' is missing")
    }
    let isPlain = temperature.utf8.allSatisfy { byte in "0123456789+-.eE".utf8.contains(byte) }
    guard isPlain, temperature.utf8.count <= 32, let degrees = Double(temperature), degrees.isFinite else {
      return failure(400, "the parameter 'temperature' is not valid: expected a number such as 71.23")
    }
    let record = WeatherRecord(city: city, temperature: temperature, ts: hour)
    do {
      try await publish(record)
      return .json(Success(status: "success", message: "Logged \(temperature) for \(city)", data: record))
    } catch {
      return failure(503, "the record is not in Kafka, send it again: \(error)")
    }
  }

  private var hour: String {
    let now = CivilDateTime(microseconds: clock.wallMicroseconds())
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(now.date.year)-\(padded(now.date.month))-\(padded(now.date.day))-\(padded(now.hour))"
  }

  private func failure(_ status: Int, _ message: String) -> HTTPAnswer {
    .json(["status": "error", "message": message], status: status)
  }
}

private struct Success: Encodable {
  let status: String
  let message: String
  let data: WeatherRecord
}

extension String {
  fileprivate var trimmed: String {
    var rest = self[...]
    while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
    while rest.last?.isWhitespace == true { rest = rest.dropLast() }
    return String(rest)
  }
}

/// Writes records to Kafka, one at a time, and waits until all replicas have each. Blocks a lane of its own.
actor WeatherPublisher {
  private let lane = Lane(name: "publish")
  private let configuration: EventProducer.Configuration
  private let clock: any EngineClock
  private var producer: EventProducer?

  nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }

  init(brokers: String, topic: String, clock: any EngineClock) {
    var configuration = EventProducer.Configuration(brokers: brokers, topic: topic)
    configuration.isIdempotent = true
    configuration.prefersThroughput = false
    configuration.properties = ["acks": "all", "linger.ms": "0"]
    self.configuration = configuration
    self.clock = clock
  }

  /// Returns once the record is in Kafka.
  /// - Throws: ``DevelopmentError``.
  func publish(_ record: WeatherRecord) throws {
    let producer = try self.producer ?? EventProducer(configuration)
    // A producer that failed once goes on reporting it: the next record starts with a new one.
    self.producer = nil
    try producer.produce(
      key: Array(record.city.utf8), value: Array(HTTPAnswer.json(record).body.dropLast()), partition: nil,
      timestamp: clock.wallMicroseconds() / 1000)
    try producer.flush(timeoutMilliseconds: 10_000)
    self.producer = producer
  }
}
