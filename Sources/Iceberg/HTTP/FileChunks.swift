import NIOCore
import Synchronization

/// Why the file of a request's body could not be read: the client library reports that as a cancelled request.
final class FileFailure: Sendable {
  private let text = Mutex<String?>(nil)

  var message: String? { text.withLock { $0 } }

  func set(_ message: String) { text.withLock { $0 = message } }
}

/// A part of a file in chunks, each read when the one before it has been sent.
struct FileChunks: AsyncSequence, Sendable {
  static let chunkBytes: Int64 = 256 << 10

  let path: String
  let range: Range<Int64>
  let pool: BlockingPool
  let failure: FileFailure

  func makeAsyncIterator() -> Iterator { Iterator(chunks: self, offset: range.lowerBound) }

  struct Iterator: AsyncIteratorProtocol {
    let chunks: FileChunks
    var offset: Int64
    var file: ReadableFile?

    init(chunks: FileChunks, offset: Int64) {
      self.chunks = chunks
      self.offset = offset
    }

    mutating func next() async throws -> ByteBuffer? {
      guard offset < chunks.range.upperBound else { return nil }
      let range = offset..<Swift.min(offset + FileChunks.chunkBytes, chunks.range.upperBound)
      do {
        let source = try await opened()
        let bytes = try await chunks.pool.run { () throws(IcebergError) in try source.read(range) }
        guard bytes.count == range.count else {
          throw IcebergError(.io, "\(chunks.path) ends at byte \(range.lowerBound + Int64(bytes.count))")
        }
        offset = range.upperBound
        return ByteBuffer(bytes: bytes)
      } catch {
        chunks.failure.set("\(error)")
        throw error
      }
    }

    private mutating func opened() async throws -> ReadableFile {
      if let file { return file }
      let path = chunks.path
      let opened = try await chunks.pool.run { () throws(IcebergError) in try ReadableFile(path: path) }
      file = opened
      return opened
    }
  }
}
