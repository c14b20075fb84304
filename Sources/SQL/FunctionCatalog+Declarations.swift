import Columnar

extension FunctionCatalog {
  /// Functions that take any number of arguments.
  static let variadicNames: Set<String> = ["concat", "concat_ws", "greatest", "least"]

  /// Every overload by name.
  static let overloads: [String: [Overload]] = {
    var result: [String: [Overload]] = [:]
    for signature in declared + comparisons + arithmetic {
      result[signature.name, default: []].append(Overload(matching: signature.arguments, signature: signature))
    }
    // PostgreSQL has operators for these pairs, which is why `integer + real` is a double precision there.
    for name in ["+", "-", "*", "/", "=", "<>", "<", "<=", ">", ">="] {
      let isComparison = !["+", "-", "*", "/"].contains(name)
      let signature = FunctionSignature(
        name: name, arguments: [.double, .double], result: isComparison ? .boolean : .double)
      result[name, default: []].append(Overload(matching: [.real, .double], signature: signature))
      result[name, default: []].append(Overload(matching: [.double, .real], signature: signature))
    }
    return result
  }()

  /// The functions, one a line: name, argument types, `->`, result type.
  private static let declared: [FunctionSignature] = (texts + numbers + moments + times)
    .split(separator: "\n").compactMap(parse)

  private static func parse(_ line: Substring) -> FunctionSignature? {
    let words = line.split(separator: " ").map(String.init)
    guard words.count >= 3, words[words.count - 2] == "->", let result = type(words[words.count - 1]) else {
      return nil
    }
    let arguments = words[1..<(words.count - 2)].compactMap(type)
    return FunctionSignature(name: words[0], arguments: arguments, result: result)
  }

  private static func type(_ name: String) -> DataType? {
    switch name {
    case "boolean": .boolean
    case "integer": .integer
    case "bigint": .bigint
    case "real": .real
    case "double": .double
    case "numeric": .numeric
    case "text": .text
    case "bytea": .bytea
    case "date": .date
    case "timestamp": .timestamp
    case "timestamptz": .timestamptz
    case "interval": .interval
    case "uuid": .uuid
    case "jsonb": .jsonb
    default: nil
    }
  }

  private static let comparisons: [FunctionSignature] = {
    let ordered: [DataType] = [
      .boolean, .integer, .bigint, .numeric, .real, .double, .text, .bytea, .date, .timestamp, .timestamptz,
      .interval, .uuid
    ]
    return ["=", "<>", "<", "<=", ">", ">=", "is_distinct_from"].flatMap { name in
      ordered.map { FunctionSignature(name: name, arguments: [$0, $0], result: .boolean) }
    }
  }()

  private static let arithmetic: [FunctionSignature] = {
    let numbers: [DataType] = [.integer, .bigint, .numeric, .real, .double]
    let binary = ["+", "-", "*", "/"].flatMap { name in
      numbers.map { FunctionSignature(name: name, arguments: [$0, $0], result: $0) }
    }
    let unary = ["-", "+", "abs"].flatMap { name in
      numbers.map { FunctionSignature(name: name, arguments: [$0], result: $0) }
    }
    let remainder = ["%", "mod"].flatMap { name in
      [DataType.integer, .bigint, .numeric].map { FunctionSignature(name: name, arguments: [$0, $0], result: $0) }
    }
    return binary + unary + remainder
  }()

