/// The requests that the fetch client makes, as they are sent. <https://kafka.apache.org/protocol.html>
package enum FetchRequest {
  /// The versions of Fetch that this client speaks: record batches came with the first, the last is the newest whose
  /// fields have no tags. Brokers from 0.11 to 4.x know one of them.
  package static let versions: ClosedRange<Int16> = 4...11

  private static let fetchKey: Int16 = 1
  private static let versionsKey: Int16 = 18

  /// What is asked of a partition.
  package struct Partition: Hashable, Sendable {
    /// The topic.
    package let topic: String
    /// The partition's number.
    package let number: Int32
    /// The first offset that is wanted.
    package let offset: Int64

    /// Asks for records from `offset` on.
    package init(topic: String, number: Int32, offset: Int64) {
      self.topic = topic
      self.number = number
      self.offset = offset
    }
  }

  /// Which versions of its requests the broker knows.
  package static func apiVersions(correlation: Int32, clientID: String) -> [UInt8] {
    header(versionsKey, version: 0, correlation, clientID).framed()
  }

  /// Records of partitions, as a full request outside of any session.
  package static func fetch(
    _ partitions: [Partition], version: Int16, correlation: Int32, waitMilliseconds: Int32, settings: FetchSettings
  ) -> [UInt8] {
    var writer = header(fetchKey, version: version, correlation, settings.clientID)
    writer.append(Int32(-1))  // a consumer, not a replica
    writer.append(waitMilliseconds)
    writer.append(Int32(1))  // at least one byte, or the wait is over
    writer.append(settings.answerBytes)
    writer.append(Int8(settings.readsUncommitted ? 0 : 1))
    if version >= 7 {
      writer.append(Int32(0))
      writer.append(Int32(-1))  // no session
    }
    // Runs of one topic, so that the order of the partitions, in which the broker fills its answer, is kept.
    let runs = partitions.chunked { $0.topic == $1.topic }
    writer.append(Int32(runs.count))
    for run in runs {
      writer.append(run.first?.topic ?? "")
      writer.append(Int32(run.count))
      for partition in run { append(partition, version, settings, to: &writer) }
    }
    if version >= 7 { writer.append(Int32(0)) }  // nothing to forget
    if version >= 11 { writer.append("") }  // no rack: the leader answers
    return writer.framed()
  }

  private static func append(
    _ partition: Partition, _ version: Int16, _ settings: FetchSettings, to writer: inout WireWriter
  ) {
    writer.append(partition.number)
    if version >= 9 { writer.append(Int32(-1)) }  // whichever leader epoch
    writer.append(partition.offset)
    if version >= 5 { writer.append(Int64(-1)) }  // replicas only
    writer.append(settings.partitionBytes)
  }

  private static func header(_ key: Int16, version: Int16, _ correlation: Int32, _ clientID: String) -> WireWriter {
    var writer = WireWriter()
    writer.append(key)
    writer.append(version)
    writer.append(correlation)
    writer.append(clientID)
    return writer
  }
}

extension Array {
  /// Runs of neighbours that belong together.
  fileprivate func chunked(by belong: (Element, Element) -> Bool) -> [ArraySlice<Element>] {
    var runs: [ArraySlice<Element>] = []
    var start = 0
    for index in indices where index > 0 && !belong(self[index - 1], self[index]) {
      runs.append(self[start..<index])
      start = index
    }
    if start < count { runs.append(self[start...]) }
    return runs
  }
}
