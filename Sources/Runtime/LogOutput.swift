import Glibc
import Logging

/// How log lines look.
public enum LogFormat: String, Hashable, Sendable {
  /// `2026-01-02T03:04:05.678901Z info weir: message key=value`.
  case text
  /// One JSON object a line: `time`, `level`, `logger`, `message`, and the metadata as strings under its own keys.
  case json
}

/// Writes log lines, each with one call, to standard error unless told otherwise.
public struct LineLogHandler: LogHandler {
  /// The least level that is written.
  public var logLevel: Logger.Level
  /// Added to every line.
  public var metadata: Logger.Metadata = [:]
  /// Added to every line.
  public var metadataProvider: Logger.MetadataProvider?

  private let label: String
  private let format: LogFormat
  private let clock: any EngineClock
  private let write: @Sendable ([UInt8]) -> Void

  /// A handler for the logger `label`.
  ///
  /// - Parameter write: takes a line with its newline.
  public init(
    label: String, format: LogFormat, level: Logger.Level, clock: any EngineClock,
    write: @escaping @Sendable ([UInt8]) -> Void = LineLogHandler.standardError
  ) {
    self.label = label
    self.format = format
    logLevel = level
    self.clock = clock
    self.write = write
  }

  /// Writes to standard error; a line that cannot be written is given up.
  public static let standardError: @Sendable ([UInt8]) -> Void = { line in
    var written = 0
    line.withUnsafeBytes { bytes in
      while written < bytes.count {
        let count = Glibc.write(2, bytes.baseAddress.map { $0 + written }, bytes.count - written)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        written += count
      }
    }
  }

  /// A value of the handler's own metadata.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes one line.
  public func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
    if let own = event.metadata { all.merge(own) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    let time = TimeText.iso8601(clock.wallMicroseconds())
    switch format {
    case .text: write(Array(text(event, all, time).utf8))
    case .json: write(Array(json(event, all, time).utf8))
    }
  }

  private func text(_ event: LogEvent, _ metadata: Logger.Metadata, _ time: String) -> String {
    var line = "\(time) \(event.level) \(label): \(Self.oneLine(event.message.description))"
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let text = value.description
      let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
      line += isPlain ? " \(key)=\(text)" : " \(key)=\(JSONText.quoted(text))"
    }
    return line + "\n"
  }

  private func json(_ event: LogEvent, _ metadata: Logger.Metadata, _ time: String) -> String {
    var line = #"{"time":"\#(time)","level":"\#(event.level)","logger":\#(JSONText.quoted(label)),"#
    line += #""message":\#(JSONText.quoted(event.message.description))"#
    let reserved: Set<String> = ["time", "level", "logger", "message"]
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let name = reserved.contains(key) ? key + "_" : key
      line += ",\(JSONText.quoted(name)):\(JSONText.quoted(value.description))"
    }
    return line + "}\n"
  }

  /// A message with line breaks must not look like several lines.
  private static func oneLine(_ text: String) -> String {
    text.utf8.contains(0x0A) ? text.split(separator: "\n").joined(separator: " | ") : text
  }
}

/// Strings as JSON.
enum JSONText {
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Times as text.
enum TimeText {
  /// ISO 8601 in UTC with microseconds.
  static func iso8601(_ microseconds: Int64) -> String {
    var seconds = time_t(microseconds / 1_000_000)
    var fraction = microseconds % 1_000_000
    if fraction < 0 {
      fraction += 1_000_000
      seconds -= 1
    }
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let date =
      "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
    let time = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
    return "\(date)T\(time).\(padded(Int(fraction), 6))Z"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
