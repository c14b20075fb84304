import Foundation
import Iceberg
import Logging
import TestSupport
import Testing

/// What the tests of catalogs share.
enum CatalogFixture {
  static let logger = Logger(label: "catalogs")

  /// Where the tests of this process put their directories; removed when it ends.
  private static let root: String = {
    let path = "/tmp/weir-catalogs-\(getpid())"
    atexit { try? FileManager.default.removeItem(atPath: "/tmp/weir-catalogs-\(getpid())") }
    return path
  }()

  /// A directory of its own for each test.
  static func directory() throws -> String {
    let path = "\(root)/\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  static func store() -> any ObjectStore { ObjectStores.make(properties: [:], logger: logger) }

  static func creation(_ properties: [String: String] = [:], location: String? = nil) -> TableCreation {
    TableCreation(
      schema: TableSchema(fields: [
        NestedField(id: 1, name: "id", type: .long, isRequired: true), NestedField(id: 2, name: "text", type: .string)
      ]),
      properties: properties, location: location)
  }

  static func table(_ namespace: String, _ name: String) -> TableIdentifier {
    TableIdentifier(Namespace(namespace.split(separator: ".").map(String.init)), name)
  }

  static func setting(_ identifier: TableIdentifier, _ properties: [String: String]) -> TableCommit {
    TableCommit(identifier: identifier, requirements: [], updates: [.setProperties(properties)])
  }

  /// An empty snapshot on top of what `table` is, on the condition that it still is.
  static func snapshot(_ table: LoadedTable, id: Int64) -> TableCommit {
    let metadata = table.metadata
    let snapshot = Snapshot(
      snapshotID: id, parentID: metadata.currentSnapshotID, sequenceNumber: metadata.lastSequenceNumber + 1,
      timestampMilliseconds: Int64(Date().timeIntervalSince1970 * 1000),
      manifestList: "\(metadata.location)/metadata/snap-\(id).avro", summary: ["operation": "append"],
      schemaID: metadata.currentSchemaID)
    return TableCommit(
      identifier: table.identifier,
      requirements: [
        .tableUUID(metadata.tableUUID), .reference(name: "main", snapshotID: metadata.currentSnapshotID)
      ],
      updates: [
        .addSnapshot(snapshot), .setReference(name: "main", SnapshotReference(snapshotID: id, kind: .branch))
      ])
  }

  /// The kind of the failure of `body`; `nil` when it succeeds.
  static func failure<Value>(_ body: () async throws -> Value) async -> IcebergError.Kind? {
    do {
      _ = try await body()
      return nil
    } catch let error as IcebergError {
      return error.kind
    } catch {
      Issue.record("\(error)")
      return nil
    }
  }
}

/// The PostgreSQL server that all tests share, each with a database of its own.
enum CatalogServer {
  static let server = Result { try PostgresServer() }

  /// The URL of a new database.
  static func database(_ name: String, port: Int? = nil) throws -> String {
    let server = try server.get()
    try server.run(sql: "CREATE DATABASE \(name)")
    return url(name, port: port ?? server.port)
  }

  static func url(_ name: String, port: Int) -> String { "postgresql://weir@127.0.0.1:\(port)/\(name)" }

  /// Runs SQL in a database.
  @discardableResult
  static func run(_ database: String, _ sql: String) throws -> [[String?]] {
    try server.get().run(sql: "\\connect \(database)\n\(sql)")
  }
}

/// Programs in Python that look at what the catalogs did.
enum CatalogJudge {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// PyIceberg and DuckDB.
  static func python() throws -> String { try interpreter("WEIR_JUDGES_PYTHON") }
  /// The Java implementation.
  static func java() throws -> String { try interpreter("WEIR_JUDGES_JAVA_PYTHON") }

  private static func interpreter(_ variable: String) throws -> String {
    guard let path = ProcessInfo.processInfo.environment[variable], !path.isEmpty else {
      throw Failure(description: "the environment variable \(variable) is not set; run the tests with ./weir test")
    }
    return path
  }

  /// A file of `Tests/Judges`.
  static func file(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Judges/\(name)").path
  }

  /// Runs a program to its end; its output.
  static func run(_ interpreter: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = arguments
    let output = Pipe()
    let errors = "/tmp/weir-judge-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: errors, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: errors) }
    process.standardOutput = output
    process.standardError = FileHandle(forWritingAtPath: errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let message = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
      throw Failure(description: "\(arguments.joined(separator: " ").prefix(300)): \(message.suffix(3000))\n\(text)")
    }
    return text
  }

  /// Runs the text of a program with arguments.
  static func script(_ text: String, _ arguments: [String]) throws -> String {
    try run(python(), ["-c", text] + arguments)
  }
}

/// Java's REST server on a database; it ends with this object.
final class CatalogJavaServer: Sendable {
  let address: String
  private let process: Process

  init(database: String, warehouse: String, catalog: String) throws {
    let port = try Self.freePort()
    let server = try CatalogServer.server.get()
    process = Process()
    process.executableURL = URL(fileURLWithPath: try CatalogJudge.java())
    process.arguments = [
      CatalogJudge.file("java_iceberg.py"), "serve", "\(port)", "jdbc",
      "jdbc:postgresql://127.0.0.1:\(server.port)/\(database)", warehouse, "jdbc.user=weir",
      "jdbc.schema-version=V1", "jdbc.strict-mode=true", "name=\(catalog)"
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    address = "http://127.0.0.1:\(port)"
    // Its first line says that it listens.
    var text = Data()
    while !text.contains(0x0A) {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw CatalogJudge.Failure(description: "the Java server ended at once") }
      text += more
    }
  }

  deinit { process.terminate() }

  private static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 ? getsockname(descriptor, generic, &length) : -1
      }
    }
    guard result == 0 else { throw CatalogJudge.Failure(description: "no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

/// A store whose calls can fail, and that counts.
final class CatalogFaultyStore: ObjectStore {
  typealias Fault = @Sendable (_ location: String) -> IcebergError?

  let inner: any ObjectStore
  private let faults = CatalogBox<[String: Fault]>([:])
  private let closes = CatalogBox(0)

  init(_ inner: any ObjectStore) { self.inner = inner }

  /// How often it was closed.
  var closeCount: Int { closes.value }

  /// Decides about the calls `before` and `after` writing, and `read`.
  func on(_ call: String, _ fault: Fault?) { faults.change { $0[call] = fault } }

  private func fail(_ call: String, _ location: String) throws(IcebergError) {
    if let error = faults.value[call]?(location) { throw error }
  }

  func info(_ location: String) async throws(IcebergError) -> ObjectInfo? { try await inner.info(location) }

  func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8] {
    try fail("read", location)
    return try await inner.read(location, range: range)
  }

  func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo {
    try fail("before", location)
    let info = try await inner.write(location, bytes, ifAbsent: ifAbsent)
    try fail("after", location)
    return info
  }

  func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    try await inner.upload(file: path, to: location)
  }

  func delete(_ locations: [String]) async throws(IcebergError) { try await inner.delete(locations) }

  func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    try await inner.list(prefix: prefix, after: after)
  }

  func localPath(_ location: String) -> String? { inner.localPath(location) }
  func close() async {
    closes.change { $0 += 1 }
    await inner.close()
  }
}
