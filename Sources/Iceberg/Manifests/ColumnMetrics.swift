/// What a file's metrics say of one column; everything that is not said is possible.
struct ColumnMetrics {
  private let lower, upper: [UInt8]?
  private let valueCount, nullCount, nanCount: Int64?

  init(_ id: Int, _ file: DataFile) {
    lower = file.lowerBounds?[id]
    upper = file.upperBounds?[id]
    valueCount = file.valueCounts?[id]
    nullCount = file.nullValueCounts?[id]
    nanCount = file.nanValueCounts?[id]
  }

  var mayHaveNull: Bool { nullCount.map { $0 != 0 } ?? true }
  var mayHaveNaN: Bool { nanCount.map { $0 != 0 } ?? true }
  /// Certain, not only possible; negative counts are "unknown" of some writers.
  var isAllNull: Bool {
    guard let valueCount, let nullCount, valueCount >= 0 else { return false }
    return valueCount == nullCount
  }
  /// Certain: nothing but nulls and NaNs.
  var isAllNaNOrNull: Bool {
    guard let valueCount, let nanCount, valueCount >= 0, nanCount >= 0 else { return false }
    return valueCount == nanCount + max(0, nullCount ?? 0)
  }

  func lower(_ type: IcebergType) -> Literal? { Self.bound(lower, type) }
  func upper(_ type: IcebergType) -> Literal? { Self.bound(upper, type) }

  func bounds(_ type: IcebergType) -> (lower: Literal, upper: Literal)? {
    guard let lower = lower(type), let upper = upper(type) else { return nil }
    return (lower, upper)
  }

  /// A bound that can be relied on: bytes that are no value of the type, and NaN of old writers, say nothing.
  static func bound(_ bytes: [UInt8]?, _ type: IcebergType) -> Literal? {
    guard let bytes, let literal = try? Literal(binary: bytes, type: type), !literal.isNaN else { return nil }
    return literal
  }
}
