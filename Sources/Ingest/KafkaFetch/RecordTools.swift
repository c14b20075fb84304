import Synchronization

/// What the readers of a source share: memory, and decompressors, of which there are as many as lanes decode at once.
final class RecordTools: Sendable {
  let memory: FetchMemory
  private let idle = Mutex<[Transferred]>([])

  /// `@unchecked Sendable`: a decompressor is either in the list or used by the one who took it out.
  private struct Transferred: @unchecked Sendable {
    let decompressor: RecordDecompressor
  }

  init(_ memory: FetchMemory) { self.memory = memory }

  /// See ``RecordDecompressor/decompress(_:_:)``.
  func decompress(
    _ bytes: UnsafeRawBufferPointer, _ codec: RecordCodec
  ) throws(RecordError) -> (buffer: FetchBuffer, count: Int) {
    let taken = idle.withLock { $0.popLast() } ?? Transferred(decompressor: RecordDecompressor(memory))
    defer { idle.withLock { $0.append(taken) } }
    return try taken.decompressor.decompress(bytes, codec)
  }
}
