import ArgumentParser
import Runtime

/// `weir config`.
struct ConfigCommand: ParsableCommand {
  /// How the settings are printed.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case table, markdown
  }

  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Prints every setting with its value, its unit and where the value came from.")

  @Option(help: "table, or markdown: the settings with their defaults, for documents.") var format = Format.table

  @OptionGroup(title: "Settings") var options: SettingsOptions

  func run() throws {
    switch format {
    case .table:
      Terminal.say(SettingsTable.current(try EngineAdapter.settings(flags: try options.overrides())))
    case .markdown: Terminal.say(SettingsTable.markdown)
    }
  }
}

/// Settings as text.
package enum SettingsTable {
  /// Name, value, origin, unit and purpose in columns.
  package static func current(_ settings: Settings) -> String {
    let header = ["SETTING", "VALUE", "FROM", "UNIT", "WHAT IT DOES"]
    let rows = settings.entries.map { entry in
      [
        entry.definition.name, entry.value ?? "(unset)", entry.origin.rawValue, entry.definition.kind.unit,
        entry.definition.summary
      ]
    }
    let widths = (0..<4).map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    return ([header] + rows).map { row in
      (0..<4).map { row[$0] + String(repeating: " ", count: widths[$0] - row[$0].count) }.joined(separator: "  ")
        + "  " + row[4]
    }.joined(separator: "\n")
  }

  /// Every setting with its default, as the table of the README.
  package static var markdown: String {
    let rows = Settings.catalog.map { definition in
      let unit = definition.kind.unit.split(separator: "|").joined(separator: ", ")
      return
        "| `\(definition.name)` | \(definition.fallback.map { "`\($0)`" } ?? "–") | \(unit) | \(definition.summary) |"
    }
    return (["| setting | default | unit | what it does |", "|---|---|---|---|"] + rows).joined(separator: "\n")
  }
}
