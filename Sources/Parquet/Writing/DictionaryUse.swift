/// Whether the pages of a column chunk hold a dictionary's codes, and what became of that in chunks before.
///
/// A chunk begins with a dictionary, unless one did not pay before. At the first page a sample decides; later the
/// dictionary may grow too large. What has pages keeps its dictionary, and the rest of the chunk goes without.
struct DictionaryUse {
  /// Whether the open page holds codes.
  private(set) var isInUse: Bool
  /// How many pages of the chunk hold codes.
  private(set) var pageCount = 0
  /// Whether a page of an earlier chunk showed that a dictionary does not pay, or none is wanted.
  private var isRejected: Bool
  private var isDecided = false

  init(isWanted: Bool) {
    isInUse = isWanted
    isRejected = !isWanted
  }

  /// Whether the sample that decides is to be taken now: at a chunk's first page with codes.
  mutating func decides() -> Bool {
    guard isInUse, !isDecided else { return false }
    isDecided = true
    return true
  }

  /// Goes on without dictionary in this chunk; says whether nothing needs the dictionary any more.
  mutating func leave() -> Bool {
    isInUse = false
    guard pageCount == 0 else { return false }
    isRejected = true
    return true
  }

  /// Writes a page of codes of a dictionary of `entryCount` entries.
  mutating func encodePage(
    _ codes: borrowing WriteBuffer<UInt32>, entryCount: Int, into output: inout WriteBuffer<UInt8>
  ) -> Encoding {
    let width = HybridEncoding.width(count: entryCount)
    output.append(UInt8(width))
    HybridEncoding.append(codes.base, count: codes.count, width: width, into: &output)
    pageCount += 1
    return .rleDictionary
  }

  /// The next chunk begins.
  mutating func endChunk() {
    pageCount = 0
    isDecided = false
    isInUse = !isRejected
  }
}

extension DecimalConversion {
  /// The conversion to a leaf's decimals; `nil` when it holds something else.
  init?(_ type: LeafType) {
    guard case .decimal(let precision, let scale) = type else { return nil }
    self.init(precision: precision, scale: scale)
  }
}
