import Checkpointing
import PostgresClient
import SimulationKit
import TestTraits
import Testing

@Suite("The simulated PostgreSQL", .fewAtOnce)
struct SimulatedPostgresTests {
  /// A server with one job's position in it, and processes that talk to it.
  private struct Scene {
    let world: SimulatedWorld
    let server: SimulatedPostgres
    let process: SimulatedProcess

    init(seed: UInt64 = 1) throws {
      world = SimulatedWorld(seed: seed, faults: .none)
      server = SimulatedPostgres(in: world)
      process = SimulatedProcess(in: world)
      let session = try open()
      try session.run(
        """
        BEGIN; CREATE TABLE IF NOT EXISTS weir.positions (
          job text, sink text, lineage text NOT NULL, attempt bigint NOT NULL, checkpoint bigint NOT NULL,
          sources jsonb NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, sink)); COMMIT
        """)
      try Scene.insert("a", session)
    }

    func open(_ process: SimulatedProcess? = nil) throws -> any PostgresSession {
      try server.opener(for: process ?? self.process)(PostgresSessionRequest(url: "simulated", applicationName: "test"))
    }

    /// From here on `fault` strikes wherever it can.
    func provoke(_ fault: Fault?) {
      world.faults = fault.map { FaultPlan(strengths: [$0: 1e9]) } ?? .none
    }

    static func insert(_ job: String, _ session: any PostgresSession) throws {
      try session.run(
        "INSERT INTO weir.positions (job, sink, lineage, attempt, checkpoint, sources) VALUES ($1, $2, $3, $4, $5, $6)",
        [job, "s", "L", "1", "0", "{}"])
    }

    static func lock(_ job: String, _ session: any PostgresSession) throws -> [[String?]] {
      try session.run(
        "SELECT lineage, attempt, checkpoint, sources FROM weir.positions WHERE job = $1 AND sink = $2 FOR UPDATE",
        [job, "s"]
      ).rows
    }

    static func move(_ job: String, to checkpoint: Int, _ session: any PostgresSession) throws {
      try session.run(
        """
        UPDATE weir.positions SET lineage = $3, attempt = $4, checkpoint = $5, sources = $6,
        updated_at = clock_timestamp() WHERE job = $1 AND sink = $2
        """, [job, "s", "L", "1", String(checkpoint), "{}"])
    }

    var jobs: [String] { (server.rows(of: "positions", schema: "weir") ?? []).map { $0[0] ?? "" } }
    var checkpoint: UInt64? { server.position(job: "a", sink: "s")?.checkpoint.number }
  }

  @Test("shows nobody what is not committed, and all of it afterwards")
  func isolation() throws {
    let scene = try Scene()
    let one = try scene.open()
    let other = try scene.open()
    try one.run("BEGIN")
    try Scene.insert("b", one)
    try Scene.insert("c", one)
    #expect(scene.jobs == ["a"])
    #expect(try Scene.lock("b", one).count == 1)
    #expect(try Scene.lock("d", other).isEmpty)
    #expect(try one.run("COMMIT").command == "COMMIT")
    #expect(scene.jobs == ["a", "b", "c"])
  }

  @Test("takes everything back when a transaction fails, and answers ROLLBACK to its COMMIT")
  func atomicity() throws {
    let scene = try Scene()
    let session = try scene.open()
    try session.run("BEGIN")
    try Scene.insert("b", session)
    let duplicate = #expect(throws: PostgresFailure.self) { try Scene.insert("a", session) }
    #expect(duplicate?.code == "23505" && duplicate?.category == .data)
    let aborted = #expect(throws: PostgresFailure.self) { try session.run("SELECT 1") }
    #expect(aborted?.code == "25P02")
    #expect(try session.run("COMMIT").command == "ROLLBACK")
    #expect(scene.jobs == ["a"])
    try session.run("BEGIN")
    try session.run("SAVEPOINT weir_part")
    #expect(throws: PostgresFailure.self) { try Scene.insert("a", session) }
    try session.run("ROLLBACK TO SAVEPOINT weir_part; RELEASE SAVEPOINT weir_part")
    try Scene.insert("b", session)
    try session.run("COMMIT")
    #expect(scene.jobs == ["a", "b"])
  }

