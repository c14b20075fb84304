/// What an operator with several inputs reads from, as a state machine: one bounded ring per input.
///
/// It keeps three promises: an input's elements come out in the order in which they went in, an input that is held back
/// gives nothing, and inputs take turns. `Waiter` stands for a suspended task; a waiter that went in comes out exactly
/// once, through the result of some call.
package struct InputGateMachine<Element, Waiter> {
  /// What became of an element that was offered.
  package enum Offer {
    /// It is in the ring. The consumer, when given, must be woken.
    case accepted(wake: Waiter?)
    /// The ring is full: wait with ``producerWaited(input:waiter:isCancelled:)``, then offer again.
    case full
    /// The gate was closed: nothing is taken any more.
    case closed((any Error)?)
  }

  /// What a consumer gets.
  package enum Take {
    /// The next element. The producer, when given, must be woken.
    case element(input: Int, Element, wake: Waiter?)
    /// Nothing that may be read: wait with ``consumerWaited(waiter:isCancelled:)``, then take again.
    case empty
    /// Every input has ended, or the gate was closed.
    case finished((any Error)?)
  }

  package struct Input {
    var ring: [(element: Element, rows: Int, isLast: Bool)?]
    var head = 0
    package fileprivate(set) var count = 0
    package fileprivate(set) var rows = 0
    package fileprivate(set) var isHeld = false
    /// The last element was taken in.
    fileprivate var didEnd = false
    /// The last element was given out.
    package fileprivate(set) var isFinished = false
    var producer: Waiter?

    init(slots: Int) { ring = Array(repeating: nil, count: slots) }
  }

  package private(set) var inputs: [Input]
  private let slots: Int
  private let rowLimit: Int
  private var consumer: Waiter?
  private var nextInput = 0
  private var unfinished: Int
  private var closing: (error: (any Error)?, Void)?

  /// A gate with `inputCount` rings of `slots` elements and `rowLimit` rows each.
  package init(inputCount: Int, slots: Int, rowLimit: Int) {
    precondition(inputCount > 0 && slots > 0 && rowLimit > 0, "a gate has inputs, and rings have room")
    inputs = Array(repeating: Input(slots: slots), count: inputCount)
    self.slots = slots
    self.rowLimit = rowLimit
    unfinished = inputCount
  }

  /// Takes in an element of `rows` rows when the ring has room. One that is bigger than the ring fits an empty ring.
  ///
  /// - Parameter isLast: nothing follows on this input.
  package mutating func offered(input: Int, element: Element, rows: Int, isLast: Bool) -> Offer {
    if let closing { return .closed(closing.error) }
    precondition(!inputs[input].didEnd, "input \(input) got an element after its end")
    guard hasRoom(input, rows: rows) else { return .full }
    var index = inputs[input].head + inputs[input].count
    if index >= slots { index -= slots }
    inputs[input].ring[index] = (element, rows, isLast)
    inputs[input].count += 1
    inputs[input].rows += rows
    inputs[input].didEnd = isLast
    guard !inputs[input].isHeld else { return .accepted(wake: nil) }
    defer { consumer = nil }
    return .accepted(wake: consumer)
  }

  /// The producer of `input` found no room. Returns the waiter when it must not wait after all.
  package mutating func producerWaited(input: Int, rows: Int, waiter: Waiter, isCancelled: Bool) -> Waiter? {
    precondition(inputs[input].producer == nil, "input \(input) has two producers")
    if isCancelled || closing != nil || hasRoom(input, rows: rows) { return waiter }
    inputs[input].producer = waiter
    return nil
  }

  /// The producer's task was cancelled: gives back its waiter, if it waits.
  package mutating func producerCancelled(input: Int) -> Waiter? {
    defer { inputs[input].producer = nil }
    return inputs[input].producer
  }

  /// Gives out the next element of the next input, in turn, that has one and is not held back.
  package mutating func taken() -> Take {
    if let closing { return .finished(closing.error) }
    if unfinished == 0 { return .finished(nil) }
    for step in inputs.indices {
      var input = nextInput + step
      if input >= inputs.count { input -= inputs.count }
      if inputs[input].isHeld || inputs[input].count == 0 { continue }
      nextInput = input + 1 == inputs.count ? 0 : input + 1
      return takeFirst(of: input)
    }
    return .empty
  }

  /// The consumer found nothing. Returns the waiter when it must not wait after all.
  package mutating func consumerWaited(waiter: Waiter, isCancelled: Bool) -> Waiter? {
    precondition(consumer == nil, "a gate has one consumer")
    // By index: an input that is looked at as a whole is copied, and its ring retained.
    let isReady = inputs.indices.contains { !inputs[$0].isHeld && inputs[$0].count > 0 }
    if isCancelled || closing != nil || unfinished == 0 || isReady { return waiter }
    consumer = waiter
    return nil
  }

  /// The consumer's task was cancelled: gives back its waiter, if it waits.
  package mutating func consumerCancelled() -> Waiter? {
    defer { consumer = nil }
    return consumer
  }

  /// Gives nothing of `input` from now on. Its ring still fills.
  package mutating func held(input: Int) { inputs[input].isHeld = true }

  /// Gives out every input again. The consumer cannot be waiting: it is the one that says so.
  package mutating func released() {
    for input in inputs.indices { inputs[input].isHeld = false }
  }

  /// Drops what is in the rings and gives back every waiter. The first call's error stays.
  package mutating func closed(_ error: (any Error)?) -> [Waiter] {
    guard closing == nil else { return [] }
    closing = (error, ())
    var waiters: [Waiter] = []
    if let consumer { waiters.append(consumer) }
    consumer = nil
    for input in inputs.indices {
      if let producer = inputs[input].producer { waiters.append(producer) }
      inputs[input].producer = nil
      inputs[input].ring = Array(repeating: nil, count: slots)
      inputs[input].count = 0
      inputs[input].rows = 0
    }
    return waiters
  }

  private func hasRoom(_ input: Int, rows: Int) -> Bool {
    let count = inputs[input].count
    return count == 0 || (count < slots && inputs[input].rows + rows <= rowLimit)
  }

  private mutating func takeFirst(of input: Int) -> Take {
    let head = inputs[input].head
    guard let entry = inputs[input].ring[head] else { preconditionFailure("a ring's count is wrong") }
    inputs[input].ring[head] = nil
    inputs[input].head = head + 1 == slots ? 0 : head + 1
    inputs[input].count -= 1
    inputs[input].rows -= entry.rows
    if entry.isLast {
      inputs[input].isFinished = true
      unfinished -= 1
    }
    return .element(input: input, entry.element, wake: takeProducer(of: input))
  }

  /// The producer is woken when half of the ring is free, not at every free slot: fewer switches between threads.
  private mutating func takeProducer(of input: Int) -> Waiter? {
    guard inputs[input].count <= slots / 2, inputs[input].rows <= rowLimit / 2 else { return nil }
    defer { inputs[input].producer = nil }
    return inputs[input].producer
  }
}
