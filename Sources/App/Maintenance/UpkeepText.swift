/// Reports of maintenance for people.
package enum UpkeepText {
  /// A table's report: a line with its name and size, and one for each thing that was done.
  package static func render(_ report: UpkeepReport) -> String {
    var lines = ["\(report.table)\(report.dryRun ? " (dry run: nothing is changed)" : "")"]
    func add(_ title: String, _ text: String) {
      lines.append("  " + title.padded(to: 11) + text)
    }
    add("data files", change(report.dataFilesBefore.map { "\($0)" }, report.dataFilesAfter.map { "\($0)" }))
    add("bytes", change(report.bytesBefore.map(size), report.bytesAfter.map(size)))
    add("snapshots", change("\(report.snapshotsBefore)", "\(report.snapshotsAfter)"))
    if report.compactedGroups + report.conflictedGroups > 0 {
      var text = "\(report.compactedFiles) files (\(size(report.rewrittenBytes)))"
      if !report.dryRun { text += " rewritten as \(report.writtenFiles)" }
      text += " in \(report.compactedGroups) groups"
      if report.conflictedGroups > 0 { text += "; \(report.conflictedGroups) groups left, others changed them" }
      add("compacted", text)
    }
    if report.rewrittenManifests > 0 { add("manifests", "\(report.rewrittenManifests) small ones gathered") }
    if report.expiredSnapshots > 0 { add("expired", "\(report.expiredSnapshots) snapshots") }
    if report.deletedFiles + report.deletedMetadataFiles > 0 {
      add("removed", "\(report.deletedFiles) data and \(report.deletedMetadataFiles) metadata files")
    }
    if !report.orphans.isEmpty {
      add("orphans", "\(report.orphans.count)")
      lines += report.orphans.prefix(orphansShown).map { "    \($0)" }
      if report.orphans.count > orphansShown { lines.append("    … and \(report.orphans.count - orphansShown) more") }
    }
    for problem in report.problems { add("left", problem) }
    for failure in report.failures { add("failed", failure) }
    return lines.joined(separator: "\n")
  }

  /// How many orphans are named.
  private static let orphansShown = 20

  private static func change(_ before: String?, _ after: String?) -> String {
    let (before, after) = (before ?? "unknown", after ?? "unknown")
    return before == after ? before : "\(before) -> \(after)"
  }

  /// Bytes with a unit and one decimal.
  private static func size(_ bytes: Int64) -> String {
    var value = Double(bytes)
    var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
    while value >= 1024, units.count > 1 {
      value /= 1024
      units.removeFirst()
    }
    guard units.first != "B" else { return "\(bytes) B" }
    return "\((value * 10).rounded() / 10) \(units.first ?? "")"
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
