/// A report for people.
enum VerificationText {
  static func render(_ report: VerificationReport) -> String {
    var lines: [String] = []
    let header = ["table", "expected", "found", "missing", "doubled", "changed", "unexplained"]
    let rows = report.tables.filter { $0.notVerified == nil }.map { table in
      [
        title(table), "\(table.expected)", "\(table.found)", "\(table.missing)", "\(table.doubled)",
        "\(table.changed)", "\(table.unexplained)"
      ]
    }
    if !rows.isEmpty { lines += aligned([header] + rows) }
    for table in report.tables { lines += details(table) }
    for account in report.accounts { lines.append(text(account)) }
    for note in report.notes { lines.append("note: \(note)") }
    lines.append(conclusion(report))
    return lines.joined(separator: "\n")
  }

  private static func title(_ table: VerificationReport.Table) -> String {
    table.sink == table.table ? table.sink : "\(table.sink) (\(table.table))"
  }

  private static func aligned(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return column == 0 ? row[column] + space : space + row[column]
      }.joined(separator: "  ")
    }
  }

  private static func details(_ table: VerificationReport.Table) -> [String] {
    if let reason = table.notVerified { return ["\(title(table)): not verified: \(reason)"] }
    var lines: [String] = []
    if table.unverifiable > 0 { lines.append("\(title(table)): \(table.unverifiable) rows cannot be judged") }
    if table.refusedByTarget > 0 {
      lines.append("\(title(table)): \(table.refusedByTarget) rows were refused by the server and are in weir.rejected")
    }
    for range in table.ranges { lines.append("\(title(table)): \(text(range))") }
    if table.moreRanges > 0 { lines.append("\(title(table)): \(table.moreRanges) more ranges; --limit shows them") }
    for example in table.examples {
      lines.append("\(title(table)): \(example.kind)" + (example.origin.map { ", \($0)" } ?? ""))
      if let expected = example.expected { lines.append("  expected \(expected)") }
      if let found = example.found { lines.append("  found    \(found)") }
    }
    return lines
  }

  private static func text(_ range: VerificationReport.Range) -> String {
    let rows = "\(range.rows) \(range.kind)"
    if let topic = range.topic, let partition = range.partition, let from = range.from, let to = range.to {
      return "\(rows): \(topic), partition \(partition), offsets \(from) to \(to)"
    }
    let offsets = (range.contributions ?? [:]).sorted { $0.key < $1.key }.map {
      "\($0.key) \($0.value[0])-\($0.value[1])"
    }
    return "\(rows): window \(range.windowStart ?? "") to \(range.windowEnd ?? "")"
      + (offsets.isEmpty ? "" : ", of offsets \(offsets.joined(separator: ", "))")
  }

  private static func text(_ account: VerificationReport.Account) -> String {
    let checkpoint =
      switch account.matchesCheckpoint {
      case true?: "; the checkpoint says the same"
      case false?: "; the checkpoint says otherwise"
      case nil: ""
      }
    return "\(account.statement): \(account.read) read = \(account.out) passed on + \(account.filtered) filtered + "
      + "\(account.aggregated) aggregated + \(account.late) late + \(account.dead) dead\(checkpoint)"
  }

  private static func conclusion(_ report: VerificationReport) -> String {
    switch report.outcome {
    case .sound: "job '\(report.job)': the sinks hold what the source says they must"
    case .differs: "job '\(report.job)': the sinks differ from what the source says they must hold"
    case .unverified: "job '\(report.job)': nothing could be compared"
    }
  }
}
