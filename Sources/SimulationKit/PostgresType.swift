import Columnar

/// A type of the simulated server, as its catalog describes it.
public struct PostgresType: Hashable, Sendable {
  enum Kind: String, Hashable, Sendable, CaseIterable {
    case bool, bytea, int8, int2, int4, text, json, float4, float8, bpchar, varchar, date, timestamp, timestamptz
    case interval, numeric, uuid, jsonb
  }

  let kind: Kind
  /// The column's `atttypmod`: length, or precision and scale; -1 without.
  let modifier: Int

  init(_ kind: Kind, modifier: Int = -1) {
    self.kind = kind
    self.modifier = modifier
  }

  /// The type that a declaration names; `nil` when the server does not know it.
  public init?(_ declaration: String) {
    var words = declaration.lowercased()[...]
    var arguments: [Int] = []
    if let open = words.firstIndex(of: "("), let close = words.firstIndex(of: ")") {
      arguments = words[words.index(after: open)..<close].split(separator: ",").compactMap {
        Int($0.drop { $0 == " " })
      }
      words = words[..<open] + words[words.index(after: close)...]
    }
    let name = words.split(separator: " ").joined(separator: " ")
    guard let kind = Self.names[name] else { return nil }
    self.init(kind, modifier: Self.modifier(kind, arguments))
  }

  private static let names: [String: Kind] = {
    var names: [String: Kind] = [
      "boolean": .bool, "bigint": .int8, "smallint": .int2, "integer": .int4, "int": .int4, "real": .float4,
      "double precision": .float8, "character": .bpchar, "char": .bpchar, "character varying": .varchar,
      "decimal": .numeric, "timestamp without time zone": .timestamp, "timestamp with time zone": .timestamptz
    ]
    for kind in Kind.allCases { names[kind.rawValue] = kind }
    return names
  }()

  private static func modifier(_ kind: Kind, _ arguments: [Int]) -> Int {
    guard let first = arguments.first else { return kind == .bpchar ? 5 : -1 }
    switch kind {
    case .varchar, .bpchar: return first + 4
    case .numeric: return (first << 16 | (arguments.count > 1 ? arguments[1] : 0) & 0x7ff) + 4
    default: return first
    }
  }

  /// `pg_type.oid`.
  var identity: UInt32 {
    switch kind {
    case .bool: 16
    case .bytea: 17
    case .int8: 20
    case .int2: 21
    case .int4: 23
    case .text: 25
    case .json: 114
    case .float4: 700
    case .float8: 701
    case .bpchar: 1042
    case .varchar: 1043
    case .date: 1082
    case .timestamp: 1114
    case .timestamptz: 1184
    case .interval: 1186
    case .numeric: 1700
    case .uuid: 2950
    case .jsonb: 3802
    }
  }

  /// The type as `format_type` gives it.
  public var name: String {
    let plain = modifier < 0
    switch kind {
    case .bool: return "boolean"
    case .int8: return "bigint"
    case .int2: return "smallint"
    case .int4: return "integer"
    case .float4: return "real"
    case .float8: return "double precision"
    case .bpchar: return plain ? "bpchar" : "character(\(modifier - 4))"
    case .varchar: return plain ? "character varying" : "character varying(\(modifier - 4))"
    case .timestamp: return plain ? "timestamp without time zone" : "timestamp(\(modifier)) without time zone"
    case .timestamptz: return plain ? "timestamp with time zone" : "timestamp(\(modifier)) with time zone"
    case .numeric: return precisionAndScale.map { "numeric(\($0.precision),\($0.scale))" } ?? "numeric"
    case .bytea, .text, .json, .date, .interval, .uuid, .jsonb: return kind.rawValue
    }
  }

  /// What a `numeric` is limited to.
  var precisionAndScale: (precision: Int, scale: Int)? {
    guard kind == .numeric, modifier >= 4 else { return nil }
    let packed = modifier - 4
    return (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
  }
}

// MARK: Text

extension PostgresType {
  /// `value` as the server shows it in UTC; `nil` is NULL.
  public func text(_ value: Value) -> String? {
    var bytes: [UInt8] = []
    switch value {
    case .null: return nil
    case .boolean(let value): return value ? "t" : "f"
    case .int64(let value):
      switch kind {
      case .date: TimeText.appendDate(value, to: &bytes)
      case .timestamp, .timestamptz:
        TimeText.appendTimestamp(value, withZone: kind == .timestamptz, to: &bytes)
      default: return String(value)
      }
    case .float64(let value): Self.appendFloat(value, isSingle: kind == .float4, to: &bytes)
    case .numeric(let value): value.appendText(to: &bytes)
    case .interval(let value): value.appendText(to: &bytes)
    case .uuid(let value): value.appendText(to: &bytes)
    case .bytes(let value) where kind == .bytea: ByteaText.append(value, to: &bytes)
    case .bytes(let value): return String(decoding: value, as: UTF8.self)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The value that a text stands for, of the types that parameters have.
  func value(of text: String?) throws -> Value {
    guard let text else { return .null }
    switch kind {
    case .text, .varchar, .bpchar: return .text(text)
    case .int8, .int4, .int2:
      guard let number = Int64(text) else {
        throw PostgresRefusal("22P02", "invalid input syntax for type \(name): \"\(text)\"")
      }
      return .int64(number)
    case .jsonb: return try Self.jsonb(Array(text.utf8))
    default: throw PostgresParser.Unknown(expected: "a parameter of a type that the sink sends, found \(name)")
    }
  }
}
