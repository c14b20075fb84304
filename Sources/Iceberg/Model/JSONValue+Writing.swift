extension JSONValue {
  /// The JSON text, without spaces.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The JSON text as UTF-8, without spaces.
  public var bytes: [UInt8] {
    var result: [UInt8] = []
    write(to: &result, indentation: nil)
    return result
  }

  /// The JSON text as UTF-8, indented by two spaces a level, for people.
  public var prettyBytes: [UInt8] {
    var result: [UInt8] = []
    write(to: &result, indentation: 0)
    return result
  }

  /// The JSON text, indented by two spaces a level, for people.
  public var prettyText: String { String(decoding: prettyBytes, as: UTF8.self) }

  private func write(to output: inout [UInt8], indentation: Int?) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): output.append(contentsOf: String(value).utf8)
    case .number(let text): output.append(contentsOf: text.utf8)
    case .string(let text): Self.write(text, to: &output)
    case .array(let elements):
      Self.write(elements, between: "[", and: "]", to: &output, indentation) { element, output, inner in
        element.write(to: &output, indentation: inner)
      }
    case .object(let members):
      Self.write(members, between: "{", and: "}", to: &output, indentation) { member, output, inner in
        Self.write(member.name, to: &output)
        output.append(contentsOf: (inner == nil ? ":" : ": ").utf8)
        member.value.write(to: &output, indentation: inner)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], between opening: String, and closing: String, to output: inout [UInt8],
    _ indentation: Int?, _ body: (Element, inout [UInt8], Int?) -> Void
  ) {
    output.append(contentsOf: opening.utf8)
    let inner = indentation.map { $0 + 2 }
    for (position, element) in elements.enumerated() {
      if position > 0 { output.append(UInt8(ascii: ",")) }
      newLine(inner, to: &output)
      body(element, &output, inner)
    }
    if !elements.isEmpty { newLine(indentation, to: &output) }
    output.append(contentsOf: closing.utf8)
  }

  private static func newLine(_ indentation: Int?, to output: inout [UInt8]) {
    guard let indentation else { return }
    output.append(UInt8(ascii: "\n"))
    output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indentation))
  }

  private static func write(_ text: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        output.append(UInt8(ascii: "\\"))
        output.append(byte)
      case 0x0A: output.append(contentsOf: "\\n".utf8)
      case 0x0D: output.append(contentsOf: "\\r".utf8)
      case 0x09: output.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        output.append(contentsOf: (byte < 16 ? "\\u000" : "\\u00").utf8)
        output.append(contentsOf: String(byte, radix: 16).utf8)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
