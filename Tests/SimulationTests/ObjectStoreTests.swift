import Iceberg
import Runtime
import SimulationKit
import TestTraits
import Testing

@Suite("The simulated object store", .fewAtOnce)
struct ObjectStoreTests {
  private static func world(_ faults: [Fault: Double] = [:], seed: UInt64 = 1) -> SimulatedWorld {
    SimulatedWorld(seed: seed, faults: FaultPlan(strengths: faults), trace: SimulationTrace(keeping: .max))
  }

  private static func kind(_ body: () async throws(IcebergError) -> Void) async -> IcebergError.Kind? {
    do throws(IcebergError) {
      try await body()
      return nil
    } catch {
      return error.kind
    }
  }

  @Test("what was written is read back at once, whole or in part, and deletion is at once, too")
  func readsAfterWrites() throws {
    let world = Self.world()
    let store = SimulatedObjectStore(world)
    try Simulated.run(world) { process in
      let view = store.view(of: process) { $0 == "/scratch/f" ? [7, 8, 9] : nil }
      let info = try await view.write("s3://b/a", [1, 2, 3, 4], ifAbsent: false)
      #expect(try await view.info("s3://b/a") == info)
      #expect(info.size == 4)
      let now = (world.wallStart + world.now / 1000) / 1000
      #expect((world.wallStart / 1000...now).contains(info.modifiedMilliseconds))
      #expect(try await view.read("s3://b/a", range: nil) == [1, 2, 3, 4])
      #expect(try await view.read("s3://b/a", range: 1..<3) == [2, 3])
      #expect(try await view.read("s3://b/a", range: 3..<99) == [4])
      #expect(
        await Self.kind { () throws(IcebergError) in _ = try await view.read("s3://b/x", range: nil) } == .notFound)
      _ = try await view.upload(file: "/scratch/f", to: "s3://b/f")
      #expect(try await view.read("s3://b/f", range: nil) == [7, 8, 9])
      #expect(
        await Self.kind { () throws(IcebergError) in _ = try await view.upload(file: "/no", to: "s3://b/g") } == .io)
      try await view.delete(["s3://b/a", "s3://b/never"])
      #expect(try await view.info("s3://b/a") == nil)
    }
  }

  @Test("of two conditional writes one wins, and the other one changes nothing")
  func conditionalWrites() throws {
    let world = Self.world()
    let store = SimulatedObjectStore(world)
    try Simulated.run(world) { process in
      let view = store.view(of: process) { _ in nil }
      async let first = Self.kind { () throws(IcebergError) in
        _ = try await view.write("s3://b/v1", [1], ifAbsent: true)
      }
      async let second = Self.kind { () throws(IcebergError) in
        _ = try await view.write("s3://b/v1", [2], ifAbsent: true)
      }
      let kinds = await [first, second]
      #expect(kinds.filter { $0 == nil }.count == 1)
      #expect(kinds.contains(.alreadyExists))
      let content = try await view.read("s3://b/v1", range: nil)
      #expect(content == [kinds[0] == nil ? 1 : 2])
    }
  }

  @Test("a listing has all objects of a prefix in order, page by page")
  func listings() throws {
    let world = Self.world()
    let store = SimulatedObjectStore(world)
    try Simulated.run(world) { process in
      let view = store.view(of: process) { _ in nil }
      let names = (0..<130).map { "s3://b/p/\($0)" }
      for name in names.reversed() + ["s3://b/o", "s3://b/q"] { _ = try await view.write(name, [], ifAbsent: false) }
      var found: [String] = []
      var after: String?
      repeat {
        let page = try await view.list(prefix: "s3://b/p/", after: after)
        found += page.objects.map(\.location)
        after = page.next
      } while after != nil
      #expect(found == names.sorted())
    }
  }

  @Test("a late listing misses only what was written in the last seconds")
  func lateListings() throws {
    let world = Self.world([.storeLateList: 100])
    let store = SimulatedObjectStore(world)
    try Simulated.run(world) { process in
      let view = store.view(of: process) { _ in nil }
      _ = try await view.write("s3://b/old", [], ifAbsent: false)
      try await process.clock.sleep(for: SimulatedObjectStore.listingLag)
      var missed = 0
      for number in 0..<20 {
        _ = try await view.write("s3://b/new\(number)", [], ifAbsent: false)
        let found = try await view.list(prefix: "s3://b/", after: nil).objects.map(\.location)
        #expect(found.contains("s3://b/old"))
        if !found.contains("s3://b/new\(number)") { missed += 1 }
        #expect(try await view.info("s3://b/new\(number)") != nil)
      }
      #expect(missed > 0)
    }
  }

  @Test(
    "each fault does what it says",
    arguments: [
      (Fault.storeFailure, IcebergError.Kind.transient, false), (.storeThrottle, .transient, false),
      (.storeLostRequest, .unknownOutcome, false), (.storeLostAnswer, .unknownOutcome, true)
    ])
  func faults(fault: Fault, kind: IcebergError.Kind, isDone: Bool) throws {
    let world = Self.world([fault: 1000])
    let store = SimulatedObjectStore(world)
    let done = try Simulated.run(world) { process -> Int in
      let view = store.view(of: process) { _ in nil }
      for number in 0..<20 {
        let found = await Self.kind { () throws(IcebergError) in
          _ = try await view.write("s3://b/\(number)", [1], ifAbsent: true)
        }
        #expect(found == kind)
      }
      return store.locations.count
    }
    #expect(world.injected[fault] ?? 0 > 0)
    #expect(isDone ? done > 5 : done == 0)
    store.settle()
    #expect(store.locations.count == (isDone ? 20 : 0))
    world.isCalm = true
    try Simulated.run(world) { process in
      _ = try await store.view(of: process) { _ in nil }.write("s3://b/calm", [1], ifAbsent: true)
    }
  }

  @Test("a process that dies leaves whole objects and unseen parts, and has no effect from then on")
  func deaths() throws {
    var unfinished = 0
    var stages: Set<Int> = []
    for seed in 0..<200 {
      let world = Self.world([.crash: 60], seed: UInt64(seed))
      let store = SimulatedObjectStore(world)
      let content = [UInt8](repeating: 5, count: 3 * SimulatedObjectStore.partBytes)
      let process = SimulatedProcess(in: world)
      let before = try Simulated.run(world, process) {
        let view = store.view(of: process) { _ in content }
        _ = try? await view.write("s3://b/1", [1], ifAbsent: false)
        _ = try? await view.upload(file: "/f", to: "s3://b/2")
        let alive = store.locations
        _ = try? await view.write("s3://b/3", [1], ifAbsent: false)
        if process.isDead { try? await view.delete(alive) }
        return alive
      }
      #expect(before.allSatisfy { store.object($0) != nil })
      for location in store.locations where location == "s3://b/2" { #expect(store.object(location)?.bytes == content) }
      if !process.isDead { #expect(store.locations.count == 3 && store.unfinishedUploads == 0) }
      stages.insert(store.locations.count)
      unfinished += store.unfinishedUploads
    }
    #expect(stages == [0, 1, 2, 3])
    #expect(unfinished > 0)
  }

  @Test("the same seed gives the same trace, another one another")
  func replay() throws {
    func digest(_ seed: UInt64) throws -> UInt64 {
      let world = Self.world([.storeFailure: 3, .storeLostAnswer: 3, .slow: 3], seed: seed)
      let store = SimulatedObjectStore(world)
      try Simulated.run(world) { process in
        let view = store.view(of: process) { _ in nil }
        await withTaskGroup(of: Void.self) { group in
          for number in 0..<20 {
            group.addTask { _ = try? await view.write("s3://b/\(number % 7)", [UInt8(number)], ifAbsent: true) }
          }
        }
      }
      return world.record.digest
    }
    let first = try digest(5)
    #expect(try digest(5) == first)
    #expect(try digest(6) != first)
  }
}
