import Columnar
import Iceberg

/// The option `table`: a name, or one with columns in braces whose text is part of it: `sales.events_{type}`.
struct IcebergTableName: Hashable, Sendable {
  /// A piece of a level of the name.
  enum Piece: Hashable, Sendable {
    case text(String)
    case column(String)
  }

  /// The levels: the namespace's, then the table's own.
  let levels: [[Piece]]
  /// The text of the option.
  let text: String

  /// Names that are longer are refused: directories and databases have bounds.
  static let maximumBytes = 200
  /// The namespace of a table whose name has none.
  static let defaultNamespace = "default"

  /// Reads the option's text; `nil` when a level or a column's name is empty, or a brace has no partner.
  init?(parsing text: String) {
    self.text = text
    var levels: [[Piece]] = [[]]
    var word = ""
    var isColumn = false
    for character in text {
      switch character {
      case "{" where !isColumn:
        if !word.isEmpty { levels[levels.count - 1] += [.text(word)] }
        word = ""
        isColumn = true
      case "}" where isColumn:
        guard !word.isEmpty else { return nil }
        levels[levels.count - 1] += [.column(word)]
        word = ""
        isColumn = false
      case "{", "}", "/": return nil
      case "." where !isColumn:
        if !word.isEmpty { levels[levels.count - 1] += [.text(word)] }
        word = ""
        levels += [[]]
      default: word.append(character)
      }
    }
    if !word.isEmpty { levels[levels.count - 1] += [.text(word)] }
    guard !isColumn, levels.allSatisfy({ !$0.isEmpty }) else { return nil }
    self.levels = levels.count == 1 ? [[.text(Self.defaultNamespace)], levels[0]] : levels
  }

  /// The columns whose text is part of the name.
  var columns: [String] {
    var names: [String] = []
    for case .column(let name) in levels.joined() where !names.contains(name) { names.append(name) }
    return names
  }

  /// The table, when it is always the same one.
  var fixed: TableIdentifier? { columns.isEmpty ? identifier { _ in "" } : nil }

  /// The table of a row.
  ///
  /// - Parameter text: the text of a column, cleaned.
  func identifier(_ text: (String) -> String) -> TableIdentifier {
    let names = levels.map { pieces in
      pieces.map { piece -> String in
        switch piece {
        case .text(let text): text
        case .column(let name): text(name)
        }
      }.joined()
    }
    return TableIdentifier(Namespace(Array(names.dropLast())), names[names.count - 1])
  }

  /// Whether a level of a table's name may have been made by this template.
  func matches(_ name: String, level: Int) -> Bool {
    var rest = name[...]
    let pieces = levels[level]
    for (index, piece) in pieces.enumerated() {
      guard case .text(let text) = piece else { continue }
      let mayBeAnywhere = index > 0
      if !mayBeAnywhere {
        guard rest.hasPrefix(text) else { return false }
        rest = rest.dropFirst(text.count)
      } else if index == pieces.count - 1 {
        return rest.hasSuffix(text)
      } else {
        guard let found = rest.firstRange(of: text) else { return false }
        rest = rest[found.upperBound...]
      }
    }
    if case .text? = pieces.last, pieces.count == 1 { return rest.isEmpty }
    return true
  }

  /// `bytes` as a part of a table's name: letters, digits, `_` and `-` of ASCII stay, other characters become `_`.
  /// `nil` when nothing is left to tell tables apart by.
  static func cleaned(_ bytes: ArraySlice<UInt8>) -> String? {
    guard !bytes.isEmpty, bytes.count <= maximumBytes else { return nil }
    var result = ""
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "_", "-": result.unicodeScalars.append(scalar)
      default: result += "_"
      }
    }
    return result
  }
}
