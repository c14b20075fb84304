import App
import TestTraits
import Testing

@Suite("Plans that cannot run", .fewAtOnce)
struct PlanCompilationTests {
  @Test(
    "a format or a regular expression that cannot be read is a mistake with its place, not a job that fails",
    arguments: [
      "to_char(n, 'C9')", "to_char(n, '9.9.9')", "regexp_replace(t, 'a', 'b', '-')", "regexp_replace(t, '(', 'b')"
    ])
  func pattern(expression: String) throws {
    let text = """
      CREATE TABLE numbers (n bigint, t text) WITH (connector = 'generator');
      CREATE TABLE nowhere (t text) WITH (connector = 'blackhole');
      INSERT INTO nowhere SELECT \(expression) FROM numbers;
      """
    let error = #expect(throws: CommandFailure.self) {
      try EngineAdapter.plan(text: text, fileName: "job.sql", variables: [:])
    }
    #expect(error.map { "\($0)" }?.contains("job.sql:3:") == true, "\(String(describing: error))")
  }

  @Test("in an aggregate, too", arguments: ["max(to_char(n, 'C9'))", "count(*) FILTER (WHERE t ~ '(')"])
  func aggregated(expression: String) throws {
    let text = """
      CREATE TABLE numbers (n bigint, t text, ts timestamptz) WITH (connector = 'generator', event_time = 'ts');
      CREATE TABLE nowhere (v text) WITH (connector = 'blackhole');
      INSERT INTO nowhere
      SELECT (\(expression))::text FROM tumble(numbers, ts, INTERVAL '1 minute') GROUP BY window_start;
      """
    let error = #expect(throws: CommandFailure.self) {
      try EngineAdapter.plan(text: text, fileName: "job.sql", variables: [:])
    }
    #expect(error.map { "\($0)" }?.contains("job.sql:4:") == true, "\(String(describing: error))")
  }
}
