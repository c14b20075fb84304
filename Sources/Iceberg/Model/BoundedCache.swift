/// Values by key, as many as a limit allows; those that were not asked for the longest go first.
package struct BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Entry {
    var value: Value
    var cost: Int
    var lastUse: UInt64
  }

  private let costMax: Int
  private var entries: [Key: Entry] = [:]
  private var useCount: UInt64 = 0
  /// What all values that are kept cost.
  package private(set) var cost = 0

  /// An empty cache of values that cost at most `costMax` together.
  package init(costMax: Int) { self.costMax = costMax }

  /// The value of a key, which counts as a use.
  package mutating func value(_ key: Key) -> Value? {
    useCount += 1
    entries[key]?.lastUse = useCount
    return entries[key]?.value
  }

  /// Keeps a value, whatever it costs, and returns those that had to go for it.
  package mutating func insert(_ value: Value, for key: Key, cost: Int = 1) -> [Value] {
    var gone = [remove(key)].compactMap(\.self)
    while self.cost + cost > costMax, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      if let value = remove(oldest.key) { gone.append(value) }
    }
    useCount += 1
    entries[key] = Entry(value: value, cost: cost, lastUse: useCount)
    self.cost += cost
    return gone
  }

  /// Forgets a key and returns its value.
  package mutating func remove(_ key: Key) -> Value? {
    guard let entry = entries.removeValue(forKey: key) else { return nil }
    cost -= entry.cost
    return entry.value
  }

  /// Forgets all keys and returns their values.
  package mutating func removeAll() -> [Value] {
    defer {
      entries = [:]
      cost = 0
    }
    return entries.values.map(\.value)
  }
}
