import Columnar
import Parquet

/// The deletes of a data file's rows, read.
struct LoadedDeletes: Sendable {
  /// Rows that are deleted by their place in the file.
  var positions: PositionSet?
  /// Rows that are deleted by values.
  var equality: [EqualityDeletes] = []
  /// The columns that equality deletes compare; whole columns when fields of structs are compared.
  var keyFields: [NestedField] = []
}

/// Deletes that compare the same columns.
struct EqualityDeletes: Sendable {
  /// The compared fields, in the columns ``LoadedDeletes/keyFields``.
  var fields: [LeafAccess]
  /// The deleted values.
  var keys: [Set<[UInt8]>]
}

/// Reads delete files, and keeps some of them for the next data file.
actor DeleteLoader {
  /// What a delete file says.
  private enum Content {
    /// Positions by data file.
    case positions([String: PositionSet])
    case keys(Set<[UInt8]>)

    /// About how much memory it takes.
    var bytes: Int {
      switch self {
      case .positions(let sets): sets.reduce(0) { $0 + 64 + $1.key.utf8.count + $1.value.memoryBytes }
      // An array has a header beside its bytes, and a set some free places.
      case .keys(let keys): keys.reduce(0) { $0 + 48 + $1.count }
      }
    }
  }

  private let store: any ObjectStore
  private let schemas: [TableSchema]
  private let nameMapping: NameMapping?
  private var files = BoundedCache<String, Content>(costMax: 256 << 20)

  init(store: any ObjectStore, schemas: [TableSchema], nameMapping: NameMapping?) {
    self.store = store
    self.schemas = schemas
    self.nameMapping = nameMapping
  }

  /// All deletes of a data file.
  func load(_ task: ScanTask) async throws(IcebergError) -> LoadedDeletes {
    var result = LoadedDeletes()
    let path = task.entry.file.filePath
    if let vector = task.deletes.deletionVector {
      result.positions = try await deletionVector(vector.file)
    } else if !task.deletes.positionDeletes.isEmpty {
      var set = PositionSet()
      for entry in task.deletes.positionDeletes {
        if let found = try await positionDeletes(entry.file)[path] { set.formUnion(found) }
      }
      result.positions = set
    }
    try await loadEquality(task.deletes.equalityDeletes, into: &result)
    return result
  }

  private func deletionVector(_ file: DataFile) async throws(IcebergError) -> PositionSet {
    guard let offset = file.contentOffset, let length = file.contentSizeInBytes, offset >= 0, length >= 0,
      offset <= Int64.max - length
    else {
      throw IcebergError(.corrupt, "the deletion vector in \(file.filePath) has no content_offset and size")
    }
    let blob = try await store.read(file.filePath, range: offset..<offset + length)
    return try DeletionVector.decode(blob, source: file.filePath, cardinality: file.recordCount)
  }

  /// The positions in a delete file, by data file.
  private func positionDeletes(_ file: DataFile) async throws(IcebergError) -> [String: PositionSet] {
    if case .positions(let known)? = files.value(file.filePath) { return known }
    let stored = try await StoredParquetFile(
      file.filePath, format: file.fileFormat, size: file.fileSizeInBytes, store: store,
      mapping: PositionDeleteFields.mapping)
    let rows = try await ColumnRows(stored, fields: PositionDeleteFields.fields)
    var result: [String: PositionSet] = [:]
    var batches = rows
    while let columns = try await batches.next() {
      try Self.collect(columns, into: &result, source: file.filePath)
    }
    keep(.positions(result), of: file)
    return result
  }

  private static func collect(
    _ columns: [ParquetArray], into result: inout [String: PositionSet], source: String
  ) throws(IcebergError) {
    guard columns.count == 2, case .leaf(let paths) = columns[0], case .leaf(let places) = columns[1],
      case .bytes(let texts) = paths.storage, case .int64(let positions) = places.storage
    else { throw IcebergError(.corrupt, "\(source) has no columns file_path and pos") }
    var start = 0
    // Rows are sorted by path: one set is changed for many rows.
    while start < positions.count {
      var end = start + 1
      while end < positions.count, texts[end] == texts[start] { end += 1 }
      let path = texts.string(start)
      var set = result.removeValue(forKey: path) ?? PositionSet()
      for row in start..<end { set.insert(positions[row]) }
      result[path] = set
      start = end
    }
  }

  private func loadEquality(_ entries: [ManifestEntry], into result: inout LoadedDeletes) async throws(IcebergError) {
    guard !entries.isEmpty else { return }
    var groups: [[Int]: [DataFile]] = [:]
    for entry in entries { groups[(entry.file.equalityIDs ?? []).sorted(), default: []].append(entry.file) }
    for ids in groups.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      for id in ids where LeafAccess(id, in: result.keyFields) == nil { result.keyFields.append(try column(of: id)) }
    }
    for (ids, files) in groups.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let access = ids.compactMap { LeafAccess($0, in: result.keyFields) }
      var deletes = EqualityDeletes(fields: access, keys: [])
      for file in files { deletes.keys.append(try await equalityKeys(file, ids: ids)) }
      result.equality.append(deletes)
    }
  }

  /// The column that the field is, or is in, of the newest schema that has it: it may be dropped by now.
  private func column(of id: Int) throws(IcebergError) -> NestedField {
    for schema in schemas {
      if let access = LeafAccess(id, in: schema.fields),
        var column = schema.fields.first(where: { $0.id == access.columnID })
      {
        // A dropped or later column that a file lacks counts as null.
        column.isRequired = false
        return column
      }
    }
    throw IcebergError(.corrupt, "equality deletes compare the field \(id), which no schema of the table has")
  }

  private func equalityKeys(_ file: DataFile, ids: [Int]) async throws(IcebergError) -> Set<[UInt8]> {
    if case .keys(let known)? = files.value(file.filePath) { return known }
    var fields: [NestedField] = []
    for id in ids where LeafAccess(id, in: fields) == nil { fields.append(try column(of: id)) }
    let access = ids.compactMap { LeafAccess($0, in: fields) }
    let stored = try await StoredParquetFile(
      file.filePath, format: file.fileFormat, size: file.fileSizeInBytes, store: store, mapping: nameMapping)
    var rows = try await ColumnRows(stored, fields: fields)
    var result: Set<[UInt8]> = []
    while let columns = try await rows.next() {
      var leaves: [Column] = []
      for field in access { leaves.append(try field.column(columns)) }
      for row in 0..<(leaves.first?.count ?? 0) { result.insert(RowKey.bytes(leaves, row)) }
    }
    keep(.keys(result), of: file)
    return result
  }

  private func keep(_ content: Content, of file: DataFile) {
    _ = files.insert(content, for: file.filePath, cost: content.bytes)
  }
}

