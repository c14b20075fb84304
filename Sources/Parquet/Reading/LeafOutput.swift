import Columnar

/// The values and levels of one batch of a leaf, while they are collected.
struct LeafOutput {
  var builder: LeafBuilder
  var repetitions: [UInt8]?
  /// Levels of the piece that is being read.
  var levels: [UInt8] = []
  private var validity = BitmapBuilder()
  private var definitions: [UInt8] = []
  /// Entries so far, as long as all of them have the greatest definition level.
  private var presentOnly = 0
  private var hasDefinitions = false
  private let keepsDefinitions: Bool
  private let maximum: UInt8

  init(_ info: LeafInfo, _ conversion: LeafConversion, capacity: Int) {
    builder = LeafBuilder(conversion, capacity: capacity)
    keepsDefinitions = info.isNested
    maximum = UInt8(truncatingIfNeeded: info.leaf.maximumDefinitionLevel)
  }

  /// Counts `count` entries whose values are in the builder.
  mutating func appendPresent(_ count: Int) {
    validity.append(repeating: true, count: count)
    guard keepsDefinitions else { return }
    if hasDefinitions {
      definitions.append(contentsOf: repeatElement(maximum, count: count))
    } else {
      presentOnly += count
    }
  }

  /// Adds `count` entries of one level, which is not the greatest.
  mutating func appendAbsent(_ count: Int, level: UInt8, _ info: LeafInfo) {
    if Int(level) >= info.slotDefinition {
      builder.appendNulls(count)
      validity.append(repeating: false, count: count)
    }
    guard keepsDefinitions else { return }
    startDefinitions()
    definitions.append(contentsOf: repeatElement(level, count: count))
  }

  /// Gives the values from `start` on, which are those of `levels`, their places among nulls.
  mutating func spreadLevels(from start: Int, _ info: LeafInfo) {
    if keepsDefinitions {
      startDefinitions()
      definitions.append(contentsOf: levels)
    }
    if info.slotDefinition > 0 { levels.removeAll { Int($0) < info.slotDefinition } }
    builder.spread(from: start, over: levels[...], atLeast: maximum)
    validity.append(levels[...], atLeast: maximum)
  }

  private mutating func startDefinitions() {
    if hasDefinitions { return }
    hasDefinitions = true
    definitions = [UInt8](repeating: maximum, count: presentOnly)
  }

  /// The batch.
  consuming func finish(_ info: LeafInfo) -> LeafBatch {
    let column = builder.finish(info.leaf.type.columnType, validity: validity.finish())
    return LeafBatch(column: column, definitions: hasDefinitions ? definitions : nil, repetitions: repetitions)
  }
}
