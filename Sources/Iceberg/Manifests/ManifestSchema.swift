/// The Avro schemas of manifests and manifest lists, with the specification's ids and the names that all writers use.
enum ManifestSchema {
  /// The schema of a manifest (Iceberg specification, "Manifest Entry Fields").
  static func entry(formatVersion: Int, partition: AvroRecordSchema) -> AvroSchema {
    .record(
      AvroRecordSchema(
        name: "manifest_entry",
        fields: [
          AvroField(name: "status", fieldID: 0, type: .int()),
          AvroField(name: "snapshot_id", fieldID: 1, type: .optional(.long())),
          AvroField(name: "sequence_number", fieldID: 3, type: .optional(.long())),
          AvroField(name: "file_sequence_number", fieldID: 4, type: .optional(.long())),
          AvroField(name: "data_file", fieldID: 2, type: .record(file(formatVersion, partition)))
        ]))
  }

  private static func file(_ formatVersion: Int, _ partition: AvroRecordSchema) -> AvroRecordSchema {
    var fields = [
      AvroField(name: "content", fieldID: 134, type: .int()),
      AvroField(name: "file_path", fieldID: 100, type: .string()),
      AvroField(name: "file_format", fieldID: 101, type: .string()),
      AvroField(name: "partition", fieldID: 102, type: .record(partition)),
      AvroField(name: "record_count", fieldID: 103, type: .long()),
      AvroField(name: "file_size_in_bytes", fieldID: 104, type: .long()),
      optional("column_sizes", 108, map(117, 118, .long())),
      optional("value_counts", 109, map(119, 120, .long())),
      optional("null_value_counts", 110, map(121, 122, .long())),
      optional("nan_value_counts", 137, map(138, 139, .long())),
      optional("lower_bounds", 125, map(126, 127, .bytes())),
      optional("upper_bounds", 128, map(129, 130, .bytes())),
      optional("key_metadata", 131, .bytes()),
      optional("split_offsets", 132, .array(items: .long(), elementID: 133)),
      optional("equality_ids", 135, .array(items: .int(), elementID: 136)),
      optional("sort_order_id", 140, .int())
    ]
    if formatVersion >= 3 { fields.append(optional("first_row_id", 142, .long())) }
    fields.append(optional("referenced_data_file", 143, .string()))
    if formatVersion >= 3 {
      fields.append(optional("content_offset", 144, .long()))
      fields.append(optional("content_size_in_bytes", 145, .long()))
    }
    return AvroRecordSchema(name: "r2", fields: fields)
  }

  /// The schema of a manifest list (Iceberg specification, "Manifest Lists").
  static func list(formatVersion: Int) -> AvroSchema {
    let summary = AvroRecordSchema(
      name: "r508",
      fields: [
        AvroField(name: "contains_null", fieldID: 509, type: .boolean),
        optional("contains_nan", 518, .boolean),
        optional("lower_bound", 510, .bytes()),
        optional("upper_bound", 511, .bytes())
      ])
    var fields = [
      AvroField(name: "manifest_path", fieldID: 500, type: .string()),
      AvroField(name: "manifest_length", fieldID: 501, type: .long()),
      AvroField(name: "partition_spec_id", fieldID: 502, type: .int()),
      AvroField(name: "content", fieldID: 517, type: .int()),
      AvroField(name: "sequence_number", fieldID: 515, type: .long()),
      AvroField(name: "min_sequence_number", fieldID: 516, type: .long()),
      AvroField(name: "added_snapshot_id", fieldID: 503, type: .long()),
      AvroField(name: "added_files_count", fieldID: 504, type: .int()),
      AvroField(name: "existing_files_count", fieldID: 505, type: .int()),
      AvroField(name: "deleted_files_count", fieldID: 506, type: .int()),
      AvroField(name: "added_rows_count", fieldID: 512, type: .long()),
      AvroField(name: "existing_rows_count", fieldID: 513, type: .long()),
      AvroField(name: "deleted_rows_count", fieldID: 514, type: .long()),
      optional("partitions", 507, .array(items: .record(summary), elementID: 508)),
      optional("key_metadata", 519, .bytes())
    ]
    if formatVersion >= 3 { fields.append(optional("first_row_id", 520, .long())) }
    return .record(AvroRecordSchema(name: "manifest_file", fields: fields))
  }

  private static func optional(_ name: String, _ id: Int, _ type: AvroSchema) -> AvroField {
    AvroField(name: name, fieldID: id, type: .optional(type))
  }

  private static func map(_ keyID: Int, _ valueID: Int, _ values: AvroSchema) -> AvroSchema {
    .keyedArray(
      entry: AvroRecordSchema(
        name: "k\(keyID)_v\(valueID)",
        fields: [
          AvroField(name: "key", fieldID: keyID, type: .int()),
          AvroField(name: "value", fieldID: valueID, type: values)
        ]))
  }

