import PostgresClient
import Synchronization
import TestSupport
import TestTraits
import Testing

@Suite("A session with PostgreSQL", .fewAtOnce)
struct PostgresConnectionTests {
  @Test("holds back whoever sends faster than the server takes")
  func copiesInPieces() throws {
    let server = try SharedServer.server
    let proxy = try CuttingProxy(serverPort: server.port)
    // The first wait behind the point where nothing is passed on any more ends the copy.
    let session = try PostgresConnection(
      url: "postgresql://weir@127.0.0.1:\(proxy.port)/postgres", applicationName: "copy",
      isStopping: { proxy.cutCount > 0 })
    try session.run("CREATE TEMP TABLE copied (t text)")
    proxy.cut(.hold, at: "the first line")
    let piece = Array(("the first line" + String(repeating: "x", count: 1 << 20) + "\n").utf8)
    var sentBytes = 0
    #expect(throws: PostgresFailure.self) {
      _ = try session.copy("COPY copied FROM STDIN") { send in
        for _ in 0..<256 {
          try piece.withUnsafeBytes { try send($0) }
          sentBytes += piece.count
        }
      }
    }
    // What the sockets on the way take is not known exactly; it is far from all.
    #expect(sentBytes < 64 << 20)
    proxy.release()
  }

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
