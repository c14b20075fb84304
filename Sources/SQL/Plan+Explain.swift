import Columnar

extension JobPlan {
  /// The plan as a tree of text: for each statement its sink, operators, windows, exchanges and state, down to the sources.
  ///
  /// - Parameter keyGroups: how many groups keyed state is split into.
  public func explained(keyGroups: Int = 128) -> String {
    statements.map { statement in
      let kept = PlanText(tables: tables, keyGroups: keyGroups)
      return
        (["INSERT INTO \(statement.target)" + kept.sink(statement.target)] + kept.lines(statement.query, indent: 0))
        .joined(separator: "\n")
    }.joined(separator: "\n\n") + "\n"
  }
}

extension WindowSpecification {
  /// `tumble 10s`, `hop 5s of 10s`.
  public var text: String {
    slide == size
      ? "tumble \(DurationText.text(size))" : "hop \(DurationText.text(slide)) of \(DurationText.text(size))"
  }
}

/// Writes the operators of a plan as an indented tree.
private struct PlanText {
  let tables: [String: TableDefinition]
  let keyGroups: Int

  func sink(_ name: String) -> String {
    guard let table = tables[name] else { return "" }
    let key = table.primaryKey.isEmpty ? "" : ", key \(table.primaryKey.joined(separator: ", "))"
    return " (\(connector(table))\(key))"
  }

  private func connector(_ table: TableDefinition) -> String {
    let name = table.options["connector"] ?? "?"
    let detail = ["topic", "path", "table"].compactMap { option in table.options[option].map { "\(option) \($0)" } }
    return ([name] + detail).joined(separator: " ")
  }

  func lines(_ relation: Relation, indent: Int) -> [String] {
    let prefix = String(repeating: "   ", count: indent) + "└─ "
    func node(_ texts: String..., then inputs: [Relation], deeper: Int = 1) -> [String] {
      var result: [String] = []
      for (offset, text) in texts.enumerated() {
        result.append(String(repeating: "   ", count: offset) + prefix + text)
      }
      return result + inputs.flatMap { lines($0, indent: indent + texts.count) }
    }
    switch relation {
    case .scan(let table, let schema): return node(scan(table, schema), then: [])
    case .filter(let input, let predicate): return node("filter \(predicate.sql(input.schema))", then: [input])
    case .project(let input, let expressions, let schema):
      let columns = zip(expressions, schema.fields).map { expression, field in
        let text = expression.sql(input.schema)
        return text == field.name ? text : "\(text) AS \(field.name)"
      }
      return node("project \(columns.joined(separator: ", "))", then: [input])
    case .unionAll(let inputs): return node("union all of \(inputs.count)", then: inputs)
    case .aggregate(let aggregate):
      let schema = aggregate.input.schema
      let calls = aggregate.aggregates.map { $0.sql(schema) }.joined(separator: ", ")
      let keys = aggregate.keys.map { $0.sql(schema) }.joined(separator: ", ")
      let time = schema.fields[aggregate.timeColumn].name
      return node(
        "aggregate \(calls.isEmpty ? "groups" : calls) by \(keys.isEmpty ? "window" : "\(keys), window"), "
          + "\(aggregate.window.text) over \(time); state: one entry for each key and open window",
        keys.isEmpty ? "exchange all rows to one key group" : "exchange hash(\(keys)) over \(keyGroups) key groups",
        "partial aggregate for each partition", then: [aggregate.input])
    }
  }

  private func scan(_ name: String, _ schema: Schema) -> String {
    let columns = schema.fields.map { "\($0.name) \($0.type.sqlName)" }.joined(separator: ", ")
    guard let table = tables[name] else { return "scan \(name): \(columns)" }
    let delay = table.options["watermark_delay"].map { ", watermark \($0) behind" } ?? ""
    return "scan \(name) (\(connector(table))): \(columns); event time \(SourceColumns.eventTime(table))\(delay)"
  }
}

extension JobPlan {
  /// What a checkpoint's state depends on, as canonical text for each statement: its windows, keys and aggregates with
  /// their types. State fits a changed file exactly where this text is the same.
  ///
  /// A statement's name is its target table's, with `#` and its number (from 1) where several insert into it.
  public var stateSignature: [String: String] {
    var result: [String: String] = [:]
    for (index, statement) in statements.enumerated() {
      let isShared = statements.count { $0.target == statement.target } > 1
      let name = isShared ? "\(statement.target)#\(index + 1)" : statement.target
      var stages: [String] = []
      Self.collectStages(statement.query, &stages)
      result[name] = stages.isEmpty ? "stateless" : stages.joined(separator: "; ")
    }
    return result
  }

  private static func collectStages(_ relation: Relation, _ stages: inout [String]) {
    switch relation {
    case .scan: break
    case .filter(let input, _), .project(let input, _, _): collectStages(input, &stages)
    case .unionAll(let inputs): for input in inputs { collectStages(input, &stages) }
    case .aggregate(let aggregate):
      let schema = aggregate.input.schema
      let keys = aggregate.keys.map { "\($0.sql(schema)) \($0.type.sqlName)" }.joined(separator: ", ")
      let calls = aggregate.aggregates.map { "\($0.sql(schema)) \($0.type.sqlName)" }.joined(separator: ", ")
      let time = schema.fields[aggregate.timeColumn]
      stages.append(
        "window \(aggregate.window.slide)/\(aggregate.window.size) over \(time.name) \(time.type.sqlName) "
          + "keys (\(keys)) aggregates (\(calls))")
      collectStages(aggregate.input, &stages)
    }
  }
}
