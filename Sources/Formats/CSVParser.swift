import Columnar

extension RecordDecoder {
  /// For each value of a line, its field of the state; -1 for values that no column takes.
  static func csvFields(_ configuration: DecoderConfiguration, _ fields: [Int]) throws(FormatError) -> [Int] {
    guard case .csv(let options) = configuration.format else { return [] }
    guard options.delimiter != 0x22, options.delimiter != 0x0a, options.delimiter != 0x0d else {
      throw FormatError("a CSV delimiter cannot be a quote or the end of a line")
    }
    let names = fields.map { configuration.schema.fields[$0].name }
    return options.names.map { name in names.firstIndex(of: name) ?? -1 }
  }

  /// Reads a line of RFC 4180 values as row `row`. An empty value without quotes is NULL.
  func parseCSV(_ start: Bytes, _ count: Int, _ row: Int, _ options: CSVOptions) -> Bool {
    var end = start + count
    if end > start, (end - 1).pointee == 0x0a { end -= 1 }
    if end > start, (end - 1).pointee == 0x0d { end -= 1 }
    var position = start
    var index = 0
    while true {
      guard index < csvFields.count else {
        return state.fail(.malformed, "expected \(csvFields.count) values, \(state.found(at: position)) as another one")
      }
      guard let (text, length, isQuoted, next) = csvValue(position, end, options.delimiter) else { return false }
      let field = csvFields[index]
      if field >= 0, !store(text, length, isQuoted, field, row, at: position, next) { return false }
      index += 1
      if next == end { break }
      position = next + 1
    }
    guard index == csvFields.count else {
      return state.fail(.malformed, "expected \(csvFields.count) values, found \(index) and \(state.found(at: end))")
    }
    for field in 0..<state.pointee.fieldCount where state.pointee.seen[field] != state.pointee.generation {
      state.pointee.columns[state.pointee.fieldColumns[field]].setNull(row)
      state.pointee.rowHasNull = true
    }
    return true
  }

  private func store(
    _ text: Bytes, _ length: Int, _ isQuoted: Bool, _ field: Int, _ row: Int, at position: Bytes, _ next: Bytes
  ) -> Bool {
    let column = state.pointee.columns + state.pointee.fieldColumns[field]
    if state.pointee.seen[field] == state.pointee.generation { column.pointee.clear(row) }
    state.pointee.seen[field] = state.pointee.generation
    if length == 0, !isQuoted {
      column.pointee.setNull(row)
      state.pointee.rowHasNull = true
      return true
    }
    let kind = state.pointee.fields[field].kind
    guard isStorableText(text, length) else {
      let shown = state.found(at: position, count: next - position)
      return state.fail(.encoding, "\(state.name(field)): expected UTF-8 without U+0000, \(shown)")
    }
    if kind == .jsonb, !state.isWholeJSON(text, length) {
      let shown = state.found(at: position, count: next - position)
      return state.fail(.type, "\(state.name(field)): expected jsonb, \(shown)")
    }
    // A number in a timestamp column counts the table's unit, as in JSON.
    let isCount = (kind == .timestamp || kind == .timestamptz) && state.skipNumber(text, text + length) == text + length
    guard state.convert(text, length, isCount ? .number : .string, kind, column, row) else {
      state.failConversion(position, next - position, field)
      return false
    }
    return true
  }

  /// A value: its bytes without quotes, whether it had quotes, and the position of the delimiter or the end.
  private func csvValue(_ start: Bytes, _ end: Bytes, _ delimiter: UInt8) -> (Bytes, Int, Bool, Bytes)? {
    var position = start
    guard start < end, start.pointee == 0x22 else {
      while position < end, position.pointee != delimiter {
        guard position.pointee != 0x22 else {
          state.fail(.malformed, "expected quotes around a value with a quote, \(state.found(at: start))")
          return nil
        }
        position += 1
      }
      return (start, position - start, false, position)
    }
    state.pointee.reserveScratch(end - start)
    let scratch = state.pointee.scratch
    var count = 0
    position += 1
    while position < end {
      if position.pointee == 0x22 {
        position += 1
        guard position < end, position.pointee == 0x22 else {
          guard position == end || position.pointee == delimiter else {
            state.fail(.malformed, "expected the delimiter after a closing quote, \(state.found(at: position))")
            return nil
          }
          return (Bytes(scratch), count, true, position)
        }
      }
      scratch[count] = position.pointee
      count += 1
      position += 1
    }
    state.fail(.malformed, "expected the closing quote of a value, \(state.found(at: end))")
    return nil
  }
}
