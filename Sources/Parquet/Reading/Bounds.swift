import Columnar

/// What is known of a leaf's values in a row group or a page.
public struct LeafBounds: Hashable, Sendable {
  /// A lower bound of the values that are not null, and not NaN; absent when it is unknown or there are none.
  public var minimum: Value?
  /// An upper bound of the values that are not null, and not NaN.
  public var maximum: Value?
  /// Nulls, when known. In a repeated leaf, absent and empty lists count.
  public var nullCount: Int64?
  /// Values, nulls included, when known.
  public var valueCount: Int64?

  /// Whether every value is known to be null.
  public var isAllNull: Bool {
    guard let nullCount, let valueCount else { return false }
    return nullCount == valueCount
  }

  /// Nothing is known.
  public init() {}
}

extension RawFooter {
  /// Takes over bounds that have the order of their type, and leaves others out (Parquet format, `ColumnOrder`).
  mutating func keepTrustworthyBounds(_ infos: [LeafInfo]) {
    for group in rowGroups.indices {
      for leaf in infos.indices {
        let raw = statistics[group][leaf]
        var kept = raw.values
        let order = orders.indices.contains(leaf) ? orders[leaf] : .undefined
        if !infos[leaf].isOrdered(order) {
          (kept.minimum, kept.maximum) = (nil, nil)
          (kept.isMinimumExact, kept.isMaximumExact) = (nil, nil)
        }
        // The deprecated bounds were made by signed comparison, whatever the type.
        if kept.minimum == nil, kept.maximum == nil, infos[leaf].hasSignedOrder {
          (kept.minimum, kept.maximum) = (raw.oldMinimum, raw.oldMaximum)
        }
        rowGroups[group].columns[leaf].statistics = kept
      }
    }
  }
}

extension LeafInfo {
  /// Whether bounds in the order that the footer names say something of this leaf's values.
  func isOrdered(_ order: BoundsOrder) -> Bool {
    switch order {
    case .undefined: false
    case .type: hasTypeOrder
    case .ieee754: hasTypeOrder && (physical == .float || physical == .double)
    }
  }

  /// Whether the type's order is the signed one of its stored form.
  var hasSignedOrder: Bool {
    guard hasTypeOrder else { return false }
    if case .unsigned = leaf.type { return false }
    return switch physical {
    case .boolean, .int32, .int64, .float, .double: true
    case .int96, .byteArray, .fixedLengthByteArray: false
    }
  }

  /// The value that `bytes` are, plainly encoded; nil when they have a wrong length.
  func value(_ bytes: [UInt8]) -> Value? {
    var builder = LeafBuilder(LeafConversion(self))
    let isRead: Bool = bytes.withUnsafeBytes { raw in
      do throws(ParquetError) {
        if physical == .boolean {
          guard raw.count == 1 else { return false }
          builder.booleans.append(raw[0] & 1 == 1)
        } else if let width = physical.width(length: length) {
          guard raw.count == width, let base = raw.baseAddress else { return false }
          try builder.appendFixed(base, count: 1)
        } else {
          try builder.appendBytes(raw)
        }
        return true
      } catch { return false }
    }
    return isRead ? builder.finish(leaf.type.columnType, validity: nil).value(0) : nil
  }

  /// The bounds that `minimum` and `maximum` are; neither when one of them cannot be right.
  func bounds(_ minimum: [UInt8]?, _ maximum: [UInt8]?) -> (minimum: Value?, maximum: Value?) {
    var lower = minimum.flatMap { value($0) }
    var upper = maximum.flatMap { value($0) }
    // NaN is not a bound, and a zero of either sign stands for both (Parquet format, `ColumnOrder`).
    if case .float64(let value) = lower {
      lower = value.isNaN ? nil : .float64(value == 0 ? -0.0 : value)
    }
    if case .float64(let value) = upper {
      upper = value.isNaN ? nil : .float64(value == 0 ? 0.0 : value)
    }
    if (minimum != nil && lower == nil) || (maximum != nil && upper == nil) { return (nil, nil) }
    if let lower, let upper, isDescending(lower, upper) { return (nil, nil) }
    return (lower, upper)
  }

  private func isDescending(_ lower: Value, _ upper: Value) -> Bool {
    switch (lower, upper) {
    case (.int64(let lower), .int64(let upper)):
      if case .unsigned = leaf.type { return UInt64(bitPattern: lower) > UInt64(bitPattern: upper) }
      return lower > upper
    case (.float64(let lower), .float64(let upper)): return lower > upper
    case (.numeric(let lower), .numeric(let upper)): return lower.unscaled > upper.unscaled
    case (.bytes(let lower), .bytes(let upper)): return upper.lexicographicallyPrecedes(lower)
    case (.uuid(let lower), .uuid(let upper)):
      return (lower.high, lower.low) > (upper.high, upper.low)
    case (.boolean(let lower), .boolean(let upper)): return lower && !upper
    default: return false
    }
  }
}

