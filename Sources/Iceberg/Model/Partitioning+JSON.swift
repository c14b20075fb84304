extension Transform {
  /// The text, as in metadata: `identity`, `bucket[16]`, `truncate[4]`, `year`, `void`, …
  public var text: String {
    switch self {
    case .identity: "identity"
    case .bucket(let count): "bucket[\(count)]"
    case .truncate(let width): "truncate[\(width)]"
    case .year: "year"
    case .month: "month"
    case .day: "day"
    case .hour: "hour"
    case .void: "void"
    case .unknown(let text): text
    }
  }

  /// A transform of its text. Case does not matter; `years`, `months`, `days` and `hours` are taken too; a name that is
  /// not known is kept as ``Transform/unknown(_:)``.
  /// - Throws: ``IcebergError`` of kind `corrupt` when the width of `bucket` or `truncate` is not above 0.
  public init(parsing text: String) throws(IcebergError) {
    let name = text.lowercased()
    switch name {
    case "identity": self = .identity
    case "year", "years": self = .year
    case "month", "months": self = .month
    case "day", "days": self = .day
    case "hour", "hours": self = .hour
    case "void", "alwaysnull": self = .void
    default:
      if let width = Self.width(name, of: "bucket") {
        self = .bucket(width)
      } else if let width = Self.width(name, of: "truncate") {
        self = .truncate(width)
      } else {
        self = .unknown(text)
        return
      }
    }
    switch self {
    case .bucket(0), .truncate(0): throw IcebergError(.corrupt, "\(text): the width must be above 0")
    default: break
    }
  }

  private static func width(_ text: String, of name: String) -> Int? {
    guard text.hasPrefix(name + "["), text.hasSuffix("]") else { return nil }
    let digits = text.dropFirst(name.count + 1).dropLast()
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int32(digits).map(Int.init)
  }
}

/// What a partition or sort field is made of: `source-id`, or, from v3 on, `source-ids`. A transform of several columns
/// is none that this library knows, whatever its name; metadata that have one must still be read.
private struct FieldSource {
  var id: Int
  var ids: [Int] = []
  var transform: Transform

  init(json: JSONValue) throws(IcebergError) {
    let text = try json.string("transform")
    let several = try json.ints("source-ids") ?? []
    if several.count > 1 {
      id = several[0]
      ids = several
      transform = .unknown(text)
    } else {
      if let single = several.first { id = single } else { id = try json.int("source-id") }
      transform = try Transform(parsing: text)
    }
  }

  static func members(_ id: Int, _ ids: [Int]) -> JSONValue.Member {
    ids.count > 1
      ? JSONValue.Member("source-ids", .array(ids.map { .integer($0) })) : JSONValue.Member("source-id", .integer(id))
  }
}

extension PartitionField {
  /// A field of its JSON; one without an id, in old v1 files, gets `defaultID`.
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue, defaultID: Int? = nil) throws(IcebergError) {
    let id: Int
    if let defaultID { id = try json.optionalInt("field-id") ?? defaultID } else { id = try json.int("field-id") }
    let source = try FieldSource(json: json)
    self.init(sourceID: source.id, fieldID: id, name: try json.string("name"), transform: source.transform)
    sourceIDs = source.ids
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object([
      FieldSource.members(sourceID, sourceIDs), JSONValue.Member("field-id", .integer(fieldID)),
      JSONValue.Member("name", .string(name)), JSONValue.Member("transform", .string(transform.text))
    ])
  }
}

extension PartitionSpec {
  /// Whether no field has another transform than `void`.
  public var isUnpartitioned: Bool { fields.allSatisfy { $0.transform == .void } }

  /// The greatest field id; 999 when there is none.
  public var highestFieldID: Int { max(999, fields.map(\.fieldID).max() ?? 999) }

  /// A spec of its JSON (Iceberg specification, Appendix C). Fields without ids are numbered from 1000.
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    self.init(
      specID: try json.optionalInt("spec-id") ?? 0, fields: try Self.fields(try json.array("fields")))
  }

  /// The fields of a spec, numbered from 1000 where they have no ids.
  static func fields(_ elements: [JSONValue]) throws(IcebergError) -> [PartitionField] {
    var result: [PartitionField] = []
    for (position, element) in elements.enumerated() {
      do { result.append(try PartitionField(json: element, defaultID: 1000 + position)) } catch {
        throw error.within("fields[\(position)]")
      }
    }
    guard Set(result.map(\.fieldID)).count == result.count else {
      throw IcebergError(.corrupt, "a partition spec has two fields with the same id")
    }
    return result
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object(["spec-id": .integer(specID), "fields": .array(fields.map(\.json))])
  }
}

extension SortOrder {
  /// A sort order of its JSON (Iceberg specification, Appendix C).
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    self.init(
      orderID: try json.optionalInt("order-id") ?? 0,
      fields: try json.elements("fields") { value throws(IcebergError) in try SortField(json: value) })
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object(["order-id": .integer(orderID), "fields": .array(fields.map(\.json))])
  }
}

extension SortField {
  /// A field of its JSON (Iceberg specification, Appendix C).
  /// - Throws: ``IcebergError`` of kind `corrupt` that says where it is wrong.
  public init(json: JSONValue) throws(IcebergError) {
    let direction = try json.string("direction").lowercased()
    let nullOrder = try json.string("null-order").lowercased()
    guard direction == "asc" || direction == "desc" else {
      throw IcebergError(.corrupt, "direction: expected asc or desc, found \(direction)")
    }
    guard nullOrder == "nulls-first" || nullOrder == "nulls-last" else {
      throw IcebergError(.corrupt, "null-order: expected nulls-first or nulls-last, found \(nullOrder)")
    }
    let source = try FieldSource(json: json)
    self.init(
      sourceID: source.id, transform: source.transform, isAscending: direction == "asc",
      nullsFirst: nullOrder == "nulls-first")
    sourceIDs = source.ids
  }

  /// The JSON (Iceberg specification, Appendix C).
  public var json: JSONValue {
    .object([
      JSONValue.Member("transform", .string(transform.text)), FieldSource.members(sourceID, sourceIDs),
      JSONValue.Member("direction", .string(isAscending ? "asc" : "desc")),
      JSONValue.Member("null-order", .string(nullsFirst ? "nulls-first" : "nulls-last"))
    ])
  }
}
