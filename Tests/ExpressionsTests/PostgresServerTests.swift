import TestSupport
import TestTraits
import Testing

@Test("a private server answers, and survives a restart", .fewAtOnce)
func privateServerAnswers() throws {
  let server = try PostgresServer()
  #expect(try server.run(sql: "SELECT 1, NULL, 'a'") == [["1", nil, "a"]])
  try server.run(sql: "CREATE TABLE t (x integer); INSERT INTO t VALUES (1), (2)")
  try server.restart(mode: .immediate)
  #expect(try server.run(sql: "SELECT x FROM t ORDER BY x") == [["1"], ["2"]])
  #expect(throws: PostgresServer.Failure.self) { try server.run(sql: "SELECT 1/0") }
  try server.stop()
}
