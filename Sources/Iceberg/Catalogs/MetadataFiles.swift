/// Where a table's metadata files are, what they are called, and how they are read.
enum MetadataFiles {
  /// The directory of the metadata files: `write.metadata.path`, or `metadata` in the table's location.
  static func directory(_ metadata: TableMetadata) -> String {
    let own = metadata.properties["write.metadata.path"].map(Locations.strippingSlash) ?? ""
    return own.isEmpty ? "\(Locations.strippingSlash(metadata.location))/metadata" : own
  }

  /// Whether new metadata files are compressed: `write.metadata.compression-codec`.
  /// - Throws: kind `invalid` for a codec that the specification does not know.
  static func isCompressed(_ metadata: TableMetadata) throws(IcebergError) -> Bool {
    switch metadata.properties["write.metadata.compression-codec"]?.lowercased() {
    case nil, "none", "uncompressed", "": return false
    case "gzip": return true
    case .some(let codec):
      throw IcebergError(
        .invalid, "write.metadata.compression-codec: expected none or gzip, got '\(codec)'; correct the property")
    }
  }

  /// The location of the file that follows `previous`, which may have been named by another library.
  static func next(
    _ metadata: TableMetadata, after previous: String?, uuid: String
  ) throws(IcebergError) -> String {
    let number = previous.flatMap(number(ofLocation:)).map { $0 + 1 } ?? 0
    let digits = String(number)
    let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    let ending = try isCompressed(metadata) ? ".gz.metadata.json" : ".metadata.json"
    return "\(directory(metadata))/\(padded)-\(uuid)\(ending)"
  }

  /// The number before the first `-` of a file's name.
  static func number(ofLocation location: String) -> Int? {
    let name = location.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    guard let dash = name.firstIndex(of: "-"), dash > name.startIndex else { return nil }
    let digits = name[..<dash]
    guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int32(digits), number < Int32.max else {
      return nil
    }
    return Int(number)
  }

  /// Reads a metadata file.
  static func read(_ location: String, _ store: any ObjectStore) async throws(IcebergError) -> TableMetadata {
    try TableMetadata(parsing: try await store.read(location, range: nil), location: location)
  }

  /// The files that fell off the log with a commit, when the table wants them deleted
  /// (`write.metadata.delete-after-commit.enabled`).
  static func superseded(by new: TableMetadata, from old: TableMetadata) -> [String] {
    guard new.properties["write.metadata.delete-after-commit.enabled"]?.lowercased() == "true" else { return [] }
    let kept = Set(new.metadataLog.map(\.metadataFile))
    return old.metadataLog.map(\.metadataFile).filter { !kept.contains($0) }
  }
}

/// Locations: URIs that are compared and put together, but never decoded.
enum Locations {
  /// `text` without slashes at its end; `scheme://` keeps its own.
  static func strippingSlash(_ text: String) -> String {
    var rest = text[...]
    while rest.count > 1, rest.last == "/", !rest.hasSuffix("://") { rest = rest.dropLast() }
    return String(rest)
  }

  /// `text` as a full URI: local paths get their scheme.
  /// - Throws: kind `invalid` when it is neither a URI nor an absolute path.
  static func normalized(_ text: String, what: String) throws(IcebergError) -> String {
    let stripped = strippingSlash(text)
    if stripped.hasPrefix("/") { return "file://\(stripped)" }
    if stripped.hasPrefix("file:/"), !stripped.hasPrefix("file://") { return "file://\(stripped.dropFirst(5))" }
    guard let colon = stripped.firstIndex(of: ":"), colon > stripped.startIndex, stripped[colon...].hasPrefix("://")
    else {
      throw IcebergError(
        .invalid, "\(what): expected a URI such as s3://bucket/path, or an absolute path; got '\(text)'")
    }
    return stripped
  }

  /// Whether both may be the same place, as ``LocationKey`` says; a slash at the end makes no difference.
  static func areEqual(_ left: String, _ right: String) -> Bool {
    LocationKey(strippingSlash(left)) == LocationKey(strippingSlash(right))
  }
}
