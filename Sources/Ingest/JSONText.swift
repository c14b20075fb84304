/// Writes JSON text into a buffer that the caller reuses.
enum JSONText {
  private static let hexadecimal = Array("0123456789abcdef".utf8)

  /// Appends `bytes`, which must be UTF-8, as a quoted and escaped string.
  static func appendString(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        text.append(UInt8(ascii: "\\"))
        text.append(byte)
      case 0..<0x20:
        text.append(contentsOf: "\\u00".utf8)
        text.append(hexadecimal[Int(byte >> 4)])
        text.append(hexadecimal[Int(byte & 15)])
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }

  /// Appends a whole number.
  static func appendInteger(_ value: Int64, to text: inout [UInt8]) {
    var magnitude = value.magnitude
    if value < 0 { text.append(UInt8(ascii: "-")) }
    let start = text.count
    repeat {
      text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10))
      magnitude /= 10
    } while magnitude > 0
    // Reversing a slice would take a copy.
    var (low, high) = (start, text.count - 1)
    while low < high {
      text.swapAt(low, high)
      (low, high) = (low + 1, high - 1)
    }
  }

  /// Appends `hundredths` / 100 with two decimals.
  static func appendHundredths(_ hundredths: Int64, to text: inout [UInt8]) {
    if hundredths < 0 { text.append(UInt8(ascii: "-")) }
    let magnitude = Int64(hundredths.magnitude & UInt64(Int64.max))
    appendInteger(magnitude / 100, to: &text)
    text.append(UInt8(ascii: "."))
    text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 100 / 10))
    text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10))
  }
}
