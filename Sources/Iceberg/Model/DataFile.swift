/// What a file of a table holds.
public enum FileContent: Int, Hashable, Sendable {
  /// Rows.
  case data = 0
  /// Position deletes, also as a deletion vector (v3).
  case positionDeletes = 1
  /// Equality deletes.
  case equalityDeletes = 2
}

/// A data or delete file, as manifests describe it (Iceberg specification, "Data File Fields").
public struct DataFile: Hashable, Sendable {
  /// What it holds.
  public var content: FileContent
  /// The full URI.
  public var filePath: String
  /// `parquet`, `avro`, `orc` or `puffin`, in lower case; written in upper case.
  public var fileFormat: String
  /// The spec that ``partition`` belongs to. Not in the file entry itself: the manifest's.
  public var specID: Int
  /// The partition values.
  public var partition: PartitionTuple
  /// How many rows; deleted positions in a deletion vector.
  public var recordCount: Int64
  /// The file's size.
  public var fileSizeInBytes: Int64
  /// Bytes by field id.
  public var columnSizes: [Int: Int64]?
  /// Values, nulls and NaNs included, by field id.
  public var valueCounts: [Int: Int64]?
  /// Nulls by field id.
  public var nullValueCounts: [Int: Int64]?
  /// NaNs by field id.
  public var nanValueCounts: [Int: Int64]?
  /// Lower bounds by field id, in single-value binary form (Appendix D).
  public var lowerBounds: [Int: [UInt8]]?
  /// Upper bounds by field id.
  public var upperBounds: [Int: [UInt8]]?
  /// Metadata for encryption, kept as it is.
  public var keyMetadata: [UInt8]?
  /// Where row groups begin, ascending.
  public var splitOffsets: [Int64]?
  /// The fields that equality deletes compare.
  public var equalityIDs: [Int]?
  /// The sort order of the rows; `nil` is unknown or none.
  public var sortOrderID: Int?
  /// The first row's id (v3, data files).
  public var firstRowID: Int64?
  /// The data file that all deletes refer to.
  public var referencedDataFile: String?
  /// Where the deletion vector's blob begins (v3).
  public var contentOffset: Int64?
  /// How long it is (v3).
  public var contentSizeInBytes: Int64?

  /// A file.
  public init(
    content: FileContent = .data, filePath: String, fileFormat: String = "parquet", specID: Int,
    partition: PartitionTuple, recordCount: Int64, fileSizeInBytes: Int64
  ) {
    self.content = content
    self.filePath = filePath
    self.fileFormat = fileFormat
    self.specID = specID
    self.partition = partition
    self.recordCount = recordCount
    self.fileSizeInBytes = fileSizeInBytes
  }
}

/// A file in a manifest (Iceberg specification, "Manifest Entry Fields").
public struct ManifestEntry: Hashable, Sendable {
  /// What the manifest's snapshot did with the file.
  public enum Status: Int, Hashable, Sendable {
    /// It was there before.
    case existing = 0
    /// It was added.
    case added = 1
    /// It was removed.
    case deleted = 2
  }

  /// What was done.
  public var status: Status
  /// The snapshot that added or removed the file; after reading never `nil` (inherited).
  public var snapshotID: Int64?
  /// The data sequence number; after reading never `nil` (inherited).
  public var sequenceNumber: Int64?
  /// The file sequence number; after reading never `nil` in v2 (inherited).
  public var fileSequenceNumber: Int64?
  /// The file.
  public var file: DataFile

  /// An entry.
  public init(
    status: Status, snapshotID: Int64?, sequenceNumber: Int64?, fileSequenceNumber: Int64?, file: DataFile
  ) {
    self.status = status
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.fileSequenceNumber = fileSequenceNumber
    self.file = file
  }
}

/// What a manifest list says of one partition field over a manifest's files.
public struct PartitionFieldSummary: Hashable, Sendable {
  /// Whether a file has null there.
  public var containsNull: Bool
  /// Whether a file has NaN there, when known.
  public var containsNaN: Bool?
  /// The smallest value, in single-value binary form; absent when there is none.
  public var lowerBound: [UInt8]?
  /// The greatest value.
  public var upperBound: [UInt8]?

  /// A summary.
  public init(containsNull: Bool, containsNaN: Bool?, lowerBound: [UInt8]?, upperBound: [UInt8]?) {
    self.containsNull = containsNull
    self.containsNaN = containsNaN
    self.lowerBound = lowerBound
    self.upperBound = upperBound
  }
}

/// A manifest, as a manifest list describes it (Iceberg specification, "Manifest Lists").
public struct ManifestFile: Hashable, Sendable {
  /// What its files hold.
  public enum Content: Int, Hashable, Sendable {
    /// Data files.
    case data = 0
    /// Delete files.
    case deletes = 1
  }

  /// The full URI.
  public var manifestPath: String
  /// Its size.
  public var manifestLength: Int64
  /// The spec of its files.
  public var specID: Int
  /// What its files hold.
  public var content: Content
  /// The sequence number when it was added.
  public var sequenceNumber: Int64
  /// The smallest data sequence number of its live files.
  public var minimumSequenceNumber: Int64
  /// The snapshot that added it.
  public var addedSnapshotID: Int64
  /// Files of each status; absent only in v1.
  public var addedFilesCount: Int?
  /// Files that were there before.
  public var existingFilesCount: Int?
  /// Files that were removed.
  public var deletedFilesCount: Int?
  /// Rows of added files.
  public var addedRowsCount: Int64?
  /// Rows of existing files.
  public var existingRowsCount: Int64?
  /// Rows of removed files.
  public var deletedRowsCount: Int64?
  /// By partition field; absent when unknown.
  public var partitions: [PartitionFieldSummary]?
  /// Metadata for encryption, kept as it is.
  public var keyMetadata: [UInt8]?
  /// The first row id of its files that have none (v3, data manifests).
  public var firstRowID: Int64?

  /// A manifest.
  public init(
    manifestPath: String, manifestLength: Int64, specID: Int, content: Content, sequenceNumber: Int64,
    minimumSequenceNumber: Int64, addedSnapshotID: Int64
  ) {
    self.manifestPath = manifestPath
    self.manifestLength = manifestLength
    self.specID = specID
    self.content = content
    self.sequenceNumber = sequenceNumber
    self.minimumSequenceNumber = minimumSequenceNumber
    self.addedSnapshotID = addedSnapshotID
  }
}
