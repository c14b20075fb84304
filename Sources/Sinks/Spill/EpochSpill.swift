import Actors
import Columnar
import Runtime

/// Where the encoded rows of a sealed epoch are: in a file, or, when they are few, in the payload itself.
package struct SpilledRows: Hashable, Sendable, Codable {
  /// How many bytes.
  var byteCount: Int
  /// Their checksum.
  var checksum: UInt64
  /// The file's name in the store; `nil`: the bytes follow the payload's header.
  var file: String?

  package init(byteCount: Int, checksum: UInt64, file: String?) {
    self.byteCount = byteCount
    self.checksum = checksum
    self.file = file
  }
}

/// The encoded rows of the epoch that is being written: small ones stay in memory, others go to a file.
///
/// Owned by one writer. Calls may block.
struct EpochSpill {
  /// Epochs up to this size never touch a file.
  static let inlineBytes = 64 * 1024
  /// How much is gathered before it is written to the file.
  static let bufferBytes = 1024 * 1024

  /// Encoded rows that are not in the file yet. Whoever encodes appends here and calls ``flushIfFull()``.
  var buffer: [UInt8] = []

  private let sink: String
  private let files: any PendingFileStore
  private var file: (name: String, path: String)?
  private var output: (any OpenFile)?
  private var flushedBytes = 0
  private var checksum = SpillChecksum()

  init(sink: String, files: any PendingFileStore) {
    self.sink = sink
    self.files = files
  }

  /// Bytes since the last seal.
  var byteCount: Int { flushedBytes + buffer.count }

  /// Moves the buffer to the file when it is full.
  mutating func flushIfFull() throws {
    if buffer.count >= EpochSpill.bufferBytes { try flush() }
  }

  /// Ends the epoch; its rows are durable when this returns.
  /// - Returns: where they are, and the bytes that belong into the payload.
  mutating func seal() throws -> (rows: SpilledRows, inline: [UInt8]) {
    if file == nil && buffer.count <= EpochSpill.inlineBytes {
      buffer.withUnsafeBytes { checksum.update($0) }
      let sealed = (SpilledRows(byteCount: buffer.count, checksum: checksum.value, file: nil), buffer)
      reset()
      return sealed
    }
    try flush()
    guard let file else { return (SpilledRows(byteCount: 0, checksum: checksum.value, file: nil), []) }
    try output?.synchronize()
    try files.fileSystem.synchronizeDirectory(of: file.path)
    let sealed = SpilledRows(byteCount: flushedBytes, checksum: checksum.value, file: file.name)
    reset()
    return (sealed, [])
  }

  /// Lets go of the rows since the last seal; the file that holds them is removed.
  mutating func discard() {
    let path = file?.path
    reset()
    if let path { try? files.fileSystem.remove(path) }
  }

  private mutating func reset() {
    output?.close()
    output = nil
    file = nil
    flushedBytes = 0
    checksum = SpillChecksum()
    buffer.removeAll(keepingCapacity: buffer.capacity <= 4 * EpochSpill.bufferBytes)
  }

  private mutating func flush() throws {
    guard !buffer.isEmpty else { return }
    if file == nil {
      let created = try files.create(sink: sink)
      output = try files.fileSystem.create(created.path, mode: FilePath.dataMode)
      file = created
    }
    try buffer.withUnsafeBytes { bytes in
      try output?.write(bytes)
      checksum.update(bytes)
    }
    flushedBytes += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }
}

/// Reads the rows of a sealed epoch back, in pieces, and checks that they are the ones that were sealed.
package struct SpillReader {
  /// The file was cut, changed or lost.
  struct Damage: Error, CustomStringConvertible {
    let description: String
  }

  let rows: SpilledRows
  /// The bytes when there is no file.
  let inline: ArraySlice<UInt8>
  let files: any PendingFileStore

  package init(rows: SpilledRows, inline: ArraySlice<UInt8>, files: any PendingFileStore) {
    self.rows = rows
    self.inline = inline
    self.files = files
  }

  /// Hands all bytes to `body`, in order.
  ///
  /// The checksum is only known at the end: nothing may be made visible before this returns.
  /// - Throws: ``Damage``, ``FileFailure``, and what `body` throws.
  package func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var checksum = SpillChecksum()
    var total = 0
    if let name = rows.file {
      let file = try files.fileSystem.open(files.path(name))
      defer { file.close() }
      let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
      defer { piece.deallocate() }
      while total < rows.byteCount {
        let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: piece.prefix(rows.byteCount - total)))
        if count == 0 { break }
        let bytes = UnsafeRawBufferPointer(rebasing: piece[..<count])
        checksum.update(bytes)
        total += count
        try body(bytes)
      }
    } else {
      try inline.withUnsafeBytes { bytes in
        checksum.update(bytes)
        total = bytes.count
        if total > 0 { try body(bytes) }
      }
    }
    guard total == rows.byteCount, checksum.value == rows.checksum else {
      let name = rows.file.map { "file '\(files.path($0))'" } ?? "payload"
      throw Damage(
        description: """
          the epoch's \(name) is damaged: expected \(rows.byteCount) bytes with checksum \(rows.checksum), \
          found \(total) with \(checksum.value); restore the checkpoint directory, or start from an older checkpoint
          """)
    }
  }
}

/// A sink's payload: a JSON header with its length in four bytes before it, then the rows that are kept in line.
enum PayloadCodec {
  static func encode(header: [UInt8], inline: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt32(header.count).bigEndian) { Array($0) } + header + inline
  }

  static func decode(_ payload: [UInt8]) -> (header: ArraySlice<UInt8>, inline: ArraySlice<UInt8>)? {
    guard payload.count >= 4 else { return nil }
    let length = payload[..<4].reduce(0) { $0 << 8 | Int($1) }
    guard length <= payload.count - 4 else { return nil }
    return (payload[4..<4 + length], payload[(4 + length)...])
  }
}
