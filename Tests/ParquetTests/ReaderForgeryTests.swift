import Columnar
import Parquet
import TestTraits
import Testing

@Suite("Parquet reader, hand-made files", .fewAtOnce)
struct ReaderForgeryTests {
  private func schema(_ elements: [ForgedElement]) throws -> ParquetField {
    let file = try ParquetFile(MemorySource(Forgery.file(columns: 1, elements, rows: 0, [])))
    return try #require(file.metadata.schema.fields.first)
  }

  private let required = ParquetField("element", .leaf(.int32(bits: 32)), isRequired: true)
  private let text = ParquetField("str", .leaf(.string), isRequired: true)

  private func list(_ element: ParquetField, isRequired: Bool = false) -> ParquetField {
    ParquetField("my_list", .list(element: element), isRequired: isRequired)
  }

  @Test("lists of old writers are read as the specification's rules for them say")
  func legacyLists() throws {
    let annotated = ForgedElement.group("my_list", .optional, 1, converted: 3)
    let str = ForgedElement.leaf("str", .required, type: 6, converted: 0)
    // A repeated field without annotation.
    #expect(try schema([.leaf("my_list", .repeated)]) == list(required, isRequired: true))
    // Rule 1: the repeated field is no group.
    #expect(try schema([annotated, .leaf("element", .repeated)]) == list(required))
    // Rule 2: a group of several fields is the element.
    let pair = ParquetField(
      "element", .group([text, ParquetField("num", .leaf(.int32(bits: 32)), isRequired: true)]), isRequired: true)
    #expect(try schema([annotated, .group("element", .repeated, 2), str, .leaf("num", .required)]) == list(pair))
    // Rule 3: a group whose only field is repeated is the element.
    let inner = ParquetField("element", .list(element: required), isRequired: true)
    #expect(
      try schema([annotated, .group("array", .repeated, 1, converted: 3), .leaf("array", .repeated)]) == list(inner))
    // Rule 4: by the repeated group's name.
    let tuple = ParquetField("element", .group([text]), isRequired: true)
    for name in ["array", "my_list_tuple"] {
      #expect(try schema([annotated, .group(name, .repeated, 1), str]) == list(tuple))
    }
    // Rule 5: otherwise the only field is the element, whatever its name is.
    let optional = ParquetField("element", .leaf(.string), fieldID: 7)
    #expect(
      try schema([
        annotated, .group("element", .repeated, 1), .leaf("str", .optional, type: 6, converted: 0, fieldID: 7)
      ]) == list(optional))
  }

  @Test("maps are known by their annotation, old or new, and their parts by their places")
  func legacyMaps() throws {
    let key = ParquetField("key", .leaf(.string), isRequired: true)
    let value = ParquetField("value", .leaf(.int32(bits: 32)))
    let map = ParquetField("m", .map(key: key, value: value))
    for annotation: Int64 in [1, 2] {
      #expect(
        try schema([
          .group("m", .optional, 1, converted: annotation), .group("map", .repeated, 2, converted: 2),
          .leaf("str", .required, type: 6, converted: 0), .leaf("num", .optional)
        ]) == map)
    }
    #expect(
      try schema([
        .group("m", .optional, 1, converted: 1), .group("key_value", .repeated, 1),
        .leaf("key", .required, type: 6, converted: 0)
      ]) == ParquetField("m", .list(element: ParquetField("element", .leaf(.string), isRequired: true))))
  }

  @Test("what is not known, or does not fit, is read as the physical type")
  func degrades() throws {
    #expect(try schema([.leaf("i", .optional, type: 7, length: 12, converted: 21)]).kind == .leaf(.fixed(length: 12)))
    #expect(try schema([.leaf("i", .optional, type: 1, converted: 99)]).kind == .leaf(.int32(bits: 32)))
    #expect(try schema([.leaf("i", .optional, type: 2, converted: 0)]).kind == .leaf(.int64))
  }

  @Test("bounds without a defined order are left out, deprecated ones kept where signed comparison was right")
  func trustsOrderedBounds() throws {
    let one = Forgery.int32s([1])
    func bounds(_ element: ForgedElement, _ statistics: [Int: [UInt8]], hasOrders: Bool = true) throws -> LeafBounds {
      let chunk = ForgedChunk(
        type: element.type ?? 0, values: 1, pages: Forgery.page(values: 1, one), statistics: statistics)
      let bytes = Forgery.file(columns: 1, [element], rows: 1, [chunk], hasOrders: hasOrders)
      return try ParquetFile(MemorySource(bytes)).bounds(rowGroup: 0, leaf: 0)
    }
    let number = ForgedElement.leaf("n", .required)
    let unsigned = ForgedElement.leaf("n", .required, converted: 13)
    let text = ForgedElement.leaf("n", .required, type: 6, converted: 0)
    let interval = ForgedElement.leaf("n", .required, type: 7, length: 4, converted: 21)
    #expect(try bounds(number, [5: one, 6: one]).minimum == .int64(1))
    #expect(try bounds(number, [5: one, 6: one], hasOrders: false).minimum == nil)
    #expect(try bounds(number, [1: one, 2: one], hasOrders: false).maximum == .int64(1))
    #expect(try bounds(unsigned, [1: one, 2: one]).maximum == nil)
    #expect(try bounds(unsigned, [5: one, 6: one]).maximum == .int64(1))
    #expect(try bounds(text, [1: one, 2: one]).minimum == nil)
    #expect(try bounds(text, [5: one, 6: one]).minimum == .bytes(one))
    #expect(try bounds(interval, [5: one, 6: one]).minimum == nil)
    // Bounds that cannot be right: in the wrong order, of the wrong length.
    #expect(try bounds(number, [5: one, 6: Forgery.int32s([2])]).minimum == nil)
    #expect(try bounds(number, [5: [1], 6: [1]]).minimum == nil)
    // NaN is no bound, and zero stands for zeros of both signs.
    let real = ForgedElement.leaf("n", .required, type: 4)
    let nan: [UInt8] = [0, 0, 0xc0, 0x7f]
    #expect(try bounds(real, [5: nan, 6: one]).maximum == nil)
    guard case .float64(let lower) = try bounds(real, [5: [0, 0, 0, 0], 6: [0, 0, 0, 0]]).minimum else {
      Issue.record("no bound")
      return
    }
    #expect(lower.sign == .minus)
  }

  @Test("levels in the deprecated bit-packed form are read")
  func bitPackedLevels() throws {
    // Levels 1 0 1 1 0, the highest bit first, then three values.
    let page = Forgery.page(values: 5, levelEncoding: 4, [0b1011_0000] + Forgery.int32s([7, 8, 9]))
    let chunk = ForgedChunk(type: 1, values: 5, pages: page)
    let bytes = Forgery.file(columns: 1, [.leaf("n", .optional)], rows: 5, [chunk])
    let arrays = try ParquetFile(MemorySource(bytes)).read(rowGroup: 0)
    #expect(rowTexts(arrays, count: 5) == ["(7)", "(null)", "(8)", "(9)", "(null)"])
  }

  @Test("LZ4 in Hadoop's framing, and without it, is read")
  func hadoopLZ4() throws {
    // Four literals, then a match of eight bytes four bytes back, then the end: 7 7 7.
    let block: [UInt8] = [0x44] + Forgery.int32s([7]) + [4, 0, 0x40] + Forgery.int32s([9])
    let framed: [UInt8] = [0, 0, 0, 16, 0, 0, 0, UInt8(block.count)] + block
    for (codec, content): (Int64, [UInt8]) in [(5, framed), (5, block), (7, block)] {
      let page = Forgery.page(values: 4, size: 16, content)
      let chunk = ForgedChunk(type: 1, codec: codec, values: 4, pages: page)
      let bytes = Forgery.file(columns: 1, [.leaf("n", .required)], rows: 4, [chunk])
      let arrays = try ParquetFile(MemorySource(bytes)).read(rowGroup: 0)
      #expect(rowTexts(arrays, count: 4) == ["(7)", "(7)", "(7)", "(9)"])
    }
  }

  @Test("codecs and encodings that are not supported are named with their column")
  func namesWhatIsUnsupported() throws {
    func failure(codec: Int64, encoding: Int64) throws -> ParquetError? {
      let page = Forgery.page(values: 1, encoding: encoding, Forgery.int32s([1]))
      let chunk = ForgedChunk(type: 1, codec: codec, values: 1, pages: page)
      let file = try ParquetFile(
        MemorySource(Forgery.file(columns: 1, [.leaf("n", .required)], rows: 1, [chunk])))
      return #expect(throws: ParquetError.self) { try file.read(rowGroup: 0) }
    }
    for (codec, encoding, word): (Int64, Int64, String) in [
      (3, 0, "lzo"), (4, 0, "brotli"), (8, 0, "codec 8"), (0, 10, "number 10"), (0, 6, "deltaLengthByteArray")
    ] {
      let error = try failure(codec: codec, encoding: encoding)
      #expect(error?.kind == .unsupported)
      #expect(error?.message.contains(word) == true && error?.message.contains("column n") == true, "\(word)")
    }
  }

  @Test("forged counts give batches of bounded size, or an error, and never all memory")
  func forgedCounts() throws {
    let most: Int64 = .init(Int32.max)
    // A run of 2,147,483,647 nulls in six bytes.
    let run = ThriftForger.varint(UInt64(most) << 1) + [0]
    let nulls = Forgery.page(values: most, [UInt8(run.count), 0, 0, 0] + run)
    let chunk = ForgedChunk(type: 1, values: most, pages: nulls)
    let file = try ParquetFile(
      MemorySource(Forgery.file(columns: 1, [.leaf("n", .optional)], rows: most, [chunk])))
    var reader = try file.reader(rowGroup: 0)
    #expect(try reader.next()?.first?.count == 8192)
    let error = #expect(throws: ParquetError.self) { try file.read(rowGroup: 0) }
    #expect(error?.kind == .unsupported)

    // More values than bytes, in every encoding that has counts of its own.
    for encoding: Int64 in [0, 2, 3, 5, 6, 7, 8, 9] {
      for type: Int64 in [0, 1, 2, 4, 5, 6] {
        let page = Forgery.page(
          values: most, encoding: encoding, [0x80, 1, 4] + ThriftForger.varint(UInt64(most)) + [0, 0, 0, 0])
        let chunk = ForgedChunk(type: type, values: most, pages: page)
        let bytes = Forgery.file(columns: 1, [.leaf("n", .required, type: type)], rows: most, [chunk])
        let file = try ParquetFile(MemorySource(bytes))
        var reader = try file.reader(rowGroup: 0)
        #expect(throws: ParquetError.self, "\(encoding) \(type)") {
          for _ in 0..<10 { _ = try reader.next() }
        }
      }
    }
  }

  @Test("a row with more values than the limit is an error")
  func limitsRows() throws {
    // Repetition levels: a zero, then a run of ones. Definition levels: all zero, so that no values are needed.
    let most: Int64 = 1 << 30
    let repetitions = ThriftForger.varint(2) + [0] + ThriftForger.varint(UInt64(most - 1) << 1) + [1]
    let definitions = ThriftForger.varint(UInt64(most) << 1) + [0]
    func levels(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count), 0, 0, 0] + bytes }
    let page = Forgery.page(values: most, levels(repetitions) + levels(definitions))
    let chunk = ForgedChunk(type: 1, values: most, pages: page)
    let bytes = Forgery.file(columns: 1, [.leaf("n", .repeated)], rows: 1, [chunk])
    var limits = ParquetLimits()
    limits.batchValues = 10_000
    var reader = try ParquetFile(MemorySource(bytes), limits: limits).reader(rowGroup: 0)
    #expect(throws: ParquetError.self) { try reader.next() }
  }
}
