extension ThriftDecoder {
  /// A `RowGroup`, added to `footer`.
  mutating func rowGroup(kind: UInt8, into footer: inout RawFooter) throws(ParquetError) {
    try structure(kind: kind)
    var group = RowGroup(columns: [], rowCount: 0, uncompressedBytes: 0)
    var details: [ChunkDetails] = []
    var statistics: [RawStatistics] = []
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1:
        let list = try list(field)
        for _ in 0..<list.count {
          let chunk = try columnChunk(kind: list.kind)
          group.columns.append(chunk.chunk)
          details.append(chunk.details)
          statistics.append(chunk.statistics)
        }
      case 2: group.uncompressedBytes = try int(field)
      case 3: group.rowCount = try int(field)
      default: try skip(field)
      }
    }
    guard group.rowCount >= 0 else { throw corrupt("a row group of \(group.rowCount) rows") }
    footer.rowGroups.append(group)
    footer.details.append(details)
    footer.statistics.append(statistics)
  }

  private struct DecodedChunk {
    var chunk = ColumnChunk()
    var details = ChunkDetails()
    var statistics = RawStatistics()
  }

  private mutating func columnChunk(kind: UInt8) throws(ParquetError) -> DecodedChunk {
    try structure(kind: kind)
    var result = DecodedChunk()
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1: result.details.otherFile = try string(field)
      case 3: try columnMetadata(field, into: &result)
      case 4: result.chunk.offsetIndexOffset = try int(field)
      case 5: result.chunk.offsetIndexLength = try int32(field)
      case 6: result.chunk.columnIndexOffset = try int(field)
      case 7: result.chunk.columnIndexLength = try int32(field)
      case 8:
        result.details.isEncrypted = true
        try skip(field)
      default: try skip(field)
      }
    }
    return result
  }

  private mutating func columnMetadata(_ field: Field, into result: inout DecodedChunk) throws(ParquetError) {
    try structure(field)
    result.details.hasMetadata = true
    var last = 0
    while let field = try nextField(&last) {
      switch field.id {
      case 1: result.details.physical = PhysicalType(rawValue: try int32(field))
      case 2:
        let list = try list(field)
        for _ in 0..<list.count {
          let number = try int(kind: list.kind)
          // Encodings that are unknown matter only if a page has one.
          if let encoding = Int32(exactly: number).flatMap(Encoding.init(rawValue:)) {
            result.chunk.encodings.append(encoding)
          }
        }
      case 4:
        result.details.codecNumber = try int32(field)
        result.chunk.codec = CompressionCodec(rawValue: result.details.codecNumber) ?? .uncompressed
      case 5: result.chunk.valueCount = try int(field)
      case 6: result.chunk.uncompressedBytes = try int(field)
      case 7: result.chunk.compressedBytes = try int(field)
      case 9: result.chunk.dataPageOffset = try int(field)
      case 11: result.chunk.dictionaryPageOffset = try int(field)
      case 12: result.statistics = try statistics(field)
      // Others used these numbers for something else before Parquet did.
      case 14 where field.kind == Kind.int64: result.chunk.bloomFilterOffset = try int(field)
      case 15 where field.kind == Kind.int32: result.chunk.bloomFilterLength = try int32(field)
      default: try skip(field)
      }
    }
  }
}
