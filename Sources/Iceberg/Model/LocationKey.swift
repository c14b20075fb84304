/// A location in the form in which locations are compared. Two that may be the same place have the same key, because
/// files are removed that have none of the keys in use: `file:/x`, `file:///x`, `file://localhost/x` and `/x`, as well as
/// `s3://`, `s3a://` and `s3n://`, and one slash or several, although stores of objects tell those apart. Nothing is
/// decoded.
package struct LocationKey: Hashable, Sendable {
  package let text: String

  package init(_ location: String) {
    var rest = location[...]
    var text = ""
    if rest.prefix(5).lowercased() == "file:" {
      rest = rest.dropFirst(5)
      if rest.hasPrefix("//localhost/") { rest = rest.dropFirst(11) }
    } else if let slashes = rest.firstRange(of: "://") {
      let scheme = rest[..<slashes.lowerBound].lowercased()
      text = (scheme == "s3a" || scheme == "s3n" ? "s3" : scheme) + "://"
      rest = rest[slashes.upperBound...]
    }
    var wasSlash = false
    for character in rest.unicodeScalars {
      if character != "/" || !wasSlash { text.unicodeScalars.append(character) }
      wasSlash = character == "/"
    }
    self.text = text
  }
}
