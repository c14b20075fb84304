import Columnar
import SQL

extension Kernels {
  static func text(_ signature: FunctionSignature) -> Kernel? {
    guard signature.arguments.first == .text || signature.arguments.first == .bytea else { return nil }
    if signature.arguments.first == .bytea {
      switch signature.name {
      case "||": return strict2(.bytea) { (left: Bytes, right: Bytes) in left + right }
      case "length", "octet_length": return strict1(.integer) { (value: Bytes) in Int64(value.count) }
      case "bit_length": return strict1(.integer) { (value: Bytes) in Int64(value.count) * 8 }
      default: return nil
      }
    }
    switch (signature.name, signature.arguments.count) {
    case ("||", _): return strict2(.text) { (left: Bytes, right: Bytes) in left + right }
    case ("lower", _): return strict1(.text) { (value: Bytes) in CharacterCase.lower(value) }
    case ("upper", _): return strict1(.text) { (value: Bytes) in CharacterCase.upper(value) }
    case ("initcap", _): return strict1(.text) { (value: Bytes) in CharacterCase.capitalised(value) }
    case ("length", _), ("char_length", _), ("character_length", _):
      return strict1(.integer) { (value: Bytes) in Int64(CodePoints.count(value)) }
    case ("octet_length", _): return strict1(.integer) { (value: Bytes) in Int64(value.count) }
    case ("bit_length", _): return strict1(.integer) { (value: Bytes) in Int64(value.count) * 8 }
    case ("reverse", _): return strict1(.text) { (value: Bytes) in CodePoints.reversed(value) }
    case ("ascii", _):
      return strict1(.integer) { (value: Bytes) in Int64(value.string.unicodeScalars.first?.value ?? 0) }
    case ("starts_with", _): return strict2(.boolean) { (value: Bytes, prefix: Bytes) in value.starts(with: prefix) }
    case ("position", _), ("strpos", _):
      return strict2(.integer) { (value: Bytes, part: Bytes) in
        ByteSearch.first(part, in: value).map { Int64(CodePoints.count(value[value.startIndex..<$0]) + 1) } ?? 0
      }
    case ("substring", 2), ("substr", 2):
      guard signature.arguments[1] == .integer else { return nil }
      return strict2(.text) { (value: Bytes, start: Int64) in
        CodePoints.slice(value, from: max(start - 1, 0), count: .max)
      }
    case ("substring", 3), ("substr", 3):
      return strict3(.text, canFail: true) { (value: Bytes, start: Int64, length: Int64) throws(RowError) -> Bytes? in
        if length < 0 { throw RowError("negative substring length not allowed") }
        let end = start - 1 + length
        let first = max(start - 1, 0)
        return end <= first ? [] : CodePoints.slice(value, from: first, count: end - first)
      }
    case ("left", _):
      return strict2(.text) { (value: Bytes, length: Int64) in
        CodePoints.slice(value, from: 0, count: length >= 0 ? length : max(Int64(CodePoints.count(value)) + length, 0))
      }
    case ("right", _):
      return strict2(.text) { (value: Bytes, length: Int64) in
        let count = Int64(CodePoints.count(value))
        return CodePoints.slice(value, from: length >= 0 ? max(count - length, 0) : min(-length, count), count: .max)
      }
    case ("replace", _):
      return strict3(.text) { (value: Bytes, from: Bytes, to: Bytes) in ByteSearch.replace(value, from, to) }
    case ("translate", _):
      return strict3(.text) { (value: Bytes, from: Bytes, to: Bytes) in translate(value, from, to) }
    case ("split_part", _):
      return strict3(.text, canFail: true) {
        (value: Bytes, separator: Bytes, field: Int64) throws(RowError) -> Bytes? in
        try splitPart(value, separator, Int(field))
      }
    case ("repeat", _):
      return strict2(.text, canFail: true) { (value: Bytes, times: Int64) throws(RowError) -> Bytes? in
        if times <= 0 || value.isEmpty { return [] }
        if Int(times) * value.count > maximumTextBytes { throw RowError("requested length too large") }
        return Bytes((0..<times).flatMap { _ in value })
      }
    case ("lpad", _), ("rpad", _): return padding(signature)
    case ("btrim", _), ("trim", _): return trimming(signature, leading: true, trailing: true)
    case ("ltrim", _): return trimming(signature, leading: true, trailing: false)
    case ("rtrim", _): return trimming(signature, leading: false, trailing: true)
    case ("like_escape", _):
      return strict2(.text, canFail: true) { (pattern: Bytes, escape: Bytes) throws(RowError) -> Bytes? in
        try LikePattern.normalised(pattern, escape: escape)
      }
    default: return nil
    }
  }

  /// The longest text that a function makes: a bound on memory, 256 MiB.
  static let maximumTextBytes = 1 << 28

