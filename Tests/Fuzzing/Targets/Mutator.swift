/// Makes inputs from other inputs. Everything that it does follows from the numbers that it is given.
public struct Mutator: Sendable {
  /// No input becomes longer.
  public static let longestInput = 1 << 16

  private let target: FuzzTarget
  private let corpus: [[UInt8]]

  /// Numbers at which arithmetic, formats and limits change.
  static let boundaries: [Int64] = [
    0, 1, -1, 2, 7, 8, 9, 10, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 999, 1000, 1023, 1024, 4095, 4096,
    32767, 32768, -32768, 65535, 65536, 1 << 20, 1 << 24, 1 << 27, 1 << 30, Int64(Int32.max), Int64(Int32.min),
    Int64(Int32.max) + 1, Int64(UInt32.max), 1 << 33, 1 << 40, 1 << 53, 1 << 62, .max, .min, .max - 1, .min + 1
  ]

  static let numberTexts: [String] =
    boundaries.map { String($0) } + [
      "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1e308", "1e309", "-1e-400", "0.1",
      "1e2147483648", "0e99999999999", "99999999999999999999999999999999999999", "1.0000000000000000000000000000000001",
      "NaN", "Infinity", "-0", "00", "0x10", "1_000", ".5", "5.", "+1"
    ]

  static let texts: [String] = [
    "", "\0", "\"", "'", "\\", "\\u0000", "\\ud800", "\\udc00\\ud800", "\u{FEFF}", "é", "\u{1F600}", "\u{202E}", "\r\n",
    "\t", "null", "true", "{}", "[]", "${", "${A:-", "}", "%", "%00", "..", "/../", "1970-01-01T00:00:00Z",
    "294277-01-01", "4714-11-24 BC", "infinity", "-infinity", "24:00:00", "23:59:60"
  ]

  /// A mutator of the inputs of `target`; `corpus` must not be empty.
  public init(_ target: FuzzTarget, corpus: [[UInt8]]) {
    self.target = target
    self.corpus = corpus.isEmpty ? [[]] : corpus
  }

  /// The input of an iteration.
  public func input(_ random: inout FuzzRandom) -> [UInt8] {
    var bytes: [UInt8]
    if let generate = target.generate, !random.once(in: 3) {
      bytes = generate(&random)
      if random.once(in: 2) { return Array(bytes.prefix(Self.longestInput)) }
    } else {
      bytes = random.pick(corpus)
    }
    // Mostly little damage, seldom much.
    let steps = 1 + random.below(random.once(in: 8) ? 40 : 4)
    for _ in 0..<steps { change(&bytes, &random) }
    if bytes.count > Self.longestInput { bytes.removeLast(bytes.count - Self.longestInput) }
    if let repair = target.repair, !random.once(in: 4) { repair(&bytes, &random) }
    return bytes
  }

  private func change(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    switch random.below(target.shape == .text ? 16 : 12) {
    case 0: flip(&bytes, &random)
    case 1: overwrite(&bytes, &random)
    case 2: bytes.removeLast(random.below(bytes.count + 1))
    case 3: removeSpan(&bytes, &random)
    case 4: repeatSpan(&bytes, &random)
    case 5: splice(&bytes, &random)
    case 6, 7: writeNumber(&bytes, &random)
    case 8: insert(word(&random), into: &bytes, &random)
    case 9: insert([random.pick([0xc0, 0xc1, 0xe0, 0xed, 0xf5, 0xff, 0x80, 0xbf])], into: &bytes, &random)
    case 10: nest(&bytes, &random)
    case 11: swapSpans(&bytes, &random)
    default: changeToken(&bytes, &random)
    }
  }

  // MARK: Bytes

  private func flip(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard !bytes.isEmpty else { return }
    bytes[place(bytes, &random)] ^= 1 << UInt8(random.below(8))
  }

