import Foundation
import TestSupport
import TestTraits
import Testing

private struct FoundViolation: Decodable {
  var violations: Int
  var seed: UInt64
  var violation: String
  var command: String
}

/// `weir sim` as a user runs it. Thousands of seeds are run by `.ci/run`; what the simulator finds is shown by
/// `Tests/PlantedBugs`.
@Suite("weir sim", .fewAtOnce)
struct SimulationTests {
  private func sim(_ arguments: [String], _ bench: Workbench) async throws -> (code: Int32, output: String) {
    let weir = try bench.weir(["sim"] + arguments, environment: [:])
    let code = await weir.wait()
    return (code, weir.lines.joined(separator: "\n") + weir.errorText)
  }

  @Test(
    "the same seed gives the same trace, byte by byte, whatever the sinks",
    arguments: ["table", "file", "kafka", "postgres", "iceberg", "iceberg-rest"])
  func repeats(sinks: String) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    var traces: [Data] = []
    for name in ["one", "two"] {
      let file = bench.directory + "/" + name
      let run = try await sim(["--seed", "19", "--sinks", sinks, "--trace", file], bench)
      #expect(run.code == 0, "\(run.output)")
      traces.append(try Data(contentsOf: URL(fileURLWithPath: file)))
    }
    #expect(traces[0].count > 2_000)
    #expect(traces[0] == traces[1])
  }

  @Test(
    "every invariant holds, whatever the sinks",
    arguments: [
      ["--seed", "98", "--sinks", "file"], ["--seed", "10117", "--sinks", "iceberg-rest"],
      ["--seed", "200499", "--sinks", "postgres"], ["--seed", "275", "--sinks", "iceberg"],
      ["--seed", "95", "--sinks", "kafka"]
    ])
  func holds(arguments: [String]) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let run = try await sim(arguments + ["--seeds", "20"], bench)
    #expect(run.code == 0, "\(run.output)")
    #expect(run.output.contains("20 seeds, every invariant held"))
  }

  @Test(
    "seeds that once broke an invariant hold",
    arguments: [
      ["--seed", "34"], ["--seed", "76", "--sinks", "table"], ["--seed", "10126", "--sinks", "iceberg-rest"],
      ["--seed", "54482", "--budget", "3", "--withhold", "clockJump,lostSync"]
    ])
  func heldAgain(arguments: [String]) async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let run = try await sim(arguments, bench)
    #expect(run.code == 0, "\(run.output)")
  }

  @Test("a user's file runs against what a run without faults gives")
  func pipeline() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let file = try bench.write(
      "own.sql",
      """
      CREATE TABLE orders (id bigint, country text, amount numeric(10,2), at timestamptz)
      WITH (connector = 'kafka', topic = 'orders', format = 'json', event_time = 'at', watermark_delay = '1 second');
      CREATE TABLE totals (country text, minute timestamptz, orders bigint, amount numeric(20,2),
        PRIMARY KEY (country, minute)) WITH (connector = 'postgres');
      INSERT INTO totals SELECT country, window_start, count(*), sum(amount)
      FROM tumble(orders, at, INTERVAL '10 seconds') GROUP BY country, window_start, window_end;
      """)
    let run = try await sim(["--pipeline", file, "--seeds", "30"], bench)
    #expect(run.code == 0, "\(run.output)")
    #expect(run.output.contains("30 seeds, every invariant held"))
  }

  @Test("what cannot be simulated is said")
  func mistakes() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    let unknown = try await sim(["--faults", "gremlins"], bench)
    #expect(unknown.code == 2 && unknown.output.contains("'gremlins' is not a fault"), "\(unknown.output)")
    let file = try bench.write("broken.sql", "SELECT;")
    let broken = try await sim(["--pipeline", file], bench)
    #expect(broken.code == 2 && broken.output.contains("cannot begin"), "\(broken.output)")
    let both = try await sim(["--pipeline", file, "--sinks", "file"], bench)
    #expect(both.code == 2 && both.output.contains("--sinks"), "\(both.output)")
  }

  @Test("a broken invariant is one JSON object, with the command that repeats it")
  func violation() async throws {
    let bench = try Workbench()
    defer { bench.remove() }
    // The moment differs between the run with faults and the one without, which says what the sink must hold.
    let file = try bench.write(
      "moment.sql",
      """
      CREATE TABLE orders (id bigint) WITH (connector = 'kafka', topic = 'orders', format = 'json');
      CREATE TABLE copies (id bigint, seen timestamptz) WITH (connector = 'postgres');
      INSERT INTO copies SELECT id, now() FROM orders;
      """)
    let weir = try bench.weir(["sim", "--pipeline", file, "--seeds", "50", "--json"])
    #expect(await weir.wait() == 1, "\(weir.errorText)")
    let found = try JSONDecoder().decode(FoundViolation.self, from: Data(weir.lines.joined().utf8))
    #expect(found.violations == 1 && !found.violation.isEmpty)
    #expect(found.command.hasPrefix("weir sim --seed \(found.seed) ") && found.command.contains("--pipeline"))
    #expect(weir.errorText.contains("breaks an invariant"), "\(weir.errorText)")
  }
}
