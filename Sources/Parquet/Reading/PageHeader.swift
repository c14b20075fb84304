/// The header of a page (Parquet format, `PageHeader`).
struct PageHeader: Sendable {
  enum Kind: Sendable { case data, dataV2, dictionary, other }

  var kind = Kind.other
  var uncompressedBytes = 0
  var compressedBytes = 0
  var checksum: UInt32?
  var valueCount = 0
  /// Encodings by number, so that unknown ones are named in messages.
  var encoding: Int32 = 0
  var definitionEncoding: Int32 = 3
  var repetitionEncoding: Int32 = 3
  /// Only of version 2: bytes of levels before the values, and whether the values are compressed.
  var definitionBytes = 0
  var repetitionBytes = 0
  var isCompressed = true
}

extension ThriftDecoder {
  /// A `PageHeader`.
  mutating func pageHeader() throws(ParquetError) -> PageHeader {
    var header = PageHeader()
    var last = 0
    var number: Int32 = -1
    while let field = try nextField(&last) {
      switch field.id {
      case 1: number = try int32(field)
      case 2: header.uncompressedBytes = Int(try int32(field))
      case 3: header.compressedBytes = Int(try int32(field))
      case 4: header.checksum = UInt32(bitPattern: try int32(field))
      case 5: try dataPage(field, into: &header)
      case 7: try dictionaryPage(field, into: &header)
      case 8: try dataPageV2(field, into: &header)
      default: try skip(field)
      }
    }
    header.kind = [0: .data, 2: .dictionary, 3: .dataV2][number] ?? .other
    let sizes = [
      header.uncompressedBytes, header.compressedBytes, header.valueCount, header.definitionBytes,
      header.repetitionBytes
    ]
    guard sizes.allSatisfy({ $0 >= 0 }) else { throw corrupt("a page with a negative size or count: \(sizes)") }
    return header
  }

  private mutating func dataPage(_ field: Field, into header: inout PageHeader) throws(ParquetError) {
    try structure(field)
    var last = 0
    while let member = try nextField(&last) {
      switch member.id {
      case 1: header.valueCount = Int(try int32(member))
      case 2: header.encoding = try int32(member)
      case 3: header.definitionEncoding = try int32(member)
      case 4: header.repetitionEncoding = try int32(member)
      default: try skip(member)
      }
    }
  }

  private mutating func dictionaryPage(_ field: Field, into header: inout PageHeader) throws(ParquetError) {
    try structure(field)
    var last = 0
    while let member = try nextField(&last) {
      switch member.id {
      case 1: header.valueCount = Int(try int32(member))
      case 2: header.encoding = try int32(member)
      default: try skip(member)
      }
    }
  }

  private mutating func dataPageV2(_ field: Field, into header: inout PageHeader) throws(ParquetError) {
    try structure(field)
    var last = 0
    while let member = try nextField(&last) {
      switch member.id {
      case 1: header.valueCount = Int(try int32(member))
      case 4: header.encoding = try int32(member)
      case 5: header.definitionBytes = Int(try int32(member))
      case 6: header.repetitionBytes = Int(try int32(member))
      case 7: header.isCompressed = try bool(member)
      default: try skip(member)
      }
    }
  }
}
