/// A location in the form in which locations are compared: `file:/x`, `file:///x` and `/x` are one file, and so are
/// `s3://`, `s3a://` and `s3n://`. Nothing is decoded.
package struct LocationKey: Hashable, Sendable {
  package let text: String

  package init(_ location: String) {
    var location = location[...]
    for scheme in ["s3a://", "s3n://"] where location.hasPrefix(scheme) {
      location = "s3://" + location.dropFirst(scheme.count)
    }
    if location.hasPrefix("file:") {
      location = location.dropFirst(5)
      if location.hasPrefix("//localhost/") { location = location.dropFirst(11) }
    }
    var text = String(location)
    if text.hasPrefix("/") {
      // Slashes at the beginning are those of the scheme.
      let path = text.drop { $0 == "/" }
      text = "/" + path
    }
    self.text = text
  }
}