  private func overwrite(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard !bytes.isEmpty else { return }
    bytes[place(bytes, &random)] =
      random.once(in: 2) ? random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]) : UInt8(random.below(256))
  }

  /// Somewhere; half of the time near an end, where headers and footers are.
  private func place(_ bytes: [UInt8], _ random: inout FuzzRandom) -> Int {
    let near = min(bytes.count, 64)
    switch random.below(4) {
    case 0: return random.below(near)
    case 1: return bytes.count - 1 - random.below(near)
    default: return random.below(bytes.count)
    }
  }

  /// A part, mostly a short one.
  private func span(_ bytes: [UInt8], _ random: inout FuzzRandom) -> Range<Int> {
    let start = random.below(bytes.count + 1)
    let longest = random.once(in: 6) ? bytes.count : 24
    return start..<start + random.below(min(longest, bytes.count - start) + 1)
  }

  private func removeSpan(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    bytes.removeSubrange(span(bytes, &random))
  }

  private func repeatSpan(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let range = span(bytes, &random)
    let copy = Array(bytes[range])
    let times = random.once(in: 10) ? 1 + random.below(500) : 1
    for _ in 0..<times where bytes.count < Self.longestInput { bytes.insert(contentsOf: copy, at: range.upperBound) }
  }

  private func swapSpans(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let copy = Array(bytes[span(bytes, &random)])
    let range = span(bytes, &random)
    bytes.replaceSubrange(range, with: copy)
  }

  private func splice(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let other = random.pick(corpus)
    bytes = Array(bytes.prefix(random.below(bytes.count + 1)) + other.suffix(random.below(other.count + 1)))
  }

  /// A number as length fields hold them: of 1 to 8 bytes in both orders, or seven bits a byte.
  private func writeNumber(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    var value = random.pick(Self.boundaries)
    if random.once(in: 3) { value = Int64(bytes.count) &+ Int64(random.below(17)) - 8 }
    var field = withUnsafeBytes(of: value.littleEndian) { Array($0) }
    switch random.below(4) {
    case 0: field = Array(field.prefix(random.pick([1, 2, 4, 8])))
    case 1: field = Array(field.prefix(random.pick([2, 4, 8])).reversed())
    default:
      field = Self.variableLength(
        random.once(in: 2) ? UInt64(bitPattern: value) : UInt64(bitPattern: value << 1 ^ value >> 63))
    }
    let start = bytes.isEmpty ? 0 : place(bytes, &random)
    let replaced = random.once(in: 4) ? 0 : random.once(in: 2) ? 1 : field.count
    bytes.replaceSubrange(start..<min(bytes.count, start + replaced), with: field)
  }

  static func variableLength(_ value: UInt64) -> [UInt8] {
    var (rest, bytes): (UInt64, [UInt8]) = (value, [])
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private func nest(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let (opening, closing) = random.pick([("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("<a>", "</a>"), ("\u{1}", "\u{2}")]
    )
    let depth = random.once(in: 4) ? random.below(10_000) : random.below(80)
    let range = span(bytes, &random)
    let inner = Array(bytes[range])
    let wrapped =
      Array(String(repeating: opening, count: depth).utf8) + inner
      + Array(String(repeating: closing, count: depth).utf8)
    bytes.replaceSubrange(range, with: wrapped)
  }

  // MARK: Words

  private func word(_ random: inout FuzzRandom) -> [UInt8] {
    switch random.below(target.dictionary.isEmpty ? 2 : 4) {
    case 0: Array(random.pick(Self.numberTexts).utf8)
    case 1: Array(random.pick(Self.texts).utf8)
    default: random.pick(target.dictionary)
    }
  }

  private func insert(_ word: [UInt8], into bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let start = random.below(bytes.count + 1)
    let end = random.once(in: 2) ? start : min(bytes.count, start + word.count)
    bytes.replaceSubrange(start..<end, with: word)
  }

  /// Puts a word into the place of a number, a name, or what stands between quotes.
  private func changeToken(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard !bytes.isEmpty else { return }
    var start = random.below(bytes.count)
    func isPart(_ byte: UInt8) -> Bool {
      byte >= 0x80 || byte == 0x5f || byte == 0x2e || byte == 0x2d || (0x30...0x39).contains(byte)
        || (0x41...0x5a).contains(byte & 0xdf)
    }
    while start < bytes.count, !isPart(bytes[start]) { start += 1 }
    while start > 0, start <= bytes.count, isPart(bytes[start - 1]) { start -= 1 }
    var end = start
    while end < bytes.count, isPart(bytes[end]) { end += 1 }
    bytes.replaceSubrange(start..<end, with: word(&random))
  }
}
