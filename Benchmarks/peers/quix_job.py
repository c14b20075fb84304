"""The job in Quix Streams, one of two processes: quix_job.py BROKERS TOPIC RESULT IDLE_SECONDS"""

import json
import sys

from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Count, Max, Min, Sum
from quixstreams.models.topics import TopicAdmin, TopicConfig

brokers, topic, result, idle = sys.argv[1:]
# At its start it asks for the topic's settings, which the development broker does not answer.
TopicAdmin.inspect_topics = lambda self, names, timeout=30: {
    name: TopicConfig(num_partitions=1, replication_factor=1, extra_config={
        "retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete"}) for name in names}
app = Application(
    broker_address=brokers, consumer_group="quix-" + topic, auto_offset_reset="earliest", auto_create_topics=False,
    use_changelog_topics=False, state_dir=result + "-state", loglevel="WARNING",
    producer_extra_config={"enable.idempotence": False})
readings = app.dataframe(app.topic(
    topic, key_deserializer="str", value_deserializer="json", timestamp_extractor=lambda value, *_: value["ts"]))
windows = readings.tumbling_window(10_000, grace_ms=5_000).agg(
    readings=Count(), total=Sum("temperature"), low=Min("temperature"), high=Max("temperature")).final()

with open(result, "w") as file:
    def write(row, key, timestamp, headers):
        print(json.dumps({"sensor_id": key, "window_start": row["start"], "readings": row["readings"],
                          "total": row["total"], "low": row["low"], "high": row["high"]}), file=file)

    windows.update(write, metadata=True)
    app.run(timeout=float(idle))
