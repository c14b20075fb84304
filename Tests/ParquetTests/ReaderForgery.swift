/// Writes Thrift's compact protocol, as little of it as hand-made footers and pages need.
///
/// The reader's tests make files with it that no writer of today makes.
struct ThriftForger {
  private(set) var bytes: [UInt8] = []
  private var lastFields: [Int] = [0]

  /// A structure, made by `fill`.
  static func structure(_ fill: (inout ThriftForger) -> Void) -> [UInt8] {
    var forger = ThriftForger()
    fill(&forger)
    return forger.bytes + [0]
  }

  mutating func int(_ field: Int, _ value: Int64, kind: UInt8 = 5) {
    header(field, kind)
    bytes += Self.varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  mutating func long(_ field: Int, _ value: Int64) { int(field, value, kind: 6) }

  mutating func binary(_ field: Int, _ value: [UInt8]) {
    header(field, 8)
    bytes += Self.varint(UInt64(value.count)) + value
  }

  mutating func text(_ field: Int, _ value: String) { binary(field, Array(value.utf8)) }

  mutating func structure(_ field: Int, _ fill: (inout ThriftForger) -> Void) {
    header(field, 12)
    bytes += Self.structure(fill)
  }

  mutating func structures(_ field: Int, _ elements: [[UInt8]]) {
    header(field, 9)
    bytes += [0xfc] + Self.varint(UInt64(elements.count)) + elements.flatMap { $0 }
  }

  static func varint(_ value: UInt64) -> [UInt8] {
    var (value, bytes) = (value, [UInt8]())
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    return bytes + [UInt8(value)]
  }

  private mutating func header(_ field: Int, _ kind: UInt8) {
    let last = lastFields[lastFields.count - 1]
    bytes.append(UInt8(field - last) << 4 | kind)
    lastFields[lastFields.count - 1] = field
  }
}

/// A schema element of a hand-made footer.
struct ForgedElement {
  enum Repetition: Int64 { case required, optional, repeated }

  var name: String
  var repetition: Repetition
  /// The physical type's number; nil for groups.
  var type: Int64?
  var length: Int64?
  var children = 0
  var converted: Int64?
  var fieldID: Int64?

  static func leaf(
    _ name: String, _ repetition: Repetition, type: Int64 = 1, length: Int64? = nil, converted: Int64? = nil,
    fieldID: Int64? = nil
  ) -> ForgedElement {
    ForgedElement(
      name: name, repetition: repetition, type: type, length: length, converted: converted, fieldID: fieldID)
  }

  static func group(
    _ name: String, _ repetition: Repetition, _ children: Int, converted: Int64? = nil, fieldID: Int64? = nil
  ) -> ForgedElement {
    ForgedElement(
      name: name, repetition: repetition, children: children, converted: converted, fieldID: fieldID)
  }

  var bytes: [UInt8] {
    ThriftForger.structure { element in
      if let type { element.int(1, type) }
      if let length { element.int(2, length) }
      element.int(3, repetition.rawValue)
      element.text(4, name)
      if type == nil { element.int(5, Int64(children)) }
      if let converted { element.int(6, converted) }
      if let fieldID { element.int(9, fieldID) }
    }
  }
}

/// A column chunk of a hand-made file: its pages, and what the footer says of it.
struct ForgedChunk {
  var type: Int64
  var codec: Int64 = 0
  var values: Int64
  var pages: [UInt8]
  /// Fields of `Statistics`: 1 and 2 the deprecated maximum and minimum, 5 and 6 those in the type's order.
  var statistics: [Int: [UInt8]] = [:]
}

/// Hand-made files.
enum Forgery {
  /// A file of one row group.
  static func file(
    columns: Int, _ elements: [ForgedElement], rows: Int64, _ chunks: [ForgedChunk], hasOrders: Bool = true
  ) -> [UInt8] {
    var file = Array("PAR1".utf8)
    var metadata: [[UInt8]] = []
    for chunk in chunks {
      let offset = Int64(file.count)
      file += chunk.pages
      metadata.append(
        ThriftForger.structure { column in
          column.long(2, offset)
          column.structure(3) { described in
            described.int(1, chunk.type)
            described.int(4, chunk.codec)
            described.long(5, chunk.values)
            described.long(6, Int64(chunk.pages.count))
            described.long(7, Int64(chunk.pages.count))
            described.long(9, offset)
            described.structure(12) { statistics in
              for (field, value) in chunk.statistics.sorted(by: { $0.key < $1.key }) { statistics.binary(field, value) }
            }
          }
        })
    }
    let root = ForgedElement.group("root", .required, columns)
    let footer = ThriftForger.structure { footer in
      footer.int(1, 1)
      footer.structures(2, ([root] + elements).map(\.bytes))
      footer.long(3, rows)
      let group = ThriftForger.structure { group in
        group.structures(1, metadata)
        group.long(2, 0)
        group.long(3, rows)
      }
      footer.structures(4, chunks.isEmpty ? [] : [group])
      if hasOrders {
        footer.structures(7, chunks.map { _ in ThriftForger.structure { $0.structure(1) { _ in } } })
      }
    }
    file += footer
    file += (0..<4).map { UInt8(truncatingIfNeeded: footer.count >> (8 * $0)) }
    return file + Array("PAR1".utf8)
  }

  /// A data page of version 1.
  static func page(
    values: Int64, encoding: Int64 = 0, levelEncoding: Int64 = 3, size: Int? = nil, _ content: [UInt8]
  ) -> [UInt8] {
    ThriftForger.structure { page in
      page.int(1, 0)
      page.int(2, Int64(size ?? content.count))
      page.int(3, Int64(content.count))
      page.structure(5) { header in
        header.int(1, values)
        header.int(2, encoding)
        header.int(3, levelEncoding)
        header.int(4, levelEncoding)
      }
    } + content
  }

  /// Values of 32 bits, plainly encoded.
  static func int32s(_ values: [Int32]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> Int32(8 * $0)) } }
  }
}
