import Actors
import Columnar
import Iceberg
import Runtime

/// Deals the rows of batches to tables by the text of columns.
struct IcebergRouter {
  /// The rows of one table, ascending.
  struct Route {
    let table: TableIdentifier
    var rows: [Int32]

    func isWhole(_ batch: Batch) -> Bool { rows.count == batch.count }
  }

  private let name: IcebergTableName
  private let fixed: TableIdentifier?
  private let columns: [(name: String, index: Int)]

  init(_ name: IcebergTableName, columns: [Field]) {
    self.name = name
    fixed = name.fixed
    self.columns = name.columns.compactMap { column in
      columns.firstIndex { $0.name == column }.map { (column, $0) }
    }
  }

  /// The tables of a batch's rows; rows that have none are refused.
  func route(_ batch: Batch, refused: inout [Int: String]) -> [Route] {
    let rows = (0..<batch.count).lazy.filter { [refused] in refused[$0] == nil }.map { Int32($0) }
    if let fixed {
      let all = refused.isEmpty ? (0..<batch.count).map { Int32($0) } : Array(rows)
      return all.isEmpty ? [] : [Route(table: fixed, rows: all)]
    }
    var routes: [Route] = []
    var known: [[ArraySlice<UInt8>]: Int] = [:]
    for row in Array(rows) {
      guard let key = key(batch, Int(row), &refused) else { continue }
      if let index = known[key] {
        if index >= 0 { routes[index].rows.append(row) } else { refused[Int(row)] = Self.unfit }
        continue
      }
      guard let table = table(key) else {
        known[key] = -1
        refused[Int(row)] = Self.unfit
        continue
      }
      let index = routes.firstIndex { $0.table == table } ?? routes.count
      if index == routes.count { routes.append(Route(table: table, rows: [])) }
      routes[index].rows.append(row)
      known[key] = index
    }
    return routes
  }

  private static let unfit =
    "the text that names the table is empty or longer than \(IcebergTableName.maximumBytes) bytes"

  private func key(_ batch: Batch, _ row: Int, _ refused: inout [Int: String]) -> [ArraySlice<UInt8>]? {
    var key: [ArraySlice<UInt8>] = []
    for column in columns {
      let values = batch.columns[column.index]
      guard !values.isNull(row), case .bytes(let bytes) = values.storage else {
        refused[row] = "column '\(column.name)' names the table and is NULL"
        return nil
      }
      key.append(bytes[row])
    }
    return key
  }

  private func table(_ key: [ArraySlice<UInt8>]) -> TableIdentifier? {
    var texts: [String: String] = [:]
    for (column, bytes) in zip(columns, key) {
      guard let text = IcebergTableName.cleaned(bytes) else { return nil }
      texts[column.name] = text
    }
    let table = name.identifier { texts[$0] ?? "" }
    return (table.namespace.levels + [table.name]).allSatisfy { $0.utf8.count <= 255 } ? table : nil
  }
}

/// Rows of tables that are not known yet, in a file.
struct WaitingRows {
  private struct Piece {
    let table: TableIdentifier
    let length: Int
  }

  private let sink: String
  private let files: any PendingFileStore
  private var spill: EpochSpill
  private var pieces: [Piece] = []
  private var known: Set<TableIdentifier> = []

  init(sink: String, files: any PendingFileStore) {
    self.sink = sink
    self.files = files
    spill = EpochSpill(sink: sink, files: files)
  }

  var byteCount: Int { spill.byteCount }
  var tables: [TableIdentifier] { known.sorted() }

  func has(_ table: TableIdentifier) -> Bool { known.contains(table) }

  mutating func append(_ batch: Batch, for table: TableIdentifier) throws {
    let plain = Batch(schema: batch.schema, columns: batch.columns, count: batch.count)
    let before = spill.buffer.count
    BatchCodec.encode(plain, into: &spill.buffer)
    pieces.append(Piece(table: table, length: spill.buffer.count - before))
    known.insert(table)
    try spill.flushIfFull()
  }

  /// Hands all batches over, in order, and is empty afterwards.
  mutating func drain(_ body: (TableIdentifier, Batch) throws -> Void) throws {
    guard !pieces.isEmpty else { return }
    let (rows, inline) = try spill.seal()
    defer { if let file = rows.file { try? files.fileSystem.remove(files.path(file)) } }
    var next = 0
    var bytes: [UInt8] = []
    try SpillReader(rows: rows, inline: inline[...], files: files).forEachPiece { piece in
      bytes += piece
      var start = 0
      while next < pieces.count, bytes.count - start >= pieces[next].length {
        let end = start + pieces[next].length
        try body(pieces[next].table, try BatchCodec.decode(Array(bytes[start..<end])))
        start = end
        next += 1
      }
      bytes.removeFirst(start)
    }
    pieces = []
    known = []
  }

  mutating func discard() {
    spill.discard()
    pieces = []
    known = []
  }
}
