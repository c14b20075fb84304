import Columnar

/// A position in the SQL text; both count from 1, `column` in characters.
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  /// The line.
  public let line: Int
  /// The column, in characters.
  public let column: Int

  /// Line and column, from 1.
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// `line:column`.
  public var description: String { "\(line):\(column)" }
}

/// A bound, typed expression over the columns of one input.
public struct Expression: Hashable, Sendable {
  /// What is computed.
  public indirect enum Kind: Hashable, Sendable {
    /// The input's column at this index.
    case column(Int)
    /// A constant.
    case literal(Value)
    /// An operator or function of ``FunctionCatalog``; argument types are exactly those of `signature`.
    case call(FunctionSignature, [Expression])
    /// True when all are; three-valued.
    case and([Expression])
    /// True when any is; three-valued.
    case or([Expression])
    /// Three-valued negation.
    case not(Expression)
    /// `IS NULL`.
    case isNull(Expression)
    /// `IS [NOT] DISTINCT FROM` is `call`; this is `IS TRUE`: never NULL.
    case isTrue(Expression)
    /// `CASE WHEN condition THEN result … ELSE otherwise END`; only the branch taken is evaluated.
    case conditional([Branch], otherwise: Expression)
    /// The first argument that is not NULL; later ones are evaluated only where needed.
    case coalesce([Expression])
    /// `value IN (list)` with constants or expressions of the value's type.
    case inList(Expression, [Expression])
    /// A conversion to ``Expression/type``, explicit or inserted by the binder.
    case cast(Expression)
  }

  /// One `WHEN … THEN …`.
  public struct Branch: Hashable, Sendable {
    /// A boolean.
    public let condition: Expression
    /// The value where the condition is true.
    public let result: Expression

    /// `WHEN condition THEN result`.
    public init(condition: Expression, result: Expression) {
      self.condition = condition
      self.result = result
    }
  }

  /// What is computed.
  public let kind: Kind
  /// The type of the result.
  public let type: DataType
  /// Where the expression stands in the SQL text.
  public let location: SourceLocation?

  /// An expression of `type`.
  public init(_ kind: Kind, type: DataType, location: SourceLocation? = nil) {
    self.kind = kind
    self.type = type
    self.location = location
  }
}

/// One overload of a scalar function or operator.
public struct FunctionSignature: Hashable, Sendable {
  /// The canonical name: an operator's symbol (`+`, `||`, `~`) or a function's name in lower case.
  public let name: String
  /// The argument types, after conversions.
  public let arguments: [DataType]
  /// The result's type.
  public let result: DataType

  /// An overload.
  public init(name: String, arguments: [DataType], result: DataType) {
    self.name = name
    self.arguments = arguments
    self.result = result
  }
}

/// An aggregate function.
public enum AggregateFunction: String, Hashable, Sendable {
  case count, sum, avg, min, max
  case stddevSamp = "stddev_samp"
  case stddevPop = "stddev_pop"
  case varSamp = "var_samp"
  case varPop = "var_pop"
  case boolAnd = "bool_and"
  case boolOr = "bool_or"
  /// The argument of the row with the least event time; ties by partition and offset.
  case firstValue = "first_value"
  /// The argument of the row with the greatest event time; ties by partition and offset.
  case lastValue = "last_value"
}

/// One aggregate of a `SELECT` list.
public struct AggregateCall: Hashable, Sendable {
  /// The function.
  public let function: AggregateFunction
  /// The argument; absent for `count(*)`.
  public let argument: Expression?
  /// Whether equal arguments count once.
  public let isDistinct: Bool
  /// Rows for which this is not true are left out.
  public let filter: Expression?
  /// The type of the result, as PostgreSQL derives it.
  public let type: DataType

  /// An aggregate.
  public init(
    function: AggregateFunction, argument: Expression?, isDistinct: Bool = false, filter: Expression? = nil,
    type: DataType
  ) {
    self.function = function
    self.argument = argument
    self.isDistinct = isDistinct
    self.filter = filter
    self.type = type
  }
}

/// Windows over event time, `[start, end)`, aligned to the epoch. Lengths are in microseconds.
public struct WindowSpecification: Hashable, Sendable {
  /// The distance between the starts of windows; equals ``size`` for `tumble`.
  public let slide: Int64
  /// The length of a window; a multiple of ``slide`` is not required.
  public let size: Int64