extension ParquetFile {
  /// What the footer says of a leaf's values in a row group. Bounds whose order is undefined, or that cannot be right,
  /// are left out.
  /// - Throws: `.invalid` for a row group or leaf that is not there.
  public func bounds(rowGroup: Int, leaf: Int) throws(ParquetError) -> LeafBounds {
    let chunk = try chunk(rowGroup, leaf)
    var result = LeafBounds()
    let pair = nodes.leaves[leaf].bounds(chunk.statistics.minimum, chunk.statistics.maximum)
    (result.minimum, result.maximum) = pair
    result.nullCount = chunk.statistics.nullCount
    result.valueCount = chunk.valueCount
    return result
  }

  /// The row groups that may have rows for which every condition holds. The others can be skipped.
  ///
  /// - Parameter conditions: per leaf, whether some value within bounds may do. It must allow for values that are
  ///   unknown (no minimum or maximum), for nulls and, in floating-point leaves, for NaN, which bounds leave out.
  public func rowGroups(where conditions: [Int: (LeafBounds) -> Bool]) throws(ParquetError) -> [Int] {
    var result: [Int] = []
    for group in metadata.rowGroups.indices {
      var mayMatch = true
      for (leaf, condition) in conditions where mayMatch {
        mayMatch = condition(try bounds(rowGroup: group, leaf: leaf))
      }
      if mayMatch { result.append(group) }
    }
    return result
  }

  /// The rows of a row group that are on pages which may have values for which every condition holds; all rows where the
  /// file has no page index. For ``reader(rowGroup:projection:batchRows:rows:from:)``.
  ///
  /// - Parameter conditions: see ``rowGroups(where:)``.
  /// - Throws: `.corrupt`, `.io`, `.invalid`.
  public func rows(
    rowGroup: Int, where conditions: [Int: (LeafBounds) -> Bool], from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> [Range<Int64>] {
    _ = try self.source(source)
    guard metadata.rowGroups.indices.contains(rowGroup) else {
      throw ParquetError(.invalid, "row group \(rowGroup) of a file with \(metadata.rowGroups.count)")
    }
    let count = metadata.rowGroups[rowGroup].rowCount
    var result = count == 0 ? [] : [0..<count]
    for (leaf, condition) in conditions {
      guard let pages = try pageBounds(rowGroup: rowGroup, leaf: leaf, from: source) else { continue }
      var kept: [Range<Int64>] = []
      for page in pages where condition(page.bounds) { kept.append(page.rows) }
      result = RangeList.intersection(result, kept)
    }
    return result
  }

  /// The rows and bounds of each page of a column chunk, if the file has both of its indexes.
  /// - Throws: `.corrupt`, `.io`, `.invalid`.
  public func pageBounds(
    rowGroup: Int, leaf: Int, from source: (any ByteSource)? = nil
  ) throws(ParquetError) -> [(rows: Range<Int64>, bounds: LeafBounds)]? {
    guard let offsets = try offsetIndex(rowGroup: rowGroup, leaf: leaf, from: source),
      let index = try columnIndex(rowGroup: rowGroup, leaf: leaf, from: source)
    else { return nil }
    guard offsets.pages.count == index.isNullPage.count else {
      throw ParquetError(
        .corrupt,
        "\(place(rowGroup, leaf)): the offset index has \(offsets.pages.count) pages, the column index "
          + "\(index.isNullPage.count)")
    }
    let info = nodes.leaves[leaf]
    var result: [(rows: Range<Int64>, bounds: LeafBounds)] = []
    for (page, location) in offsets.pages.enumerated() {
      let isLast = page + 1 == offsets.pages.count
      let end = isLast ? metadata.rowGroups[rowGroup].rowCount : offsets.pages[page + 1].firstRow
      var bounds = LeafBounds()
      bounds.nullCount = index.nullCounts?[page]
      if index.isNullPage[page] {
        // Not counted in every file, but as many as there are values.
        bounds.nullCount = end - location.firstRow
        bounds.valueCount = bounds.nullCount
      } else {
        if info.leaf.maximumRepetitionLevel == 0 { bounds.valueCount = end - location.firstRow }
        if info.isOrdered(boundsOrders[leaf]) {
          (bounds.minimum, bounds.maximum) = info.bounds(index.minimums[page], index.maximums[page])
        }
      }
      result.append((location.firstRow..<end, bounds))
    }
    return result
  }
}
