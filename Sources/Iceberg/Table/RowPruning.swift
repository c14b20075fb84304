import Columnar
import Parquet

/// Finds the rows of a data file that may match a predicate, by what the file's footer says of row groups and its page
/// index of pages. The others need not be read.
struct RowPruning: Sendable {
  /// A column that the predicate compares and the file has.
  private struct Leaf: Sendable {
    /// In the order of the file's column chunks.
    var index: Int
    var fileType: LeafType
    var conversion: LeafConversion
    var type: IcebergType
  }

  private let predicate: Predicate
  /// By field id.
  private let leaves: [Int: Leaf]

  /// The pruning of `file`; `nil` when nothing can be left out.
  ///
  /// - Parameter schemas: the table's schemas, the current one first; the predicate's literals are of its types.
  init?(_ predicate: Predicate, schemas: [TableSchema], file: StoredParquetFile) {
    let pushed = predicate.pushingDownNot
    guard let schema = schemas.first else { return nil }
    let ids = pushed.fieldIDs
    let fileLeaves = ParquetSchema(file.fields).leaves
    guard !ids.isEmpty, fileLeaves.count == file.file.leaves.count else { return nil }
    var leaves: [Int: Leaf] = [:]
    for (index, leaf) in fileLeaves.enumerated() where leaf.maximumRepetitionLevel == 0 {
      guard let id = leaf.fieldID, ids.contains(id), leaves[id] == nil, let type = schema.field(id: id)?.type,
        let conversion = LeafConversion(from: leaf.type, to: type)
      else { continue }
      leaves[id] = Leaf(index: index, fileType: leaf.type, conversion: conversion, type: type)
    }
    guard !leaves.isEmpty else { return nil }
    self.predicate = pushed
    self.leaves = leaves
  }

  /// The rows of a row group that may match, as ascending ranges; `nil`: all of them.
  func rows(rowGroup: Int, of stored: StoredParquetFile) async throws(IcebergError) -> [Range<Int64>]? {
    let file = stored.file
    let all = 0..<file.metadata.rowGroups[rowGroup].rowCount
    guard !all.isEmpty else { return [] }
    let candidates = predicate.rows(of: [all]) { part, id in
      guard let leaf = leaves[id], let bounds = try? file.bounds(rowGroup: rowGroup, leaf: leaf.index) else {
        return [all]
      }
      return range(bounds, leaf).mayMatch(part) ? [all] : []
    }
    guard !candidates.isEmpty else { return [] }
    let indices = Set(leaves.values.map(\.index))
    guard let source = try await stored.pageIndexSource(rowGroup: rowGroup, leaves: indices) else { return nil }
    var pages: [Int: [(rows: Range<Int64>, bounds: LeafBounds)]] = [:]
    for leaf in leaves.values {
      // An index is only a help: the pages of one that is damaged are read.
      pages[leaf.index] = try? file.pageBounds(rowGroup: rowGroup, leaf: leaf.index, from: source)
    }
    let result = predicate.rows(of: [all]) { part, id in
      guard let leaf = leaves[id], let pages = pages[leaf.index] else { return [all] }
      return RangeList.merged(pages.filter { range($0.bounds, leaf).mayMatch(part) }.map(\.rows))
    }
    return result == [all] ? nil : result
  }

  private func range(_ bounds: LeafBounds, _ leaf: Leaf) -> ValueRange {
    var range = ValueRange(single: nil)
    range.mayHaveNull = bounds.nullCount != 0
    range.mayHaveValues = !bounds.isAllNull
    // Bounds say nothing of NaN.
    range.mayHaveNaN = (leaf.type == .float || leaf.type == .double) && !bounds.isAllNull
    range.lower = bounds.minimum.flatMap { Self.literal($0, leaf) }
    range.upper = bounds.maximum.flatMap { Self.literal($0, leaf) }
    return range
  }

  /// A bound as a value of the table's type: conversions keep the order. `nil` when it is none, such as text that was
  /// cut within a character.
  private static func literal(_ value: Value, _ leaf: Leaf) -> Literal? {
    if leaf.type == .string, case .bytes(let bytes) = value {
      return String(validating: bytes, as: UTF8.self).map { .string($0) }
    }
    let column = Column(repeating: value, leaf.fileType.columnType, count: 1)
    guard let converted = try? leaf.conversion.convert(column, source: "") else { return nil }
    return (try? Literal(row: 0, of: converted, type: leaf.type)) ?? nil
  }
}

extension Predicate {
  /// The fields of all conditions.
  var fieldIDs: Set<Int> {
    switch self {
    case .alwaysTrue, .alwaysFalse: []
    case .and(let left, let right), .or(let left, let right): left.fieldIDs.union(right.fieldIDs)
    case .not(let inner): inner.fieldIDs
    case .isNull(let id), .isNotNull(let id), .isNaN(let id), .compare(let id, _, _), .isIn(let id, _),
      .startsWith(let id, _):
      [id]
    }
  }

  /// Those of `all` rows that may match, where `leaf` says it for a condition on one field; see ``pushingDownNot``.
  fileprivate func rows(
    of all: [Range<Int64>], _ leaf: (Predicate, Int) -> [Range<Int64>]
  ) -> [Range<Int64>] {
    switch self {
    case .alwaysTrue, .not: all
    case .alwaysFalse: []
    case .and(let left, let right): RangeList.intersection(left.rows(of: all, leaf), right.rows(of: all, leaf))
    case .or(let left, let right): RangeList.union(left.rows(of: all, leaf), right.rows(of: all, leaf))
    case .isNull(let id), .isNotNull(let id), .isNaN(let id), .compare(let id, _, _), .isIn(let id, _),
      .startsWith(let id, _):
      leaf(self, id)
    }
  }
}
