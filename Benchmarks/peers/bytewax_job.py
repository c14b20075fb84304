"""The job in Bytewax: LINES=… RESULT=… python -m bytewax.run -w 2 bytewax_job.py"""

import json
import os
import pathlib
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.connectors.files import DirSink, DirSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def add(state, reading):
    value = reading["temperature"]
    if not state:
        return [1, value, value, value]
    return [state[0] + 1, state[1] + value, min(state[2], value), max(state[3], value)]


def merge(left, right):
    if not left or not right:
        return left or right
    return [left[0] + right[0], left[1] + right[1], min(left[2], right[2]), max(left[3], right[3])]


def line(item):
    sensor, (window, (count, total, low, high)) = item
    row = {"sensor_id": sensor, "window_start": window * 10_000, "readings": count, "total": total, "low": low, "high": high}
    return sensor, json.dumps(row)


flow = Dataflow("telemetry")
lines = op.input("lines", flow, DirSource(pathlib.Path(os.environ["LINES"])))
keyed = op.map("decode", lines, lambda text: (lambda row: (row["sensor_id"], row))(json.loads(text)))
clock = EventClock(
    ts_getter=lambda row: EPOCH + timedelta(milliseconds=row["ts"]), wait_for_system_duration=timedelta(seconds=5))
windows = fold_window(
    "windows", keyed, clock, TumblingWindower(length=timedelta(seconds=10), align_to=EPOCH), list, add, merge)
result = pathlib.Path(os.environ["RESULT"])
op.output("rows", op.map("encode", windows.down, line), DirSink(result, 2))
