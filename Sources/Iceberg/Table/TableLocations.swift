/// Where files of a table go.
public struct TableLocations: Hashable, Sendable {
  private let tableLocation: String
  private let metadataRoot: String
  private let dataRoot: String
  private let isHashed: Bool
  private let hasPartitionPaths: Bool

  /// The places that a table's location and properties name: `write.metadata.path`, `write.data.path`,
  /// `write.object-storage.enabled` and what belongs to them.
  public init(_ metadata: TableMetadata) {
    let settings = TableSettings(metadata)
    tableLocation = Self.trimmed(metadata.location)
    isHashed = settings.boolean("write.object-storage.enabled", default: false)
    hasPartitionPaths = settings.boolean("write.object-storage.partitioned-paths", default: true)
    let properties = metadata.properties
    metadataRoot = properties["write.metadata.path"].map(Self.trimmed) ?? "\(tableLocation)/metadata"
    let older = isHashed ? properties["write.object-storage.path"] : nil
    let root = properties["write.data.path"] ?? older ?? properties["write.folder-storage.path"]
    dataRoot = root.map(Self.trimmed) ?? "\(tableLocation)/data"
  }

  /// The location of a metadata file: a manifest, a list, a Puffin file.
  public func metadataFile(_ name: String) -> String { "\(metadataRoot)/\(name)" }

  /// The location of a data or delete file.
  ///
  /// - Parameters:
  ///   - name: the file's name.
  ///   - partitionPath: the directories of the partition, `a=1/b=x`; empty when the table is not partitioned.
  public func dataFile(_ name: String, partitionPath: String) -> String {
    let inner = partitionPath.isEmpty ? name : "\(partitionPath)/\(name)"
    guard isHashed else { return "\(dataRoot)/\(inner)" }
    let hashed = hasPartitionPaths ? inner : name
    let hash = Self.hashDirectories(hashed)
    if let context = context { return "\(dataRoot)/\(hash)/\(context)/\(hashed)" }
    return hasPartitionPaths ? "\(dataRoot)/\(hash)/\(hashed)" : "\(dataRoot)/\(hash)-\(hashed)"
  }

  /// The roots under which the table's own files are.
  public var roots: [String] { Array(Set([tableLocation, metadataRoot, dataRoot])).sorted() }

  /// Two levels of the table's location: keeps tables apart that share a data path.
  private var context: String? {
    guard !dataRoot.hasPrefix(tableLocation) else { return nil }
    return tableLocation.split(separator: "/").suffix(2).joined(separator: "/")
  }

  private static func trimmed(_ location: String) -> String {
    var location = location
    while location.hasSuffix("/") { location.removeLast() }
    return location
  }

  /// Twenty bits of the name's hash as directories, `0110/1010/0011/11101000`: spreads objects over a store's
  /// partitions, as the Java library does.
  static func hashDirectories(_ name: String) -> String {
    let hash = UInt32(bitPattern: Murmur3.hash(Array(name.utf8))) & 0xFFFFF
    let binary = String(hash, radix: 2)
    let bits = Array(String(repeating: "0", count: 20 - binary.count) + binary)
    return [bits[0..<4], bits[4..<8], bits[8..<12], bits[12..<20]].map { String($0) }.joined(separator: "/")
  }
}