  /// Windows of `size`, one every `slide` microseconds.
  public init(slide: Int64, size: Int64) {
    self.slide = slide
    self.size = size
  }
}

/// Rows, as a tree of relational operators.
public indirect enum Relation: Hashable, Sendable {
  /// The rows of a source table. Columns that no statement needs are not decoded: `schema` has those that are.
  case scan(table: String, schema: Schema)
  /// The rows for which the predicate is true.
  case filter(Relation, Expression)
  /// A row of expressions for each row.
  case project(Relation, [Expression], Schema)
  /// Grouping by `keys` within windows; see ``WindowedAggregate``.
  case aggregate(WindowedAggregate)
  /// All rows of all inputs, whose schemas are equal but for names.
  case unionAll([Relation])

  /// The names and types of the result.
  public var schema: Schema {
    switch self {
    case .scan(_, let schema): schema
    case .filter(let input, _): input.schema
    case .project(_, _, let schema): schema
    case .aggregate(let aggregate): aggregate.schema
    case .unionAll(let inputs): inputs[0].schema
    }
  }
}

/// `SELECT keys, window_start, window_end, aggregates FROM tumble(…) GROUP BY …`.
///
/// The result's columns are: the keys, `window_start`, `window_end` (type of the time column), then the aggregates.
public struct WindowedAggregate: Hashable, Sendable {
  /// The rows to group.
  public let input: Relation
  /// The index, in the input's schema, of the event time (a `timestamp` or `timestamptz`).
  public let timeColumn: Int
  /// The windows.
  public let window: WindowSpecification
  /// What rows are grouped by, beside the window.
  public let keys: [Expression]
  /// The aggregates.
  public let aggregates: [AggregateCall]
  /// Names and types of the result.
  public let schema: Schema

  /// A windowed aggregation.
  public init(
    input: Relation, timeColumn: Int, window: WindowSpecification, keys: [Expression], aggregates: [AggregateCall],
    schema: Schema
  ) {
    self.input = input
    self.timeColumn = timeColumn
    self.window = window
    self.keys = keys
    self.aggregates = aggregates
    self.schema = schema
  }
}

/// A declared column of a `CREATE TABLE`.
public struct ColumnDefinition: Hashable, Sendable {
  /// Name, type and nullability.
  public let field: Field
  /// The type as written, for creating the table elsewhere: `varchar(255)`.
  public let declaredType: String

  /// A declared column.
  public init(field: Field, declaredType: String) {
    self.field = field
    self.declaredType = declaredType
  }
}

/// A `CREATE TABLE … WITH (…)`: a source or a sink, depending on how statements use it.
public struct TableDefinition: Hashable, Sendable {
  /// The table's name.
  public let name: String
  /// The declared columns.
  public let columns: [ColumnDefinition]
  /// The names of the primary key's columns; empty without one.
  public let primaryKey: [String]
  /// The options of `WITH`, with environment references replaced.
  public let options: TableOptions
  /// Where the statement starts.
  public let location: SourceLocation

  /// A table.
  public init(
    name: String, columns: [ColumnDefinition], primaryKey: [String], options: TableOptions, location: SourceLocation
  ) {
    self.name = name
    self.columns = columns
    self.primaryKey = primaryKey
    self.options = options
    self.location = location
  }

  /// The declared columns as a schema (without metadata columns).
  public var schema: Schema { Schema(columns.map(\.field)) }
}

/// One `INSERT INTO target SELECT …`. The query's columns are those of the target, in order and of its types.
public struct InsertStatement: Hashable, Sendable {
  /// The sink table.
  public let target: String
  /// What is inserted.
  public let query: Relation
  /// Where the statement starts.
  public let location: SourceLocation

  /// An insertion of `query` into `target`.
  public init(target: String, query: Relation, location: SourceLocation) {
    self.target = target
    self.query = query
    self.location = location
  }
}

/// A whole SQL file, bound and typed: one job.
public struct JobPlan: Hashable, Sendable {
  /// Every declared table, by name.
  public let tables: [String: TableDefinition]
  /// The insertions, in the order of the file.
  public let statements: [InsertStatement]
  /// For each source table that a statement reads: the columns to decode, including metadata columns such as
  /// `_offset`, in the order of every `scan` of it.
  public let scans: [String: Schema]

  /// A plan.
  public init(tables: [String: TableDefinition], statements: [InsertStatement], scans: [String: Schema]) {
    self.tables = tables
    self.statements = statements
    self.scans = scans
  }
}
