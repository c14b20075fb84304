/// What must not be shown: values of options whose name says that they are secret, and passwords within URLs.
public enum Redaction {
  /// Whether the value of an option or setting called `name` must never be printed.
  public static func isSecret(_ name: String) -> Bool {
    let name = name.lowercased()
    let words = ["password", "passwd", "secret", "token", "credential", "private", "sasl.jaas", "access_key", "api_key"]
    return words.contains { name.contains($0) } || name.hasSuffix(".key.pem") || name == "key_id"
  }

  /// The value as it may be shown: stars when the name says that it is secret, a URL without its password otherwise.
  public static func value(_ value: String, ofOption name: String) -> String {
    isSecret(name) ? "***" : line(value)
  }

  /// A line of SQL with the same length, in which quoted values after secret names, and passwords in URLs, are stars.
  public static func line(_ text: String) -> String {
    var characters = Array(text)
    blotURLs(&characters)
    blotSecretOptions(&characters)
    return String(characters)
  }

  /// `scheme://user:password@host`.
  private static func blotURLs(_ characters: inout [Character]) {
    var index = 0
    while index + 2 < characters.count {
      guard characters[index] == ":", characters[index + 1] == "/", characters[index + 2] == "/" else {
        index += 1
        continue
      }
      let start = index + 3
      var end = start
      while end < characters.count, !"'\" \t/?".contains(characters[end]) { end += 1 }
      if let at = characters[start..<end].lastIndex(of: "@"), let colon = characters[start..<at].firstIndex(of: ":") {
        for position in (colon + 1)..<at { characters[position] = "*" }
      }
      index = end
    }
  }

  /// `name = 'value'`, also `name=value` within a quoted connection string, for every secret name.
  private static func blotSecretOptions(_ characters: inout [Character]) {
    var index = 0
    while let equals = characters[index...].firstIndex(of: "=") {
      index = equals + 1
      let name = characters[..<equals].reversed().drop { $0 == " " || $0 == "\"" }
        .prefix { $0.isLetter || $0.isNumber || "._-".contains($0) }
      guard isSecret(String(name.reversed())) else { continue }
      while index < characters.count, characters[index] == " " { index += 1 }
      let isQuoted = index < characters.count && characters[index] == "'"
      if isQuoted { index += 1 }
      while index < characters.count, isQuoted ? characters[index] != "'" : !"' ,)".contains(characters[index]) {
        characters[index] = "*"
        index += 1
      }
    }
  }
}
