import Runtime
import TestTraits
import Testing

@Suite("Input gate, as a state machine", .fewAtOnce)
struct InputGateMachineTests {
  private typealias Machine = InputGateMachine<Int, String>
  private struct Closed: Error {}

  private func element(_ take: Machine.Take) -> (input: Int, element: Int, wake: String?)? {
    if case .element(let input, let element, let wake) = take { return (input, element, wake) }
    return nil
  }

  private func isAccepted(_ offer: Machine.Offer, waking waiter: String? = nil) -> Bool {
    if case .accepted(let wake) = offer { return wake == waiter }
    return false
  }

  private func isFull(_ offer: Machine.Offer) -> Bool { if case .full = offer { true } else { false } }
  private func isEmpty(_ take: Machine.Take) -> Bool { if case .empty = take { true } else { false } }
  private func isFinished(_ take: Machine.Take) -> Bool { if case .finished = take { true } else { false } }

  @Test("inputs take turns, and each keeps its order")
  func turns() {
    var machine = Machine(inputCount: 3, slots: 4, rowLimit: .max)
    for number in 0..<3 {
      #expect(isAccepted(machine.offered(input: 0, element: number, rows: 1, isLast: false)))
      #expect(isAccepted(machine.offered(input: 2, element: 20 + number, rows: 1, isLast: false)))
    }
    var order: [Int] = []
    while let taken = element(machine.taken()) { order.append(taken.element) }
    #expect(order == [0, 20, 1, 21, 2, 22])
    #expect(isEmpty(machine.taken()))
  }

  @Test("a held input gives nothing and wakes nobody, until it is released")
  func hold() {
    var machine = Machine(inputCount: 2, slots: 2, rowLimit: .max)
    machine.held(input: 0)
    #expect(machine.consumerWaited(waiter: "consumer", isCancelled: false) == nil)
    #expect(isAccepted(machine.offered(input: 0, element: 1, rows: 1, isLast: false), waking: nil))
    #expect(isAccepted(machine.offered(input: 1, element: 2, rows: 1, isLast: false), waking: "consumer"))
    #expect(element(machine.taken())?.element == 2)
    #expect(isEmpty(machine.taken()))
    machine.released()
    #expect(element(machine.taken())?.element == 1)
  }

  @Test("a full ring takes no more; its producer is woken when half of it is free")
  func hysteresis() {
    var machine = Machine(inputCount: 1, slots: 4, rowLimit: .max)
    for number in 0..<4 { #expect(isAccepted(machine.offered(input: 0, element: number, rows: 1, isLast: false))) }
    #expect(isFull(machine.offered(input: 0, element: 9, rows: 1, isLast: false)))
    #expect(machine.producerWaited(input: 0, rows: 1, waiter: "producer", isCancelled: false) == nil)
    #expect(element(machine.taken())?.wake == nil)
    #expect(element(machine.taken())?.wake == "producer")
    #expect(element(machine.taken())?.wake == nil)
  }

  @Test("an element bigger than the ring fits an empty ring only")
  func oversize() {
    var machine = Machine(inputCount: 1, slots: 4, rowLimit: 10)
    #expect(isAccepted(machine.offered(input: 0, element: 1, rows: 8, isLast: false)))
    #expect(isFull(machine.offered(input: 0, element: 2, rows: 100, isLast: false)))
    #expect(isAccepted(machine.offered(input: 0, element: 3, rows: 2, isLast: false)))
    #expect(isFull(machine.offered(input: 0, element: 4, rows: 1, isLast: false)))
    #expect(machine.producerWaited(input: 0, rows: 100, waiter: "producer", isCancelled: false) == nil)
    #expect(element(machine.taken())?.wake == "producer")
    #expect(machine.producerWaited(input: 0, rows: 100, waiter: "producer", isCancelled: false) == nil)
    #expect(element(machine.taken())?.wake == "producer")
    #expect(isAccepted(machine.offered(input: 0, element: 2, rows: 100, isLast: false)))
  }

  /// The states of a waiter times what can end its waiting.
  @Test("a waiter that went in comes out once, whatever ends its waiting")
  func waiters() {
    let full = {
      var machine = Machine(inputCount: 1, slots: 1, rowLimit: .max)
      _ = machine.offered(input: 0, element: 1, rows: 1, isLast: false)
      return machine
    }()
    var waiting = full
    #expect(waiting.producerWaited(input: 0, rows: 1, waiter: "p", isCancelled: false) == nil)

    var machine = full
    #expect(machine.producerWaited(input: 0, rows: 1, waiter: "p", isCancelled: true) == "p")
    machine = waiting
    #expect(machine.producerCancelled(input: 0) == "p")
    #expect(machine.producerCancelled(input: 0) == nil)
    #expect(element(machine.taken())?.wake == nil)
    machine = waiting
    #expect(machine.closed(nil) == ["p"])
    #expect(machine.closed(nil) == [])
    #expect(machine.producerWaited(input: 0, rows: 1, waiter: "p", isCancelled: false) == "p")

    machine = Machine(inputCount: 1, slots: 1, rowLimit: .max)
    #expect(machine.consumerWaited(waiter: "c", isCancelled: true) == "c")
    #expect(machine.consumerWaited(waiter: "c", isCancelled: false) == nil)
    var cancelled = machine
    #expect(cancelled.consumerCancelled() == "c")
    #expect(isAccepted(cancelled.offered(input: 0, element: 1, rows: 1, isLast: false), waking: nil))
    #expect(cancelled.consumerWaited(waiter: "c", isCancelled: false) == "c")
    #expect(machine.closed(Closed()) == ["c"])
    #expect(machine.consumerWaited(waiter: "c", isCancelled: false) == "c")
  }

  @Test("the gate is finished when every input has ended and everything was taken")
  func finished() {
    var machine = Machine(inputCount: 2, slots: 2, rowLimit: .max)
    _ = machine.offered(input: 0, element: 1, rows: 0, isLast: true)
    #expect(element(machine.taken())?.element == 1)
    #expect(isEmpty(machine.taken()))
    _ = machine.offered(input: 1, element: 2, rows: 0, isLast: true)
    #expect(element(machine.taken())?.element == 2)
    #expect(isFinished(machine.taken()))
    #expect(machine.consumerWaited(waiter: "c", isCancelled: false) == "c")
  }

  @Test("a closed gate takes nothing, gives nothing and says why")
  func closed() {
    var machine = Machine(inputCount: 1, slots: 2, rowLimit: .max)
    _ = machine.offered(input: 0, element: 1, rows: 1, isLast: false)
    _ = machine.closed(Closed())
    guard case .finished(let error) = machine.taken(), error is Closed else {
      Issue.record("expected the error")
      return
    }
    guard case .closed(let reason) = machine.offered(input: 0, element: 2, rows: 1, isLast: false), reason is Closed
    else {
      Issue.record("expected the error")
      return
    }
  }
}
