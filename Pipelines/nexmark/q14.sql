-- Nexmark q14, calculation: bids of a price range, with the time of day and how often their filling has the letter c.
-- The original counts with a function of its own.

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
  price numeric(23, 3),
  bid_time_type text,
  date_time timestamp,
  extra text,
  c_counts bigint
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, 0.908 * price,
  CASE
    WHEN extract(hour FROM date_time) >= 8 AND extract(hour FROM date_time) <= 18 THEN 'dayTime'
    WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'nightTime'
    ELSE 'otherTime'
  END,
  date_time, extra, length(extra) - length(replace(extra, 'c', ''))
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
