extension Batch {
  /// The rows at `indices`, in that order, with their kinds and origins.
  public func gather(_ indices: [Int32]) -> Batch {
    Batch(
      schema: schema, columns: columns.map { $0.gather(indices) }, count: indices.count,
      rowKinds: rowKinds.map { Columnar.gather($0, indices) }, origin: origin?.gather(indices))
  }

  /// The rows whose bit is set.
  public func select(_ rows: Bitmap) -> Batch {
    precondition(rows.count == count, "a selection has a bit a row")
    return rows.isAllSet ? self : gather(rows.setIndices)
  }

  /// The rows of `range`.
  public func slice(_ range: Range<Int>) -> Batch {
    if range == 0..<count { return self }
    return Batch(
      schema: schema, columns: columns.map { $0.slice(range) }, count: range.count,
      rowKinds: rowKinds.map { Array($0[range]) }, origin: origin?.slice(range))
  }

  /// A batch without rows.
  public init(empty schema: Schema) {
    self.init(schema: schema, columns: schema.fields.map { ColumnBuilder($0.type).finishEmpty() }, count: 0)
  }

  /// All rows of `batches`, which have the schema `schema`, one after another.
  ///
  /// Origins are kept when all batches are from one partition.
  public static func concatenate(_ batches: [Batch], schema: Schema) -> Batch {
    if batches.count == 1 { return batches[0] }
    let columns = schema.fields.indices.map { index in
      Column.concatenate(batches.map { $0.columns[index] }, schema.fields[index].type)
    }
    var rowKinds: [RowKind]?
    if batches.contains(where: { $0.rowKinds != nil }) {
      rowKinds = batches.flatMap { $0.rowKinds ?? [RowKind](repeating: .insert, count: $0.count) }
    }
    return Batch(
      schema: schema, columns: columns, count: batches.reduce(0) { $0 + $1.count }, rowKinds: rowKinds,
      origin: RowOrigin.concatenate(batches.map(\.origin)))
  }

  /// About how many bytes of memory the rows take.
  public var memoryBytes: Int {
    columns.reduce(0) { $0 + $1.memoryBytes } + (rowKinds?.count ?? 0) + (origin?.memoryBytes ?? 0)
  }
}

extension ColumnBuilder {
  fileprivate func finishEmpty() -> Column {
    var builder = self
    return builder.finish()
  }
}

extension RowOrigin {
  /// The origins of the rows at `indices`.
  public func gather(_ indices: [Int32]) -> RowOrigin {
    RowOrigin(
      partition: partition, offsets: Columnar.gather(offsets, indices), payloads: payloads?.gather(indices),
      watermarks: watermarks.map { Columnar.gather($0, indices) })
  }

  /// The origins of the rows of `range`.
  public func slice(_ range: Range<Int>) -> RowOrigin {
    RowOrigin(
      partition: partition, offsets: Array(offsets[range]), payloads: payloads?.slice(range),
      watermarks: watermarks.map { Array($0[range]) })
  }

  /// About how many bytes of memory the origins take.
  public var memoryBytes: Int {
    offsets.count * 8 + (watermarks?.count ?? 0) * 8 + (payloads?.memoryBytes ?? 0)
  }

  /// One origin for all, when every one is there and of the same partition.
  static func concatenate(_ origins: [RowOrigin?]) -> RowOrigin? {
    guard let partition = origins.first??.partition else { return nil }
    let all = origins.compactMap { $0 }
    guard all.count == origins.count, all.allSatisfy({ $0.partition == partition }) else { return nil }
    var payloads: ByteValues?
    if all.contains(where: { $0.payloads != nil }) {
      var bytes = ByteValues()
      for origin in all {
        for row in origin.offsets.indices {
          if let rows = origin.payloads {
            bytes.append(contentsOf: rows[row])
          } else {
            bytes.append(nil, count: 0)
          }
        }
      }
      payloads = bytes
    }
    let hasWatermarks = all.allSatisfy { $0.watermarks != nil }
    return RowOrigin(
      partition: partition, offsets: all.flatMap(\.offsets), payloads: payloads,
      watermarks: hasWatermarks ? all.flatMap { $0.watermarks ?? [] } : nil)
  }
}
