"""The records that the chaos run writes, and what each must become: plain sequential code over the topic's own content."""
import collections
import json
import random
import threading
import time

from kafka_client import producer

WINDOW_MS, DELAY_MS, START_MS = 10_000, 2_000, 1_767_225_600_000

PIPELINE = """
CREATE TABLE events (
  id bigint NOT NULL, sensor text NOT NULL, amount double precision, ts timestamptz NOT NULL, active boolean
) WITH (connector = 'kafka', topic = '{topic}', format = 'json', event_time = 'ts', watermark_delay = '2 seconds',
        idle_timeout = '1 hour', max_future = '36500 days', late = 'late_rows', dead_letter = 'dead_rows',
        fetch = '${{CHAOS_FETCH:-librdkafka}}', "kafka.reconnect.backoff.max.ms" = '500');

CREATE TABLE lake (
  part integer NOT NULL, "offset" bigint NOT NULL, id bigint NOT NULL, sensor text, amount double precision,
  ts timestamptz, active boolean
) WITH (connector = 'iceberg', table = 'chaos.lake', catalog = 'rest', uri = '{catalog}',
        partitioning = 'bucket(2, sensor), hour(ts)', "history.expire.min-snapshots-to-keep" = '3',
        "write.metadata.previous-versions-max" = '{versions}');

CREATE TABLE window_history (
  sensor text, window_start timestamptz, readings bigint, total double precision, low double precision,
  high double precision
) WITH (connector = 'iceberg', table = 'chaos.windows', commit_interval = '700ms', format_version = '3',
        partitioning = 'hour(window_start)', "history.expire.min-snapshots-to-keep" = '3',
        "write.metadata.previous-versions-max" = '{versions}');

CREATE TABLE window_latest (
  sensor text NOT NULL, window_start timestamptz NOT NULL, readings bigint, total double precision, low double precision,
  high double precision, PRIMARY KEY (sensor, window_start)
) WITH (connector = 'postgres', table = 'window_latest');

CREATE TABLE copies (part integer, "offset" bigint, id bigint, amount double precision)
WITH (connector = 'postgres', table = 'copies', mode = 'append');

CREATE TABLE late_rows (statement text, partition text, "offset" bigint, value text)
WITH (connector = 'postgres', table = 'late_rows');

CREATE TABLE dead_rows (partition text, "offset" bigint, reason text)
WITH (connector = 'postgres', table = 'dead_rows');

CREATE VIEW fired AS
SELECT sensor, window_start, count(*) AS readings, sum(amount) AS total, min(amount) AS low, max(amount) AS high
FROM tumble(events, ts, INTERVAL '10 seconds')
WHERE active
GROUP BY sensor, window_start;

INSERT INTO lake SELECT _partition, _offset, id, sensor, amount, ts, active FROM events;
INSERT INTO copies SELECT _partition, _offset, id, amount FROM events WHERE id % 5 = 0;
INSERT INTO window_history SELECT * FROM fired;
INSERT INTO window_latest SELECT * FROM fired;
"""

MALFORMED = [b"not json", b'{"id":1,"sensor":"s-1"', b"[1,2]", b'{"id":1,"sensor":"s-1","amount":"warm","ts":1767225600000}',
             b'{"id":1,"amount":1.5,"ts":1767225600000}', b'{"id":1,"sensor":"s-1","amount":1.5,"ts":"yesterday"}', None]


class Records:
    """Records that follow from a seed: disorder, late ones, repeated bytes, and some that nobody can read."""

    def __init__(self, seed, partitions):
        self.random, self.partitions = random.Random(seed), partitions
        self.clock, self.number = [START_MS] * partitions, 0

    def next(self):
        """(partition, key, value)"""
        number, draw = self.number, self.random.random()
        self.number += 1
        partition = self.random.randrange(self.partitions)
        self.clock[partition] += self.random.randint(60, 140)
        sensor = f"s-{self.random.randrange(40)}"
        if draw < 0.005:
            return partition, sensor.encode(), self.random.choice(MALFORMED)
        time_ms = self.clock[partition] - (60_000 if draw < 0.015 else self.random.randint(0, 1_500))
        value = {"id": number, "sensor": sensor, "amount": self.random.randint(-80, 400) / 4, "ts": time_ms,
                 "active": self.random.random() < 0.9}
        return partition, sensor.encode(), json.dumps(value, separators=(",", ":")).encode()


class Producer(threading.Thread):
    """Writes records at an even rate until it is told to stop."""

    def __init__(self, brokers, topic, seed, partitions, rate):
        super().__init__(name="producer", daemon=True)
        self.records, self.topic, self.rate = Records(seed, partitions), topic, rate
        self.client, self.ends, self.problem = producer(brokers), threading.Event(), None

    def run(self):
        try:
            begin = time.monotonic()
            while not self.ends.wait(0.05):
                due = int((time.monotonic() - begin) * self.rate)
                while self.records.number < due:
                    self.client.produce(self.topic, *self.records.next())
                self.client.poll()
            self.client.flush(60)
        except Exception as problem:
            self.problem = problem

    def finish(self):
        """Stops, waits until everything is in the topic, and returns the number of records."""
        self.ends.set()
        self.join(90)
        if self.problem or self.is_alive():
            raise RuntimeError(f"the producer failed: {self.problem or 'it did not end'}")
        return self.records.number


class Expected:
    """The content of every sink, computed from the topic."""

    def __init__(self):
        self.rows = []  # every row that can be read: (partition, offset, id, sensor, amount, ts, active)
        self.dead, self.late = set(), []
        self.windows = {}  # (sensor, start) -> [count, sum, min, max]
        self.ends, self.filtered = {}, collections.Counter()

    @classmethod
    def read(cls, client, topic, partitions):
        self = cls()
        for partition in range(partitions):
            greatest, self.ends[partition] = None, 0
            for offset, value in client.read(topic, partition):
                self.ends[partition] = offset + 1
                greatest = self.take(partition, offset, value, greatest)
        return self

    def take(self, partition, offset, value, greatest):
        try:
            cells = json.loads(value)
            row = (cells["id"], cells["sensor"], float(cells["amount"]), int(cells["ts"]), cells["active"])
        except (TypeError, KeyError, ValueError):
            self.dead.add((partition, offset))
            return greatest
        self.rows.append((partition, offset, *row))
        _, sensor, amount, time_ms, active = row
        start = time_ms - time_ms % WINDOW_MS
        if not active:
            self.filtered[partition] += 1
        elif greatest is not None and start + WINDOW_MS <= greatest - DELAY_MS:
            self.late.append((partition, offset, value.decode()))
        else:
            window = self.windows.setdefault((sensor, start), [0, 0.0, amount, amount])
            window[0] += 1
            window[1] += amount
            window[2], window[3] = min(window[2], amount), max(window[3], amount)
        return time_ms if greatest is None else max(greatest, time_ms)
