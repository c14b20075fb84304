import Actors
import Columnar
import Formats
import Ingest
import Runtime
import TestTraits
import Testing

/// The Nexmark source: the original generator's proportions, and rows that depend on seed and number alone.
@Suite(.fewAtOnce, .timeLimit(.minutes(30)))
struct NexmarkSourceTests {
  private static let textColumns = [
    "name", "email_address", "credit_card", "city", "state", "item_name", "description", "channel", "url", "extra"
  ]
  private static let numberColumns = [
    "id", "initial_bid", "reserve", "seller", "category", "auction", "bidder", "price"
  ]
  private let columns =
    [Field("event_type", .integer), Field("date_time", .timestamp), Field("expires", .timestamp)]
    + Self.numberColumns.map { Field($0, .bigint) } + Self.textColumns.map { Field($0, .text) }

  private func fixture(
    _ options: [String: String], metadata: [Field] = [], clock: any EngineClock = SystemClock()
  ) throws -> SourceFixture {
    let own = ["connector": "nexmark", "events": "100000", "seed": "7"]
    return try SourceFixture(
      own.merging(options) { _, new in new }, columns: columns, metadata: metadata, clock: clock)
  }

  private func column(_ name: String) -> Int { columns.firstIndex { $0.name == name } ?? -1 }

  /// The values of a column in the rows of a kind.
  private func values(_ name: String, kind: Int64, _ outcome: Outcome) -> [Int64] {
    let kinds = outcome.integers(column("event_type"))
    let values = outcome.integers(column(name))
    return kinds.indices.filter { kinds[$0] == kind }.map { values[$0] }
  }

  private func strings(_ name: String, kind: Int64, _ outcome: Outcome) -> [String] {
    let kinds = outcome.integers(column("event_type"))
    let values = outcome.strings(column(name))
    return kinds.indices.filter { kinds[$0] == kind }.map { values[$0] }
  }

  private func share(_ isCounted: [Bool]) -> Double { Double(isCounted.count { $0 }) / Double(isCounted.count) }

  @Test("kinds come as 1 : 3 : 46, ids without gaps, and a kind's rows have NULL in the columns of the others")
  func kinds() async throws {
    let source = try fixture([:])
    let all = try await source.read(source.partition("0"))
    let kinds = all.integers(column("event_type"))
    #expect(Array(kinds.prefix(50)) == [0, 1, 1, 1] + Array(repeating: 2, count: 46))
    #expect((0...2).map { kind in kinds.count { $0 == kind } } == [2000, 6000, 92000])
    #expect(values("id", kind: 0, all) == Array(1000..<3000))
    #expect(values("id", kind: 1, all) == Array(1000..<7000))
    let kindsOf = [
      "name": [0], "seller": [1], "expires": [1], "price": [2], "url": [2], "id": [0, 1], "extra": [0, 1, 2]
    ]
    for (name, expected) in kindsOf {
      let nulls = all.batch.columns[column(name)]
      #expect(kinds.indices.allSatisfy { nulls.isNull($0) != expected.contains(Int(kinds[$0])) }, "\(name)")
    }
    // 10,000 events a second by default.
    #expect(all.integers(column("date_time")).prefix(30).last == 1_436_918_400_002_000)
  }

