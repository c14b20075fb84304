import Actors
import Columnar
import Formats
import SQL

/// What a file table's options say.
struct FileSettings {
  enum Format: String, CaseIterable { case json, csv, raw }

  /// The name of the partition that is the standard input.
  static let standardInput = "-"

  let source: String
  /// A file, a directory, a pattern, or `-`.
  let path: String
  let format: Format
  /// Whether the first line of a CSV file names its values.
  let hasHeader: Bool
  /// The declared columns, in order: the names of the values of a CSV line without a header.
  let columns: [String]
  let delimiter: UInt8
  let recordBytesMax: Int
  /// How often to look for new files in the directory, or matching the pattern, in nanoseconds; `nil`: never.
  let discoveryInterval: Int64?

  init(_ options: SourceOptions) throws(SourceError) {
    source = options.table.name
    path = try options.required("path", "a file, a directory, a pattern, or '-' for the standard input")
    format = try options.choice("format", default: .json)
    hasHeader = try options.boolean("header", default: true)
    columns = options.table.columns.map(\.field.name).filter { !$0.hasPrefix("_") }
    let delimiter = options.string("delimiter") ?? ","
    guard let byte = delimiter.utf8.first, delimiter.utf8.count == 1, byte != 0x22, byte != 0x0a, byte != 0x0d else {
      throw options.invalid("delimiter", expected: "one ASCII character other than a quote")
    }
    self.delimiter = byte
    recordBytesMax = try SourceConnectors.recordBytesMax(options)
    let interval = try options.duration("discovery_interval")
    if let interval, !(10_000...86_400_000_000).contains(interval) {
      throw options.invalid("discovery_interval", expected: "from 10ms to a day")
    }
    discoveryInterval = interval.map { $0 * 1000 }
  }

  /// Whether a first line is to be read over.
  var skipsHeader: Bool { format == .csv && hasHeader }
}

/// A file's first line, as CSV names.
enum CSVHeader {
  /// How long a header may be.
  static let bytesMax = 1 << 20

  /// The values of the line, without quotes and white space around them.
  static func names(_ line: some Collection<UInt8>, delimiter: UInt8) -> [String] {
    var names: [String] = []
    var value: [UInt8] = []
    var isInQuotes = false
    for byte in line where byte != 0x0d && byte != 0x0a {
      if byte == UInt8(ascii: "\"") {
        isInQuotes.toggle()
      } else if byte == delimiter && !isInQuotes {
        names.append(name(value))
        value = []
      } else {
        value.append(byte)
      }
    }
    names.append(name(value))
    return names
  }

  private static func name(_ value: [UInt8]) -> String {
    let text = value.starts(with: [0xef, 0xbb, 0xbf]) ? value[3...] : value[...]
    let trimmed = text.drop { $0 == UInt8(ascii: " ") }
    return String(decoding: trimmed, as: UTF8.self).trimmingSuffix(" ")
  }
}

extension String {
  fileprivate func trimmingSuffix(_ character: Character) -> String {
    var text = self[...]
    while text.last == character { text.removeLast() }
    return String(text)
  }
}
