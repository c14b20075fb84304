import Glibc
import Logging
import Runtime

/// What the fetch thread does: it keeps connections to the brokers that lead the open partitions, and asks each for the
/// partitions whose readers have room. Lives on that thread alone.
final class FetchLoop {
  /// After so many answers in a row that are none, the readers are told instead of trying on.
  private static let malformedMax = 3
  private static let millisecond: Int64 = 1_000_000

  private let client: FetchClient
  private var slots: [KafkaPlace: FetchSlot] = [:]
  private var links: [Int32: BrokerLink] = [:]
  /// The partitions that each broker leads, in a stable order.
  private var led: [Int32: [FetchSlot]] = [:]
  private var leadersWantedAt: Int64?
  private var isFindingLeaders = false
  private var leaderBackoff: Backoff

  init(_ client: FetchClient) {
    self.client = client
    leaderBackoff = Backoff(client.settings.retryMilliseconds)
  }

  /// Runs until no partition is open.
  func run() {
    while let mail = client.takeMail() {
      let now = client.clock.monotonicNanoseconds()
      take(mail, now)
      if let wanted = leadersWantedAt, wanted <= now, !isFindingLeaders { findLeaders() }
      for link in links.values { advance(link, now) }
      wait(now)
    }
  }

  // MARK: Partitions and their leaders

  private func take(_ mail: FetchClient.Mail, _ now: Int64) {
    for partition in mail.opened {
      slots[partition.place] = FetchSlot(partition, backoff: Backoff(client.settings.retryMilliseconds))
    }
    // One that was opened again in the meantime is another partition.
    for partition in mail.closed where slots[partition.place]?.partition === partition {
      slots[partition.place] = nil
    }
    if !mail.opened.isEmpty { wantLeaders(now) }
    if !mail.opened.isEmpty || !mail.closed.isEmpty { assign() }
    if let leaders = mail.leaders { take(leaders, now) }
  }

  private func wantLeaders(_ time: Int64) { leadersWantedAt = min(leadersWantedAt ?? .max, time) }

  private func findLeaders() {
    leadersWantedAt = nil
    isFindingLeaders = true
    client.findLeaders(of: Set(slots.keys.map(\.topic)).sorted())
  }

  private func take(_ found: PartitionLeaders, _ now: Int64) {
    isFindingLeaders = false
    for (place, slot) in slots { slot.leader = found.leaders[place] ?? slot.leader }
    assign()
    for (broker, addresses) in found.brokers { links[broker]?.addresses = addresses }
    let isComplete = slots.values.allSatisfy { slot in
      slot.leader.flatMap { links[$0] }.map { !$0.addresses.isEmpty } ?? false
    }
    if isComplete { leaderBackoff.reset() } else { wantLeaders(now + leaderBackoff.next() * Self.millisecond) }
  }

  /// Deals the partitions to connections; one that has none left is closed.
  private func assign() {
    led = [:]
    for slot in slots.values.sorted(by: { $0.partition.place < $1.partition.place }) {
      if let leader = slot.leader { led[leader, default: []].append(slot) }
    }
    links = links.filter { led[$0.key] != nil }
    for broker in led.keys where links[broker] == nil {
      links[broker] = BrokerLink(broker, settings: client.settings, memory: client.tools.memory)
    }
  }

  // MARK: Connections

  /// Does what is due, and asks for records when the broker has answered.
  private func advance(_ link: BrokerLink, _ now: Int64) {
    do throws(ConnectionError) {
      try link.act(now: now)
      if link.state == .ready { try ask(link, now) }
    } catch {
      connectionFailed(link, error, now)
    }
  }

  private func ask(_ link: BrokerLink, _ now: Int64) throws(ConnectionError) {
    let slots = (led[link.broker] ?? []).filter { !$0.isStopped }
    let turn = FetchTurn(
      slots.map { FetchTurn.Candidate(hasRoom: $0.asked == nil && $0.partition.hasRoom, notBefore: $0.notBefore) },
      now: now, turn: link.turn, settings: client.settings)
    if turn.chosen.isEmpty { return }
    let asked = turn.chosen.map { index in
      let slot = slots[index]
      slot.asked = link
      return FetchRequest.Partition(
        topic: slot.partition.place.topic, number: slot.partition.place.number, offset: slot.offset)
    }
    try link.fetch(asked, waitMilliseconds: turn.waitMilliseconds, now: now)
  }

  private func connectionFailed(_ link: BrokerLink, _ error: ConnectionError, _ now: Int64) {
    let pause = link.close(error, now: now)
    for slot in slots.values where slot.asked === link { slot.asked = nil }
    // The first failure is news; that it goes on is not.
    client.environment.log(
      link.failureCount == 1 ? .warning : .debug,
      "fetching from broker \(link.broker): \(error.reason); again in \(pause) ms")
    wantLeaders(now + pause * Self.millisecond)
    guard error.isTooOld || link.malformedCount >= Self.malformedMax else { return }
    let advice = error.isTooOld ? "; use fetch = 'librdkafka' for this table" : ""
    for slot in led[link.broker] ?? [] {
      stop(slot, .broker(isFatal: error.isTooOld, "broker \(link.broker): \(error.reason)\(advice)"))
    }
  }

