/// The arithmetic of the Nexmark generator: which event has which number, and what it refers to.
///
/// Every value is a function of the seed and the event's number, where the original draws from one sequence: so a row can
/// be made again from its offset, and a column that nobody reads costs nothing.
struct NexmarkModel: Sendable {
  static let firstID: Int64 = 1000
  static let firstCategory: Int64 = 10
  static let categories: UInt64 = 5
  /// Persons and auctions that are referred to before they exist.
  static let lead: Int64 = 10
  /// One in so many persons or auctions is a hot one.
  static let hotGroup: Int64 = 100

  enum Kind: UInt8 { case person, auction, bid }

  /// What a random number is for.
  enum Draw: UInt64 {
    case isHot, referred, isHotBidder, bidder, price, reserve, category, length, extraSize, extraPlace
    case isHotChannel, channel, city, state, firstName, lastName, email, card, isDelayed, delay, name, description
  }

  let seed: UInt64
  /// Whether the original's defects are kept: bidders whose numbers are 1000 too great, `extra` of which half is not
  /// letters, a negative channel number, and groups of disorder that are multiples of 953 and hold one event many times.
  let isFaithful: Bool
  var persons: Int64 = 1
  var auctions: Int64 = 3
  var bids: Int64 = 46
  var hotAuctionRatio: Int64 = 2
  var hotBidderRatio: Int64 = 4
  var hotSellerRatio: Int64 = 4
  var auctionsInFlight: Int64 = 100
  var activePersons: Int64 = 1000
  var personBytes = 200
  var auctionBytes = 500
  var bidBytes = 100
  /// So many successive events change places; 1: none.
  var disorderGroup: Int64 = 1 {
    didSet {
      multiplier = 953
      // Every event once, and not all where they were.
      while !isFaithful,
        Self.greatestCommonDivisor(multiplier, disorderGroup) > 1
          || (disorderGroup > 2 && multiplier % disorderGroup == 1)
      { multiplier += 1 }
    }
  }
  private(set) var multiplier: Int64 = 953
  /// Delayed events carry a time up to so many milliseconds before their turn.
  var delay: Int64 = 3000
  var delayedRatio = 0.0
  /// The first event's time, milliseconds since the epoch.
  var baseTime: Int64 = 0
  var microsecondsPerEvent = 100.0

  init(seed: UInt64, isFaithful: Bool) {
    self.seed = seed
    self.isFaithful = isFaithful
  }

  /// How many events the proportions add up to; they come in this order: persons, auctions, bids.
  var round: Int64 { persons + auctions + bids }

  private static func greatestCommonDivisor(_ left: Int64, _ right: Int64) -> Int64 {
    right == 0 ? left : greatestCommonDivisor(right, left % right)
  }

  /// The event that stands at a place of the stream.
  func event(at place: Int64) -> Int64 {
    guard disorderGroup > 1 else { return place }
    let offset = place % disorderGroup
    return place - offset + offset * multiplier % disorderGroup
  }

  func kind(_ offset: Int64) -> Kind {
    offset < persons ? .person : offset < persons + auctions ? .auction : .bid
  }

  /// Milliseconds since the epoch.
  func time(_ event: Int64) -> Int64 { baseTime + Int64(min(Double(event) * microsecondsPerEvent, 1e18)) / 1000 }

  /// The time that the event carries, in milliseconds since the epoch.
  func statedTime(_ event: NexmarkEvent) -> Int64 {
    let time = time(event.number)
    guard delayedRatio > 0, event.fraction(.isDelayed) < delayedRatio else { return time }
    return time - Int64(event.below(UInt64(max(delay, 1)), .delay))
  }

  // MARK: Whom and what events refer to; all numbers from 0

  func lastPerson(_ event: NexmarkEvent) -> Int64 { event.turn * persons + min(event.offset, persons - 1) }

  func lastAuction(_ event: NexmarkEvent) -> Int64 {
    if event.offset < persons { return event.turn * auctions - 1 }
    return event.turn * auctions + min(event.offset - persons, auctions - 1)
  }

  private func somePerson(_ event: NexmarkEvent, _ draw: Draw) -> Int64 {
    let count = lastPerson(event) + 1
    let active = min(count, activePersons)
    return count - active + Int64(event.below(UInt64(active + Self.lead), draw))
  }

  private func someAuction(_ event: NexmarkEvent) -> Int64 {
    let last = lastAuction(event)
    let first = max(last - auctionsInFlight, 0)
    return first + Int64(event.below(UInt64(last - first + 1 + Self.lead), .referred))
  }

  func seller(_ event: NexmarkEvent) -> Int64 {
    let isHot = event.below(UInt64(hotSellerRatio), .isHot) > 0
    let seller = isHot ? lastPerson(event) / Self.hotGroup * Self.hotGroup : somePerson(event, .referred)
    return seller + Self.firstID
  }

  func auction(_ bid: NexmarkEvent) -> Int64 {
    let isHot = bid.below(UInt64(hotAuctionRatio), .isHot) > 0
    let auction = isHot ? lastAuction(bid) / Self.hotGroup * Self.hotGroup : someAuction(bid)
    return auction + Self.firstID
  }

  func bidder(_ bid: NexmarkEvent) -> Int64 {
    // The second person of a group, so that hot bidders are not hot sellers.
    let isHot = bid.below(UInt64(hotBidderRatio), .isHotBidder) > 0
    let bidder = isHot ? lastPerson(bid) / Self.hotGroup * Self.hotGroup + 1 : somePerson(bid, .bidder)
    return bidder + (isFaithful ? 2 : 1) * Self.firstID
  }

  /// When an auction ends, in milliseconds since the epoch.
  func expires(_ auction: NexmarkEvent) -> Int64 {
    let horizon = time(auction.number + auctionsInFlight * round / auctions) - time(auction.number)
    return statedTime(auction) + 1 + Int64(auction.below(UInt64(max(horizon * 2, 1)), .length))
  }
}

/// An event's number, where it stands in its round, and its random numbers.
struct NexmarkEvent {
  let number: Int64
  /// Rounds before it.
  let turn: Int64
  /// Events of its round before it.
  let offset: Int64
  private let bits: UInt64

  init(_ number: Int64, _ model: NexmarkModel) {
    self.number = number
    (turn, offset) = number.quotientAndRemainder(dividingBy: model.round)
    bits = GeneratorColumn.mix(model.seed, UInt64(bitPattern: number))
  }

  func bits(_ draw: NexmarkModel.Draw) -> UInt64 { GeneratorColumn.mix(bits, draw.rawValue) }

  /// A number from 0 on, below `bound`.
  func below(_ bound: UInt64, _ draw: NexmarkModel.Draw) -> UInt64 { bits(draw).multipliedFullWidth(by: bound).high }

  /// A number from 0 to 1, without 1.
  func fraction(_ draw: NexmarkModel.Draw) -> Double { Double(bits(draw) >> 11) * 0x1p-53 }
}
