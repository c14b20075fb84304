import Columnar
import Formats
import TestTraits
import Testing

@Suite("CSV and raw records", .fewAtOnce)
struct CSVTests {
  static let fields = [Field("name", .text), Field("n", .bigint), Field("at", .timestamptz), Field("j", .jsonb)]
  static let format = RecordFormat.csv(CSVOptions(names: ["n", "skipped", "name", "at"]))

  @Test("values go to the columns of their names; empty is NULL, quoted empty is not")
  func reads() throws {
    let decoded = try decode(
      [
        "1,x,plain,1000\r\n", "2,\"a,b\",\"say \"\"hi\"\"\",1970-01-01 00:00:01", ",,\"\",", "4,,\"two\nlines\",\"5\"\n"
      ], Self.fields,
      format: Self.format)
    #expect(decoded.rejected.isEmpty)
    #expect(
      rows(decoded.batch) == [
        [.text("plain"), .int64(1), .int64(1_000_000), .null],
        [.text("say \"hi\""), .int64(2), .int64(1_000_000), .null],
        [.text(""), .null, .null, .null], [.text("two\nlines"), .int64(4), .int64(5_000), .null]
      ])
  }

  @Test(
    "a line that does not fit is rejected",
    arguments: [
      ("1,2,3", RejectionReason.malformed), ("1,2,3,4,5", .malformed), ("1,\"x,3,4", .malformed),
      ("1,\"x\"y,3,4", .malformed),
      ("1,x\"y,3,4", .malformed), ("x,,,", .type), ("99999999999999999999,,,", .range), ("1,,,soon", .type)
    ])
  func rejects(line: String, reason: RejectionReason) throws {
    let decoded = try decode([line, "7,,ok,"], Self.fields, format: Self.format)
    #expect(decoded.rejected.map(\.reason) == [reason])
    #expect(decoded.rejected.first?.message.contains("expected") == true)
    #expect(rows(decoded.batch) == [[.text("ok"), .int64(7), .null, .null]])
  }

  @Test("jsonb values are checked, and text must be UTF-8")
  func checksText() throws {
    let format = RecordFormat.csv(CSVOptions(names: ["j", "name"], delimiter: 0x3b))
    let decoded = try decode(
      ["\"{\"\"a\"\": 1}\";x", "\"{\"\"a\"\": \";x", "\"[\"\"\\u0000\"\"]\";x", "1;a\0b"], Self.fields, format: format)
    #expect(rows(decoded.batch).map { $0[3] } == [.text("{\"a\": 1}")])
    #expect(decoded.rejected.map(\.reason) == [.type, .type, .encoding])
  }

  @Test("a raw record is the value of one column")
  func raw() throws {
    let fields = [Field("value", .text), Field("_offset", .bigint), Field("other", .bigint)]
    let decoded = try decode(["hello", "a\0"], fields, format: .raw(column: "value"))
    #expect(rows(decoded.batch) == [[.text("hello"), .int64(0), .null]])
    #expect(decoded.rejected.map(\.reason) == [.encoding])
    let json = try decode(["[1]", "[1", "1 2"], [Field("value", .jsonb)], format: .raw(column: "value"))
    #expect(json.batch.count == 1)
    #expect(json.rejected.map(\.reason) == [.malformed, .malformed])
    #expect(throws: FormatError.self) { try decode([], fields, format: .raw(column: "other")) }
  }

  @Test("a framer finds the ends of records in bytes that come in pieces")
  func frames() {
    let text = Array("a,b\r\n\"x\ny\",\"\"\"\n\"\nlast".utf8)
    for (quoted, expected) in [
      (true, ["a,b", "\"x\ny\",\"\"\"\n\""]), (false, ["a,b", "\"x", "y\",\"\"\"", "\""])
    ] {
      for piece in [1, 2, 3, 100] {
        var framer = RecordFramer(quoted: quoted)
        var found: [String] = []
        var pending: [UInt8] = []
        var position = 0
        while position < text.count {
          pending += text[position..<min(position + piece, text.count)]
          position += piece
          while let end = pending.withUnsafeBytes({ framer.recordEnd(in: $0) }) {
            found.append(
              pending.withUnsafeBytes { String(decoding: RecordFramer.content($0, end: end), as: UTF8.self) })
            pending.removeFirst(end)
          }
        }
        #expect(found == expected, "pieces of \(piece)")
        #expect(String(decoding: pending, as: UTF8.self) == "last")
      }
    }
  }

  @Test("a header line gives names")
  func header() {
    #expect(CSVLine.values("a,\"b \"\"c\"\"\",,d\r\n".utf8) == ["a", "b \"c\"", "", "d"])
    #expect(CSVLine.values("a;b".utf8, delimiter: 0x3b) == ["a", "b"])
    #expect(CSVLine.values("\"a".utf8) == nil)
  }
}