  @Test("bids, prices, channels and fillings are distributed as the original's")
  func distributions() async throws {
    let source = try fixture([:])
    let all = try await source.read(source.partition("0"))
    let auctions = values("auction", kind: 2, all)
    // Half of the bids are for the first of a hundred auctions, and the others for one of the last 100 or the next 10.
    #expect(abs(share(auctions.map { $0 % 100 == 0 }) - 0.505) < 0.01)
    let bidders = values("bidder", kind: 2, all)
    #expect(abs(share(bidders.map { $0 % 100 == 1 }) - 0.7525) < 0.01)
    let sellers = values("seller", kind: 1, all)
    #expect(abs(share(sellers.map { $0 % 100 == 0 }) - 0.7525) < 0.03)
    for (row, auction) in auctions.enumerated() {
      let last = Int64(row / 46) * 3 + 2
      #expect(auction - 1000 <= last + 10 && auction - 1000 >= max(0, last - 100))
    }
    let prices = values("price", kind: 2, all)
    #expect(prices.allSatisfy { (100...100_000_000).contains($0) })
    for bound in 1...5 as ClosedRange<Int> {
      let limit = (0..<bound).reduce(100 as Int64) { value, _ in value * 10 }
      #expect(abs(share(prices.map { $0 < limit }) - Double(bound) / 6) < 0.01, "prices below \(limit)")
    }
    let channels = strings("channel", kind: 2, all)
    let hot: Set = ["Google", "Facebook", "Baidu", "Apple"]
    #expect(abs(share(channels.map { hot.contains($0) }) - 0.5) < 0.01)
    let urls = strings("url", kind: 2, all)
    #expect(urls.allSatisfy { $0.hasPrefix("https://www.nexmark.com/") && $0.contains("/item.htm?query=1") })
    #expect(abs(share(urls.map { $0.contains("&channel_id=") }) - 0.45) < 0.01)
    let extras = strings("extra", kind: 2, all)
    #expect(extras.allSatisfy { (54..<82).contains($0.utf8.count) && $0.utf8.allSatisfy { (97...122).contains($0) } })
    #expect(Set(values("category", kind: 1, all)) == [10, 11, 12, 13, 14])
    #expect(strings("description", kind: 1, all).allSatisfy { $0.utf8.count < 100 && !$0.hasPrefix(" ") })
    let (opened, closed) = (values("date_time", kind: 1, all), values("expires", kind: 1, all))
    // 100 auctions are open at a time, which begin within 1,666 events: a sixth of a second.
    let lengths = zip(opened, closed).map { $1 - $0 }
    #expect(lengths.allSatisfy { $0 >= 1000 && $0 <= 334_000 })
    #expect(abs(lengths.reduce(0, +) / Int64(lengths.count) - 167_000) < 5000)
  }

  @Test("a row depends on seed and number alone: any start, batches, and numbers of partitions give the same events")
  func replays() async throws {
    let source = try fixture(["events": "5021"])
    let all = try await source.read(source.partition("0"))
    #expect(try await source.read(source.partition("0"), limit: 7).batch == all.batch)
    for start in [0, 1, 49, 50, 3333, 5021] {
      let rest = try await source.read(source.partition("0"), at: .offset(Int64(start)))
      #expect(rest.offsets == Array(all.offsets[start...]))
      for (index, field) in columns.enumerated() where field.type.storageKind == .bytes {
        #expect(rest.strings(index) == Array(all.strings(index)[start...]), "\(field.name) from \(start)")
      }
      for (index, field) in columns.enumerated() where field.type.storageKind == .int64 {
        #expect(rest.integers(index) == Array(all.integers(index)[start...]), "\(field.name) from \(start)")
      }
    }
    for partitions in [2, 3, 60, 200] {
      let divided = try fixture(["events": "5021", "partitions": "\(partitions)"])
      var rows: [String] = []
      for partition in try await divided.connector.partitions() { rows += texts(try await divided.read(partition)) }
      #expect(rows.sorted() == texts(all).sorted(), "\(partitions) partitions")
    }
    let other = try await fixture(["events": "5021", "seed": "8"]).read(source.partition("0"))
    #expect(other.strings(column("extra")) != all.strings(column("extra")))
  }

