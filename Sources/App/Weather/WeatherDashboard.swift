/// The weather dashboard's interface, as a function from questions to answers.
package struct WeatherDashboard: Sendable {
  /// Runs a query and returns its rows as text.
  package typealias Query = @Sendable (_ text: String, _ parameters: [String]) async throws -> [[String?]]

  private let query: Query

  /// Points a city at most in one answer: two hours of windows.
  private static let pointsMax = 1440

  /// An interface over a database that has the table `weather`.
  package init(query: @escaping Query) { self.query = query }

  /// Answers the page, `/api/weather`, `/api/weather/latest?since=` and `/health`.
  package func answer(_ question: HTTPQuestion) async -> HTTPAnswer {
    guard ["GET", "HEAD"].contains(question.method) else {
      return .methodNotAllowed(question.method, allowed: ["GET", "HEAD"])
    }
    switch question.path {
    case []: return .page(PackageResources.weather_html)
    case ["health"]: return .json(["status": "healthy"])
    case ["api", "weather"]: return await points(since: nil)
    case ["api", "weather", "latest"]:
      guard let since = question.query["since"], !since.isEmpty else {
        return .failure(400, "the parameter 'since' is missing: expected a time such as 2026-01-31T12:00:00Z")
      }
      return await points(since: since)
    default: return .failure(404, "there is /, /api/weather, /api/weather/latest?since= and /health")
    }
  }

  private func points(since: String?) async -> HTTPAnswer {
    let condition = since == nil ? "" : "WHERE window_start > $1::timestamptz AT TIME ZONE 'UTC'"
    let text = """
      SELECT city, to_char(window_start, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), avg_temperature FROM (
        SELECT *, row_number() OVER (PARTITION BY city ORDER BY window_start DESC) AS age FROM weather \(condition)
      ) AS recent WHERE age <= \(Self.pointsMax) AND avg_temperature IS NOT NULL ORDER BY city, window_start
      """
    do {
      return .json(WeatherPoints(try await query(text, since.map { [$0] } ?? [])))
    } catch {
      let message = "\(error)"
      if message.contains("relation \"weather\" does not exist") { return .json(WeatherPoints([])) }
      let isInput = message.contains("invalid input syntax") || message.contains("out of range")
      return .failure(isInput ? 400 : 503, message)
    }
  }
}

/// `{"cities": […], "data": {city: [{"time", "temperature"}]}}`.
private struct WeatherPoints: Encodable {
  struct Point: Encodable {
    let time: String
    let temperature: Double
  }

  private var cities: [String] = []
  private var data: [String: [Point]] = [:]

  init(_ rows: [[String?]]) {
    for row in rows {
      guard row.count == 3, let city = row[0], let time = row[1], let temperature = row[2].flatMap({ Double($0) }),
        temperature.isFinite
      else { continue }
      if data[city] == nil { cities.append(city) }
      data[city, default: []].append(Point(time: time, temperature: temperature))
    }
  }

  private enum Keys: CodingKey { case cities, data }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode(cities, forKey: .cities)
    // Encoded as a dictionary, whose keys are data and are not converted.
    try container.encode(data, forKey: .data)
  }
}
