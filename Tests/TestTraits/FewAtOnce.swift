import Testing

/// Lets only a few tests of this process run at the same time; every suite has it.
///
/// The testing library starts all tests at once. Hundreds that then share two cores wait for each other so long that
/// time limits of the libraries they use (to connect, to answer) pass without anything being wrong.
public struct FewAtOnce: SuiteTrait, TestTrait, TestScoping {
  // Enough that tests which wait for servers leave no core idle.
  private static let turns = Turns(free: 8)
  @TaskLocal private static var hasTurn = false

  /// Each test of a suite takes a turn, not the suite as a whole.
  public var isRecursive: Bool { true }

  /// Runs the test when its turn has come, in the order in which the tests asked.
  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    // A suite in a suite gives its tests the trait twice; a second turn could never come.
    if Self.hasTurn { return try await function() }
    await Self.turns.take()
    do {
      try await Self.$hasTurn.withValue(true) { try await function() }
    } catch {
      await Self.turns.giveBack()
      throw error
    }
    await Self.turns.giveBack()
  }
}

extension Trait where Self == FewAtOnce {
  /// See ``FewAtOnce``.
  public static var fewAtOnce: Self { FewAtOnce() }
}

private actor Turns {
  private var free: Int
  private var waiting: ArraySlice<CheckedContinuation<Void, Never>> = []

  init(free: Int) { self.free = free }

  func take() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func giveBack() {
    if let next = waiting.popFirst() { next.resume() } else { free += 1 }
  }
}
