import Columnar

/// Values as a column of PostgreSQL gives them back: what is sent is rounded, cut and normalised there.
enum PostgresStored {
  /// What becomes of values that are sent.
  static func column(_ column: Column, as target: PostgresTargetColumn) -> Column {
    switch (target.wire, column.storage) {
    case (.float4, .float64(let values)):
      return Column(column.type, .float64(values.map { Double(Float($0)) }), validity: column.validity)
    case (.numeric(.some, let scale), .numeric(let values)):
      return Column(column.type, .numeric(values.map { rounded($0, scale) }), validity: column.validity)
    case (.text(let maximum), .bytes(let values)) where maximum != nil:
      return texts(values, column) { text(Array($0), maximum, isPadded: isPadded(target)) }
    case (.jsonb, .bytes(let values)): return texts(values, column) { CanonicalJSON.text(Array($0)) }
    default: return column
    }
  }

  private static func texts(_ values: ByteValues, _ column: Column, _ body: (ArraySlice<UInt8>) -> [UInt8]) -> Column {
    var result = ByteValues()
    for row in 0..<values.count { result.append(contentsOf: column.isNull(row) ? [] : body(values[row])) }
    return Column(column.type, .bytes(result), validity: column.validity)
  }

  /// `value` with at most `scale` digits after the point; halves go away from zero.
  private static func rounded(_ value: Numeric, _ scale: Int) -> Numeric {
    guard value.scale != Numeric.nanScale, Int(value.scale) > scale else { return value }
    var magnitude = value.unscaled.magnitude
    for digit in 0..<(Int(value.scale) - scale) {
      let isLast = digit == Int(value.scale) - scale - 1
      let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
      magnitude = quotient + (isLast && remainder >= 5 ? 1 : 0)
    }
    let unscaled = value.unscaled < 0 ? -Int128(magnitude) : Int128(magnitude)
    return Numeric(unscaled: unscaled, scale: Int16(max(0, scale)))
  }

  private static func isPadded(_ target: PostgresTargetColumn) -> Bool {
    target.column.typeName.hasPrefix("character(")
  }

  /// Spaces beyond the greatest number of characters are cut; those of a padded type never count.
  private static func text(_ bytes: [UInt8], _ maximum: Int?, isPadded: Bool) -> [UInt8] {
    var text = bytes[...]
    if let maximum {
      var characters = text.count { $0 & 0xc0 != 0x80 }
      while characters > maximum, text.last == 0x20 {
        text = text.dropLast()
        characters -= 1
      }
    }
    if isPadded { while text.last == 0x20 { text = text.dropLast() } }
    return Array(text)
  }

  // MARK: Reading

  /// The values of a column as the server wrote them in text.
  ///
  /// A value that the declared type cannot hold, because somebody changed it, becomes NULL: it differs from what is
  /// expected either way.
  static func column(
    _ texts: some Sequence<String?>, _ type: DataType, from target: PostgresTargetColumn
  ) -> Column {
    var builder = ColumnBuilder(type)
    for text in texts {
      guard let text else {
        builder.appendNull()
        continue
      }
      builder.append((try? value(text, type, target)) ?? .null)
    }
    return builder.finish()
  }

  private static func value(_ text: String, _ type: DataType, _ target: PostgresTargetColumn) throws -> Value {
    switch type {
    case .boolean: return .boolean(text == "t")
    case .integer, .bigint: return try integer(text).map { .int64($0) } ?? .null
    case .real, .double:
      // The shortest text of a real names another double than the one that is nearest to it.
      guard target.wire == .float4 else { return Double(text).map { .float64($0) } ?? .null }
      return Float(text).map { .float64(Double($0)) } ?? .null
    case .numeric: return .numeric(try Numeric(text))
    case .text:
      return isPadded(target) ? .bytes(self.text(Array(text.utf8), nil, isPadded: true)) : .text(text)
    case .jsonb: return target.wire == .jsonb ? .bytes(CanonicalJSON.text(Array(text.utf8))) : .text(text)
    case .bytea: return .bytes(try ByteaText.parse(text))
    case .date: return .int64(try TimeText.parseDate(text))
    case .timestamp: return .int64(try TimeText.parseTimestamp(text).local)
    case .timestamptz: return .int64(try TimeText.parseTimestamp(text).utc)
    case .interval: return .interval(try Interval(text))
    case .uuid: return .uuid(try UUIDValue(text))
    }
  }

  private static func integer(_ text: String) throws -> Int64? {
    if let number = Int64(text) { return number }
    guard let whole = try Numeric(text).rescaled(to: 0) else {
      return Double(text).flatMap { Int64(exactly: $0) }
    }
    guard try whole.compare(Numeric(text)) == 0 else { return nil }
    return Int64(exactly: whole.unscaled)
  }
}
