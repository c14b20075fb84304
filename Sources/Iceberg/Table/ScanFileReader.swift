import Columnar
import Parquet

/// Reads the rows of a data file that are not deleted.
public struct ScanFileReader: Sendable {
  private let task: ScanTask
  private let file: StoredParquetFile
  private let plan: ColumnsPlan
  private let filter: RowFilter
  private let options: ScanOptions
  private let projection: ParquetProjection
  private let pruning: RowPruning?
  private var rowGroup = 0
  /// The file's row that the row group begins with.
  private var firstRow: Int64 = 0
  private var reader: RowGroupReader?

  /// How the columns of batches are made.
  private struct ColumnsPlan: Sendable {
    /// The table's columns; those that only the reader knows have no resolution.
    var columns: [ChildResolution?]
    var metadata: [MetadataColumn]
    /// Row lineage that the file has itself.
    var rowID: ChildResolution?
    var lastUpdated: ChildResolution?
  }

  init(_ task: ScanTask, scan: TableScan) async throws(IcebergError) {
    let entry = task.entry
    self.task = task
    options = scan.options
    file = try await StoredParquetFile(
      entry.file.filePath, format: entry.file.fileFormat, size: entry.file.fileSizeInBytes, store: scan.table.store,
      mapping: scan.nameMapping)
    let rowCount = file.file.metadata.rowGroups.reduce(Int64(0)) { $0 &+ $1.rowCount }
    guard rowCount == entry.file.recordCount else {
      throw IcebergError(
        .corrupt,
        "\(entry.file.filePath) has \(rowCount) rows, the table's manifest says \(entry.file.recordCount): the file was "
          + "replaced by another; put the right file back")
    }
    pruning = RowPruning(scan.options.predicate, schemas: scan.table.metadata.schemasCurrentFirst, file: file)
    let deletes = try await scan.deletes.load(task)
    let metadataColumns = scan.options.metadataColumns
    let own = Array(scan.schema.fields.dropLast(metadataColumns.count))
    var ids = Set(TableSchema(fields: own + deletes.keyFields).allFieldIDs)
    let isLineage = metadataColumns.contains(.rowID) || metadataColumns.contains(.lastUpdatedSequenceNumber)
    if isLineage { ids.formUnion(MetadataColumn.lineageFields.map(\.id)) }
    projection = file.projection(ids)
    let fields = file.fields(projection)
    var resolver = ColumnResolver(source: entry.file.filePath)
    if let spec = scan.table.metadata.specsByID[entry.file.specID] {
      for (field, value) in zip(spec.fields, entry.file.partition.values) where field.transform == .identity {
        resolver.constants[field.sourceID] = .some(value)
      }
    }
    let lineage = isLineage ? try resolver.resolve(MetadataColumn.lineageFields, in: fields) : []
    plan = ColumnsPlan(
      columns: try resolver.resolve(own, in: fields), metadata: metadataColumns,
      rowID: lineage.first, lastUpdated: lineage.last)
    filter = RowFilter(deletes, keyColumns: try resolver.resolve(deletes.keyFields, in: fields))
  }

  /// The next rows; `nil` after the last. Batches whose rows are all deleted are left out.
  public mutating func next() async throws(IcebergError) -> ScanBatch? {
    let source = task.entry.file.filePath
    while true {
      if reader == nil {
        guard rowGroup < file.file.metadata.rowGroups.count else { return nil }
        let rows = try await pruning?.rows(rowGroup: rowGroup, of: file)
        if let rows, rows.isEmpty {
          advance()
          continue
        }
        reader = try await file.reader(
          rowGroup: rowGroup, projection: projection, batchRows: options.batchRows, rows: rows)
      }
      guard var current = reader else { return nil }
      let arrays = try IcebergError.wrapping(source) { () throws(ParquetError) in try current.next() }
      guard let arrays else {
        advance()
        continue
      }
      reader = current
      let position = firstRow + current.firstRow
      if let batch = try batch(arrays, count: current.lastRowCount, position: position), batch.rowCount > 0 {
        return batch
      }
    }
  }

  private mutating func advance() {
    firstRow += file.file.metadata.rowGroups[rowGroup].rowCount
    rowGroup += 1
    reader = nil
  }

  private func batch(_ arrays: [ParquetArray], count: Int, position: Int64) throws(IcebergError) -> ScanBatch? {
    let source = task.entry.file.filePath
    let kept = try filter.rows(arrays, count: count, position: position, source: source)
    if let kept, kept.isEmpty { return nil }
    var columns: [ParquetArray] = []
    for column in plan.columns {
      guard let column else { continue }
      columns.append(try column.convert(arrays, count: count, source: source))
    }
    for column in plan.metadata {
      columns.append(.leaf(try metadataColumn(column, arrays, count: count, position: position)))
    }
    guard let kept else { return ScanBatch(columns: columns, rowCount: count) }
    return ScanBatch(columns: columns.map { $0.gather(kept) }, rowCount: kept.count)
  }

  private func metadataColumn(
    _ column: MetadataColumn, _ arrays: [ParquetArray], count: Int, position: Int64
  ) throws(IcebergError) -> Column {
    let entry = task.entry
    switch column {
    case .file: return Column(repeating: .text(entry.file.filePath), .text, count: count)
    case .position: return Column(.bigint, .int64((0..<Int64(count)).map { position + $0 }))
    case .rowID, .lastUpdatedSequenceNumber:
      // Without a first row id, rows of tables that became v3 have neither id nor number.
      guard let first = entry.file.firstRowID else { return Column(repeating: .null, .bigint, count: count) }
      let resolution = column == .rowID ? plan.rowID : plan.lastUpdated
      let stored = try resolution?.convert(arrays, count: count, source: entry.file.filePath)
      var builder = ColumnBuilder(.bigint, capacity: count)
      for row in 0..<count {
        if case .leaf(let values)? = stored, !values.isNull(row) {
          builder.append(row: row, of: values)
        } else if column == .rowID {
          builder.append(first &+ position &+ Int64(row))
        } else if let number = entry.sequenceNumber {
          builder.append(number)
        } else {
          builder.appendNull()
        }
      }
      return builder.finish()
    }
  }
}

extension ChildResolution {
  /// `count` rows of the field, of the arrays of a file.
  func convert(_ arrays: [ParquetArray], count: Int, source: String) throws(IcebergError) -> ParquetArray {
    try resolution.convert(position.map { arrays[$0] }, count: count, source: source)
  }
}