  private static func trimming(_ signature: FunctionSignature, leading: Bool, trailing: Bool) -> Kernel {
    if signature.arguments.count == 1 {
      return strict1(.text) { (value: Bytes) in trim(value, [0x20], leading, trailing) }
    }
    return strict2(.text) { (value: Bytes, set: Bytes) in trim(value, set, leading, trailing) }
  }

  private static func trim(_ value: Bytes, _ set: Bytes, _ leading: Bool, _ trailing: Bool) -> Bytes {
    if set.allSatisfy({ $0 < 0x80 }) {
      var result = value
      while leading, let first = result.first, set.contains(first) { result.removeFirst() }
      while trailing, let last = result.last, set.contains(last) { result.removeLast() }
      return result
    }
    let scalars = Set(set.string.unicodeScalars)
    var result = Array(value.string.unicodeScalars)[...]
    while leading, let first = result.first, scalars.contains(first) { result.removeFirst() }
    while trailing, let last = result.last, scalars.contains(last) { result.removeLast() }
    return CodePoints.bytes(result)
  }

  private static func padding(_ signature: FunctionSignature) -> Kernel {
    let isLeft = signature.name == "lpad"
    if signature.arguments.count == 2 {
      return strict2(.text, canFail: true) { (value: Bytes, length: Int64) throws(RowError) -> Bytes? in
        try pad(value, length, [0x20], isLeft)
      }
    }
    return strict3(.text, canFail: true) { (value: Bytes, length: Int64, fill: Bytes) throws(RowError) -> Bytes? in
      try pad(value, length, fill, isLeft)
    }
  }

  private static func pad(_ value: Bytes, _ length: Int64, _ fill: Bytes, _ isLeft: Bool) throws(RowError) -> Bytes {
    if length > maximumTextBytes / 4 { throw RowError("requested length too large") }
    let count = Int64(CodePoints.count(value))
    if count >= length || fill.isEmpty { return CodePoints.slice(value, from: 0, count: max(length, 0)) }
    let scalars = Array(fill.string.unicodeScalars)
    let padding = CodePoints.bytes((0..<Int(length - count)).map { scalars[$0 % scalars.count] })
    return isLeft ? padding + value : value + padding
  }

  private static func splitPart(_ value: Bytes, _ separator: Bytes, _ field: Int) throws(RowError) -> Bytes {
    if field == 0 { throw RowError("field position must not be zero") }
    if value.isEmpty { return [] }
    if separator.isEmpty { return field == 1 || field == -1 ? value : [] }
    var parts: [Bytes] = []
    var rest = value
    while let position = ByteSearch.first(separator, in: rest) {
      parts.append(rest[rest.startIndex..<position])
      rest = rest[(position + separator.count)...]
    }
    parts.append(rest)
    let index = field > 0 ? field - 1 : parts.count + field
    return parts.indices.contains(index) ? parts[index] : []
  }

  private static func translate(_ value: Bytes, _ from: Bytes, _ to: Bytes) -> Bytes {
    let targets = Array(to.string.unicodeScalars)
    var map: [Unicode.Scalar: Unicode.Scalar?] = [:]
    for (index, scalar) in from.string.unicodeScalars.enumerated() where map[scalar] == nil {
      map[scalar] = .some(index < targets.count ? targets[index] : nil)
    }
    return CodePoints.bytes(value.string.unicodeScalars.compactMap { map[$0] ?? $0 })
  }

  // MARK: Any number of arguments

  static func variadic(_ signature: FunctionSignature) -> Kernel? {
    switch signature.name {
    case "concat", "concat_ws":
      let isSeparated = signature.name == "concat_ws"
      let writers = signature.arguments.map { textWriter($0, isCast: false) }
      return Kernel(canFail: false) { operands, count, _, _ in
        concatenate(operands, count, writers, isSeparated)
      }
    case "greatest": return extremum(signature, .greater)
    case "least": return extremum(signature, .less)
    default: return nil
    }
  }

  /// `concat` skips NULLs; `concat_ws` puts its first argument between the rest and is NULL when that is.
  private static func concatenate(
    _ operands: [Operand], _ count: Int, _ writers: [TextWriter], _ isSeparated: Bool
  ) -> Column {
    var builder = ColumnBuilder(.text, capacity: count)
    var line: [UInt8] = []
    var separator: [UInt8] = []
    for row in 0..<count {
      line.removeAll(keepingCapacity: true)
      separator.removeAll(keepingCapacity: true)
      if isSeparated {
        let index = row & operands[0].mask
        if operands[0].column.isNull(index) {
          builder.appendNull()
          continue
        }
        writers[0](operands[0].column, index, &separator)
      }
      var isFirst = true
      for position in operands.indices.dropFirst(isSeparated ? 1 : 0) {
        let index = row & operands[position].mask
        if operands[position].column.isNull(index) { continue }
        if !isFirst { line.append(contentsOf: separator) }
        writers[position](operands[position].column, index, &line)
        isFirst = false
      }
      builder.append(bytes: line)
    }
    return builder.finish()
  }

