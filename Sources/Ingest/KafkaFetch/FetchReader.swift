import Actors
import Columnar
import Formats

/// One partition, read from what the fetch client got.
///
/// Back-pressure needs nothing else: while an answer waits, its partition is not asked for.
final class FetchReader: PartitionReader {
  private let partition: PartitionID
  private let fetched: FetchPartition
  private let client: FetchClient
  private let isFetched: Bool
  private var decoder: RecordSetDecoder
  private var pending: SourceError?
  private var isClosed = false

  init(_ partition: PartitionID, _ fetched: FetchPartition, _ decoder: RecordSetDecoder, client: FetchClient) {
    self.partition = partition
    self.fetched = fetched
    self.client = client
    self.decoder = decoder
    isFetched = !decoder.isAtEnd
  }

  deinit { close() }

  func poll(limit: Int, into decoder: RecordDecoder) throws -> PollResult {
    var result = PollResult(
      records: 0, bytes: 0, nextOffset: self.decoder.nextOffset, isAtEnd: self.decoder.isAtEnd)
    if isClosed || result.isAtEnd || limit <= 0 || decoder.isFull { return result }
    if let pending { throw pending }
    if let failure = client.environment.failure {
      throw SourceError(
        source: partition.source, partition: partition, severity: failure.severity, message: failure.message)
    }
    do {
      while result.records == 0, !self.decoder.isAtEnd {
        if self.decoder.needsRecords, try !takeRecords() { break }
        defer {
          result.records += self.decoder.records
          result.bytes += self.decoder.bytes
        }
        try self.decoder.decode(into: decoder, limit: limit)
      }
    } catch {
      let failure = sourceError(error)
      // The records before it count; the next poll throws it.
      guard result.records > 0 else { throw failure }
      pending = failure
    }
    result.nextOffset = self.decoder.nextOffset
    result.isAtEnd = self.decoder.isAtEnd
    return result
  }

  func setWakeup(_ wakeup: @escaping @Sendable () -> Void) { fetched.wakeup.set(wakeup) }

  /// Nothing to do: see the type.
  func setPaused(_ isPaused: Bool) {}

  func lag() -> Int64? {
    let end = fetched.highWatermark
    return end < 0 ? nil : max(0, end - decoder.nextOffset)
  }

  func close() {
    if isClosed { return }
    isClosed = true
    fetched.close()
    decoder.release()
    if isFetched { client.remove(fetched) }
  }

  /// Takes what was fetched; `false` when nothing was.
  private func takeRecords() throws -> Bool {
    let (records, failure) = fetched.take()
    if let failure { throw sourceError(failure) }
    guard let records else { return false }
    decoder.add(records)
    // The next answer can come while this one is decoded.
    client.wake()
    return true
  }

  private func sourceError(_ error: any Error) -> SourceError {
    switch error {
    case let error as SourceError: error
    case let error as RecordError: failure(error.isFatal ? .fatal : .failed, error.description)
    default: failure(.failed, "\(error)")
    }
  }

  private func sourceError(_ failure: FetchPartition.Failure) -> SourceError {
    switch failure {
    case .code(let code):
      client.environment.failure(code: code, partition: partition, offset: decoder.nextOffset)
        ?? self.failure(.failed, "the broker answers with the error \(code) at offset \(decoder.nextOffset)")
    case .broker(let isFatal, let message): self.failure(isFatal ? .fatal : .failed, message)
    }
  }

  private func failure(_ severity: SourceError.Severity, _ message: String) -> SourceError {
    SourceError(source: partition.source, partition: partition, severity: severity, message: message)
  }
}
