import Iceberg
import TestTraits
import Testing

@Suite("Locations and caches", .fewAtOnce)
struct LocationKeyTests {
  @Test(
    "what may be the same file counts as the same",
    arguments: [
      ["/a/b", "file:/a/b", "file:///a/b", "FILE:///a/b", "file://localhost/a/b", "//a//b", "file:////a///b"],
      ["s3://bucket/a/b", "s3a://bucket/a/b", "s3n://bucket/a/b", "S3://bucket/a/b", "s3://bucket//a//b"],
      ["file:///a/b/", "/a//b//", "file://localhost//a/b/"]
    ])
  func same(locations: [String]) {
    #expect(Set(locations.map { LocationKey($0) }).count == 1, "\(locations.map { LocationKey($0).text })")
  }

  @Test("what are two files stay two")
  func different() {
    let locations = ["/a/b", "/a/b/", "/a%2Fb", "/a/B", "s3://a/b", "gs://a/b", "file://host/a/b", "a/b"]
    #expect(Set(locations.map { LocationKey($0) }).count == locations.count)
  }

  @Test("a cache keeps what was used last, within its limit, and hands out what goes")
  func cache() {
    var cache = BoundedCache<String, Int>(costMax: 10)
    #expect(cache.insert(1, for: "a", cost: 4).isEmpty)
    #expect(cache.insert(2, for: "b", cost: 4).isEmpty)
    #expect(cache.value("a") == 1)
    #expect(cache.insert(3, for: "c", cost: 4) == [2])
    #expect(cache.value("b") == nil && cache.cost == 8)
    #expect(cache.insert(4, for: "a", cost: 6) == [1])
    #expect(cache.cost == 10)
    // One that is too large for all is kept alone, as long as nothing else comes.
    #expect(Set(cache.insert(5, for: "d", cost: 100)) == [3, 4])
    #expect(cache.value("d") == 5)
    #expect(cache.insert(6, for: "e", cost: 1) == [5])
    #expect(cache.remove("e") == 6 && cache.removeAll().isEmpty && cache.cost == 0)
  }

  @Test("positions know about how much memory they take")
  func positionBytes() {
    var dense = PositionSet()
    dense.insert(contentsOf: 0..<1_000_000)
    #expect(dense.memoryBytes < 10_000)
    let sparse = PositionSet(stride(from: Int64(0), to: 100_000 * 65_536, by: 65_536))
    #expect((6_000_000..<20_000_000).contains(sparse.memoryBytes))
  }
}