  /// `greatest` and `least` ignore NULLs.
  private static func extremum(_ signature: FunctionSignature, _ test: ComparisonOperator) -> Kernel? {
    let type = signature.result.unconstrained
    let better = FunctionSignature(name: test.rawValue, arguments: [type, type], result: .boolean)
    guard let comparison = comparison(better) else { return nil }
    return Kernel(canFail: false) { operands, count, context, failures in
      var best = operands[0].expanded(to: count, type)
      for operand in operands.dropFirst() {
        let wins = comparison.run([operand, .rows(best)], count, context, &failures)
        guard case .boolean(let isBetter) = wins.storage else { continue }
        var builder = ColumnBuilder(type, capacity: count)
        for row in 0..<count {
          let index = row & operand.mask
          let isChosen = !operand.column.isNull(index) && (best.isNull(row) || isBetter[row])
          if isChosen { builder.append(row: index, of: operand.column) } else { builder.append(row: row, of: best) }
        }
        best = builder.finish()
      }
      return best
    }
  }
}

/// Text as Unicode code points.
enum CodePoints {
  static func count(_ value: Bytes) -> Int {
    var count = 0
    for byte in value where byte & 0xC0 != 0x80 { count += 1 }
    return count
  }

  /// Up to `count` code points after the first `from`.
  static func slice(_ value: Bytes, from: Int64, count: Int64) -> Bytes {
    var index = value.startIndex
    func skip(_ wanted: Int64) {
      var left = wanted
      while index < value.endIndex, left > 0 {
        index += 1
        while index < value.endIndex, value[index] & 0xC0 == 0x80 { index += 1 }
        left -= 1
      }
    }
    skip(from)
    let start = index
    skip(count)
    return value[start..<index]
  }

  static func bytes(_ scalars: some Sequence<Unicode.Scalar>) -> Bytes {
    var string = String.UnicodeScalarView()
    string.append(contentsOf: scalars)
    return Bytes(String(string))
  }

  static func reversed(_ value: Bytes) -> Bytes {
    if value.allSatisfy({ $0 < 0x80 }) { return Bytes(value.reversed()) }
    return bytes(value.string.unicodeScalars.reversed())
  }
}

/// Upper and lower case by Unicode's simple mappings, one code point to one.
enum CharacterCase {
  static func lower(_ value: Bytes) -> Bytes {
    if value.allSatisfy({ $0 < 0x80 }) { return Bytes(value.map { $0 &- 65 < 26 ? $0 | 0x20 : $0 }) }
    return CodePoints.bytes(value.string.unicodeScalars.map(lower))
  }

  static func upper(_ value: Bytes) -> Bytes {
    if value.allSatisfy({ $0 < 0x80 }) { return Bytes(value.map { $0 &- 97 < 26 ? $0 & 0xDF : $0 }) }
    return CodePoints.bytes(value.string.unicodeScalars.map(upper))
  }

  static func capitalised(_ value: Bytes) -> Bytes {
    var isInside = false
    return CodePoints.bytes(
      value.string.unicodeScalars.map { scalar in
        let result = isInside ? lower(scalar) : upper(scalar)
        isInside = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
        return result
      })
  }

  static func lower(_ scalar: Unicode.Scalar) -> Unicode.Scalar { single(scalar.properties.lowercaseMapping) ?? scalar }
  static func upper(_ scalar: Unicode.Scalar) -> Unicode.Scalar { single(scalar.properties.uppercaseMapping) ?? scalar }

  private static func single(_ mapping: String) -> Unicode.Scalar? {
    let scalars = mapping.unicodeScalars
    return scalars.count == 1 ? scalars.first : nil
  }
}

/// Search for bytes within bytes.
enum ByteSearch {
  static func first(_ part: Bytes, in value: Bytes) -> Int? {
    guard let head = part.first else { return value.startIndex }
    guard part.count <= value.count else { return nil }
    var index = value.startIndex
    let last = value.endIndex - part.count
    while index <= last {
      if value[index] == head, value[index..<(index + part.count)].elementsEqual(part) { return index }
      index += 1
    }
    return nil
  }

  static func replace(_ value: Bytes, _ from: Bytes, _ to: Bytes) -> Bytes {
    guard !from.isEmpty else { return value }
    var result: [UInt8] = []
    var rest = value
    while let position = first(from, in: rest) {
      result.append(contentsOf: rest[rest.startIndex..<position])
      result.append(contentsOf: to)
      rest = rest[(position + from.count)...]
    }
    return Bytes(result + rest)
  }
}
