/// The options of a table's `WITH (…)`, typed on access. Values never appear in messages when the name looks secret.
public struct TableOptions: Hashable, Sendable {
  /// One option.
  public struct Entry: Hashable, Sendable {
    /// The value after environment references were replaced.
    public let value: String
    /// Where the value stands.
    public let location: SourceLocation
    /// Where the name stands.
    public let nameLocation: SourceLocation

    /// An option's value and place; the name's place is the value's unless told otherwise.
    public init(value: String, location: SourceLocation, nameLocation: SourceLocation? = nil) {
      self.value = value
      self.location = location
      self.nameLocation = nameLocation ?? location
    }
  }

  /// All options, by name in lower case (names with a prefix such as `kafka.` or `write.`, which are passed on, keep theirs).
  public let entries: [String: Entry]

  /// Options by name.
  public init(_ entries: [String: Entry]) { self.entries = entries }

  /// The value of `name`.
  public subscript(name: String) -> String? { entries[name]?.value }
}
