import Columnar
import Foundation
import SQL

extension Kernels {
  static func time(_ signature: FunctionSignature) -> Kernel? {
    switch signature.name {
    case "now", "current_timestamp", "transaction_timestamp": return clock(.timestamptz, divisor: 1)
    case "localtimestamp": return clock(.timestamp, divisor: 1)
    case "current_date": return clock(.date, divisor: Int(CivilDateTime.microsecondsPerDay))
    case "+", "-", "*", "/": return timeArithmetic(signature)
    case "date_trunc": return truncation(signature)
    case "date_bin":
      return strict3(signature.result, canFail: true) {
        (stride: Interval, time: Int64, origin: Int64) throws(RowError) -> Int64? in
        try TimeArithmetic.bin(stride, time, origin)
      }
    case "extract", "date_part": return extraction(signature)
    case "timezone":
      let isLocal = signature.arguments[1] == .timestamp
      return strict2(signature.result, canFail: true) { (zone: Bytes, time: Int64) throws(RowError) -> Int64? in
        let zone = try Zone(zone.string)
        return try isLocal ? zone.utc(time) : zone.local(time)
      }
    case "to_timestamp" where signature.arguments == [.double]:
      return strict1(.timestamptz, canFail: true) { (seconds: Double) throws(RowError) -> Int64? in
        let microseconds = (seconds * 1_000_000).rounded(.toNearestOrEven)
        guard let result = Int64(exactly: microseconds) else {
          throw RowError("timestamp out of range: \"\(seconds)\"")
        }
        return result
      }
    case "make_date":
      return strict3(.date, canFail: true) { (year: Int64, month: Int64, day: Int64) throws(RowError) -> Int64? in
        let astronomical = year < 0 ? Int(year) + 1 : Int(year)
        guard year != 0, let date = CivilDate(year: astronomical, month: Int(month), day: Int(day)) else {
          throw RowError("date field value out of range: \(year)-\(month)-\(day)")
        }
        return date.daysSinceEpoch
      }
    case "make_timestamp": return makeTimestamp()
    default: return nil
    }
  }

  private static func clock(_ type: DataType, divisor: Int) -> Kernel {
    Kernel(canFail: false) { _, count, context, _ in
      let value = Int64(floorDivide(Int(context.now.microseconds), divisor))
      return Column(type, .int64([Int64](repeating: value, count: count)))
    }
  }

  private static func makeTimestamp() -> Kernel {
    Kernel(canFail: true) { operands, count, _, failures in
      let fields = operands.prefix(5).map { Int64.vector($0.column.storage) }
      let seconds = Double.vector(operands[5].column.storage)
      return fill(.timestamp, operands, count, &failures) { row throws(RowError) -> Int64? in
        let values = fields.indices.map { Int(fields[$0][row & operands[$0].mask]) }
        let second = seconds[row & operands[5].mask]
        let year = values[0] < 0 ? values[0] + 1 : values[0]
        guard values[0] != 0, let date = CivilDate(year: year, month: values[1], day: values[2]) else {
          throw RowError("date field value out of range: \(values[0])-\(values[1])-\(values[2])")
        }
        guard (0...24).contains(values[3]), (0...59).contains(values[4]), second >= 0, second <= 60 else {
          throw RowError("time field value out of range: \(values[3]):\(values[4]):\(second)")
        }
        let clock = Int64(values[3] * 3600 + values[4] * 60) * 1_000_000 + Int64((second * 1_000_000).rounded())
        return try TimeArithmetic.add(
          date.daysSinceEpoch, unit: CivilDateTime.microsecondsPerDay, Interval(microseconds: clock), sign: 1)
      }
    }
  }

  // MARK: Arithmetic

