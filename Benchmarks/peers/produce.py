"""Writes the lines of files to a topic, one file after the other: produce.py BROKERS TOPIC FILE…"""

import itertools
import sys

from confluent_kafka import Producer

KEY = slice(14, 22)  # of {"sensor_id":"s-000421",…

brokers, topic, *names = sys.argv[1:]
producer = Producer({
    "bootstrap.servers": brokers, "compression.type": "lz4", "linger.ms": 200, "partitioner": "murmur2_random",
    "batch.num.messages": 100_000, "batch.size": 1_000_000, "queue.buffering.max.messages": 500_000})
failures = []


def delivered(error, _):
    if error:
        failures.append(error)


for line in itertools.chain.from_iterable(open(name, "rb") for name in names):
    line = line.rstrip()
    while True:
        try:
            producer.produce(topic, line, line[KEY], on_delivery=delivered)
            break
        except BufferError:
            producer.poll(0.05)
    producer.poll(0)
left = producer.flush(120)
if failures or left:
    sys.exit(f"{left} events are not delivered, {failures[:1]}")
