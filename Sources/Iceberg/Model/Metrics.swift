/// What is kept of a column's values in a file's metrics (`write.metadata.metrics.*`).
public enum MetricsMode: Hashable, Sendable {
  /// Nothing.
  case none
  /// Counts of values, nulls and NaNs.
  case counts
  /// Counts, and bounds; those of strings and binary are cut to so many code points or bytes.
  case truncate(Int)
  /// Counts, and bounds.
  case full

  /// A mode of its text: `none`, `counts`, `truncate(16)`, `full`; case does not matter.
  /// - Throws: ``IcebergError`` of kind `invalid`.
  public init(parsing text: String) throws(IcebergError) {
    let name = text.lowercased().trimmingSpaces
    switch name {
    case "none": self = .none
    case "counts": self = .counts
    case "full": self = .full
    default:
      guard name.hasPrefix("truncate("), name.hasSuffix(")"), let length = Int32(name.dropFirst(9).dropLast()),
        length > 0
      else {
        throw IcebergError(.invalid, "a metrics mode: expected none, counts, truncate(16) or full, found \(text)")
      }
      self = .truncate(Int(length))
    }
  }
}

extension TableMetadata {
  /// How many columns have metrics when a table says nothing.
  private static let defaultColumnsWithMetrics = 100

  /// The metrics modes of all columns that are not nested, by id.
  ///
  /// `write.metadata.metrics.column.<name>` goes before `write.metadata.metrics.default`, which is `truncate(16)` for the
  /// first `write.metadata.metrics.max-inferred-column-defaults` (100) columns. Columns in lists and maps have none.
  /// Settings that are wrong count as not set, as in the reference implementation.
  public func metricsModes(_ schema: TableSchema) -> [Int: MetricsMode] {
    let prefix = "write.metadata.metrics."
    func mode(_ name: String) -> MetricsMode? { properties[prefix + name].flatMap { try? MetricsMode(parsing: $0) } }
    let standard = mode("default")
    let limit =
      properties[prefix + "max-inferred-column-defaults"].flatMap { Int($0) } ?? Self.defaultColumnsWithMetrics
    var result: [Int: MetricsMode] = [:]
    var count = 0
    let parents = schema.parentIDs
    let all = schema.fieldsByID
    schema.visit { field, path, _ in
      guard !field.type.isNested else { return }
      var parent = parents[field.id]
      while let id = parent {
        guard case .structure = all[id]?.type else {
          result[field.id] = MetricsMode.none
          return
        }
        parent = parents[id]
      }
      count += 1
      result[field.id] =
        mode("column." + path.full) ?? standard ?? (count <= limit ? .truncate(16) : MetricsMode.none)
    }
    return result
  }

  /// The metrics mode of a column of the current schema; see ``metricsModes(_:)``.
  public func metricsMode(_ fieldID: Int) -> MetricsMode {
    currentSchema.flatMap { metricsModes($0)[fieldID] } ?? MetricsMode.none
  }
}

extension Literal {
  /// A lower bound for files whose least value this is: not above it. `nil` when the mode keeps none, or it is NaN.
  public func lowerBound(_ mode: MetricsMode) -> Literal? {
    guard !isNotANumber else { return nil }
    switch (mode, self) {
    case (.none, _), (.counts, _): return nil
    case (.truncate(let length), .string(let text)):
      return text.utf8.count <= length ? self : .string(String(text.unicodeScalars.prefix(length)))
    case (.truncate(let length), .binary(let bytes)): return .binary(Array(bytes.prefix(length)))
    // A file may have both zeros, and readers may compare them as equal.
    case (_, .float(let value)) where value == 0: return .float(-0.0)
    case (_, .double(let value)) where value == 0: return .double(-0.0)
    default: return self
    }
  }

  /// An upper bound for files whose greatest value this is: not below it. `nil` when the mode keeps none, it is NaN, or
  /// no short one exists.
  public func upperBound(_ mode: MetricsMode) -> Literal? {
    guard !isNotANumber else { return nil }
    switch (mode, self) {
    case (.none, _), (.counts, _): return nil
    case (.truncate(let length), .string(let text)): return Self.roundedUp(text, length)
    case (.truncate(let length), .binary(let bytes)): return Self.roundedUp(bytes, length)
    case (_, .float(let value)) where value == 0: return .float(0.0)
    case (_, .double(let value)) where value == 0: return .double(0.0)
    default: return self
    }
  }

  private var isNotANumber: Bool {
    switch self {
    case .float(let value): value.isNaN
    case .double(let value): value.isNaN
    default: false
    }
  }

  private static func roundedUp(_ text: String, _ length: Int) -> Literal? {
    if text.utf8.count <= length { return .string(text) }
    var scalars = Array(text.unicodeScalars.prefix(length + 1))
    if scalars.count <= length { return .string(text) }
    scalars.removeLast()
    while let last = scalars.popLast() {
      // Surrogates are no characters.
      let next = last.value == 0xD7FF ? 0xE000 : last.value + 1
      guard let scalar = UnicodeScalar(next) else { continue }
      scalars.append(scalar)
      var result = String.UnicodeScalarView()
      result.append(contentsOf: scalars)
      return .string(String(result))
    }
    return nil
  }

  private static func roundedUp(_ bytes: [UInt8], _ length: Int) -> Literal? {
    if bytes.count <= length { return .binary(bytes) }
    var cut = Array(bytes.prefix(length))
    while let last = cut.popLast() {
      if last == .max { continue }
      return .binary(cut + [last + 1])
    }
    return nil
  }
}
