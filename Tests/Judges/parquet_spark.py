"""Judge of the Parquet reader: files made by Spark, old forms among them, and their rows (see parquet_rows.py).

  parquet_spark.py DIR READER     READER is a Python with PyArrow, which reads back what Spark wrote
"""
import glob, os, shutil, subprocess, sys

QUERY = """SELECT id, CAST(id % 7 AS TINYINT) AS t, id % 3 = 0 AS b, id / 7 AS d, CAST(id / 3 AS FLOAT) AS f,
  IF(id % 5 = 0, NULL, concat('text ', id % 20)) AS s, CAST(id * 1.25 AS DECIMAL(9, 2)) AS small,
  CAST(id * 1.25 AS DECIMAL(18, 6)) AS middle, CAST(id * 1.25 AS DECIMAL(38, 6)) AS large,
  date_add(DATE '2020-01-01', CAST(id AS INT)) AS day, timestamp_micros(id * 1000003 - 5000000) AS at,
  CAST(concat('b', id) AS BINARY) AS blob, IF(id % 4 = 0, NULL, sequence(0, id % 6)) AS list,
  IF(id % 7 = 0, NULL, named_struct('a', id, 'b', array(named_struct('c', id % 2, 'd', concat('x', id)), NULL))) AS struct,
  map(concat('k', id % 3), id, 'other', NULL) AS map, array(array(id), array(), array(id, id + 1)) AS lists,
  array(named_struct('only', id)) AS tuples FROM range(3000)"""


def main(directory, reader):
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
             .config("spark.sql.session.timeZone", "UTC").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    rows = spark.sql(QUERY).coalesce(1)
    forms = {"legacy-int96": ("true", "INT96", "snappy", "PARQUET_1_0"), "legacy-micros": ("true", "TIMESTAMP_MICROS", "gzip", "PARQUET_1_0"),
             "modern": ("false", "TIMESTAMP_MICROS", "zstd", "PARQUET_1_0"), "version2": ("false", "TIMESTAMP_MILLIS", "lz4raw", "PARQUET_2_0")}
    for name, (legacy, times, codec, version) in forms.items():
        spark.conf.set("spark.sql.parquet.writeLegacyFormat", legacy)
        spark.conf.set("spark.sql.parquet.outputTimestampType", times)
        target = os.path.join(directory, "spark-" + name)
        # Small pages, so that a chunk has several.
        (rows.write.option("compression", codec).option("parquet.writer.version", version)
         .option("parquet.page.size", "4096").option("parquet.page.row.count.limit", "500").parquet(target))
        os.rename(glob.glob(target + "/*.parquet")[0], target + ".parquet")
        shutil.rmtree(target)
        judge = os.path.join(os.path.dirname(os.path.abspath(__file__)), "parquet_rows.py")
        with open(target + ".rows", "w") as file:
            subprocess.run([reader, judge, "rows", target + ".parquet"], stdout=file, check=True)
    spark.stop()


if __name__ == "__main__": main(*sys.argv[1:])