  private static func timeArithmetic(_ signature: FunctionSignature) -> Kernel? {
    let type = signature.result
    let isMinus = signature.name == "-"
    switch (signature.arguments, type) {
    case ([.date, .integer], .date), ([.integer, .date], .date):
      return strict2(.date, canFail: true) { (left: Int64, right: Int64) throws(RowError) -> Int64? in
        let (result, overflow) =
          isMinus ? left.subtractingReportingOverflow(right) : left.addingReportingOverflow(right)
        if overflow || result.magnitude > 2_000_000_000 { throw RowError("date out of range") }
        return result
      }
    case ([.date, .date], .integer):
      return strict2(.integer) { (left: Int64, right: Int64) in left &- right }
    case ([.timestamp, .timestamp], .interval), ([.timestamptz, .timestamptz], .interval):
      return strict2(.interval, canFail: true) { (left: Int64, right: Int64) throws(RowError) -> Interval? in
        let (difference, overflow) = left.subtractingReportingOverflow(right)
        if overflow { throw RowError("interval out of range") }
        let day = CivilDateTime.microsecondsPerDay
        return Interval(days: Int32(difference / day), microseconds: difference % day)
      }
    case ([.interval, .interval], _):
      return strict2(.interval, canFail: true) { (left: Interval, right: Interval) throws(RowError) -> Interval? in
        try TimeArithmetic.add(left, right, sign: isMinus ? -1 : 1)
      }
    case ([.interval], _):
      return strict1(.interval, canFail: true) { (value: Interval) throws(RowError) -> Interval? in
        try TimeArithmetic.add(Interval(), value, sign: -1)
      }
    case ([.interval, .double], _):
      let isDivision = signature.name == "/"
      return strict2(.interval, canFail: true) { (value: Interval, factor: Double) throws(RowError) -> Interval? in
        if isDivision && factor == 0 { throw RowError("division by zero") }
        return try TimeArithmetic.scaled(value) { isDivision ? $0 / factor : $0 * factor }
      }
    case ([.double, .interval], _):
      return strict2(.interval, canFail: true) { (factor: Double, value: Interval) throws(RowError) -> Interval? in
        try TimeArithmetic.scaled(value) { $0 * factor }
      }
    default:
      guard signature.arguments.contains(.interval), type == .timestamp || type == .timestamptz else { return nil }
      return shift(signature, isDate: signature.arguments.contains(.date))
    }
  }

  /// A time plus or minus an interval, whichever argument is which.
  private static func shift(_ signature: FunctionSignature, isDate: Bool) -> Kernel {
    let sign: Int64 = signature.name == "-" ? -1 : 1
    let unit = isDate ? CivilDateTime.microsecondsPerDay : 1
    if signature.arguments[0] == .interval {
      return strict2(signature.result, canFail: true) { (interval: Interval, time: Int64) throws(RowError) -> Int64? in
        try TimeArithmetic.add(time, unit: unit, interval, sign: sign)
      }
    }
    return strict2(signature.result, canFail: true) { (time: Int64, interval: Interval) throws(RowError) -> Int64? in
      try TimeArithmetic.add(time, unit: unit, interval, sign: sign)
    }
  }

  // MARK: Fields

  private static func truncation(_ signature: FunctionSignature) -> Kernel? {
    if signature.result == .interval {
      return strict2(.interval, canFail: true) { (unit: Bytes, value: Interval) throws(RowError) -> Interval? in
        try TimeField(unit, "interval").truncate(value)
      }
    }
    let type = signature.result == .timestamp ? "timestamp without time zone" : "timestamp with time zone"
    if signature.arguments.count == 3 {
      return strict3(.timestamptz, canFail: true) {
        (unit: Bytes, time: Int64, zone: Bytes) throws(RowError) -> Int64? in
        let zone = try Zone(zone.string)
        return try zone.utc(TimeField(unit, type).truncate(zone.local(time)))
      }
    }
    return strict2(signature.result, canFail: true) { (unit: Bytes, time: Int64) throws(RowError) -> Int64? in
      try TimeField(unit, type).truncate(time)
    }
  }

