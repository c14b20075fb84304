/// A property does not hold for an input, though nothing crashed.
public struct FuzzFailure: Error, CustomStringConvertible {
  /// What was expected, and what came.
  public let description: String

  /// A failure that says what was expected, and what came.
  public init(_ description: String) { self.description = description }
}

/// One thing that takes bytes from strangers, and what must hold for all of them.
public struct FuzzTarget: Sendable {
  /// How the input that is tried next comes about.
  public enum Shape: Sendable {
    /// Bytes; length fields may be in them.
    case bytes
    /// Text: damage keeps to characters and tokens more often.
    case text
  }

  /// The name, in commands and directories.
  public let name: String
  /// Whether inputs are text or bytes.
  public let shape: Shape
  /// How many times the iterations of a run are given to it: 1 for what is slow, more for what is quick.
  public let weight: Int
  /// How many bytes it may hold at once: as many for any input, and as many for each byte of it.
  public let memory: (base: Int, perByte: Int)
  /// Words that mean something to it.
  public let dictionary: [[UInt8]]
  /// Inputs to start from; made by our own writers, always the same.
  public let seeds: @Sendable () throws -> [[UInt8]]
  /// An input made from scratch by the target's grammar; `nil` for targets without one.
  public let generate: (@Sendable (inout FuzzRandom) -> [UInt8])?
  /// Makes an input again what checksums and lengths demand, so that damage gets past them.
  public let repair: (@Sendable (inout [UInt8], inout FuzzRandom) -> Void)?
  /// Tries an input. Returns for inputs that are accepted, and for those that are refused as they must be.
  /// - Throws: ``FuzzFailure`` when the property does not hold.
  public let check: @Sendable ([UInt8]) throws -> Void

  /// A target.
  public init(
    _ name: String, shape: Shape = .bytes, weight: Int = 4, memory: (base: Int, perByte: Int) = (64 << 20, 4096),
    dictionary: [String] = [], seeds: @escaping @Sendable () throws -> [[UInt8]],
    generate: (@Sendable (inout FuzzRandom) -> [UInt8])? = nil,
    repair: (@Sendable (inout [UInt8], inout FuzzRandom) -> Void)? = nil,
    check: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.shape = shape
    self.weight = weight
    self.memory = memory
    self.dictionary = dictionary.map { Array($0.utf8) }
    self.seeds = seeds
    self.generate = generate
    self.repair = repair
    self.check = check
  }

  /// Every target; those that test the driver itself are not among them.
  public static let all: [FuzzTarget] =
    formats + frontEnd + configuration + checkpoints + parquet + iceberg + answers + kafka

  /// The target of this name, those that test the driver included.
  public static func named(_ name: String) -> FuzzTarget? { (all + selfTests).first { $0.name == name } }
}

extension FuzzTarget {
  /// - Throws: ``FuzzFailure`` unless `isTrue`.
  static func require(_ isTrue: Bool, _ message: @autoclosure () -> String) throws {
    if !isTrue { throw FuzzFailure(message()) }
  }

  /// What an error says must not be empty, whatever was wrong.
  static func requireMessage(_ error: any Error) throws {
    try require(!"\(error)".isEmpty, "expected an error with a message, found \(type(of: error)) without")
  }
}
