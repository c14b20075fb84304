import Columnar

/// The columns of Nexmark's events; an event has NULL in those that its kind lacks.
enum NexmarkColumn: String, CaseIterable, Sendable {
  /// 0 is a person, 1 an auction, 2 a bid.
  case eventType = "event_type"
  case dateTime = "date_time"
  case extra
  /// Of a person or an auction.
  case id
  case name
  case emailAddress = "email_address"
  case creditCard = "credit_card"
  case city
  case state
  case itemName = "item_name"
  case description
  case initialBid = "initial_bid"
  case reserve
  case expires
  case seller
  case category
  case auction
  case bidder
  case price
  case channel
  case url

  /// The types that the column can be declared with.
  var types: [DataType] {
    switch self {
    case .eventType: [.integer, .bigint]
    case .dateTime, .expires: [.timestamp, .timestamptz]
    case .id, .initialBid, .reserve, .seller, .category, .auction, .bidder, .price: [.bigint]
    case .extra, .name, .emailAddress, .creditCard, .city, .state, .itemName, .description, .channel, .url: [.text]
    }
  }

  private var kinds: Set<NexmarkModel.Kind> {
    switch self {
    case .eventType, .dateTime, .extra: [.person, .auction, .bid]
    case .id: [.person, .auction]
    case .name, .emailAddress, .creditCard, .city, .state: [.person]
    case .itemName, .description, .initialBid, .reserve, .expires, .seller, .category: [.auction]
    case .auction, .bidder, .price, .channel, .url: [.bid]
    }
  }

  /// The column's values for `rows`.
  func values(_ rows: NexmarkRows, _ type: DataType) -> Column {
    switch self {
    case .eventType: Column(type, .int64(rows.kinds.map { Int64($0.rawValue) }))
    case .dateTime: Column(type, .int64(rows.times))
    case .id: integers(rows, type) { (rows.kinds[$0] == .person ? rows.personID($0) : rows.auctionID($0)) }
    case .initialBid: integers(rows, type) { NexmarkTexts.price(rows.events[$0], .price) }
    case .reserve:
      integers(rows, type) {
        NexmarkTexts.price(rows.events[$0], .price) + NexmarkTexts.price(rows.events[$0], .reserve)
      }
    case .expires: integers(rows, type) { rows.model.expires(rows.events[$0]) * 1000 }
    case .seller: integers(rows, type) { rows.model.seller(rows.events[$0]) }
    case .category:
      integers(rows, type) {
        NexmarkModel.firstCategory + Int64(rows.events[$0].below(NexmarkModel.categories, .category))
      }
    case .auction: integers(rows, type) { rows.model.auction(rows.events[$0]) }
    case .bidder: integers(rows, type) { rows.model.bidder(rows.events[$0]) }
    case .price: integers(rows, type) { NexmarkTexts.price(rows.events[$0], .price) }
    case .extra: texts(rows, type) { rows.appendExtra($0, to: &$1) }
    case .name: texts(rows, type) { NexmarkTexts.appendPersonName(rows.events[$0], to: &$1) }
    case .emailAddress: texts(rows, type) { NexmarkTexts.appendEmail(rows.events[$0], to: &$1) }
    case .creditCard: texts(rows, type) { NexmarkTexts.appendCreditCard(rows.events[$0], to: &$1) }
    case .city: texts(rows, type) { $1 += NexmarkTexts.city(rows.events[$0]) }
    case .state: texts(rows, type) { $1 += NexmarkTexts.state(rows.events[$0]) }
    case .itemName: texts(rows, type) { NexmarkTexts.appendItemName(rows.events[$0], to: &$1) }
    case .description: texts(rows, type) { NexmarkTexts.appendDescription(rows.events[$0], to: &$1) }
    case .channel: texts(rows, type) { rows.texts.appendChannel(rows.events[$0], to: &$1) }
    case .url: texts(rows, type) { rows.texts.appendURL(rows.events[$0], to: &$1) }
    }
  }

