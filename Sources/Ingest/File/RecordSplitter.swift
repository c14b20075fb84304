import Glibc

/// Finds records in a stream of blocks: lines, or CSV records whose quoted values may contain line ends.
///
/// Holds at most ``recordBytesMax`` + 1 bytes of a record that spans blocks: enough for the decoder to see that it is too
/// large; the rest is skipped and only counted.
struct RecordSplitter {
  let recordBytesMax: Int
  let isQuoted: Bool
  /// The part of a record that earlier blocks had, cut at the limit.
  private(set) var carried: [UInt8] = []
  /// How long that part is without the cut.
  private(set) var carriedLength = 0
  private var isInQuotes = false

  init(recordBytesMax: Int, isQuoted: Bool) {
    self.recordBytesMax = recordBytesMax
    self.isQuoted = isQuoted
  }

  /// Where the record that starts, or goes on, at `start` ends: the index of its line feed. `nil` when it goes on in the
  /// next block: then the rest of this block was taken in.
  mutating func end(in block: UnsafeRawBufferPointer, from start: Int) -> Int? {
    let found = isQuoted ? quotedLineFeed(block, start) : lineFeed(block, start)
    guard let found else {
      carry(block, start..<block.count)
      return nil
    }
    if carriedLength > 0 { carry(block, start..<found) }
    return found
  }

  /// Forgets the record that was carried.
  mutating func clear() {
    carried.removeAll(keepingCapacity: carried.capacity <= 1 << 20)
    carriedLength = 0
  }

  private mutating func carry(_ block: UnsafeRawBufferPointer, _ range: Range<Int>) {
    let room = max(0, recordBytesMax + 1 - carried.count)
    carried.append(contentsOf: block[range].prefix(room))
    carriedLength += range.count
  }

  private func lineFeed(_ block: UnsafeRawBufferPointer, _ start: Int) -> Int? {
    guard let base = block.baseAddress, start < block.count,
      let found = memchr(base + start, 0x0a, block.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - base
  }

  private mutating func quotedLineFeed(_ block: UnsafeRawBufferPointer, _ start: Int) -> Int? {
    for index in start..<block.count {
      switch block[index] {
      // A doubled quote inside quotes leaves and enters at once.
      case UInt8(ascii: "\""): isInQuotes.toggle()
      case 0x0a where !isInQuotes: return index
      default: break
      }
    }
    return nil
  }
}
