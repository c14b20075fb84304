/// What the header of an Avro object container file says (Avro specification, "Object Container Files").
public struct AvroFileHeader: Hashable, Sendable {
  /// The schema of the values.
  public var schema: AvroSchema
  /// How blocks are compressed.
  public var codec: AvroCodec
  /// The file's metadata, `avro.schema` and `avro.codec` included.
  public var metadata: [String: String]
}

/// Reads Avro object container files from memory.
public struct AvroFileReader: Sendable {
  /// What the header says.
  public let header: AvroFileHeader
  /// The name of the file, for messages.
  public let path: String

  private var cursor: AvroCursor
  private let marker: ArraySlice<UInt8>
  private let blockLimit: Int

  /// A reader of a whole file.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - path: its name, for messages.
  ///   - blockLimit: how many bytes a decompressed block may have.
  /// - Throws: kind `corrupt` when the header is not Avro's; `unsupported` for codecs that are not ``AvroCodec``s.
  public init(_ bytes: [UInt8], path: String, blockLimit: Int = 1 << 28) throws(IcebergError) {
    var cursor = AvroCursor(bytes, context: path)
    guard bytes.starts(with: [0x4F, 0x62, 0x6A, 0x01]) else {
      throw cursor.corrupt("expected an Avro file, which begins with 'Obj' and 1; found other bytes")
    }
    try cursor.skip(4)
    let metadata = try Self.metadata(&cursor)
    guard let text = metadata["avro.schema"] else { throw cursor.corrupt("expected 'avro.schema' in the header") }
    let name = metadata["avro.codec"] ?? "null"
    guard let codec = AvroCodec(rawValue: name.isEmpty ? "null" : name) else {
      throw IcebergError(
        .unsupported, "the Avro codec '\(name)' of \(path); there are null, deflate, zstandard and snappy")
    }
    let schema: AvroSchema
    do {
      schema = try AvroSchema(parsing: text)
    } catch {
      throw IcebergError(error.kind, "\(error.message), in the header of \(path)")
    }
    self.marker = try cursor.take(16)
    self.cursor = cursor
    self.header = AvroFileHeader(schema: schema, codec: codec, metadata: metadata)
    self.path = path
    self.blockLimit = blockLimit
  }

  private static func metadata(_ cursor: inout AvroCursor) throws(IcebergError) -> [String: String] {
    var metadata: [String: String] = [:]
    while true {
      var count = try cursor.long()
      if count == 0 { return metadata }
      if count < 0 {
        _ = try cursor.long()
        count = 0 &- count
      }
      guard count > 0, count <= Int64(cursor.remaining) else {
        throw cursor.corrupt("expected a number of header entries, found \(count)")
      }
      for _ in 0..<count {
        let key = try cursor.text()
        let value = try cursor.take(try cursor.length())
        // Values are bytes; what is not text is not one of those that anyone here asks for.
        metadata[key] = String(decoding: value, as: UTF8.self)
      }
    }
  }

  /// The values of the next block; `nil` at the end.
  ///
  /// - Parameter wanted: the fields to decode; others are null. `nil` is all.
  /// - Throws: kind `corrupt` with the offset; after that the reader must not be used.
  public mutating func nextBlock(wanted: AvroProjection? = nil) throws(IcebergError) -> [AvroValue]? {
    guard cursor.remaining > 0 else { return nil }
    let start = cursor.offset
    let count = try cursor.long()
    let size = try cursor.length()
    let body = try cursor.take(size)
    guard try cursor.take(16) == marker else {
      throw cursor.corrupt("expected the header's sync marker after the block that begins at byte \(start)")
    }
    let context = "the block at byte \(start) of \(path)"
    let content = try header.codec.decompress(Array(body), limit: blockLimit, context: context)
    var decoder = AvroDecoder(AvroCursor(content, context: context), wanted: wanted)
    guard count >= 0, count <= Int64(decoder.budget) else {
      throw decoder.cursor.corrupt("expected at most \(decoder.budget) values, found \(count)")
    }
    var values: [AvroValue] = []
    values.reserveCapacity(min(Int(count), content.count))
    for _ in 0..<count { values.append(try decoder.value(header.schema)) }
    guard decoder.cursor.remaining == 0 else {
      throw decoder.cursor.corrupt("expected the end after \(count) values, \(decoder.cursor.remaining) bytes are left")
    }
    return values
  }
}

/// Writes an Avro object container file into memory, block by block.
public struct AvroFileWriter: Sendable {
  /// The schema of the values.
  public let schema: AvroSchema

  private let codec: AvroCodec
  private let blockSize: Int
  private let marker: [UInt8]
  private var output: [UInt8]
  private var block = AvroEncoder()
  private var blockCount = 0

  /// A writer that wrote the header.
  ///
  /// - Parameters:
  ///   - schema: the schema of the values.
  ///   - metadata: further entries of the header, in this order; keys must not begin with `avro.`.
  ///   - codec: how blocks are compressed.
  ///   - blockSize: about how many bytes a block has before compression.
  ///   - marker: the sync marker, 16 bytes; random when `nil`.
  public init(
    schema: AvroSchema, metadata: [(key: String, value: String)] = [], codec: AvroCodec = .deflate,
    blockSize: Int = 64 << 10, marker: [UInt8]? = nil
  ) {
    self.schema = schema
    self.codec = codec
    self.blockSize = max(1, blockSize)
    if let marker, marker.count == 16 {
      self.marker = marker
    } else {
      var generator = SystemRandomNumberGenerator()
      self.marker = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
    var header = AvroEncoder()
    header.bytes = [0x4F, 0x62, 0x6A, 0x01]
    let entries = [("avro.schema", schema.text), ("avro.codec", codec.rawValue)] + metadata.map { ($0.key, $0.value) }
    header.long(Int64(entries.count))
    for (key, value) in entries {
      header.data(key.utf8)
      header.data(value.utf8)
    }
    header.long(0)
    self.output = header.bytes + self.marker
  }

  /// About how many bytes the file has so far: finished blocks, and the present one before compression.
  public var estimatedBytes: Int { output.count + block.bytes.count }

  /// Adds a value.
  /// - Throws: kind `invalid` when it does not fit the schema; then nothing was added.
  public mutating func append(_ value: AvroValue) throws(IcebergError) {
    let before = block.bytes.count
    do {
      try block.value(value, schema)
    } catch {
      block.bytes.removeSubrange(before...)
      throw error
    }
    blockCount += 1
    if block.bytes.count >= blockSize { try flush() }
  }

  private mutating func flush() throws(IcebergError) {
    guard blockCount > 0 else { return }
    let content = try codec.compress(block.bytes)
    var frame = AvroEncoder()
    frame.long(Int64(blockCount))
    frame.long(Int64(content.count))
    output += frame.bytes
    output += content
    output += marker
    block.bytes.removeAll(keepingCapacity: true)
    blockCount = 0
  }

  /// The file. The writer must not be used after that.
  public mutating func finish() throws(IcebergError) -> [UInt8] {
    try flush()
    return output
  }
}