  private static func extraction(_ signature: FunctionSignature) -> Kernel? {
    let source = signature.arguments[1]
    let isNumeric = signature.result == .numeric
    let typeName =
      switch source {
      case .timestamp: "timestamp without time zone"
      case .timestamptz: "timestamp with time zone"
      default: source.sqlName
      }
    return Kernel(canFail: true) { operands, count, _, failures in
      let fields = Bytes.vector(operands[0].column.storage)
      let times = Int64.vector(operands[1].column.storage)
      let intervals = Interval.vector(operands[1].column.storage)
      func value(_ row: Int) throws(RowError) -> Numeric {
        let field = try TimeField(fields[row & operands[0].mask], typeName)
        let index = row & operands[1].mask
        if source == .interval { return try field.extract(intervals[index]) }
        if source == .date && isNumeric && !field.isOfDate {
          throw RowError("unit \"\(field.name)\" not supported for type date")
        }
        if source == .date { return try field.extract(daysSinceEpoch: times[index]) }
        return try field.extract(times[index], hasZone: source == .timestamptz)
      }
      if isNumeric {
        return fill(.numeric, operands, count, &failures) { row throws(RowError) -> Numeric? in try value(row) }
      }
      return fill(.double, operands, count, &failures) { row throws(RowError) -> Double? in try value(row).doubleValue }
    }
  }
}

/// Arithmetic of times and intervals, in the proleptic Gregorian calendar and UTC.
enum TimeArithmetic {
  static func add(_ time: Int64, unit: Int64, _ interval: Interval, sign: Int64) throws(RowError) -> Int64 {
    let outOfRange = RowError("timestamp out of range")
    let (start, overflow) = time.multipliedReportingOverflow(by: unit)
    if overflow { throw outOfRange }
    var moment = CivilDateTime(microseconds: start)
    if interval.months != 0 {
      let months = moment.date.year * 12 + moment.date.month - 1 + Int(interval.months) * Int(sign)
      let year = floorDivide(months, 12)
      let month = months - year * 12 + 1
      guard
        let date = CivilDate(
          year: year, month: month, day: min(moment.date.day, CivilDate.days(inMonth: month, ofYear: year)))
      else { throw outOfRange }
      moment.date = date
    }
    let total =
      Int128(moment.date.daysSinceEpoch + Int64(interval.days) * sign) * Int128(CivilDateTime.microsecondsPerDay)
      + Int128(moment.microsecondOfDay) + Int128(interval.microseconds) * Int128(sign)
    guard let result = Int64(exactly: total) else { throw outOfRange }
    return result
  }

  static func add(_ left: Interval, _ right: Interval, sign: Int64) throws(RowError) -> Interval {
    guard let months = Int32(exactly: Int64(left.months) + Int64(right.months) * sign),
      let days = Int32(exactly: Int64(left.days) + Int64(right.days) * sign),
      let microseconds = Int64(exactly: Int128(left.microseconds) + Int128(right.microseconds) * Int128(sign))
    else { throw RowError("interval out of range") }
    return Interval(months: months, days: days, microseconds: microseconds)
  }

  /// Multiplies or divides; what months and days leave over moves to the smaller units, as in PostgreSQL.
  static func scaled(_ value: Interval, _ scale: (Double) -> Double) throws(RowError) -> Interval {
    let outOfRange = RowError("interval out of range")
    let months = scale(Double(value.months))
    let days = scale(Double(value.days))
    guard let wholeMonths = Int32(exactly: months.rounded(.towardZero)),
      let wholeDays = Int32(exactly: days.rounded(.towardZero))
    else { throw outOfRange }
    let remainderDays = rounded((months - Double(wholeMonths)) * 30)
    var seconds = rounded((days - Double(wholeDays) + remainderDays - remainderDays.rounded(.towardZero)) * 86_400)
    var extraDays = remainderDays.rounded(.towardZero)
    if seconds.magnitude >= 86_400 {
      extraDays += (seconds / 86_400).rounded(.towardZero)
      seconds -= (seconds / 86_400).rounded(.towardZero) * 86_400
    }
    let microseconds = (scale(Double(value.microseconds)) + seconds * 1_000_000).rounded(.toNearestOrEven)
    guard let total = Int64(exactly: microseconds), let allDays = Int32(exactly: Double(wholeDays) + extraDays) else {
      throw outOfRange
    }
    return Interval(months: wholeMonths, days: allDays, microseconds: total)
  }