  private static let texts = """
    || text text -> text
    || bytea bytea -> bytea
    ~~ text text -> boolean
    ~~* text text -> boolean
    !~~ text text -> boolean
    !~~* text text -> boolean
    ~ text text -> boolean
    ~* text text -> boolean
    !~ text text -> boolean
    !~* text text -> boolean
    like_escape text text -> text
    lower text -> text
    upper text -> text
    initcap text -> text
    length text -> integer
    length bytea -> integer
    char_length text -> integer
    character_length text -> integer
    octet_length text -> integer
    octet_length bytea -> integer
    bit_length text -> integer
    bit_length bytea -> integer
    substring text integer -> text
    substring text integer integer -> text
    substring text text -> text
    substr text integer -> text
    substr text integer integer -> text
    btrim text -> text
    btrim text text -> text
    trim text -> text
    trim text text -> text
    ltrim text -> text
    ltrim text text -> text
    rtrim text -> text
    rtrim text text -> text
    split_part text text integer -> text
    replace text text text -> text
    translate text text text -> text
    position text text -> integer
    strpos text text -> integer
    left text integer -> text
    right text integer -> text
    reverse text -> text
    repeat text integer -> text
    lpad text integer -> text
    lpad text integer text -> text
    rpad text integer -> text
    rpad text integer text -> text
    starts_with text text -> boolean
    to_hex integer -> text
    to_hex bigint -> text
    chr integer -> text
    ascii text -> integer
    md5 text -> text
    md5 bytea -> text
    sha256 bytea -> bytea
    encode bytea text -> text
    decode text text -> bytea
    regexp_match text text -> text
    regexp_match text text text -> text
    regexp_substr text text -> text
    regexp_like text text -> boolean
    regexp_like text text text -> boolean
    regexp_replace text text text -> text
    regexp_replace text text text text -> text
    -> jsonb text -> jsonb
    -> jsonb integer -> jsonb
    ->> jsonb text -> text
    ->> jsonb integer -> text
    = jsonb jsonb -> boolean
    <> jsonb jsonb -> boolean
    is_distinct_from jsonb jsonb -> boolean

    """

  private static let numbers = """
    round numeric -> numeric
    round double -> double
    round numeric integer -> numeric
    floor numeric -> numeric
    floor double -> double
    ceil numeric -> numeric
    ceil double -> double
    ceiling numeric -> numeric
    ceiling double -> double
    trunc numeric -> numeric
    trunc double -> double
    trunc numeric integer -> numeric
    sign numeric -> numeric
    sign double -> double
    sqrt numeric -> numeric
    sqrt double -> double
    exp numeric -> numeric
    exp double -> double
    ln numeric -> numeric
    ln double -> double
    log numeric -> numeric
    log double -> double
    log10 numeric -> numeric
    log10 double -> double
    log numeric numeric -> numeric
    power numeric numeric -> numeric
    power double double -> double
    pow numeric numeric -> numeric
    pow double double -> double
    ^ numeric numeric -> numeric
    ^ double double -> double
    div numeric numeric -> numeric

    """

  /// Functions of the moment at which they are evaluated: what they give depends on when the job ran.
  public static let momentary = Set(moments.split(separator: "\n").compactMap(parse).map(\.name))

  private static let moments = """
    now -> timestamptz
    current_timestamp -> timestamptz
    transaction_timestamp -> timestamptz
    localtimestamp -> timestamp
    current_date -> date

    """

  private static let times = """
    + date integer -> date
    + integer date -> date
    - date integer -> date
    - date date -> integer
    + date interval -> timestamp
    + interval date -> timestamp
    - date interval -> timestamp
    + timestamp interval -> timestamp
    + interval timestamp -> timestamp
    - timestamp interval -> timestamp
    + timestamptz interval -> timestamptz
    + interval timestamptz -> timestamptz
    - timestamptz interval -> timestamptz
    - timestamp timestamp -> interval
    - timestamptz timestamptz -> interval
    + interval interval -> interval
    - interval interval -> interval
    - interval -> interval
    * interval double -> interval
    * double interval -> interval
    / interval double -> interval
    date_trunc text timestamp -> timestamp
    date_trunc text timestamptz -> timestamptz
    date_trunc text timestamptz text -> timestamptz
    date_trunc text interval -> interval
    date_bin interval timestamp timestamp -> timestamp
    date_bin interval timestamptz timestamptz -> timestamptz
    extract text date -> numeric
    extract text timestamp -> numeric
    extract text timestamptz -> numeric
    extract text interval -> numeric
    date_part text date -> double
    date_part text timestamp -> double
    date_part text timestamptz -> double
    date_part text interval -> double
    timezone text timestamp -> timestamptz
    timezone text timestamptz -> timestamp
    to_timestamp double -> timestamptz
    to_char timestamp text -> text
    to_char timestamptz text -> text
    to_char integer text -> text
    to_char bigint text -> text
    to_char numeric text -> text
    to_char real text -> text
    to_char double text -> text
    to_timestamp text text -> timestamptz
    to_date text text -> date
    make_date integer integer integer -> date
    make_timestamp integer integer integer integer integer double -> timestamp

    """
}
