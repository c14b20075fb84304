"""The job in Spark Structured Streaming: spark_job.py SLICES RESULT"""

import sys

from pyspark.sql import SparkSession, functions as f

lines, result = sys.argv[1:]
spark = (SparkSession.builder.config("spark.sql.shuffle.partitions", "2").config("spark.ui.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
readings = (spark.readStream.schema("sensor_id STRING, temperature DOUBLE, ts BIGINT")
            .option("maxFilesPerTrigger", "2").json(lines)
            .withColumn("time", f.timestamp_millis("ts")))
windows = (readings.withWatermark("time", "5 seconds").groupBy("sensor_id", f.window("time", "10 seconds"))
           .agg(f.count("*").alias("readings"), f.sum("temperature").alias("total"), f.min("temperature").alias("low"),
                f.max("temperature").alias("high"))
           .select("sensor_id", f.unix_millis("window.start").alias("window_start"), "readings", "total", "low", "high"))
query = (windows.writeStream.format("json").option("path", result).option("checkpointLocation", result + "-checkpoints")
         .outputMode("append").trigger(availableNow=True).start())
query.awaitTermination()
spark.stop()