/// All rows of some columns of a file, without deletes.
private struct ColumnRows {
  private let file: StoredParquetFile
  private let projection: ParquetProjection
  private let resolutions: [ChildResolution]
  private var rowGroup = 0
  private var reader: RowGroupReader?

  init(_ file: StoredParquetFile, fields: [NestedField]) async throws(IcebergError) {
    self.file = file
    projection = file.projection(Set(TableSchema(fields: fields).allFieldIDs))
    resolutions = try ColumnResolver(source: file.location).resolve(fields, in: file.fields(projection))
  }

  mutating func next() async throws(IcebergError) -> [ParquetArray]? {
    while true {
      if reader == nil {
        guard rowGroup < file.file.metadata.rowGroups.count else { return nil }
        reader = try await file.reader(rowGroup: rowGroup, projection: projection, batchRows: 8192)
      }
      guard var current = reader else { return nil }
      let arrays = try IcebergError.wrapping(file.location) { () throws(ParquetError) in try current.next() }
      guard let arrays else {
        rowGroup += 1
        reader = nil
        continue
      }
      reader = current
      var columns: [ParquetArray] = []
      for resolution in resolutions {
        columns.append(try resolution.convert(arrays, count: current.lastRowCount, source: file.location))
      }
      return columns
    }
  }
}

/// The columns of position delete files (Iceberg specification, "Position Delete Files").
enum PositionDeleteFields {
  static let fields = [
    NestedField(id: 2_147_483_546, name: "file_path", type: .string, isRequired: true),
    NestedField(id: 2_147_483_545, name: "pos", type: .long, isRequired: true)
  ]

  /// For files of writers that leave the ids out.
  static let mapping = NameMapping(TableSchema(fields: fields))
}

/// The values of a row in a form in which equal rows are the same bytes; null equals null.
enum RowKey {
  static func bytes(_ columns: [Column], _ row: Int) -> [UInt8] {
    var result: [UInt8] = []
    func append(_ word: some FixedWidthInteger) { withUnsafeBytes(of: word) { result.append(contentsOf: $0) } }
    for column in columns {
      guard !column.isNull(row) else {
        result.append(0)
        continue
      }
      result.append(1)
      switch column.storage {
      case .boolean(let values): result.append(values[row] ? 1 : 0)
      case .int64(let values): append(values[row])
      case .float64(let values): append(values[row].isNaN ? UInt64.max : values[row].bitPattern)
      case .numeric(let values): append(values[row].unscaled)
      case .bytes(let values):
        append(Int32(values[row].count))
        result.append(contentsOf: values[row])
      case .interval(let values):
        append(values[row].months)
        append(values[row].days)
        append(values[row].microseconds)
      case .uuid(let values):
        append(values[row].high)
        append(values[row].low)
      }
    }
    return result
  }
}

/// Finds the rows of a file that are not deleted.
struct RowFilter: Sendable {
  private let deletes: LoadedDeletes
  private let keyColumns: [ChildResolution]

  init(_ deletes: LoadedDeletes, keyColumns: [ChildResolution]) {
    self.deletes = deletes
    self.keyColumns = keyColumns
  }

  /// The rows of a batch that are left; `nil`: all of them.
  ///
  /// - Parameter position: the file's row that the batch begins with.
  func rows(
    _ arrays: [ParquetArray], count: Int, position: Int64, source: String
  ) throws(IcebergError) -> [Int32]? {
    var isDeleted = [Bool](repeating: false, count: count)
    var deleted = 0
    if let positions = deletes.positions, !positions.isEmpty {
      for row in 0..<count where positions.contains(position + Int64(row)) {
        isDeleted[row] = true
        deleted += 1
      }
    }
    if !deletes.equality.isEmpty {
      var columns: [ParquetArray] = []
      for column in keyColumns { columns.append(try column.convert(arrays, count: count, source: source)) }
      for equality in deletes.equality {
        var leaves: [Column] = []
        for field in equality.fields { leaves.append(try field.column(columns)) }
        for row in 0..<count where !isDeleted[row] {
          let key = RowKey.bytes(leaves, row)
          if equality.keys.contains(where: { $0.contains(key) }) {
            isDeleted[row] = true
            deleted += 1
          }
        }
      }
    }
    guard deleted > 0 else { return nil }
    return (0..<Int32(count)).filter { !isDeleted[Int($0)] }
  }
}