  @Test("lets a second writer wait for the row that another one has locked, up to the lock timeout")
  func locks() throws {
    let scene = try Scene()
    let one = try scene.open()
    let other = try scene.open()
    try one.run("BEGIN")
    #expect(try Scene.lock("a", one).count == 1)
    try other.run("BEGIN")
    let timeout = #expect(throws: PostgresFailure.self) { try Scene.lock("a", other) }
    #expect(timeout?.code == "55P03" && timeout?.category == .transient)
    try other.run("ROLLBACK")
    try one.run("ROLLBACK")
    #expect(try Scene.lock("a", other).count == 1)
  }

  @Test(
    "a session that breaks loses what it had not committed", arguments: [Fault.postgresDisconnect, .postgresRestart])
  func disconnects(fault: Fault) throws {
    let scene = try Scene()
    let session = try scene.open()
    try session.run("BEGIN")
    try Scene.move("a", to: 5, session)
    scene.provoke(fault)
    let failure = #expect(throws: PostgresFailure.self) { try Scene.insert("b", session) }
    #expect(failure?.isConnectionLost == true && failure?.category == .transient && !session.isUsable)
    if fault == .postgresRestart { #expect(throws: PostgresFailure.self) { try scene.open() } }
    scene.provoke(nil)
    scene.server.finishAbandoned()
    #expect(throws: PostgresFailure.self) { try session.run("COMMIT") }
    #expect(scene.checkpoint == 0 && scene.jobs == ["a"])
  }

  @Test("a commit whose answer is lost has taken place")
  func lostAnswer() throws {
    let scene = try Scene()
    let session = try scene.open()
    try session.run("BEGIN")
    try Scene.move("a", to: 5, session)
    scene.provoke(.postgresLostCommit)
    let failure = #expect(throws: PostgresFailure.self) { try session.run("COMMIT") }
    #expect(failure?.isConnectionLost == true)
    #expect(scene.checkpoint == 5)
  }

  @Test(
    "a commit on its way takes place later, or never; whoever needs the row waits and sees which", arguments: 0..<20)
  func lateCommit(seed: UInt64) throws {
    let scene = try Scene(seed: seed)
    let session = try scene.open()
    try session.run("BEGIN")
    try Scene.move("a", to: 5, session)
    scene.provoke(seed % 2 == 0 ? .postgresDisconnect : .crash)
    #expect(throws: (any Error).self) { try session.run("COMMIT") }
    scene.provoke(nil)
    #expect(scene.checkpoint == 0)
    let other = try scene.open(SimulatedProcess(in: scene.world))
    try other.run("BEGIN")
    let found = try Scene.lock("a", other)
    #expect(found[0][2] == "0" || found[0][2] == "5")
    scene.server.finishAbandoned()
    #expect(scene.checkpoint.map(String.init) == found[0][2])
    try Scene.move("a", to: 6, other)
    try other.run("COMMIT")
    scene.server.finishAbandoned()
    #expect(scene.checkpoint == 6)
  }

  @Test("refuses to serialise: the transaction is over, the session lives")
  func serialization() throws {
    let scene = try Scene()
    let session = try scene.open()
    try session.run("BEGIN")
    scene.provoke(.postgresSerialization)
    let failure = #expect(throws: PostgresFailure.self) { try Scene.move("a", to: 5, session) }
    #expect(failure?.code?.hasPrefix("40") == true && failure?.category == .transient && session.isUsable)
    scene.provoke(nil)
    #expect(try session.run("COMMIT").command == "ROLLBACK")
    #expect(scene.checkpoint == 0)
  }

  @Test("a dead process reaches nothing")
  func death() throws {
    let scene = try Scene()
    let session = try scene.open()
    try session.run("BEGIN")
    try Scene.move("a", to: 5, session)
    scene.process.kill()
    #expect(throws: ProcessDied.self) { try session.run("COMMIT") }
    #expect(throws: ProcessDied.self) { try scene.open() }
    scene.server.finishAbandoned()
    #expect(scene.checkpoint == 0)
  }

  @Test("a statement that it does not know is a violation", arguments: ["SELECT 2", "VACUUM", "COMMIT AND CHAIN"])
  func unknown(statement: String) throws {
    let scene = try Scene()
    let session = try scene.open()
    #expect(throws: PostgresFailure.self) { try session.run(statement) }
    #expect(scene.world.violation?.contains(statement) == true)
  }
}
