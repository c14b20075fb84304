-- Nexmark q10, log to files: every bid with the day and the minute that its file is named after. The original writes
-- partitioned CSV files; here the rows are made and dropped, an Iceberg sink with partitioning = 'dt, hm' would write
-- them.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  bidder bigint,
  price bigint,
  date_time timestamp,
  extra text
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, bidder, price, date_time, extra FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  auction bigint,
  bidder bigint,
  price bigint,
  date_time timestamp,
  extra text,
  dt text,
  hm text
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, price, date_time, extra, to_char(date_time, 'YYYY-MM-DD'), to_char(date_time, 'HH24:MI')
FROM bid;
