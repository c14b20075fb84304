import Glibc

/// Bytes that can be read at any place: a file, an object, memory.
public protocol ByteSource: Sendable {
  /// How many bytes there are.
  var size: Int64 { get }

  /// The bytes of `range`, all of them.
  /// - Throws: `.io` when they cannot be read, `.corrupt` when the range is not within the source.
  func read(_ range: Range<Int64>) throws(ParquetError) -> [UInt8]
}

extension ByteSource {
  /// Checks that `range` lies within the source.
  package func check(_ range: Range<Int64>) throws(ParquetError) {
    guard range.lowerBound >= 0, range.upperBound <= size else {
      throw ParquetError(
        .corrupt, "bytes \(range.lowerBound)..<\(range.upperBound) are wanted of a file of \(size) bytes")
    }
  }
}

/// A file in memory.
public struct MemorySource: ByteSource {
  private let bytes: [UInt8]

  /// A source of `bytes`.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// How many bytes there are.
  public var size: Int64 { Int64(bytes.count) }

  /// The bytes of `range`.
  public func read(_ range: Range<Int64>) throws(ParquetError) -> [UInt8] {
    try check(range)
    return Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
  }
}

/// Parts of a file that were fetched before, for callers that read asynchronously.
///
/// Fetch what ``ParquetFile/byteRanges(rowGroup:leaves:maximumGap:)`` names, then read the row group from this.
public struct FetchedSource: ByteSource {
  /// The size of the whole file.
  public let size: Int64
  private let parts: [(offset: Int64, bytes: [UInt8])]

  /// A source of `parts` of a file of `size` bytes; each is some bytes and where they begin in the file.
  public init(size: Int64, parts: [(offset: Int64, bytes: [UInt8])]) {
    self.size = size
    self.parts = parts.sorted { $0.offset < $1.offset }
  }

  /// The bytes of `range`, which must lie within one part.
  public func read(_ range: Range<Int64>) throws(ParquetError) -> [UInt8] {
    try check(range)
    for part in parts where part.offset <= range.lowerBound {
      let start = range.lowerBound - part.offset
      if start + Int64(range.count) <= Int64(part.bytes.count) {
        return Array(part.bytes[Int(start)..<Int(start) + range.count])
      }
    }
    throw ParquetError(
      .invalid, "bytes \(range.lowerBound)..<\(range.upperBound) were not fetched; fetch what byteRanges names")
  }
}

/// A file of the local file system; it stays open as long as this lives.
public final class FileSource: ByteSource {
  /// How many bytes the file had when it was opened.
  public let size: Int64
  private let descriptor: Int32
  private let path: String

  /// Opens the file at `path`.
  /// - Throws: `.io`.
  public init(path: String) throws(ParquetError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ParquetError(.io, "cannot open \(path): \(String(cString: strerror(errno)))") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw ParquetError(.io, "cannot get the size of \(path): \(reason)")
    }
    self.descriptor = descriptor
    self.path = path
    size = Int64(status.st_size)
  }

  deinit { close(descriptor) }

  /// The bytes of `range`.
  public func read(_ range: Range<Int64>) throws(ParquetError) -> [UInt8] {
    try check(range)
    var failure: ParquetError?
    let count = range.count
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while initialized < count {
        let got = pread(
          descriptor, buffer.baseAddress?.advanced(by: initialized), count - initialized,
          off_t(range.lowerBound) + off_t(initialized))
        if got > 0 {
          initialized += got
        } else if got == 0 || errno != EINTR {
          let reason = got == 0 ? "the file has become shorter" : String(cString: strerror(errno))
          failure = ParquetError(
            .io, "cannot read bytes \(range.lowerBound)..<\(range.upperBound) of \(path): \(reason)")
          return
        }
      }
    }
    if let failure { throw failure }
    return bytes
  }
}
