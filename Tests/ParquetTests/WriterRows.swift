import Columnar
import Parquet

/// A value as the tests describe it, apart from how columns or files hold it.
indirect enum WriterValue {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  /// An unscaled integer, at the leaf's scale.
  case decimal(Int128)
  case bytes([UInt8])
  case list([WriterValue])
  case map([(key: WriterValue, value: WriterValue)])
  case group([WriterValue])

  var isNull: Bool {
    if case .null = self { return true }
    return false
  }

  /// What the Python judge compares: numbers by their bits, bytes as hexadecimal digits.
  var json: String {
    switch self {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .integer(let value): "\(value)"
    case .number(let value): "\"\(hex(value.bitPattern))\""
    case .decimal(let value): "\"\(value)\""
    case .bytes(let value): "\"\(hex(value))\""
    case .list(let values), .group(let values): "[" + values.map(\.json).joined(separator: ",") + "]"
    case .map(let pairs): "[" + pairs.map { "[\($0.key.json),\($0.value.json)]" }.joined(separator: ",") + "]"
    }
  }
}

func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func hex(_ word: UInt64) -> String { hex((0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }) }

func quoted(_ text: String) -> String { "\"" + text.filter { $0 != "\"" && $0 != "\\" } + "\"" }

/// Columns from described values.
enum WriterColumns {
  /// The array of `values`, each of which fits `field`.
  static func array(_ values: [WriterValue], _ field: ParquetField) -> ParquetArray {
    let validity = values.contains(where: \.isNull) ? Bitmap(values.map { !$0.isNull }) : nil
    switch field.kind {
    case .leaf(let type): return .leaf(Column(type.columnType, storage(values, type), validity: validity))
    case .group(let fields):
      let children = fields.indices.map { index in
        array(
          values.map { value in
            guard case .group(let members) = value else { return WriterValue.null }
            return members[index]
          }, fields[index])
      }
      return .group(count: values.count, validity: validity, children)
    case .list(let element):
      let lists = values.map { value -> [WriterValue] in
        guard case .list(let elements) = value else { return [] }
        return elements
      }
      return .list(
        offsets: offsets(lists.map(\.count)), validity: validity, element: array(lists.flatMap { $0 }, element))
    case .map(let key, let value):
      let maps = values.map { value -> [(key: WriterValue, value: WriterValue)] in
        guard case .map(let pairs) = value else { return [] }
        return pairs
      }
      let pairs = maps.flatMap { $0 }
      return .map(
        offsets: offsets(maps.map(\.count)), validity: validity, key: array(pairs.map(\.key), key),
        value: array(pairs.map(\.value), value))
    }
  }

  private static func offsets(_ counts: [Int]) -> [Int32] {
    counts.reduce(into: [0]) { offsets, count in offsets.append(offsets[offsets.count - 1] + Int32(count)) }
  }

  private static func storage(_ values: [WriterValue], _ type: LeafType) -> Column.Storage {
    switch type {
    case .boolean:
      return .boolean(
        values.map {
          guard case .boolean(let value) = $0 else { return false }
          return value
        })
    case .float, .double:
      return .float64(
        values.map {
          guard case .number(let value) = $0 else { return 0 }
          return value
        })
    case .decimal(_, let scale):
      return .numeric(
        values.map {
          guard case .decimal(let value) = $0 else { return Numeric(unscaled: 0, scale: 0) }
          return Numeric(unscaled: value, scale: Int16(scale))
        })
    case .string, .json, .binary, .fixed:
      var bytes = ByteValues()
      for value in values {
        if case .bytes(let content) = value { bytes.append(contentsOf: content) } else { bytes.append(contentsOf: []) }
      }
      return .bytes(bytes)
    case .uuid:
      return .uuid(
        values.map {
          guard case .bytes(let value) = $0 else { return UUIDValue(high: 0, low: 0) }
          let words = stride(from: 0, to: 16, by: 8).map { start in
            value[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
          }
          return UUIDValue(high: words[0], low: words[1])
        })
    default:
      return .int64(
        values.map {
          guard case .integer(let value) = $0 else { return 0 }
          return value
        })
    }
  }
}

extension ParquetField {
  /// The field for the Python judge.
  var json: String {
    let head = "\"name\":\(quoted(name)),\"id\":\(fieldID.map { "\($0)" } ?? "null"),\"required\":\(isRequired)"
    switch kind {
    case .leaf(let type): return "{\(head),\(type.json)}"
    case .group(let fields):
      return "{\(head),\"kind\":\"group\",\"fields\":[\(fields.map(\.json).joined(separator: ","))]}"
    case .list(let element): return "{\(head),\"kind\":\"list\",\"element\":\(element.json)}"
    case .map(let key, let value): return "{\(head),\"kind\":\"map\",\"key\":\(key.json),\"value\":\(value.json)}"
    }
  }
}

extension LeafType {
  /// The Arrow type that readers should see, and what the judge needs besides.
  var json: String {
    func leaf(_ kind: String, _ arrow: String, _ scale: Int = 0) -> String {
      "\"kind\":\"\(kind)\",\"arrow\":\"\(arrow)\",\"scale\":\(scale)"
    }
    switch self {
    case .boolean: return leaf("boolean", "bool")
    case .int32(let bits): return leaf("integer", "int\(bits)")
    case .int64: return leaf("integer", "int64")
    case .float: return leaf("number", "float")
    case .double: return leaf("number", "double")
    case .decimal(let precision, let scale): return leaf("decimal", "decimal128(\(precision), \(scale))", scale)
    case .string: return leaf("bytes", "string")
    case .json: return leaf("bytes", "extension<arrow.json>")
    case .binary: return leaf("bytes", "binary")
    case .fixed(let length): return leaf("bytes", "fixed_size_binary[\(length)]")
    case .uuid: return leaf("bytes", "extension<arrow.uuid>")
    case .date: return leaf("integer", "date32[day]")
    case .time(let unit, _): return leaf("integer", "time\(unit == .milliseconds ? 32 : 64)[\(unit.symbol)]")
    case .timestamp(let unit, let isUTC): return leaf("integer", "timestamp[\(unit.symbol)\(isUTC ? ", tz=UTC" : "")]")
    case .unsigned, .int96: return leaf("integer", "not written")
    }
  }
}

extension LeafType.TimeUnit {
  fileprivate var symbol: String {
    switch self {
    case .milliseconds: "ms"
    case .microseconds: "us"
    case .nanoseconds: "ns"
    }
  }
}
