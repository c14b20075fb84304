/// The schema of an Avro file (Avro specification, "Schema Declaration"), with the ids that Iceberg adds (Iceberg
/// specification, Appendix A). Recursive schemas are not supported: no table format file has one.
public enum AvroSchema: Hashable, Sendable {
  /// `null`.
  case null
  /// `boolean`.
  case boolean
  /// `int`, 32 bits.
  case int(AvroLogicalType? = nil)
  /// `long`, 64 bits.
  case long(AvroLogicalType? = nil)
  /// `float`.
  case float
  /// `double`.
  case double
  /// `bytes`.
  case bytes(AvroLogicalType? = nil)
  /// `string`, UTF-8.
  case string(AvroLogicalType? = nil)
  /// `fixed`.
  case fixed(name: String, size: Int, AvroLogicalType? = nil)
  /// `enum`.
  case enumeration(name: String, symbols: [String])
  /// `array`.
  indirect case array(items: AvroSchema, elementID: Int? = nil)
  /// A map as an array of records of key and value.
  case keyedArray(entry: AvroRecordSchema)
  /// `map`; keys are strings.
  indirect case map(values: AvroSchema, keyID: Int? = nil, valueID: Int? = nil)
  /// `record`.
  case record(AvroRecordSchema)
  /// A union of types.
  case union([AvroSchema])

  /// A union with null, which comes first.
  public static func optional(_ schema: AvroSchema) -> AvroSchema { .union([.null, schema]) }

  /// The type without its union with null.
  var withoutNull: AvroSchema {
    guard case .union(let branches) = self else { return self }
    let others = branches.filter { $0 != .null }
    return others.count == 1 ? others[0] : self
  }
}

/// What an Avro type stands for.
public enum AvroLogicalType: Hashable, Sendable {
  /// `decimal`.
  case decimal(precision: Int, scale: Int)
  /// `date`.
  case date
  /// `time-millis`.
  case timeMillis
  /// `time-micros`.
  case timeMicros
  /// `timestamp-millis`; `adjust-to-utc` is `nil` when it is not said.
  case timestampMillis(adjustToUTC: Bool?)
  /// `timestamp-micros`.
  case timestampMicros(adjustToUTC: Bool?)
  /// `timestamp-nanos`.
  case timestampNanos(adjustToUTC: Bool?)
  /// `uuid`.
  case uuid
}

/// A record of an Avro schema.
public struct AvroRecordSchema: Hashable, Sendable {
  /// The name.
  public var name: String
  /// The fields, in the order of their values.
  public var fields: [AvroField]

  /// A record.
  public init(name: String, fields: [AvroField]) {
    self.name = name
    self.fields = fields
  }
}

/// A field of a record.
public struct AvroField: Hashable, Sendable {
  /// The name.
  public var name: String
  /// The Iceberg field id.
  public var fieldID: Int?
  /// The type.
  public var type: AvroSchema
  /// The name in Iceberg, when Avro does not allow it.
  public var icebergName: String?
  /// What it means.
  public var doc: String?

  /// A field; one whose type is a union that begins with null is written with `default: null`.
  public init(name: String, fieldID: Int? = nil, type: AvroSchema, icebergName: String? = nil, doc: String? = nil) {
    self.name = name
    self.fieldID = fieldID
    self.type = type
    self.icebergName = icebergName
    self.doc = doc
  }
}

/// A value of an Avro file, in the form of its writer's schema.
public enum AvroValue: Hashable, Sendable {
  /// `null`; also a field that was not asked for.
  case null
  /// `boolean`.
  case boolean(Bool)
  /// `int` and `long`.
  case integer(Int64)
  /// `float`.
  case float(Float)
  /// `double`.
  case double(Double)
  /// `bytes` and `fixed`.
  case bytes([UInt8])
  /// `string`, and the symbol of an `enum`.
  case string(String)
  /// `array`.
  case array([AvroValue])
  /// A map in either form.
  case map([AvroPair])
  /// `record`: the values in the order of the fields.
  case record([AvroValue])
}

/// An entry of a map.
public struct AvroPair: Hashable, Sendable {
  /// The key.
  public var key: AvroValue
  /// The value.
  public var value: AvroValue

  /// An entry.
  public init(_ key: AvroValue, _ value: AvroValue) {
    self.key = key
    self.value = value
  }
}
