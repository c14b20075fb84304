import Iceberg
import Testing

@Suite("Locations and caches")
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
}
