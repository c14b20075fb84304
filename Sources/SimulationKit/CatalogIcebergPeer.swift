import Actors
import Iceberg
import Logging
import Runtime
import SQL
import Sinks

/// Iceberg tables in a world: an object store, a catalog over it, strangers who write to the same tables.
///
/// Processes reach it through the real sink, catalogs and commit code; what is simulated is the store, the way to the
/// catalog's server, time and chance.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
public final class IcebergPeer: @unchecked Sendable {
  /// How processes reach the catalog.
  public enum CatalogKind: String, Hashable, Sendable, CaseIterable {
    /// Directories of the object store.
    case filesystem
    /// A server that is asked over HTTP.
    case rest
  }

  /// Where all tables are.
  public static let warehouse = "s3://lake/warehouse"

  /// The objects of all tables.
  public let store: SimulatedObjectStore
  /// How processes reach the catalog.
  public let kind: CatalogKind
  let world: SimulatedWorld
  /// A catalog to which nothing happens.
  let calm: FileSystemCatalog
  /// The surroundings of whoever is no process: the store's own clock, no waiting.
  let calmEnvironment: CommitEnvironment
  private let server: SimulatedCatalogServer
  private let stranger: ForeignWriter
  /// The tables that processes write to, where strangers come by.
  private var visited: [TableIdentifier] = []

  /// Says nothing.
  public static let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }

  /// A store without tables.
  public init(_ world: SimulatedWorld, catalog kind: CatalogKind) throws {
    self.world = world
    self.kind = kind
    let store = SimulatedObjectStore(world)
    self.store = store
    let scratch = MemoryScratch()
    let environment = CommitEnvironment(
      nowMilliseconds: { (world.wallStart + world.now / 1000) / 1000 }, sleep: { _ in },
      random: GeneratorBox(world.random.branch("strangers")).next, scratch: scratch)
    calmEnvironment = environment
    let view = store.calmView { scratch.contents($0) }
    let calm = try FileSystemCatalog(
      name: "calm", warehouse: Self.warehouse, store: view, logger: Self.logger, environment: environment)
    self.calm = calm
    server = SimulatedCatalogServer(
      world,
      service: RESTCatalogService(
        catalog: calm, store: view, options: RESTCatalogOptions(warehouse: Self.warehouse), logger: Self.logger,
        environment: environment))
    stranger = ForeignWriter(world, catalog: calm, environment: environment, scratch: scratch)
  }

  /// How many rows strangers have added.
  public var foreignRowsAdded: Int { stranger.rowsAdded }

  /// The real sink of `table` in `process`.
  ///
  /// - Parameters:
  ///   - table: A sink table with `connector = 'iceberg'` and `table = 'namespace.name'`.
  ///   - job: The job's name.
  ///   - fileSystem: The process's disk, where data files are written before they are uploaded; `nil`: its memory.
  ///   - logger: What the sink says.
  /// - Throws: ``Actors/SinkError`` for options that make no sense.
  public func connector(
    _ table: TableDefinition, job: String, process: SimulatedProcess, fileSystem: (any FileSystem)? = nil,
    logger: Logger = IcebergPeer.logger
  ) throws -> any SinkConnector {
    if let name = table.options["table"] { visit(Self.identifier(name)) }
    let side = ProcessSide(self, process, fileSystem)
    let defaults = SinkDefaults(
      checkpointDirectory: "/", warehouse: Self.warehouse, catalogType: kind.rawValue,
      catalogURL: SimulatedCatalogServer.address)
    return try IcebergSinkConnector(
      table, job: job, defaults: defaults, environment: side.environment, logger: logger
    ) { () throws(IcebergError) in try await self.catalog(side) }
  }

  /// Lets everything that is under way arrive: writes and commits whose senders have given up or died.
  public func settle() async {
    store.settle()
    await server.settle()
  }

  /// `namespace.name` as an identifier.
  public static func identifier(_ name: String) -> TableIdentifier {
    let levels = name.split(separator: ".").map(String.init)
    return TableIdentifier(Namespace(Array(levels.dropLast())), levels.last ?? "")
  }

  // MARK: Catalogs of processes

  /// A process's catalog.
  func catalog(_ side: ProcessSide) async throws(IcebergError) -> any Catalog {
    let base: any Catalog
    switch kind {
    case .filesystem:
      base = try FileSystemCatalog(
        name: "lake", warehouse: Self.warehouse, store: side.store, logger: Self.logger,
        environment: side.environment)
    case .rest:
      let transport = SimulatedTransport(world, server, process: side.process) { [self] in
        await meet(.catalogConflict, "a commit")
      }
      let (view, environment) = (side.store, side.transportEnvironment)
      base = try await RESTCatalog.connect(
        name: "lake", properties: ["uri": SimulatedCatalogServer.address, "warehouse": Self.warehouse],
        transport: transport, environment: environment
      ) { (_: [String: String]) throws(IcebergError) in view }
    }
    return SimulatedCatalogView(base: base) { [self] what in await meet(.foreignCommit, what) }
  }

  /// Maybe a stranger does something to one of the tables.
  func meet(_ fault: Fault, _ what: String) async {
    guard !visited.isEmpty, world.strikes(fault, what) else { return }
    await stranger.act(on: visited[Int.random(in: 0..<visited.count, using: &world.random)])
  }

  /// Strangers come by at this table from now on.
  func visit(_ identifier: TableIdentifier) {
    if !visited.contains(identifier) { visited.append(identifier) }
  }
}

/// What one process has for its use of an ``IcebergPeer``.
struct ProcessSide: Sendable {
  let process: SimulatedProcess
  let store: SimulatedStoreView
  let environment: CommitEnvironment
  let transportEnvironment: TransportEnvironment

  init(_ peer: IcebergPeer, _ process: SimulatedProcess, _ fileSystem: (any FileSystem)? = nil) {
    self.process = process
    let memory = MemoryScratch()
    let scratch: any ScratchFiles = fileSystem.map { FileSystemScratch(files: $0) } ?? memory
    let clock = process.clock
    let random = GeneratorBox(peer.world.random.branch("iceberg \(process.number)"))
    environment = CommitEnvironment(
      nowMilliseconds: { clock.wallMicroseconds() / 1000 },
      sleep: { try await clock.sleep(for: $0 * 1_000_000) }, random: random.next, scratch: scratch)
    transportEnvironment = TransportEnvironment(
      nowMilliseconds: { clock.wallMicroseconds() / 1000 },
      sleep: { try await clock.sleep(for: Int64($0) * 1_000_000) },
      random: { Double(random.next() >> 11) * 0x1p-53 })
    store = peer.store.view(of: process) { path in
      if let fileSystem { try fileSystem.contents(of: path) } else { memory.contents(path) }
    }
    store.beforeConditionalWrite = { location in
      if location.hasSuffix(".metadata.json") { await peer.meet(.catalogConflict, location) }
    }
  }
}

/// A generator that several closures draw from.
///
/// `@unchecked Sendable`: touched on the simulation's one thread only.
final class GeneratorBox: @unchecked Sendable {
  private var generator: SeededGenerator

  init(_ generator: SeededGenerator) { self.generator = generator }

  @Sendable func next() -> UInt64 { generator.next() }
}
