import Columnar
import Iceberg
import TestSupport
import TestTraits
import Testing

@Suite("Transforms", .fewAtOnce)
struct ModelTransformTests {
  @Test("The hashes of the specification's Appendix B come out")
  func hashVectors() throws {
    let uuid = try UUIDValue("f79c3e09-677c-4bbd-a479-3f349cb785e7")
    let vectors: [(Literal, Int32)] = [
      (.int(34), 2_017_239_379), (.long(34), 2_017_239_379), (.decimal(unscaled: 1420, scale: 2), -500_754_589),
      (.date(17_486), -653_330_422), (.time(81_068_000_000), -662_762_989),
      (.timestamp(1_510_871_468_000_000), -2_047_944_441), (.timestamp(1_510_871_468_000_001), -1_207_196_810),
      (.timestamptz(1_510_871_468_000_000), -2_047_944_441),
      (.timestampNanos(1_510_871_468_000_000_000), -2_047_944_441),
      (.timestampNanos(1_510_871_468_000_001_001), -1_207_196_810), (.string("iceberg"), 1_210_000_089),
      (.uuid(uuid), 1_488_055_340), (.fixed([0, 1, 2, 3]), -188_683_207), (.binary([0, 1, 2, 3]), -188_683_207)
    ]
    for (literal, hash) in vectors { #expect(literal.bucketHash == hash, "\(literal)") }
    #expect(Literal.double(1).bucketHash == nil)
  }

  @Test("Times before 1970 are rounded down, and truncation is too")
  func floors() throws {
    #expect(Transform.hour.apply(.timestamp(-1)) == .int(-1))
    #expect(Transform.day.apply(.timestamptz(-1)) == .date(-1))
    #expect(Transform.month.apply(.date(-1)) == .int(-1))
    #expect(Transform.year.apply(.timestampNanos(-1)) == .int(-1))
    #expect(Transform.truncate(10).apply(.int(-1)) == .int(-10))
    #expect(Transform.truncate(50).apply(.decimal(unscaled: 1065, scale: 2)) == .decimal(unscaled: 1050, scale: 2))
    #expect(Transform.truncate(10).apply(.decimal(unscaled: -1, scale: 2)) == .decimal(unscaled: -10, scale: 2))
    #expect(Transform.truncate(3).apply(.string("a\u{1F600}é\u{300}x")) == .string("a\u{1F600}é"))
    // As in Java, next to the minimum the result wraps around.
    #expect(Transform.truncate(10).apply(.int(.min)) == .int(.max - 1))
  }

  @Test("Partition paths are those of the reference implementation")
  func paths() throws {
    let spec = PartitionSpec(fields: [
      PartitionField(sourceID: 1, fieldID: 1000, name: "a b", transform: .identity),
      PartitionField(sourceID: 2, fieldID: 1001, name: "h", transform: .hour),
      PartitionField(sourceID: 2, fieldID: 1002, name: "m", transform: .month),
      PartitionField(sourceID: 2, fieldID: 1003, name: "d", transform: .day),
      PartitionField(sourceID: 2, fieldID: 1004, name: "y", transform: .year),
      PartitionField(sourceID: 3, fieldID: 1005, name: "n", transform: .bucket(4))
    ])
    let tuple = PartitionTuple([
      .string("x/ü %"), .int(-1), .int(-1), .date(17_486), .int(56), nil
    ])
    #expect(
      spec.path(of: tuple)
        == "a+b=x%2F%C3%BC+%25/h=1969-12-31-23/m=1969-12/d=2017-11-16/y=2026/n=null")
    let texts: [(Literal, String)] = [
      (.double(100), "100.0"), (.double(1e7), "1.0E7"), (.double(-1.5e-5), "-1.5E-5"), (.float(0.1), "0.1"),
      (.timestamp(1_510_871_468_000_000), "2017-11-16T22:31:08"), (.timestamptz(0), "1970-01-01T00:00:00+00:00"),
      (.time(1_000), "00:00:00.001"), (.binary([1, 2, 255, 0]), "AQL/AA=="),
      (.decimal(unscaled: 1, scale: 9), "1E-9"), (.decimal(unscaled: -1420, scale: 2), "-14.20")
    ]
    for (literal, text) in texts { #expect(literal.text == text) }
  }

  @Test("The router groups rows as the transforms of single values do, for each type and transform", arguments: 0..<40)
  func router(seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let count = 300
    let (type, column) = randomColumn(&random, count)
    let transforms: [Transform] = [.identity, .bucket(5), .truncate(3), .year, .month, .day, .hour, .void]
    let schema = TableSchema(fields: [NestedField(id: 1, name: "x", type: type)])
    for transform in transforms where transform.resultType(of: type) != nil {
      let second: Transform = Bool.random(using: &random) ? .void : .identity
      let spec = PartitionSpec(fields: [
        PartitionField(sourceID: 1, fieldID: 1000, name: "p", transform: transform),
        PartitionField(sourceID: 1, fieldID: 1001, name: "q", transform: second)
      ])
      let routing = try PartitionRouter(spec: spec, schema: schema).route([1: column], count: count)
      #expect(Set(routing.tuples).count == routing.tuples.count, "seed \(seed): groups differ")
      for row in 0..<count {
        let value = try Literal(row: row, of: column, type: type)
        let expected = PartitionTuple([transform.apply(value), second.apply(value)])
        #expect(routing.tuples[Int(routing.groups[row])] == expected, "seed \(seed), \(type), \(transform), row \(row)")
      }
      #expect(routing.rowsByGroup.map(\.count).reduce(0, +) == count)
    }
  }

  private func randomColumn(_ random: inout SeededNumbers, _ count: Int) -> (IcebergType, Column) {
    let validity = Bitmap((0..<count).map { _ in Int.random(in: 0..<10, using: &random) > 0 })
    let small = (0..<count).map { _ in Int64.random(in: -40...40, using: &random) }
    let large = small.map { $0 &* 1_800_000_000_123 }
    switch Int.random(in: 0..<9, using: &random) {
    case 0: return (.int, Column(.integer, .int64(small), validity: validity))
    case 1: return (.long, Column(.bigint, .int64(large), validity: validity))
    case 2: return (.date, Column(.date, .int64(small.map { $0 * 20 }), validity: validity))
    case 3: return (.timestamp, Column(.timestamp, .int64(large), validity: validity))
    case 4: return (.timestamptzNanos, Column(.timestamptz, .int64(large.map { $0 * 1000 + 7 }), validity: validity))
    case 5:
      let values = small.map { Numeric(unscaled: Int128($0 * 10), scale: 3) }
      return (
        .decimal(precision: 20, scale: 4),
        Column(.numeric(precision: 20, scale: 4), .numeric(values), validity: validity)
      )
    case 6:
      let values = small.map { $0 == 3 ? Double.nan : Double($0) / 4 * ($0 % 2 == 0 ? 0 : 1) }
      return (.double, Column(.double, .float64(values), validity: validity))
    case 7:
      let values = small.map { UUIDValue(high: UInt64(bitPattern: $0), low: 3) }
      return (.uuid, Column(.uuid, .uuid(values), validity: validity))
    default:
      var values = ByteValues()
      for value in small { values.append(contentsOf: String(repeating: "é😀x", count: Int(abs(value)) % 4).utf8) }
      return (.string, Column(.text, .bytes(values), validity: validity))
    }
  }

  @Test("A projected predicate holds for the partition of each row that fulfils the predicate", arguments: 0..<30)
  func projection(seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let comparisons: [Predicate.Comparison] = [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual]
    let transforms: [Transform] = [.identity, .bucket(3), .truncate(7), .day, .month, .year]
    for _ in 0..<300 {
      let isDate = Bool.random(using: &random)
      let base: Int32 = !isDate && Int.random(in: 0..<4, using: &random) == 0 ? .min + 20 : 0
      func literal(_ random: inout SeededNumbers) -> Literal {
        let value = base &+ Int32.random(in: -20...20, using: &random)
        return isDate ? .date(value) : .int(value)
      }
      let transform = transforms.randomElement(using: &random) ?? .identity
      let type: IcebergType = isDate ? .date : .int
      guard transform.resultType(of: type) != nil, let comparison = comparisons.randomElement(using: &random) else {
        continue
      }
      let bound = literal(&random)
      let value = literal(&random)
      let spec = PartitionSpec(fields: [
        PartitionField(sourceID: 1, fieldID: 1000, name: "p", transform: transform)
      ])
      let schema = TableSchema(fields: [NestedField(id: 1, name: "x", type: type)])
      var predicate = Predicate.compare(1, comparison, bound)
      if Bool.random(using: &random) { predicate = .not(.or(.not(predicate), .isNull(1))) }
      guard holds(predicate, value) else { continue }
      let projected = spec.project(predicate, schema: schema)
      #expect(
        holds(projected, transform.apply(value)), "seed \(seed): \(predicate) of \(value) by \(transform): \(projected)"
      )
    }
    let spec = PartitionSpec(fields: [PartitionField(sourceID: 1, fieldID: 1000, name: "p", transform: .day)])
    let schema = TableSchema(fields: [NestedField(id: 1, name: "x", type: .timestamp)])
    #expect(
      spec.project(.compare(1, .equal, .timestamp(86_400_000_001)), schema: schema)
        == .compare(1000, .equal, .date(1)), "it says as much as it can")
  }

  private func holds(_ predicate: Predicate, _ value: Literal?) -> Bool {
    switch predicate {
    case .alwaysTrue: return true
    case .alwaysFalse: return false
    case .and(let left, let right): return holds(left, value) && holds(right, value)
    case .or(let left, let right): return holds(left, value) || holds(right, value)
    case .not(let inner): return !holds(inner, value)
    case .isNull: return value == nil
    case .isNotNull: return value != nil
    case .isIn(_, let list): return value.map { list.contains($0) } ?? false
    case .isNaN, .startsWith: return false
    case .compare(_, let comparison, let bound):
      guard let value else { return false }
      let order = Literal.compare(value, bound)
      switch comparison {
      case .equal: return order == 0
      case .notEqual: return order != 0
      case .less: return order < 0
      case .lessOrEqual: return order <= 0
      case .greater: return order > 0
      case .greaterOrEqual: return order >= 0
      }
    }
  }
}