  private func stop(_ slot: FetchSlot, _ failure: FetchPartition.Failure) {
    slot.isStopped = true
    slot.partition.fail(failure)
  }

  // MARK: Answers

  /// Waits until a socket is ready, somebody calls, or something is due.
  private func wait(_ now: Int64) {
    var descriptors = [pollfd(fd: client.event, events: Int16(POLLIN), revents: 0)]
    var watched: [BrokerLink] = []
    for link in links.values {
      guard let descriptor = link.watched else { continue }
      descriptors.append(descriptor)
      watched.append(link)
    }
    let due = dueTime()
    let timeout = due.map { min(60_000, max(0, ($0 - now + Self.millisecond - 1) / Self.millisecond)) } ?? 60_000
    guard poll(&descriptors, nfds_t(descriptors.count), Int32(timeout)) > 0 else { return }
    let after = client.clock.monotonicNanoseconds()
    for (descriptor, link) in zip(descriptors.dropFirst(), watched) where descriptor.revents != 0 {
      do throws(ConnectionError) {
        try link.progress(descriptor.revents, now: after) { take($0, from: link, after) }
        if link.state == .ready { try ask(link, after) }
      } catch {
        connectionFailed(link, error, after)
      }
    }
  }

  private func dueTime() -> Int64? {
    var due = leadersWantedAt.flatMap { isFindingLeaders ? nil : $0 }
    for link in links.values {
      if let deadline = link.deadline { due = min(due ?? .max, deadline) }
      // Partitions that rest after an error, of a broker that is asked for nothing meanwhile.
      guard link.state == .ready else { continue }
      for slot in led[link.broker] ?? [] where !slot.isStopped && slot.notBefore > .min && slot.partition.hasRoom {
        due = min(due ?? .max, slot.notBefore)
      }
    }
    return due
  }

  private func take(_ event: AnswerReceiver.Event, from link: BrokerLink, _ now: Int64) {
    switch event {
    case .body: break
    case .partition(let answer, let buffer): take(answer, buffer, from: link, now)
    case .end(let errorCode):
      client.environment.brokerAnswered()
      // Partitions that the answer left out: over a quota, or an error of the whole request.
      for slot in slots.values where slot.asked === link {
        slot.asked = nil
        if errorCode != 0 { failed(slot, errorCode, now) }
      }
    }
  }

  private func take(_ answer: FetchAnswer, _ buffer: FetchBuffer?, from link: BrokerLink, _ now: Int64) {
    // One that was closed while the broker answered, and perhaps opened again at another offset.
    guard let slot = slots[KafkaPlace(topic: answer.topic, number: answer.number)], slot.asked === link else { return }
    slot.asked = nil
    guard answer.errorCode == 0 else { return failed(slot, answer.errorCode, now) }
    slot.backoff.reset()
    slot.notBefore = .min
    slot.partition.sawEnd(answer.highWatermark)
    guard let buffer else { return }
    deliver(FetchedRecords(buffer: buffer, count: answer.recordBytes, aborted: answer.aborted), to: slot)
  }

  private func deliver(_ records: FetchedRecords, to slot: FetchSlot) {
    let bytes = UnsafeRawBufferPointer(start: records.buffer.start, count: records.count)
    let next: Int64?
    do throws(RecordError) {
      next = try RecordBatchHeader.nextOffset(bytes)
    } catch {
      // The reader finds the same when it gets there, after the records before it.
      slot.isStopped = true
      return slot.partition.deliver(records)
    }
    // Not even one whole batch: what is too large for the rest of an answer comes when it is asked for first.
    guard let next else { return client.tools.memory.giveBack(records.buffer) }
    guard next > slot.offset else {
      let reason = "the answer at offset \(slot.offset) holds records up to \(next - 1) only"
      return stop(slot, .broker(isFatal: false, reason))
    }
    slot.offset = next
    slot.partition.deliver(records)
  }

  private func failed(_ slot: FetchSlot, _ code: Int16, _ now: Int64) {
    let pause = slot.backoff.next()
    slot.notBefore = now + pause * Self.millisecond
    switch FetchDecision(errorCode: code) {
    case .none: break
    case .retry: log(slot, code, pause)
    case .findLeader:
      log(slot, code, pause)
      wantLeaders(now)
    case .fail: stop(slot, .code(code))
    }
  }

  private func log(_ slot: FetchSlot, _ code: Int16, _ pause: Int64) {
    client.environment.log(
      .debug, "\(slot.partition.place): the broker answers with the error \(code); again in \(pause) ms")
  }
}
