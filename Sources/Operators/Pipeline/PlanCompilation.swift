import SQL

/// What of a plan cannot run, found before anything runs: formats, regular expressions and their options are constants
/// that only the compiler of expressions reads.
public enum PlanCompilation {
  /// A part of a plan that cannot run.
  public struct Problem: Hashable, Sendable {
    /// What was expected and what came.
    public let message: String
    /// Where in the file.
    public let location: SourceLocation?
  }

  /// Every part that cannot be compiled, at most one for each level of a statement's query.
  public static func problems(of plan: JobPlan) -> [Problem] {
    var found: [Problem] = []
    for statement in plan.statements {
      for problem in problems(of: statement.query) where !found.contains(problem) { found.append(problem) }
    }
    return found
  }

  private static func problems(of relation: Relation) -> [Problem] {
    let leaf = RowPipeline.leaf(of: relation)
    let own = problem { _ = try RowPipeline(relation, input: leaf.schema) }
    switch leaf {
    case .aggregate(let aggregate):
      let inner = problem {
        _ = try PartialAggregator(aggregate)
        _ = try WindowAggregator(aggregate)
      }
      return own + inner + problems(of: aggregate.input)
    case .unionAll(let inputs): return own + inputs.flatMap { problems(of: $0) }
    case .scan, .filter, .project: return own
    }
  }

  private static func problem(_ compile: () throws -> Void) -> [Problem] {
    do {
      try compile()
      return []
    } catch let error as CompileError {
      return [Problem(message: error.message, location: error.location)]
    } catch let error as AggregationError {
      return [Problem(message: error.message, location: error.location)]
    } catch {
      return [Problem(message: "\(error)", location: nil)]
    }
  }
}
