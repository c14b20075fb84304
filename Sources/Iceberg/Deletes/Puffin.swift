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
    type: String, fields: [Int], snapshotID: Int64, sequenceNumber: Int64, offset: Int64 = 0, length: Int64 = 0,
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
  static let magic: [UInt8] = [0x50, 0x46, 0x41, 0x31]
  private static let limit = 1 << 28

  /// The blobs.
  public var blobs: [PuffinBlob]
  /// What else is known of the file: `created-by`.
  public var properties: [String: String]

  /// The footer of a file.
  /// - Throws: kind `corrupt`, naming `path`; `unsupported` for compression that this library does not have.
  public static func read(_ bytes: [UInt8], path: String) throws(IcebergError) -> PuffinFile {
    func corrupt(_ message: String) -> IcebergError { IcebergError(.corrupt, "\(path): \(message)") }
    guard bytes.starts(with: magic), bytes.count >= 20, bytes.suffix(4).elementsEqual(magic) else {
      throw corrupt("expected a Puffin file, which begins and ends with 'PFA1'")
    }
    var trailer = AvroCursor(bytes, from: bytes.count - 12, context: path)
    let size = try trailer.littleEndian(Int32.self)
    let flags = try trailer.littleEndian(UInt32.self)
    // The magic at the footer's beginning comes after the one at the file's.
    let start = bytes.count - 12 - Int(size)
    guard size >= 0, start >= 8, bytes[start - 4..<start].elementsEqual(magic) else {
      throw corrupt("expected a footer of \(size) bytes after 'PFA1'")
    }
    guard flags & ~1 == 0 else { throw IcebergError(.unsupported, "\(path): the Puffin flags \(flags) are not known") }
    var payload = Array(bytes[start..<bytes.count - 12])
    if flags & 1 == 1 { payload = try decompressed(payload, codec: nil, context: "the footer of \(path)") }
    do {
      return try PuffinFile(json: try JSONValue(parsing: payload), end: Int64(start - 4))
    } catch {
      throw IcebergError(error.kind, "\(path): \(error.message)")
    }
  }

  /// The content of a blob, decompressed.
  public static func content(of blob: PuffinBlob, in bytes: [UInt8], path: String) throws(IcebergError) -> [UInt8] {
    let (end, overflow) = blob.offset.addingReportingOverflow(blob.length)
    guard blob.offset >= 0, blob.length >= 0, !overflow, end <= Int64(bytes.count) else {
      throw IcebergError(
        .corrupt, "\(path): the blob at \(blob.offset), \(blob.length) bytes long, is not within \(bytes.count) bytes")
    }
    let content = Array(bytes[Int(blob.offset)..<Int(end)])
    guard let codec = blob.compressionCodec else { return content }
    return try decompressed(content, codec: codec, context: "the blob at byte \(blob.offset) of \(path)")
  }

  /// `codec` is `nil` for the footer, which is LZ4 by specification; Zstandard's magic is understood too.
  private static func decompressed(
    _ bytes: [UInt8], codec: String?, context: String
  ) throws(IcebergError) -> [UInt8] {
    if codec == "zstd" || (codec == nil && bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD])) {
      return try zstandardDecompressed(bytes, limit: limit, context: context)
    }
    if codec == "lz4" || codec == nil { return try LZ4Frame.decompress(bytes, limit: limit, context: context) }
    throw IcebergError(.unsupported, "the compression '\(codec ?? "")' of \(context); there are lz4 and zstd")
  }

  private init(json: JSONValue, end: Int64) throws(IcebergError) {
    var blobs: [PuffinBlob] = []
    for item in try json.array("blobs") {
      var fields: [Int] = []
      for field in try item.array("fields") {
        guard let id = field.integerValue.flatMap(Int32.init(exactly:)) else {
          throw IcebergError(.corrupt, "expected field ids in 'fields', found \(field.text.prefix(80))")
        }
        fields.append(Int(id))
      }
      let blob = PuffinBlob(
        type: try item.string("type"), fields: fields, snapshotID: try item.integer("snapshot-id"),
        sequenceNumber: try item.integer("sequence-number"), offset: try item.integer("offset"),
        length: try item.integer("length"), compressionCodec: try item.optionalString("compression-codec"),
        properties: try Self.properties(item))
      guard blob.offset >= 4, blob.length >= 0, blob.offset <= end, blob.length <= end - blob.offset else {
        throw IcebergError(
          .corrupt, "the blob at \(blob.offset), \(blob.length) bytes long, is not between the header and the footer")
      }
      blobs.append(blob)
    }
    self.blobs = blobs
    self.properties = try Self.properties(json)
  }

  private static func properties(_ json: JSONValue) throws(IcebergError) -> [String: String] {
    guard json["properties"] != nil, json["properties"] != .null else { return [:] }
    return try json.stringMap("properties")
  }
}

