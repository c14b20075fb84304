"""The job in Pathway: pathway_job.py LINES RESULT"""

import sys

import pathway as pw


class Reading(pw.Schema):
    sensor_id: str
    temperature: float
    ts: int


lines, result = sys.argv[1:]
readings = pw.io.jsonlines.read(lines, schema=Reading, mode="static")
windows = readings.windowby(
    readings.ts, window=pw.temporal.tumbling(duration=10_000), instance=readings.sensor_id
).reduce(
    sensor_id=pw.this._pw_instance, window_start=pw.this._pw_window_start, readings=pw.reducers.count(),
    total=pw.reducers.sum(pw.this.temperature), low=pw.reducers.min(pw.this.temperature),
    high=pw.reducers.max(pw.this.temperature))
pw.io.jsonlines.write(windows, result)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
