/// A file of a simulated disk: what processes see, and what has reached the platter.
final class DiskFile {
  static let pageBytes = 4096

  /// What processes see.
  private(set) var content: [UInt8] = []
  /// What is there after a loss of power at the least.
  private(set) var durable: [UInt8] = []
  /// Whether the two differ, or did: then the file is among those that a crash decides about.
  var isPending = false
  /// Who holds the file's lock.
  weak var lock: DiskLock?
  /// Whether the file was emptied since it was last synchronised.
  private var wasEmptied = false
  /// A failed synchronisation marks pages as written that are not: a later one does not write them either.
  private var hasLostPages = false

  func append(_ bytes: UnsafeRawBufferPointer) { content += bytes }

  func empty() {
    wasEmptied = true
    hasLostPages = false
    content = []
  }

  func synchronize() {
    guard !hasLostPages else { return }
    durable = content
    wasEmptied = false
    isPending = false
  }

  func losePages() { hasLostPages = isPending }

  func flipBit(_ random: inout SeededGenerator) {
    guard !durable.isEmpty else { return }
    let position = Int.random(in: 0..<durable.count, using: &random)
    let bit = UInt8(1 << Int.random(in: 0..<8, using: &random))
    durable[position] ^= bit
    if position < content.count { content[position] ^= bit }
  }

  /// Decides what a loss of power leaves of the file.
  /// - Parameter isTorn: whether a part of what was not synchronised may stay, in any order.
  func resolve(isTorn: Bool, _ random: inout SeededGenerator) {
    if isTorn {
      let base = wasEmptied && random.chance(0.5) ? [] : durable
      content = random.chance(0.5) ? prefix(over: base, &random) : pages(over: base, &random)
    } else if random.chance(0.5) {
      content = durable
    }
    hasLostPages = false
    synchronize()
  }

  /// What was written up to some byte.
  private func prefix(over base: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    let end = Int.random(in: 0...content.count, using: &random)
    return Array(content[..<end] + base.dropFirst(end))
  }

  /// Some of the pages that were written, some of them to their half. A file is never shorter than what it had before.
  private func pages(over base: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    let size = max(content.count, base.count)
    var result = base + [UInt8](repeating: 0, count: size - base.count)
    var end = base.count
    for start in stride(from: 0, to: content.count, by: Self.pageBytes) {
      let page = start..<min(start + Self.pageBytes, content.count)
      var kept = page
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1: continue
      case 2: kept = start..<Int.random(in: page, using: &random)
      default: break
      }
      result.replaceSubrange(kept, with: content[kept])
      end = max(end, kept.upperBound)
    }
    // The size is stored apart from the pages: a file may have its full length with holes in it.
    return random.chance(0.5) ? result : Array(result[..<end])
  }
}

/// A directory of a simulated disk.
final class DiskDirectory {
  enum Node {
    case file(DiskFile)
    case directory(DiskDirectory)
  }

  /// A change of names that takes place as a whole or not at all.
  final class Change {
    let names: [(name: String, node: Node?)]
    /// What must have reached the platter for this to: a file that moves to another directory is never in neither.
    let condition: Change?
    var isDurable = false

    init(_ names: [(name: String, node: Node?)], after condition: Change? = nil) {
      self.names = names
      self.condition = condition
    }
  }

  /// What processes see.
  private(set) var entries: [String: Node] = [:]
  /// What is there after a loss of power at the least.
  private var durable: [String: Node] = [:]
  /// What has been changed since the last synchronisation.
  private(set) var changes: [Change] = []

  var names: [String] { entries.keys.sorted() }

  func apply(_ change: Change) {
    Self.apply(change, to: &entries)
    changes.append(change)
  }

  func synchronize() {
    // A file that left for another directory stays in this one until it is durable there.
    for change in changes where change.condition?.isDurable != false { makeDurable(change) }
    changes.removeAll { $0.isDurable }
  }

  /// Decides what a loss of power leaves of the changes: each may have taken place or not.
  func resolve(_ random: inout SeededGenerator) {
    for change in changes {
      let isKept = random.chance(0.5)
      if isKept, change.condition?.isDurable != false { makeDurable(change) }
    }
    changes = []
    entries = durable
  }

  private func makeDurable(_ change: Change) {
    Self.apply(change, to: &durable)
    change.isDurable = true
  }

  private static func apply(_ change: Change, to entries: inout [String: Node]) {
    for (name, node) in change.names { entries[name] = node }
  }
}