  /// What a reader of manifests asks for; old names and fields without ids included.
  static let entryProjection = AvroProjection(
    fieldIDs: Set([
      0, 1, 2, 3, 4, 134, 100, 101, 102, 103, 104, 108, 109, 110, 137, 125, 128, 131, 132, 135, 140, 142, 143, 144, 145
    ]),
    names: [
      "status", "snapshot_id", "sequence_number", "file_sequence_number", "data_file", "content", "file_path",
      "file_format", "partition", "record_count", "file_size_in_bytes", "column_sizes", "value_counts",
      "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "key_metadata", "split_offsets",
      "equality_ids", "sort_order_id", "first_row_id", "referenced_data_file", "content_offset",
      "content_size_in_bytes"
    ])
}

/// The partition struct of a spec's manifests.
struct PartitionLayout: Sendable {
  /// A partition field with the type of its values.
  struct Field: Sendable {
    var field: PartitionField
    /// `nil` when the source column or the transform is not known.
    var type: IcebergType?
  }

  let fields: [Field]

  /// The layout of a spec; source columns are looked up in `schemas`, in this order.
  init(_ spec: PartitionSpec, schemas: [TableSchema]) {
    fields = spec.fields.map { field in
      Field(field: field, type: Self.resultType(field, schemas))
    }
  }

  private static func resultType(_ field: PartitionField, _ schemas: [TableSchema]) -> IcebergType? {
    for schema in schemas {
      guard let source = schema.field(id: field.sourceID) else { continue }
      // The source of a void field may be of any type, also one that no partition value can have.
      if field.transform == .void, AvroSchema(partitionType: source.type) == nil { return .int }
      return field.transform.resultType(of: source.type)
    }
    // A column that was dropped leaves a void field behind, which is always null.
    return field.transform == .void ? .int : nil
  }

  /// The Avro record of the tuple.
  /// - Throws: kind `invalid` when a type is not known.
  func avroRecord() throws(IcebergError) -> AvroRecordSchema {
    var names: Set<String> = []
    var result: [AvroField] = []
    for item in fields {
      guard let type = item.type, let avro = AvroSchema(partitionType: type) else {
        throw IcebergError(
          .invalid,
          "the partition field '\(item.field.name)' has no type to write: source column \(item.field.sourceID) and its"
            + " transform must be known and fit")
      }
      var name = avroName(item.field.name)
      if !names.insert(name).inserted {
        name += "_\(item.field.fieldID)"
        names.insert(name)
      }
      result.append(
        AvroField(
          name: name, fieldID: item.field.fieldID, type: .optional(avro),
          icebergName: name == item.field.name ? nil : item.field.name))
    }
    return AvroRecordSchema(name: "r102", fields: result)
  }
}

/// A name that Avro allows: letters, digits and underscores of ASCII; others as `_x` and their hexadecimal number.
func avroName(_ name: String) -> String {
  var result = ""
  for unit in name.utf16 {
    switch unit {
    case 0x41...0x5A, 0x61...0x7A, 0x5F: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
    case 0x30...0x39:
      if result.isEmpty { result = "_" }
      result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
    default: result += "_x" + String(unit, radix: 16, uppercase: true)
    }
  }
  return result.isEmpty ? "_" : result
}

extension AvroSchema {
  /// The Avro type of a primitive type's values (Iceberg specification, Appendix A).
  init?(partitionType type: IcebergType) {
    switch type {
    case .boolean: self = .boolean
    case .int: self = .int()
    case .long: self = .long()
    case .float: self = .float
    case .double: self = .double
    case .date: self = .int(.date)
    case .time: self = .long(.timeMicros)
    case .timestamp: self = .long(.timestampMicros(adjustToUTC: false))
    case .timestamptz: self = .long(.timestampMicros(adjustToUTC: true))
    case .timestampNanos: self = .long(.timestampNanos(adjustToUTC: false))
    case .timestamptzNanos: self = .long(.timestampNanos(adjustToUTC: true))
    case .string: self = .string()
    case .uuid: self = .fixed(name: "uuid_fixed", size: 16, .uuid)
    case .fixed(let length): self = .fixed(name: "fixed_\(length)", size: length)
    case .binary: self = .bytes()
    case .decimal(let precision, let scale):
      self = .fixed(
        name: "decimal_\(precision)_\(scale)", size: decimalSize(precision: precision),
        .decimal(precision: precision, scale: scale))
    case .unknown, .unsupported, .structure, .list, .map: return nil
    }
  }
}

/// The smallest number of bytes that holds every decimal of `precision` digits.
func decimalSize(precision: Int) -> Int {
  var limit: Int128 = 1
  for _ in 0..<min(max(precision, 1), 38) { limit *= 10 }
  var size = 1
  while size < 16, limit - 1 > (Int128(1) << Int128(8 * size - 1)) - 1 { size += 1 }
  return size
}
