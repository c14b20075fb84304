/// An object, or file, as a store describes it.
public struct ObjectInfo: Hashable, Sendable {
  /// The full location: `s3://bucket/key`, `file:///path`.
  public var location: String
  /// The size in bytes.
  public var size: Int64
  /// When it was last written: milliseconds since the epoch.
  public var modifiedMilliseconds: Int64
  /// The store's tag of the content, when it has one.
  public var entityTag: String?

  /// An object.
  public init(location: String, size: Int64, modifiedMilliseconds: Int64, entityTag: String? = nil) {
    self.location = location
    self.size = size
    self.modifiedMilliseconds = modifiedMilliseconds
    self.entityTag = entityTag
  }
}

/// Some objects of a listing.
public struct ObjectPage: Hashable, Sendable {
  /// The objects.
  public var objects: [ObjectInfo]
  /// What to pass to go on; `nil` at the end.
  public var next: String?

  /// A page.
  public init(objects: [ObjectInfo], next: String?) {
    self.objects = objects
    self.next = next
  }
}

/// Where files of tables are. Locations are full URIs; a path without a scheme is a local file.
///
/// Every call retries what is transient by itself, with back-off, and may be cancelled. All throw ``IcebergError``.
public protocol ObjectStore: Sendable {
  /// What is known of `location`; `nil` when nothing is there.
  func info(_ location: String) async throws(IcebergError) -> ObjectInfo?

  /// The bytes of `location`, or of a part of it. A range beyond the end is cut.
  /// - Throws: ``IcebergError`` of kind `notFound` when nothing is there.
  func read(_ location: String, range: Range<Int64>?) async throws(IcebergError) -> [UInt8]

  /// Writes an object whole: a reader sees nothing or all of it. Durable when this returns.
  ///
  /// - Parameter ifAbsent: fails with kind `alreadyExists` when something is there. A lost answer is settled by reading
  ///   back: the same bytes are a success.
  func write(_ location: String, _ bytes: [UInt8], ifAbsent: Bool) async throws(IcebergError) -> ObjectInfo

  /// Puts a local file to `location`, in parallel parts where the store has them. Durable when this returns. The local file stays.
  func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo

  /// Removes objects; those that are not there are no failure.
  func delete(_ locations: [String]) async throws(IcebergError)

  /// Objects whose location begins with `prefix`, in the order of their locations, some at a time.
  func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage

  /// The path of `location` when it is a local file that may be read and written directly.
  func localPath(_ location: String) -> String?

  /// Lets go of connections.
  func close() async
}
