import Glibc

/// The texts of Nexmark's events: what is drawn once for a seed, and how the others are written.
final class NexmarkTexts: Sendable {
  static let cities = [
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"
  ].map { Array($0.utf8) }
  static let states = ["AZ", "CA", "ID", "OR", "WA", "WY"].map { Array($0.utf8) }
  private static let firstNames = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"
  ].map { Array($0.utf8) }
  private static let lastNames = [
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"
  ].map { Array($0.utf8) }
  private static let hotChannels = ["Google", "Facebook", "Baidu", "Apple"].map { Array($0.utf8) }
  private static let channelCount: UInt64 = 10_000
  private static let poolBytes = 1 << 20

  /// The channels' names and URLs; the hot ones come first.
  private let channels: [(name: [UInt8], url: [UInt8])]
  /// Every `extra` is a piece of this.
  private let pool: [UInt8]

  init(_ model: NexmarkModel) {
    let bits = GeneratorColumn.mix(model.seed, 0x6e65_786d_6172_6b00)
    var channels: [(name: [UInt8], url: [UInt8])] = []
    for (index, name) in Self.hotChannels.enumerated() {
      channels.append((name, Self.url(GeneratorColumn.mix(bits, UInt64(index)))))
    }
    for index in 0..<Int32(Self.channelCount) {
      let own = GeneratorColumn.mix(bits, UInt64(index) + 100)
      var url = Self.url(own)
      if GeneratorColumn.mix(own, 9) % 10 > 0 {
        let reversed = Int64(Int32(bitPattern: Self.reversingBits(UInt32(bitPattern: index))))
        // The original's absolute value of the least 32-bit number stays negative: it has one.
        let number = model.isFaithful && reversed == Int64(Int32.min) ? reversed : abs(reversed)
        url += Array("&channel_id=\(number)".utf8)
      }
      channels.append((Array("channel-\(index)".utf8), url))
    }
    self.channels = channels
    pool = Self.pool(GeneratorColumn.mix(bits, 99), isFaithful: model.isFaithful)
  }

  private static func reversingBits(_ value: UInt32) -> UInt32 {
    (0..<32).reduce(0) { $0 | (value >> UInt32($1) & 1) << UInt32(31 - $1) }
  }

  private static func url(_ bits: UInt64) -> [UInt8] {
    var url = Array("https://www.nexmark.com/".utf8)
    for part in 0..<3 as Range<UInt64> {
      appendWord(GeneratorColumn.mix(bits, part), below: 5, separator: UInt8(ascii: "_"), to: &url)
      url.append(UInt8(ascii: "/"))
    }
    return url + Array("item.htm?query=1".utf8)
  }

  private static func pool(_ bits: UInt64, isFaithful: Bool) -> [UInt8] {
    var pool: [UInt8] = []
    pool.reserveCapacity(poolBytes + 6)
    var index: UInt64 = 0
    while pool.count < poolBytes {
      var random = Int32(truncatingIfNeeded: GeneratorColumn.mix(bits, index))
      // The original takes remainders of negative numbers, too: characters from 'H' to '`'.
      if !isFaithful { random &= .max }
      for _ in 0..<6 {
        pool.append(UInt8(truncatingIfNeeded: 97 + random % 26))
        random /= 26
      }
      index += 1
    }
    return pool
  }

  /// Appends 3 or more, below `limit`, letters and now and then a separator (one in 13), without spaces at its ends.
  private static func appendWord(
    _ bits: UInt64, below limit: UInt64, separator: UInt8 = 0x20, to text: inout [UInt8]
  ) {
    let start = text.count
    let length = 3 + GeneratorColumn.mix(bits, 0).multipliedFullWidth(by: limit - 3).high
    var random: UInt64 = 0
    for index in 0..<length {
      if index % 5 == 0 { random = GeneratorColumn.mix(bits, index + 1) }
      let twelve = random & 0xfff
      random >>= 12
      text.append(twelve < 315 ? separator : 97 + UInt8(truncatingIfNeeded: (twelve - 315) * 26 / 3781))
    }
    guard separator == 0x20 else { return }
    while text.count > start, text.last == 0x20 { text.removeLast() }
    let leading = text[start...].prefix { $0 == 0x20 }.count
    text.removeSubrange(start..<start + leading)
  }
}

extension NexmarkTexts {
  func appendChannel(_ bid: NexmarkEvent, to text: inout [UInt8]) { text += channels[channel(bid)].name }

  func appendURL(_ bid: NexmarkEvent, to text: inout [UInt8]) { text += channels[channel(bid)].url }

  private func channel(_ bid: NexmarkEvent) -> Int {
    let hotCount = UInt64(Self.hotChannels.count)
    let isHot = bid.below(2, .isHotChannel) > 0
    return Int(isHot ? bid.below(hotCount, .channel) : hotCount + bid.below(Self.channelCount, .channel))
  }

  static func appendItemName(_ auction: NexmarkEvent, to text: inout [UInt8]) {
    appendWord(auction.bits(.name), below: 20, to: &text)
  }

  static func appendDescription(_ auction: NexmarkEvent, to text: inout [UInt8]) {
    appendWord(auction.bits(.description), below: 100, to: &text)
  }

  static func appendPersonName(_ person: NexmarkEvent, to text: inout [UInt8]) {
    text += firstNames[Int(person.below(UInt64(firstNames.count), .firstName))]
    text.append(UInt8(ascii: " "))
    text += lastNames[Int(person.below(UInt64(lastNames.count), .lastName))]
  }

  static func appendEmail(_ person: NexmarkEvent, to text: inout [UInt8]) {
    let bits = person.bits(.email)
    appendWord(GeneratorColumn.mix(bits, 0), below: 7, to: &text)
    text.append(UInt8(ascii: "@"))
    appendWord(GeneratorColumn.mix(bits, 1), below: 5, to: &text)
    text.append(contentsOf: ".com".utf8)
  }

  static func appendCreditCard(_ person: NexmarkEvent, to text: inout [UInt8]) {
    var bits = person.bits(.card)
    for group in 0..<4 {
      if group > 0 { text.append(UInt8(ascii: " ")) }
      JSONText.appendPadded(Int64(((bits & 0xffff) * 10_000) >> 16), digits: 4, to: &text)
      bits >>= 16
    }
  }

  static func city(_ person: NexmarkEvent) -> [UInt8] { cities[Int(person.below(UInt64(cities.count), .city))] }

  static func state(_ person: NexmarkEvent) -> [UInt8] { states[Int(person.below(UInt64(states.count), .state))] }

  /// Appends filling, so that events of the kind have `average` bytes on average, of which there are `size` without it.
  func appendExtra(_ event: NexmarkEvent, size: Int, average: Int, to text: inout [UInt8]) {
    guard size <= average else { return }
    let missing = average - size
    let spread = Int((Double(missing) * 0.2).rounded())
    let length = missing - spread + (spread == 0 ? 0 : Int(event.below(UInt64(2 * spread), .extraSize)))
    let start = Int(event.below(UInt64(pool.count - length), .extraPlace))
    pool.withUnsafeBufferPointer { text.append(contentsOf: UnsafeBufferPointer(rebasing: $0[start..<start + length])) }
  }

  /// A price: its logarithm is spread evenly from 2 to 8 (base 10).
  static func price(_ event: NexmarkEvent, _ draw: NexmarkModel.Draw) -> Int64 {
    Int64((pow(10, event.fraction(draw) * 6) * 100 + 0.5).rounded(.down))
  }
}
