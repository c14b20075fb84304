/// Tells which record batches of an answer belong to aborted transactions, as Kafka's own consumer does: a producer's
/// batches are left out from its transaction's first offset to its abort marker.
package struct AbortedTransactions {
  private let transactions: [AbortedTransaction]
  private var begun = 0
  private var producers: Set<Int64> = []

  /// For an answer with these transactions, ordered by their first offset.
  package init(_ transactions: [AbortedTransaction] = []) { self.transactions = transactions }

  /// Whether the batch's records are to be left out. Batches come in the order of their offsets.
  package mutating func leavesOut(_ batch: RecordBatchHeader) -> Bool {
    if transactions.isEmpty { return false }
    while begun < transactions.count, transactions[begun].firstOffset <= batch.lastOffset {
      producers.insert(transactions[begun].producer)
      begun += 1
    }
    return batch.isTransactional && producers.contains(batch.producer)
  }

  /// The producer's abort marker was read: what follows is another transaction.
  package mutating func markerRead(producer: Int64) { producers.remove(producer) }
}
