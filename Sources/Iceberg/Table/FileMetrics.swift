import Columnar
import Parquet

extension DataFile {
  /// Takes what a Parquet writer found out of the columns (Iceberg specification, "Data File Fields" 108 to 128).
  ///
  /// - Parameters:
  ///   - result: what was written.
  ///   - fields: the table's fields by id, nested ones included.
  ///   - modes: what is kept of each column, by field id.
  package mutating func setMetrics(
    _ result: ParquetWriteResult, fields: [Int: NestedField], modes: [Int: MetricsMode]
  ) throws(IcebergError) {
    var sizes: [Int: Int64] = [:]
    var values: [Int: Int64] = [:]
    var nulls: [Int: Int64] = [:]
    var nans: [Int: Int64] = [:]
    var lower: [Int: [UInt8]] = [:]
    var upper: [Int: [UInt8]] = [:]
    for (leaf, summary) in zip(result.metadata.schema.leaves, result.leaves) {
      guard let id = summary.fieldID, let field = fields[id] else { continue }
      let mode = modes[id] ?? MetricsMode.none
      guard mode != .none else { continue }
      sizes[id] = summary.compressedBytes
      values[id] = summary.valueCount
      nulls[id] = summary.nullCount
      if field.type == .float || field.type == .double { nans[id] = summary.nanCount }
      guard mode != .counts, leaf.maximumRepetitionLevel == 0 else { continue }
      if let minimum = try Self.literal(summary.minimum, leaf.type, field.type)?.lowerBound(mode) {
        lower[id] = minimum.binary
      }
      if let maximum = try Self.literal(summary.maximum, leaf.type, field.type)?.upperBound(mode) {
        upper[id] = maximum.binary
      }
    }
    columnSizes = sizes
    valueCounts = values
    nullValueCounts = nulls
    nanValueCounts = nans
    lowerBounds = lower
    upperBounds = upper
    splitOffsets = result.splitOffsets
  }

  /// A bound as Parquet encodes it, as a value of the table's type.
  private static func literal(
    _ bytes: [UInt8]?, _ leaf: LeafType, _ type: IcebergType
  ) throws(IcebergError) -> Literal? {
    guard let bytes else { return nil }
    guard case .decimal(let precision, let scale) = leaf else { return try Literal(binary: bytes, type: type) }
    // Decimals of up to 18 digits are little-endian integers in Parquet, others are big-endian as in Iceberg.
    let bigEndian = precision <= 18 ? bytes.reversed() : bytes
    guard let first = bigEndian.first, bigEndian.count <= 16 else { return nil }
    var unscaled: Int128 = first >= 0x80 ? -1 : 0
    for byte in bigEndian { unscaled = unscaled << 8 | Int128(byte) }
    return .decimal(unscaled: unscaled, scale: scale)
  }
}
