extension PartitionSpec {
  /// The fields of the partition tuple: optional, of the transforms' result types, with the partition fields' ids.
  ///
  /// - Parameter schema: a schema that has the source columns.
  /// - Throws: ``IcebergError`` of kind `invalid` when a source is missing or has a type that the transform does not take.
  public func partitionType(_ schema: TableSchema) throws(IcebergError) -> [NestedField] {
    var result: [NestedField] = []
    for field in fields {
      guard let source = schema.field(id: field.sourceID) else {
        // Columns may be dropped once no file is partitioned by them any more.
        guard field.transform == .void else {
          throw IcebergError(
            .invalid, "partition field \(field.name): the schema \(schema.schemaID) has no field \(field.sourceID)")
        }
        result.append(NestedField(id: field.fieldID, name: field.name, type: .unknown))
        continue
      }
      guard let type = field.transform.resultType(of: source.type) else {
        throw IcebergError(
          .invalid,
          "partition field \(field.name): \(field.transform.text) cannot be applied to \(source.name) of type "
            + source.type.text)
      }
      result.append(NestedField(id: field.fieldID, name: field.name, type: type))
    }
    return result
  }

  /// The partition tuple of a row, of its source values in the order of the spec's fields.
  public func tuple(ofSources values: [Literal?]) -> PartitionTuple {
    PartitionTuple(zip(fields, values).map { field, value in field.transform.apply(value) })
  }

  /// The directory of a partition, as Java names it: `name=value/name=value`, both URL-encoded; empty when the spec has no
  /// fields. Values that are missing in the tuple are `null`.
  public func path(of tuple: PartitionTuple) -> String {
    var parts: [String] = []
    for (position, field) in fields.enumerated() {
      let value = position < tuple.values.count ? tuple.values[position] : nil
      parts.append(Self.urlEncoded(field.name) + "=" + Self.urlEncoded(field.transform.text(of: value)))
    }
    return parts.joined(separator: "/")
  }

  /// As HTML forms encode: letters, digits and `.-*_` stay, a space is `+`, all else is `%XX` of UTF-8.
  static func urlEncoded(_ text: String) -> String {
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "*"),
        UInt8(ascii: "_"):
        result.append(byte)
      case UInt8(ascii: " "): result.append(UInt8(ascii: "+"))
      default:
        result.append(UInt8(ascii: "%"))
        let digits = String(byte, radix: 16, uppercase: true)
        if byte < 16 { result.append(UInt8(ascii: "0")) }
        result.append(contentsOf: digits.utf8)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
