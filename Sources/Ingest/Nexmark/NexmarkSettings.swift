import Actors
import Columnar
import SQL

/// What a Nexmark table's options say; names and defaults are those of the original generator's configuration.
struct NexmarkSettings: Sendable {
  /// 2015-07-15 00:00:00 UTC, in milliseconds: the original's base time.
  private static let originalBaseTime: Int64 = 1_436_918_400_000

  let source: String
  let partitions: Int
  /// Of all kinds and over all partitions; `nil`: without end.
  let events: Int64?
  /// How many events lie in a second of event time; with `isPaced` also in a second of the clock.
  let eventsPerSecond: Double
  let isPaced: Bool
  let model: NexmarkModel
  let columns: [String: NexmarkColumn]

  init(_ options: SourceOptions) throws(SourceError) {
    source = options.table.name
    partitions = Int(try options.integer("partitions", in: 1...4096, default: 1))
    events = try options.optionalInteger("events", in: 0...(1 << 52))
    let rate = try options.double("rate") ?? 10_000
    guard (0.001...1e9).contains(rate) else { throw options.invalid("rate", expected: "from 0.001 to 1e9") }
    eventsPerSecond = rate
    isPaced = try options.boolean("paced", default: false)
    model = try Self.model(options, rate)
    columns = try Self.columns(options)
  }

  private static func model(_ options: SourceOptions, _ rate: Double) throws(SourceError) -> NexmarkModel {
    func count(_ name: String, _ range: ClosedRange<Int64>, _ fallback: Int64) throws(SourceError) -> Int64 {
      try options.integer(name, in: range, default: fallback)
    }
    let seed = UInt64(bitPattern: try count("seed", Int64.min...Int64.max, 1))
    let isFaithful = try options.boolean("faithful", default: false)
    var model = NexmarkModel(seed: seed, isFaithful: isFaithful)
    model.persons = try count("person_proportion", 1...10_000, model.persons)
    model.auctions = try count("auction_proportion", 1...10_000, model.auctions)
    model.bids = try count("bid_proportion", 0...100_000, model.bids)
    model.hotAuctionRatio = try count("hot_auction_ratio", 1...1_000_000, model.hotAuctionRatio)
    model.hotBidderRatio = try count("hot_bidder_ratio", 1...1_000_000, model.hotBidderRatio)
    model.hotSellerRatio = try count("hot_seller_ratio", 1...1_000_000, model.hotSellerRatio)
    model.auctionsInFlight = try count("in_flight_auctions", 0...10_000_000, model.auctionsInFlight)
    model.activePersons = try count("active_people", 1...10_000_000, model.activePersons)
    model.personBytes = Int(try count("avg_person_bytes", 0...100_000, Int64(model.personBytes)))
    model.auctionBytes = Int(try count("avg_auction_bytes", 0...100_000, Int64(model.auctionBytes)))
    model.bidBytes = Int(try count("avg_bid_bytes", 0...100_000, Int64(model.bidBytes)))
    model.disorderGroup = try count("out_of_order_group", 1...1_000_000, 1)
    model.delay = (try options.duration("delay") ?? 3_000_000) / 1000
    guard (0...(1 << 40)).contains(model.delay) else { throw options.invalid("delay", expected: "up to 10,000 days") }
    model.delayedRatio = try options.double("delayed_ratio") ?? 0
    guard (0...1).contains(model.delayedRatio) else { throw options.invalid("delayed_ratio", expected: "from 0 to 1") }
    let base = try options.moment("base_time").map { $0 / 1000 } ?? originalBaseTime
    guard base.magnitude < 1 << 43 else { throw options.invalid("base_time", expected: "a year below 2248") }
    model.baseTime = base
    model.microsecondsPerEvent = 1_000_000 / rate
    return model
  }

  private static func columns(_ options: SourceOptions) throws(SourceError) -> [String: NexmarkColumn] {
    var columns: [String: NexmarkColumn] = [:]
    for column in options.table.columns where !column.field.name.hasPrefix("_") {
      let (name, type) = (column.field.name, column.field.type)
      guard let known = NexmarkColumn(rawValue: name) else {
        let names = NexmarkColumn.allCases.map(\.rawValue).joined(separator: ", ")
        throw SourceError(
          source: options.table.name, severity: .fatal,
          message: "Nexmark has no column '\(name)'; its columns are \(names)")
      }
      guard known.types.contains(type) else {
        throw SourceError(
          source: options.table.name, severity: .fatal,
          message: "column '\(name)' is \(type.sqlName); expected "
            + known.types.map(\.sqlName).joined(separator: " or "))
      }
      columns[name] = known
    }
    return columns
  }

  /// How many rows `partition` has. Partitions take turns after one round of persons, auctions and bids each, so that
  /// each partition has all kinds, and a job's events are the same however many partitions they are dealt to.
  func rows(of partition: Int) -> Int64? {
    guard let events else { return nil }
    let (rounds, rest) = events.quotientAndRemainder(dividingBy: model.round)
    let (turns, further) = rounds.quotientAndRemainder(dividingBy: Int64(partitions))
    let own = turns + (Int64(partition) < further ? 1 : 0)
    return own * model.round + (Int64(partition) == further ? rest : 0)
  }

  /// The number over all partitions of a partition's row.
  func event(_ row: Int64, of partition: Int) -> Int64 {
    let (turn, place) = row.quotientAndRemainder(dividingBy: model.round)
    return (turn &* Int64(partitions) &+ Int64(partition)) &* model.round &+ place
  }
}
