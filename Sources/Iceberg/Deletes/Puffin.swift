/// A blob of a Puffin file, as its footer describes it (Puffin specification, "BlobMetadata").
public struct PuffinBlob: Hashable, Sendable {
  /// The kind: `deletion-vector-v1`, `apache-datasketches-theta-v1`, …
  public var type: String
  /// The fields that it was made of.
  public var fields: [Int]
  /// The snapshot that it was made of; -1 in deletion vectors.
  public var snapshotID: Int64
  /// Its sequence number; -1 in deletion vectors.
  public var sequenceNumber: Int64
  /// Where it begins.
  public var offset: Int64
  /// How long it is.
  public var length: Int64
  /// How it is compressed: `lz4`, `zstd` or not.
  public var compressionCodec: String?
  /// What else is known.
  public var properties: [String: String]

  /// A blob.
  public init(
    type: String, fields: [Int], snapshotID: Int64, sequenceNumber: Int64, offset: Int64, length: Int64,
    compressionCodec: String? = nil, properties: [String: String] = [:]
  ) {
    self.type = type
    self.fields = fields
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.offset = offset
    self.length = length
    self.compressionCodec = compressionCodec
    self.properties = properties
  }
}

/// The footer of a Puffin file (Puffin specification, "FileMetadata").
public struct PuffinFile: Hashable, Sendable {
  /// The blobs.
  public var blobs: [PuffinBlob]
  /// What else is known of the file: `created-by`.
  public var properties: [String: String]

  /// The footer of a file.
  /// - Throws: kind `corrupt`, naming `path`; `unsupported` for compression that this library does not have.
  public static func read(_ bytes: [UInt8], path: String) throws(IcebergError) -> PuffinFile {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// The content of a blob, decompressed.
  public static func content(of blob: PuffinBlob, in bytes: [UInt8], path: String) throws(IcebergError) -> [UInt8] {
    throw IcebergError(.unsupported, "not filled yet")
  }
}

/// Writes a Puffin file.
public struct PuffinWriter: Sendable {
  /// A file without blobs.
  public init(createdBy: String = "weir") {}

  /// Adds the deletion vector of a data file; the result's offset and length belong into the manifest entry.
  public mutating func appendDeletionVector(_ positions: PositionSet, referencedDataFile: String) throws(IcebergError)
    -> PuffinBlob
  {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// Adds any blob, not compressed; its offset and length are set.
  public mutating func append(_ blob: PuffinBlob, content: [UInt8]) throws(IcebergError) -> PuffinBlob {
    throw IcebergError(.unsupported, "not filled yet")
  }

  /// The file.
  public mutating func finish() -> [UInt8] { [] }
}
