import Actors
import SQL
import TestTraits
import Testing

@Suite("Job graph", .fewAtOnce)
struct JobGraphTests {
  private func graph(_ statements: String) throws -> JobGraph {
    let tables = """
      CREATE TABLE a (k text NOT NULL, v bigint, ts timestamptz NOT NULL)
      WITH (connector = 'kafka', topic = 'a', event_time = 'ts');
      CREATE TABLE b (k text NOT NULL, v bigint, ts timestamptz NOT NULL)
      WITH (connector = 'kafka', topic = 'b', event_time = 'ts');
      CREATE TABLE out (k text, n bigint) WITH (connector = 'blackhole');
      """
    return JobGraph(try SQLFile.plan(tables + statements, fileName: "test.sql") { _ in nil })
  }

  @Test("a statement without an aggregate goes from its source to its sink")
  func passThrough() throws {
    let graph = try graph("INSERT INTO out SELECT k, v FROM a WHERE v > 1;")
    #expect(graph.stages.isEmpty)
    #expect(graph.sources.map(\.table.name) == ["a"])
    #expect(graph.sources[0].branches.map(\.destination) == [.sink("out")])
  }

  @Test("a source that several statements read is consumed once")
  func sharedSource() throws {
    let graph = try graph("INSERT INTO out SELECT k, v FROM a; INSERT INTO out SELECT k, v + 1 FROM a;")
    #expect(graph.sources.count == 1)
    #expect(graph.sources[0].branches.count == 2)
    #expect(Set(graph.sources[0].branches.map(\.name)).count == 2)
    #expect(graph.sinks.count == 1)
  }

  @Test("what stands above a union is applied to each of its inputs, and one stage takes them all")
  func union() throws {
    let graph = try graph(
      """
      CREATE VIEW joined AS SELECT k, v, ts FROM a UNION ALL SELECT k, v, ts FROM b;
      INSERT INTO out SELECT k, count(*) FROM tumble(joined, ts, INTERVAL '1 minute') GROUP BY k, window_start;
      """)
    #expect(graph.stages.count == 1)
    #expect(graph.sources.flatMap(\.branches).map(\.destination) == [.stage(0), .stage(0)])
    #expect(graph.stages[0].destination == .sink("out"))
  }

  @Test("an aggregate of an aggregate is a stage that feeds a stage")
  func nested() throws {
    let graph = try graph(
      """
      CREATE VIEW minutes AS SELECT k, window_start, count(*) AS n
        FROM tumble(a, ts, INTERVAL '1 minute') GROUP BY k, window_start;
      INSERT INTO out SELECT k, sum(n)::bigint FROM tumble(minutes, window_start, INTERVAL '1 hour')
        GROUP BY k, window_start;
      """)
    #expect(graph.stages.count == 2)
    #expect(graph.stages[1].destination == .stage(0))
    // Rows of the inner stage carry the start of their window: their watermark is a window behind.
    #expect(graph.stages[1].watermarkLag == 60_000_000)
    #expect(graph.stages[0].watermarkLag == 0)
    #expect(graph.sources[0].branches.map(\.destination) == [.stage(1)])
  }
}
