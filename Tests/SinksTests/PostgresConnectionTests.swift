import PostgresClient
import TestSupport
import Testing

@Suite("A session with PostgreSQL")
struct PostgresConnectionTests {
  @Test("tells the server to find out when its client is gone")
  func settings() throws {
    let session = try PostgresConnection(url: try SharedServer.server.url, applicationName: "settings")
    try session.prepareSession()
    let names = [
      "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout",
      "client_connection_check_interval", "lock_timeout"
    ]
    let values = try names.map { try session.run("SELECT current_setting('\($0)')").rows.first?.first }
    #expect(values == ["10", "5", "3", "30000", "5s", "30s"])
  }
}
