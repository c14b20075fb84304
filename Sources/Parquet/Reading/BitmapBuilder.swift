import Columnar

/// Builds a validity bitmap; as long as every bit is set it costs nothing.
struct BitmapBuilder: Sendable {
  private var words: [UInt64] = []
  private(set) var count = 0
  private var hasZeros = false

  /// Adds `count` bits that are all `value`.
  mutating func append(repeating value: Bool, count added: Int) {
    if added == 0 { return }
    if !value, !hasZeros { materialise() }
    if hasZeros {
      grow(to: count + added)
      if value {
        var index = count
        let end = count + added
        while index < end {
          let inWord = min(64 - index & 63, end - index)
          let mask: UInt64 = inWord == 64 ? .max : (1 << UInt64(inWord)) - 1
          words[index >> 6] |= mask << UInt64(index & 63)
          index += inWord
        }
      }
    }
    count += added
  }

  /// Adds a bit for each of `levels`: whether it is `level` or greater.
  mutating func append(_ levels: ArraySlice<UInt8>, atLeast level: UInt8) {
    if !hasZeros { materialise() }
    grow(to: count + levels.count)
    var index = count
    words.withUnsafeMutableBufferPointer { words in
      levels.withUnsafeBufferPointer { levels in
        for value in levels {
          words[index >> 6] |= (value >= level ? 1 : 0) << UInt64(index & 63)
          index += 1
        }
      }
    }
    count = index
  }

  /// The bitmap, absent when all bits are set.
  func finish() -> Bitmap? { hasZeros ? Bitmap(words: words, count: count).nilWhenAllSet : nil }

  private mutating func materialise() {
    hasZeros = true
    words = [UInt64](repeating: .max, count: count >> 6)
    if count & 63 != 0 { words.append((1 << UInt64(count & 63)) - 1) }
  }

  private mutating func grow(to bits: Int) {
    let needed = (bits + 63) >> 6
    if needed > words.count { words.append(contentsOf: repeatElement(0, count: needed - words.count)) }
  }
}

extension Bitmap {
  fileprivate var nilWhenAllSet: Bitmap? { isAllSet ? nil : self }
}
