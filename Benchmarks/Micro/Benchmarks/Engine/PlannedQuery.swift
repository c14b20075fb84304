import Columnar
import Operators
import SQL

/// A query over telemetry, planned from its SQL as a job's.
struct PlannedQuery {
  let relation: Relation
  /// The columns that the query reads of the source.
  let input: Schema

  init(_ select: String, columns: String) throws {
    let text = """
      CREATE TABLE readings (
        sensor_id text NOT NULL, temperature double precision, humidity double precision, ts timestamptz NOT NULL,
        site text, status text
      ) WITH (connector = 'kafka', topic = 'telemetry', format = 'json', event_time = 'ts');
      CREATE TABLE results (\(columns)) WITH (connector = 'blackhole');
      INSERT INTO results \(select);
      """
    let plan = try SQLFile.plan(text, fileName: "micro.sql") { _ in nil }
    guard let statement = plan.statements.first, let input = plan.scans["readings"] else {
      throw WrongResult(description: "the query was not planned")
    }
    relation = statement.query
    self.input = input
  }

  /// Averages, counts and bounds of temperatures by sensor in windows of ten seconds of `source`.
  static func windows(of source: String) throws -> WindowedAggregate {
    let query = try PlannedQuery(
      """
      SELECT sensor_id, window_start, avg(temperature), count(*), min(temperature), max(temperature)
      FROM \(source) GROUP BY sensor_id, window_start, window_end
      """,
      columns: """
        sensor_id text, window_start timestamptz, a double precision, c bigint, l double precision, g double precision
        """)
    guard case .aggregate(let aggregate) = RowPipeline.leaf(of: query.relation), case .scan = aggregate.input else {
      throw WrongResult(description: "expected an aggregation of the source itself")
    }
    return aggregate
  }
}

/// The columns of a fired window of ``PlannedQuery/windows(of:)``, behind the key and the window's bounds.
enum WindowColumn {
  static let average = 3
  static let count = 4
  static let least = 5
  static let greatest = 6
}
