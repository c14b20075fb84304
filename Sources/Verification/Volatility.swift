import SQL

/// A statement whose results depend on when it ran: nobody can say what its sink must hold.
public struct VolatileExpression: Hashable, Sendable, CustomStringConvertible {
  /// The statement's sink table.
  public let statement: String
  /// The function.
  public let function: String
  /// Where it stands in the SQL text.
  public let location: SourceLocation?

  /// `now() at 12:3, in the statement that inserts into t`.
  public var description: String {
    "\(function)()\(location.map { " at \($0)" } ?? ""), in the statement that inserts into \(statement)"
  }

  /// Every such expression of a plan, in the order of its statements.
  public static func all(in plan: JobPlan) -> [VolatileExpression] {
    plan.statements.flatMap { statement in
      expressions(of: statement.query).flatMap(calls).map {
        VolatileExpression(statement: statement.target, function: $0.name, location: $0.location)
      }
    }
  }

  private static func expressions(of relation: Relation) -> [Expression] {
    switch relation {
    case .scan: []
    case .filter(let input, let predicate): expressions(of: input) + [predicate]
    case .project(let input, let list, _): expressions(of: input) + list
    case .unionAll(let inputs): inputs.flatMap { expressions(of: $0) }
    case .aggregate(let aggregate):
      expressions(of: aggregate.input) + aggregate.keys
        + aggregate.aggregates.flatMap { [$0.argument, $0.filter].compactMap(\.self) }
    }
  }

  private static func calls(_ expression: Expression) -> [(name: String, location: SourceLocation?)] {
    switch expression.kind {
    case .column, .literal: []
    case .call(let signature, let arguments):
      (FunctionCatalog.momentary.contains(signature.name) ? [(signature.name, expression.location)] : [])
        + arguments.flatMap(calls)
    case .and(let list), .or(let list), .coalesce(let list): list.flatMap(calls)
    case .not(let inner), .isNull(let inner), .isTrue(let inner), .cast(let inner): calls(inner)
    case .conditional(let branches, let otherwise):
      branches.flatMap { calls($0.condition) + calls($0.result) } + calls(otherwise)
    case .inList(let value, let list): calls(value) + list.flatMap(calls)
    }
  }
}