  /// Which rows have the column; `nil`: all.
  private func presence(_ rows: NexmarkRows) -> [UInt64]? {
    let kinds = self.kinds
    guard kinds.count < 3 else { return nil }
    let isPresent = [kinds.contains(.person), kinds.contains(.auction), kinds.contains(.bid)]
    var words = [UInt64](repeating: 0, count: (rows.count + 63) >> 6)
    for row in 0..<rows.count where isPresent[Int(rows.kinds[row].rawValue)] {
      words[row >> 6] |= 1 << UInt64(row & 63)
    }
    return words
  }

  @inline(__always)
  private func integers(_ rows: NexmarkRows, _ type: DataType, _ value: (Int) -> Int64) -> Column {
    let words = presence(rows)
    var values = [Int64](repeating: 0, count: rows.count)
    for row in 0..<rows.count where isPresent(words, row) { values[row] = value(row) }
    return Column(type, .int64(values), validity: words.map { Bitmap(words: $0, count: rows.count) })
  }

  @inline(__always)
  private func texts(_ rows: NexmarkRows, _ type: DataType, _ append: (Int, inout [UInt8]) -> Void) -> Column {
    let words = presence(rows)
    var offsets = [Int32](repeating: 0, count: rows.count + 1)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.count * 96)
    for row in 0..<rows.count {
      if isPresent(words, row) { append(row, &bytes) }
      offsets[row + 1] = Int32(truncatingIfNeeded: bytes.count)
    }
    let values = ByteValues(offsets: offsets, bytes: bytes)
    return Column(type, .bytes(values), validity: words.map { Bitmap(words: $0, count: rows.count) })
  }

  @inline(__always)
  private func isPresent(_ words: [UInt64]?, _ row: Int) -> Bool {
    words.map { $0[row >> 6] >> UInt64(row & 63) & 1 == 1 } ?? true
  }
}

/// Successive rows of a partition.
struct NexmarkRows {
  let model: NexmarkModel
  let texts: NexmarkTexts
  let events: [NexmarkEvent]
  let kinds: [NexmarkModel.Kind]
  /// What the events state as their time, microseconds since the epoch.
  let times: [Int64]
  var count: Int { events.count }

  /// The rows from `first` on.
  init(_ first: Int64, count: Int, partition: Int, settings: NexmarkSettings, texts: NexmarkTexts) {
    let model = settings.model
    self.model = model
    self.texts = texts
    events = (0..<Int64(count)).map { row in
      NexmarkEvent(model.event(at: settings.event(first + row, of: partition)), model)
    }
    kinds = events.map { model.kind($0.offset) }
    times = events.map { model.statedTime($0) * 1000 }
  }

  func personID(_ row: Int) -> Int64 { model.lastPerson(events[row]) + NexmarkModel.firstID }

  func auctionID(_ row: Int) -> Int64 { model.lastAuction(events[row]) + NexmarkModel.firstID }

  func appendExtra(_ row: Int, to text: inout [UInt8]) {
    let event = events[row]
    switch kinds[row] {
    // The original counts neither channel nor URL.
    case .bid: texts.appendExtra(event, size: 32, average: model.bidBytes, to: &text)
    case .auction:
      let start = text.count
      NexmarkTexts.appendItemName(event, to: &text)
      NexmarkTexts.appendDescription(event, to: &text)
      let size = 48 + text.count - start
      text.removeSubrange(start...)
      texts.appendExtra(event, size: size, average: model.auctionBytes, to: &text)
    case .person:
      let start = text.count
      NexmarkTexts.appendPersonName(event, to: &text)
      NexmarkTexts.appendEmail(event, to: &text)
      NexmarkTexts.appendCreditCard(event, to: &text)
      let size = 8 + text.count - start + NexmarkTexts.city(event).count + NexmarkTexts.state(event).count
      text.removeSubrange(start...)
      texts.appendExtra(event, size: size, average: model.personBytes, to: &text)
    }
  }
}
