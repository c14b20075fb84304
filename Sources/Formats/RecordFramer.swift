import Glibc

/// Finds where records end in a stream of bytes: at a line feed, for CSV at one outside quotes.
///
/// Give it the bytes from the start of the first unfinished record; when there is no end yet, call again with more bytes behind the
/// same ones. It remembers how far it has looked, so that a long record is looked at once.
public struct RecordFramer: Sendable {
  private let respectsQuotes: Bool
  private var scanned = 0
  private var isInQuotes = false

  /// A framer of lines; `quoted` when a line feed between double quotes does not end a record, as in CSV.
  public init(quoted: Bool) { respectsQuotes = quoted }

  /// The position behind the line feed that ends the record at the start of `bytes`; `nil` when it is not there yet.
  public mutating func recordEnd(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress else { return nil }
    while scanned < bytes.count {
      if !respectsQuotes {
        guard let end = memchr(start + scanned, 0x0a, bytes.count - scanned) else {
          scanned = bytes.count
          return nil
        }
        scanned = 0
        return UnsafeRawPointer(end) - start + 1
      }
      let byte = bytes[scanned]
      scanned += 1
      if byte == 0x22 { isInQuotes.toggle() }
      if byte == 0x0a, !isInQuotes {
        defer { scanned = 0 }
        return scanned
      }
    }
    return nil
  }

  /// Starts again at a new record, whatever was looked at before.
  public mutating func reset() {
    scanned = 0
    isInQuotes = false
  }

  /// The record without the line end: `bytes` up to `end`, less a line feed and a carriage return before it.
  public static func content(_ bytes: UnsafeRawBufferPointer, end: Int) -> UnsafeRawBufferPointer {
    var count = end
    if count > 0, bytes[count - 1] == 0x0a { count -= 1 }
    if count > 0, bytes[count - 1] == 0x0d { count -= 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[..<count])
  }
}

/// The values of one CSV line, such as a header.
public enum CSVLine {
  /// The values without their quotes; `nil` when quotes do not match.
  public static func values(_ line: some Sequence<UInt8>, delimiter: UInt8 = 0x2c) -> [String]? {
    var values: [String] = []
    var value: [UInt8] = []
    var (isInQuotes, wasQuote) = (false, false)
    for byte in line where isInQuotes || (byte != 0x0a && byte != 0x0d) {
      if byte == 0x22 {
        // A quote right behind a closing one stands for itself.
        if !isInQuotes, wasQuote { value.append(byte) }
        wasQuote = isInQuotes
        isInQuotes.toggle()
        continue
      }
      wasQuote = false
      if byte == delimiter, !isInQuotes {
        values.append(String(decoding: value, as: UTF8.self))
        value = []
      } else {
        value.append(byte)
      }
    }
    values.append(String(decoding: value, as: UTF8.self))
    return isInQuotes ? nil : values
  }
}
