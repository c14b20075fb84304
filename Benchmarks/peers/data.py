#!/usr/bin/env python3
"""Makes events, and compares results with a recomputation. Runs in the environment that has DuckDB.

    data.py make COUNT DIRECTORY      lines/{0,1}.json in order of time, slices/*.json in order of time
    data.py check DIRECTORY KIND RESULT   prints nothing when the result is right, else what is wrong
"""

import pathlib
import sys

import duckdb

START = 1_767_225_600_000
PER_SECOND = 50_000
SLICE = 500_000


def sentinel(count):
    """The time of the events that close the last windows, and how many events there are with them."""
    return START + count * 1000 // PER_SECOND + 3_600_000


def make(count, directory):
    (directory / "lines").mkdir(parents=True, exist_ok=True)
    (directory / "slices").mkdir(exist_ok=True)
    # hash() is stable within a version of DuckDB, and whatever it gives is what everybody reads.
    duckdb.sql(f"""
        CREATE TABLE events AS
        SELECT n, sensor, printf('s-%06d', sensor) AS sensor_id, temperature, humidity, ts,
          printf('plant-%02d', sensor % 20) AS site, 'ok' AS status
        FROM (SELECT n, (hash(n) % 1000)::INT AS sensor, (5000 + hash(n + 1000000007) % 5000)::DOUBLE / 100 AS temperature,
                (300 + hash(n + 2000000011) % 600)::DOUBLE / 10 AS humidity, {START} + n * 1000 // {PER_SECOND} AS ts
              FROM range({count}) AS numbers(n)
              UNION ALL
              SELECT {count} + s, s::INT, 0, 0, {sentinel(count)} FROM range(1000) AS sensors(s))
        ORDER BY n""")
    columns = "sensor_id, temperature, humidity, ts, site, status"
    for worker in (0, 1):
        duckdb.sql(f"COPY (SELECT {columns} FROM events WHERE sensor % 2 = {worker} ORDER BY n) "
                   f"TO '{directory}/lines/{worker}.json' (FORMAT json)")
    for number in range((count + 1000 + SLICE - 1) // SLICE):
        duckdb.sql(f"COPY (SELECT {columns} FROM events WHERE n >= {number * SLICE} AND n < {(number + 1) * SLICE} "
                   f"ORDER BY n) TO '{directory}/slices/{number:05}.json' (FORMAT json)")


RESULTS = {
    # kind: how a result becomes (sensor_id, start in milliseconds, readings, total, low, high)
    "json": "SELECT sensor_id, window_start::BIGINT AS start, readings, total, low, high "
            "FROM read_json('{path}', format = 'newline_delimited', columns = {{sensor_id: 'VARCHAR', window_start: 'BIGINT', "
            "readings: 'BIGINT', total: 'DOUBLE', low: 'DOUBLE', high: 'DOUBLE'}})",
    "iso": "SELECT sensor_id, epoch_ms(window_start::TIMESTAMPTZ) AS start, readings, total, low, high "
           "FROM read_json('{path}', format = 'newline_delimited', columns = {{sensor_id: 'VARCHAR', window_start: 'VARCHAR', "
           "readings: 'BIGINT', total: 'DOUBLE', low: 'DOUBLE', high: 'DOUBLE'}})",
    "csv": "SELECT sensor_id, start, readings, total, low, high FROM read_csv('{path}', header = false, columns = {{"
           "'sensor_id': 'VARCHAR', 'start': 'BIGINT', 'readings': 'BIGINT', 'total': 'DOUBLE', 'low': 'DOUBLE', "
           "'high': 'DOUBLE'}})",
}


def check(directory, kind, result):
    duckdb.sql("SET TimeZone = 'UTC'")
    duckdb.sql(f"""
        CREATE TABLE expected AS
        SELECT sensor_id, ts // 10000 * 10000 AS start, count(*) AS readings, sum(temperature) AS total,
          min(temperature) AS low, max(temperature) AS high
        FROM read_json('{directory}/lines/*.json', format = 'newline_delimited',
          columns = {{sensor_id: 'VARCHAR', temperature: 'DOUBLE', ts: 'BIGINT'}})
        GROUP BY ALL""")
    last = duckdb.sql("SELECT max(start) FROM expected").fetchall()[0][0]
    duckdb.sql(f"CREATE TABLE found AS {RESULTS[kind].format(path=result)}")
    rows, events = duckdb.sql(f"SELECT count(*), sum(readings) FROM found WHERE start < {last}").fetchall()[0]
    wanted = duckdb.sql(f"SELECT count(*), sum(readings) FROM expected WHERE start < {last}").fetchall()[0]
    wrong = duckdb.sql(f"""
        SELECT count(*), min(e) || ' expected, found ' || coalesce(min(f), 'nothing')
        FROM (SELECT expected::VARCHAR AS e, found::VARCHAR AS f
              FROM (SELECT * FROM expected WHERE start < {last}) AS expected
              FULL JOIN (SELECT * FROM found WHERE start < {last}) AS found USING (sensor_id, start)
              WHERE expected.readings IS DISTINCT FROM found.readings OR expected.low IS DISTINCT FROM found.low
                OR expected.high IS DISTINCT FROM found.high
                OR abs(expected.total - found.total) > 1e-6 * greatest(1, abs(expected.total)))""").fetchall()[0]
    if wrong[0] or rows != wanted[0]:
        print(f"{rows} rows with {events} events, expected {wanted[0]} with {wanted[1]}; {wrong[0]} differ: {wrong[1]}")


def main():
    if sys.argv[1] == "make":
        make(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        check(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4])


main()