  private func texts(_ outcome: Outcome) -> [String] {
    var bytes: [UInt8] = []
    JSONRowEncoder(outcome.batch.schema).append(outcome.batch, to: &bytes)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test("groups of events out of order hold the same events, and watermarks say which are late")
  func disorder() async throws {
    let ordered = try await fixture(["events": "9530", "rate": "1000"]).read(PartitionID(source: "events", name: "0"))
    for (group, isFaithful) in [(10, false), (953, false), (1000, true)] {
      let options = [
        "events": "9530", "rate": "1000", "out_of_order_group": "\(group)", "faithful": "\(isFaithful)",
        "event_time": "date_time"
      ]
      let source = try fixture(options)
      let mixed = try await source.read(source.partition("0"))
      let times = mixed.integers(column("date_time"))
      #expect(times != times.sorted())
      let whole = 9530 / group * group
      #expect(times.prefix(whole).sorted() == Array(ordered.integers(column("date_time")).prefix(whole)))
      var greatest = Int64.min
      let watermarks = try #require(mixed.batch.origin?.watermarks)
      for (time, watermark) in zip(times, watermarks) {
        #expect(watermark == greatest)
        greatest = max(greatest, time)
      }
    }
  }

  @Test("delayed events state a time up to the delay before their turn")
  func delays() async throws {
    let ordered = try await fixture(["events": "20000"]).read(PartitionID(source: "events", name: "0"))
    let source = try fixture(["events": "20000", "delayed_ratio": "0.1", "delay": "500ms"])
    let delayed = try await source.read(source.partition("0"))
    let back = zip(ordered.integers(column("date_time")), delayed.integers(column("date_time"))).map { $0 - $1 }
    #expect(back.allSatisfy { (0..<500_000).contains($0) })
    #expect(abs(share(back.map { $0 > 0 }) - 0.1) < 0.01)
  }

  @Test("'faithful' keeps the original's defects, and only they differ")
  func faithful() async throws {
    let (corrected, original) = (try fixture([:]), try fixture(["faithful": "true"]))
    let right = try await corrected.read(corrected.partition("0"))
    let wrong = try await original.read(original.partition("0"))
    #expect(values("bidder", kind: 2, right).map { $0 + 1000 } == values("bidder", kind: 2, wrong))
    #expect(right.integers(column("auction")) == wrong.integers(column("auction")))
    let letters = strings("extra", kind: 2, wrong).joined().utf8
    #expect(abs(share(letters.map { (97...122).contains($0) }) - 0.5) < 0.05)
    #expect(right.strings(column("extra")).map(\.count) == wrong.strings(column("extra")).map(\.count))
  }

  @Test("columns read in part have the same values, and metadata columns are filled")
  func pruning() async throws {
    let source = try fixture(["events": "3000"])
    let all = try await source.read(source.partition("0"))
    let some = try SourceFixture(
      ["connector": "nexmark", "events": "3000", "seed": "7"],
      columns: [Field("url", .text), Field("expires", .timestamptz)],
      metadata: [
        Field("_offset", .bigint), Field("_partition", .integer), Field("_timestamp", .timestamptz),
        Field("_key", .text)
      ])
    let part = try await some.read(some.partition("0"))
    #expect(part.strings(0) == all.strings(column("url")))
    #expect(part.integers(1) == all.integers(column("expires")))
    #expect(part.integers(2) == Array(0..<3000) && part.offsets == Array(0..<3000))
    #expect(part.integers(3).allSatisfy { $0 == 0 })
    #expect(part.integers(4) == all.integers(column("date_time")))
    #expect((0..<3000).allSatisfy { part.batch.columns[5].isNull($0) })
  }

  @Test("a pace holds rows back by the engine's clock")
  func pace() async throws {
    let clock = ManualClock()
    let source = try fixture(["rate": "300", "partitions": "3", "paced": "true"], clock: clock)
    let partition = source.partition("0")
    let reader = try await source.connector.open(partition, at: .initial, end: nil)
    let decoder = try source.decoder(partition)
    #expect(try reader.poll(limit: 1000, into: decoder).records == 0)
    clock.advance(by: 100_000_000)
    #expect(try reader.poll(limit: 1000, into: decoder).records == 10)
    clock.advance(by: 1_000_000_000)
    #expect(reader.lag() == 100)
    #expect(try reader.poll(limit: 60, into: decoder).records == 60)
    reader.close()
  }

  @Test("what a table cannot be is refused with the options or columns that it can have")
  func mistakes() throws {
    let wrong: [([String: String], [Field], String)] = [
      (["rate": "0"], [], "rate"), (["delayed_ratio": "2"], [], "delayed_ratio"),
      ([:], [Field("colour", .text)], "event_type, date_time"), ([:], [Field("price", .text)], "expected bigint")
    ]
    for (options, columns, message) in wrong {
      let error = #expect(throws: SourceError.self) {
        try SourceFixture(["connector": "nexmark"].merging(options) { _, new in new }, columns: columns)
      }
      #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }
  }
}