/// Writes a Puffin file.
public struct PuffinWriter: Sendable {
  /// The reserved field id of row positions, which deletion vectors are made of.
  private static let positionFieldID = 2_147_483_645

  private let createdBy: String
  private var output = PuffinFile.magic
  private var blobs: [PuffinBlob] = []

  /// A file without blobs.
  public init(createdBy: String = "weir") { self.createdBy = createdBy }

  /// Adds the deletion vector of a data file; the result's offset and length belong into the manifest entry.
  /// - Throws: kind `invalid` when there is nothing to delete.
  public mutating func appendDeletionVector(
    _ positions: PositionSet, referencedDataFile: String
  ) throws(IcebergError) -> PuffinBlob {
    guard !positions.isEmpty else {
      throw IcebergError(.invalid, "a deletion vector without positions: \(referencedDataFile)")
    }
    let blob = PuffinBlob(
      type: DeletionVector.blobType, fields: [Self.positionFieldID], snapshotID: -1, sequenceNumber: -1,
      properties: ["referenced-data-file": referencedDataFile, "cardinality": String(positions.count)])
    return try append(blob, content: DeletionVector.encode(positions))
  }

  /// Adds any blob, as its bytes are; its offset and length are set.
  /// - Throws: kind `invalid` when it has more than 2^31 − 1 bytes.
  public mutating func append(_ blob: PuffinBlob, content: [UInt8]) throws(IcebergError) -> PuffinBlob {
    guard content.count <= Int(Int32.max) else {
      throw IcebergError(.invalid, "a blob of \(content.count) bytes; at most 2^31 - 1 are possible")
    }
    var blob = blob
    blob.offset = Int64(output.count)
    blob.length = Int64(content.count)
    output += content
    blobs.append(blob)
    return blob
  }

  /// The file.
  public mutating func finish() -> [UInt8] {
    let footer = JSONValue.object([
      .init("blobs", .array(blobs.map { Self.json($0) })),
      .init("properties", .object([JSONValue.Member("created-by", .string(createdBy))]))
    ]).bytes
    let size = UInt32(truncatingIfNeeded: footer.count)
    return output + PuffinFile.magic + footer + (0..<4).map { UInt8(truncatingIfNeeded: size >> UInt32(8 * $0)) }
      + [0, 0, 0, 0] + PuffinFile.magic
  }

  private static func json(_ blob: PuffinBlob) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("type", .string(blob.type)), .init("fields", .array(blob.fields.map { .integer(Int64($0)) })),
      .init("snapshot-id", .integer(blob.snapshotID)), .init("sequence-number", .integer(blob.sequenceNumber)),
      .init("offset", .integer(blob.offset)), .init("length", .integer(blob.length))
    ]
    if let codec = blob.compressionCodec { members.append(.init("compression-codec", .string(codec))) }
    if !blob.properties.isEmpty {
      let sorted = blob.properties.sorted { $0.key < $1.key }
      members.append(.init("properties", .object(sorted.map { JSONValue.Member($0.key, .string($0.value)) })))
    }
    return .object(members)
  }
}
