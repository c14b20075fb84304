/// A transaction that was aborted: its records of this producer from the offset on, up to the abort marker, are not read.
package struct AbortedTransaction: Hashable, Sendable {
  /// The producer.
  package let producer: Int64
  /// The transaction's first offset.
  package let firstOffset: Int64

  /// Of `producer`, from `firstOffset` on.
  package init(producer: Int64, firstOffset: Int64) {
    self.producer = producer
    self.firstOffset = firstOffset
  }
}

/// What the answer to a fetch says about a partition, before the bytes of its records.
package struct FetchAnswer: Hashable, Sendable {
  /// The topic.
  package var topic: String
  /// The partition's number.
  package var number: Int32
  /// Kafka's error code; 0 without one.
  package var errorCode: Int16
  /// The end of what is replicated; -1 when unknown.
  package var highWatermark: Int64
  /// The aborted transactions among the records.
  package var aborted: [AbortedTransaction]
  /// How many bytes of records follow.
  package var recordBytes: Int
}

/// Reads the answer to ApiVersions.
package enum ApiVersionsResponse {
  /// The newest version of Fetch that both sides know; `nil` when there is none.
  ///
  /// A broker that does not know this request, but answered, gets the oldest that this client speaks.
  /// - Throws: ``WireError``.
  package static func fetchVersion(_ body: UnsafeRawBufferPointer) throws(WireError) -> Int16? {
    var reader = WireReader(body)
    if try reader.integer(Int16.self) != 0 { return FetchRequest.versions.lowerBound }
    for _ in 0..<max(0, try reader.integer(Int32.self)) {
      let key = try reader.integer(Int16.self)
      let (least, greatest) = (try reader.integer(Int16.self), try reader.integer(Int16.self))
      guard key == 1 else { continue }
      let version = min(greatest, FetchRequest.versions.upperBound)
      return version >= max(least, FetchRequest.versions.lowerBound) ? version : nil
    }
    return nil
  }
}

/// Reads the answer to a fetch, a piece at a time, so that records can go from the socket into a buffer of their own.
///
/// ```
/// throttle, error, session, topics: count ─▶ topic, partitions: count ─▶ partition ─▶ record bytes ─▶ next partition …
/// ```
package struct FetchResponseParser {
  /// What comes next.
  package enum Piece: Hashable {
    /// A partition; its `recordBytes` follow, which the caller takes before it asks for the next piece.
    case partition(FetchAnswer)
    /// The answer is complete.
    case end
  }

  private let version: Int16
  /// An error that concerns the whole request; 0 without one.
  package private(set) var errorCode: Int16 = 0
  private var topic = ""
  /// -1 before the beginning was read.
  private var topicsLeft: Int32 = -1
  private var partitionsLeft: Int32 = 0

  /// The answer to a request of `version`.
  package init(version: Int16) { self.version = version }

  /// Reads the next piece; when it is not complete yet, `reader` stays where it was.
  /// - Throws: ``WireError``.
  package mutating func next(_ reader: inout WireReader) throws(WireError) -> Piece {
    if topicsLeft < 0 { try readBeginning(&reader) }
    while partitionsLeft == 0 {
      if topicsLeft == 0 { return .end }
      try readTopic(&reader)
    }
    let answer = try readPartition(&reader)
    partitionsLeft -= 1
    return .partition(answer)
  }

  private mutating func readBeginning(_ reader: inout WireReader) throws(WireError) {
    var attempt = reader
    _ = try attempt.integer(Int32.self)  // throttled: the broker has waited already
    let code = version >= 7 ? try attempt.integer(Int16.self) : 0
    if version >= 7 { _ = try attempt.integer(Int32.self) }
    let count = try attempt.integer(Int32.self)
    guard count >= 0 else { throw .malformed("the answer has \(count) topics") }
    (errorCode, topicsLeft, reader) = (code, count, attempt)
  }

  private mutating func readTopic(_ reader: inout WireReader) throws(WireError) {
    var attempt = reader
    let name = try attempt.string()
    let count = try attempt.integer(Int32.self)
    guard count >= 0 else { throw .malformed("topic '\(name)' has \(count) partitions in the answer") }
    (topic, partitionsLeft, reader) = (name, count, attempt)
    topicsLeft -= 1
  }

  private func readPartition(_ reader: inout WireReader) throws(WireError) -> FetchAnswer {
    var attempt = reader
    let number = try attempt.integer(Int32.self)
    let code = try attempt.integer(Int16.self)
    let highWatermark = try attempt.integer(Int64.self)
    _ = try attempt.integer(Int64.self)  // the last stable offset: the broker ends the records there
    if version >= 5 { _ = try attempt.integer(Int64.self) }
    let aborted = try Self.readAborted(&attempt)
    // A replica to prefer is only named to those who tell their rack.
    if version >= 11 { _ = try attempt.integer(Int32.self) }
    let count = Int(try attempt.integer(Int32.self))
    guard count >= -1 else { throw .malformed("\(topic)/\(number) has \(count) bytes of records") }
    reader = attempt
    return FetchAnswer(
      topic: topic, number: number, errorCode: code, highWatermark: highWatermark, aborted: aborted,
      recordBytes: max(0, count))
  }

  private static func readAborted(_ reader: inout WireReader) throws(WireError) -> [AbortedTransaction] {
    let count = Int(try reader.integer(Int32.self))
    guard count >= -1 else { throw .malformed("the answer has \(count) aborted transactions") }
    // Before anything is allocated for a number that the broker has made up.
    guard reader.remaining >= max(0, count) * 16 else { throw .short }
    var result: [AbortedTransaction] = []
    result.reserveCapacity(max(0, count))
    for _ in 0..<max(0, count) {
      let producer = try reader.integer(Int64.self)
      result.append(AbortedTransaction(producer: producer, firstOffset: try reader.integer(Int64.self)))
    }
    return result
  }
}
