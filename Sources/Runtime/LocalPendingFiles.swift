import Synchronization

/// Files of epochs that are not committed yet, in a directory. Names are unique over restarts.
final class LocalPendingFiles: PendingFileStore {
  let fileSystem: any FileSystem
  private let directory: String
  private let attempt: UInt64
  private let counter = Atomic<UInt64>(0)

  init(directory: String, attempt: UInt64, fileSystem: any FileSystem) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.attempt = attempt
  }

  func create(sink: String) throws -> (name: String, path: String) {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    let name = "\(FileName.safe(sink))-\(attempt)-\(number)"
    return (name, path(name))
  }

  func path(_ name: String) -> String { directory + "/" + FileName.safe(name) }
}

/// Names that come from outside, as file names.
enum FileName {
  /// Letters, digits, `_`, `-` and inner dots stay, other bytes become `%` and two digits; never longer than 200 bytes.
  static func safe(_ name: String) -> String {
    var result = ""
    for byte in name.utf8 {
      let isPlain =
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        case UInt8(ascii: "."): !result.isEmpty
        // So that a name that is safe already stays as it is.
        case UInt8(ascii: "%"): true
        default: false
        }
      if isPlain {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += byte < 16 ? "%0" + digits : "%" + digits
      }
    }
    guard result.utf8.count > 200 else { return result.isEmpty ? "%" : result }
    return String(result.prefix(160)) + "%" + String(Checksum.xxh64(Array(name.utf8)), radix: 16)
  }
}

/// The bytes of a manifest's file: a line with the length and the checksum of what follows, then JSON.
enum ManifestFile {
  private static let magic = "weir-manifest"

  static func encode(_ json: [UInt8]) -> [UInt8] {
    Array("\(magic) \(json.count) \(String(Checksum.xxh64(json), radix: 16))\n".utf8) + json
  }

  static func decode(_ bytes: [UInt8]) throws -> [UInt8] {
    guard let newline = bytes.prefix(80).firstIndex(of: UInt8(ascii: "\n")) else {
      throw SnapshotCorruption("expected a first line '\(magic) <length> <checksum>', found none")
    }
    let words = String(decoding: bytes[..<newline], as: UTF8.self).split(separator: " ")
    guard words.count == 3, words[0] == magic, let length = Int(words[1]), let checksum = UInt64(words[2], radix: 16)
    else { throw SnapshotCorruption("expected a first line '\(magic) <length> <checksum>', found something else") }
    let json = Array(bytes[(newline + 1)...])
    guard json.count == length else {
      throw SnapshotCorruption("expected \(length) bytes after the first line, found \(json.count): it was cut off")
    }
    // Also the first line must be what was written: numbers can be spelt in more than one way.
    guard Checksum.xxh64(json) == checksum, encode(json) == bytes else {
      throw SnapshotCorruption("the manifest's checksum does not hold: it was damaged")
    }
    return json
  }
}

/// What is wrong with stored bytes.
struct SnapshotCorruption: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