  /// Drops what is below a microsecond of a computation in days or seconds.
  private static func rounded(_ value: Double) -> Double { (value * 1_000_000).rounded(.toNearestOrEven) / 1_000_000 }

  static func bin(_ stride: Interval, _ time: Int64, _ origin: Int64) throws(RowError) -> Int64 {
    if stride.months != 0 {
      throw RowError("timestamps cannot be binned into intervals containing months or years")
    }
    let size = Int128(stride.days) * Int128(CivilDateTime.microsecondsPerDay) + Int128(stride.microseconds)
    if size <= 0 { throw RowError("stride must be greater than zero") }
    let distance = Int128(time) - Int128(origin)
    var bins = distance / size
    if distance % size < 0 { bins -= 1 }
    guard let result = Int64(exactly: Int128(origin) + bins * size) else { throw RowError("timestamp out of range") }
    return result
  }
}

/// A time zone: UTC, a fixed offset, or a named one of the system's database.
struct Zone {
  private let offset: Int64?
  private let named: TimeZone?

  init(_ name: String) throws(RowError) {
    let upper = name.uppercased()
    if ["UTC", "GMT", "Z", "UCT", "ETC/UTC"].contains(upper) {
      (offset, named) = (0, nil)
    } else if let seconds = Self.fixedOffset(name) {
      (offset, named) = (seconds * 1_000_000, nil)
    } else if name.contains("/") || upper.count >= 3, let zone = TimeZone(identifier: name) {
      (offset, named) = (nil, zone)
    } else {
      throw RowError("time zone \"\(name)\" not recognized")
    }
  }

  /// `+02`, `-05:30`: by POSIX's sign, which PostgreSQL uses for such names: positive is west of Greenwich.
  private static func fixedOffset(_ name: String) -> Int64? {
    var text = name[...]
    guard let sign = text.first, sign == "+" || sign == "-" else { return nil }
    text.removeFirst()
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
    guard (1...3).contains(parts.count), let hours = parts[0], hours < 25, !parts.contains(nil) else { return nil }
    let seconds = zip(parts, [3600, 60, 1]).reduce(Int64(0)) { $0 + ($1.0 ?? 0) * Int64($1.1) }
    return sign == "-" ? seconds : -seconds
  }

  /// The clock's reading at a point in time.
  func local(_ utc: Int64) throws(RowError) -> Int64 { try Self.sum(utc, offset ?? offset(at: utc)) }

  private static func sum(_ time: Int64, _ offset: Int64) throws(RowError) -> Int64 {
    let (result, overflow) = time.addingReportingOverflow(offset)
    if overflow { throw RowError("timestamp out of range") }
    return result
  }

  /// The point in time of a clock's reading; of two, the one in standard time, as in PostgreSQL.
  func utc(_ local: Int64) throws(RowError) -> Int64 {
    if let offset { return try Self.sum(local, -offset) }
    let before = offset(at: try Self.sum(local, -86_400_000_000))
    let after = offset(at: try Self.sum(local, 86_400_000_000))
    if before == after { return try Self.sum(local, -before) }
    let first = try Self.sum(local, -before)
    let second = try Self.sum(local, -after)
    let (isFirst, isSecond) = (offset(at: first) == before, offset(at: second) == after)
    if isFirst && isSecond { return before < after ? first : second }
    return isFirst || !isSecond ? first : second
  }

  private func offset(at utc: Int64) -> Int64 {
    let date = Date(timeIntervalSince1970: Double(utc) / 1_000_000)
    return Int64(named?.secondsFromGMT(for: date) ?? 0) * 1_000_000
  }
}
