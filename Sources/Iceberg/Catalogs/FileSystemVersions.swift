/// The numbered metadata files of a table in a warehouse directory, as Java's `HadoopTableOperations` has them:
/// `metadata/v<N>.metadata.json`, and `metadata/version-hint.text`, which says where to begin looking.
struct FileSystemVersions: Sendable {
  /// A version's file.
  struct Version: Hashable, Sendable {
    var number: Int
    var location: String
  }

  /// The table's directory.
  let directory: String
  let store: any ObjectStore

  /// Where the metadata files are.
  var metadataDirectory: String { "\(directory)/metadata" }
  /// Where the hint is.
  var hintLocation: String { "\(metadataDirectory)/version-hint.text" }

  /// The location of a version.
  func location(_ number: Int, isCompressed: Bool) -> String {
    "\(metadataDirectory)/v\(number)\(isCompressed ? ".gz" : "").metadata.json"
  }

  /// The number in `v<N>.metadata.json`, `v<N>.gz.metadata.json` or the older `v<N>.metadata.json.gz`.
  static func number(ofName name: some StringProtocol) -> Int? {
    guard name.hasPrefix("v") else { return nil }
    let digits = name.dropFirst().prefix { $0 >= "0" && $0 <= "9" }
    guard endings.contains(String(name.dropFirst(1 + digits.count))), let number = Int32(digits), number < Int32.max
    else { return nil }
    return Int(number)
  }

  private static let endings = [".metadata.json", ".gz.metadata.json", ".metadata.json.gz"]

  /// The newest version; `nil` when there is no table.
  func current() async throws(IcebergError) -> Version? {
    if let hint = try await hint(), let hinted = try await find(hint) { return try await newest(from: hinted) }
    let names = try await WarehouseDirectories(store: store).files(metadataDirectory, prefix: "v")
    var newest = names.compactMap { name in
      FileSystemVersions.number(ofName: name).map { Version(number: $0, location: "\(metadataDirectory)/\(name)") }
    }.max { $0.number < $1.number }
    // Listings may come late: whether there is a first version is asked directly.
    if newest == nil { newest = try await find(1) }
    guard let newest else { return nil }
    return try await self.newest(from: newest)
  }

  /// What the hint says; `nil` when it is absent, empty or no number: it is only a hint.
  func hint() async throws(IcebergError) -> Int? {
    let bytes: [UInt8]
    do {
      bytes = try await store.read(hintLocation, range: nil)
    } catch  where error.kind == .notFound {
      return nil
    }
    let text = bytes.filter { $0 > 0x20 }
    guard text.count <= 10, let number = Int32(String(decoding: text, as: UTF8.self)), number > 0 else { return nil }
    return Int(number)
  }

  /// The file of a version.
  func find(_ number: Int) async throws(IcebergError) -> Version? {
    for ending in Self.endings {
      let location = "\(metadataDirectory)/v\(number)\(ending)"
      if try await store.info(location) != nil { return Version(number: number, location: location) }
    }
    return nil
  }

  private func newest(from version: Version) async throws(IcebergError) -> Version {
    var newest = version
    while let next = try await find(newest.number + 1) { newest = next }
    return newest
  }
}
