extension LeafType {
  /// The type of an element, and whether bounds of its values have the type's order. What is not known, or does not
  /// fit the physical type, is read as the physical type, and bounds then say nothing.
  static func reading(_ element: SchemaElement, _ physical: PhysicalType) -> (type: LeafType, hasTypeOrder: Bool) {
    if let annotation = element.annotation {
      if let type = annotated(annotation, element, physical) { return (type, true) }
      let keepsOrder = annotation == .bson || annotation == .alwaysNull
      return (plain(element, physical), keepsOrder && physical != .int96)
    }
    return (plain(element, physical), physical != .int96)
  }

  private static func plain(_ element: SchemaElement, _ physical: PhysicalType) -> LeafType {
    switch physical {
    case .boolean: .boolean
    case .int32: .int32(bits: 32)
    case .int64: .int64
    case .int96: .int96
    case .float: .float
    case .double: .double
    case .byteArray: .binary
    case .fixedLengthByteArray: .fixed(length: element.length)
    }
  }

  private static func annotated(
    _ annotation: LogicalAnnotation, _ element: SchemaElement, _ physical: PhysicalType
  ) -> LeafType? {
    switch (annotation, physical) {
    case (.string, .byteArray), (.enumeration, .byteArray): return .string
    case (.json, .byteArray): return .json
    case (.date, .int32): return .date
    case (.uuid, .fixedLengthByteArray) where element.length == 16: return .uuid
    case (.time(.milliseconds, let isUTC), .int32): return .time(.milliseconds, isAdjustedToUTC: isUTC)
    case (.time(let unit, let isUTC), .int64) where unit != .milliseconds: return .time(unit, isAdjustedToUTC: isUTC)
    case (.timestamp(let unit, let isUTC), .int64): return .timestamp(unit, isAdjustedToUTC: isUTC)
    case (.integer(let bits, let isSigned), .int32) where [8, 16, 32].contains(bits):
      return isSigned ? .int32(bits: bits) : .unsigned(bits: bits)
    case (.integer(64, let isSigned), .int64): return isSigned ? .int64 : .unsigned(bits: 64)
    case (.decimal(let precision, let scale), .int32), (.decimal(let precision, let scale), .int64),
      (.decimal(let precision, let scale), .byteArray),
      (.decimal(let precision, let scale), .fixedLengthByteArray):
      guard (1...38).contains(precision), (0...precision).contains(scale) else { return nil }
      return .decimal(precision: precision, scale: scale)
    default: return nil
    }
  }
}
