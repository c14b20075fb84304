/// Which columns are read.
///
/// A field that is named is read with those of its descendants that are named, or with all of them when none is. The
/// nodes above a field that is named are read too, and a map always has its key and its value. Results have the order
/// of the file, whatever the order of the names; ``ParquetFile/schema(_:)`` gives their schema.
public struct ParquetProjection: Hashable, Sendable {
  enum Choice: Hashable, Sendable {
    case all
    case fieldIDs(Set<Int>)
    case paths(Set<[String]>)
  }

  let choice: Choice

  /// Every column.
  public static let all = ParquetProjection(choice: .all)

  /// The fields with these ids.
  public static func fieldIDs(_ ids: some Sequence<Int>) -> ParquetProjection {
    ParquetProjection(choice: .fieldIDs(Set(ids)))
  }

  /// The fields at these paths of ``FileMetadata/schema``: names from the column on, where a list's element is called
  /// `element`, and a map's parts `key` and `value`.
  public static func paths(_ paths: some Sequence<[String]>) -> ParquetProjection {
    ParquetProjection(choice: .paths(Set(paths)))
  }

  /// Those of `fields` that are chosen, reduced to what is chosen of them.
  func apply(to fields: [SchemaNode]) -> [SchemaNode] {
    if choice == .all { return fields }
    return fields.compactMap { pruned($0, path: [$0.name]) }
  }

  private func isChosen(_ node: SchemaNode, _ path: [String]) -> Bool {
    switch choice {
    case .all: true
    case .fieldIDs(let ids): node.fieldID.map(ids.contains) ?? false
    case .paths(let paths): paths.contains(path)
    }
  }

  private func pruned(_ node: SchemaNode, path: [String]) -> SchemaNode? {
    var result = node
    switch node.kind {
    case .leaf: break
    case .group(let fields):
      let kept = fields.compactMap { pruned($0, path: path + [$0.name]) }
      if !kept.isEmpty {
        result.kind = .group(kept)
        return result
      }
    case .list(let element, let repeated):
      if let kept = pruned(element, path: path + ["element"]) {
        result.kind = .list(kept, repeated: repeated)
        return result
      }
    case .map(let key, let value, let repeated):
      let (keptKey, keptValue) = (pruned(key, path: path + ["key"]), pruned(value, path: path + ["value"]))
      if keptKey != nil || keptValue != nil {
        // Comparable keys need all their parts.
        result.kind = .map(key: key, value: keptValue ?? value, repeated: repeated)
        return result
      }
    }
    return isChosen(node, path) ? node : nil
  }
}

extension SchemaNode {
  /// The leaves below, by their index.
  var leafIndices: [Int] {
    switch kind {
    case .leaf(let index): [index]
    case .group(let fields): fields.flatMap(\.leafIndices)
    case .list(let element, _): element.leafIndices
    case .map(let key, let value, _): key.leafIndices + value.leafIndices
    }
  }

  /// The field of the public schema.
  func field(_ leaves: [LeafInfo]) -> ParquetField {
    let kind: ParquetField.Kind =
      switch self.kind {
      case .leaf(let index): .leaf(leaves[index].leaf.type)
      case .group(let fields): .group(fields.map { $0.field(leaves) })
      case .list(let element, _): .list(element: element.field(leaves))
      case .map(let key, let value, _): .map(key: key.field(leaves), value: value.field(leaves))
      }
    return ParquetField(name, kind, fieldID: fieldID, isRequired: !isOptional)
  }
}

/// Bounds on what a reader holds, so that no file, however forged, takes all memory.
public struct ParquetLimits: Hashable, Sendable {
  /// Bytes of a page, decompressed.
  public var pageBytes = 1 << 30
  /// Values of a repeated leaf in one batch.
  public var batchValues = 1 << 27
  /// Rows that ``ParquetFile/read(rowGroup:projection:from:)`` reads at once.
  public var rowGroupRows = 1 << 26
  /// Bytes of a footer, a page index or a bloom filter.
  public var metadataBytes = 1 << 28

  /// The limits that suit files of well-known writers.
  public init() {}
}
