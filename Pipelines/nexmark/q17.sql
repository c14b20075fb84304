-- Nexmark q17, auction statistics: bids and prices of each auction and day. The original groups by the text of the day
-- without a window and gives a new row with every bid; here the day is a window and gives its rows once.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  price bigint,
  date_time timestamp
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, price, date_time FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  auction bigint,
  day text,
  total_bids bigint,
  rank1_bids bigint,
  rank2_bids bigint,
  rank3_bids bigint,
  min_price bigint,
  max_price bigint,
  avg_price bigint,
  sum_price bigint
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, to_char(window_start, 'YYYY-MM-DD'),
  count(*),
  count(*) FILTER (WHERE price < 10000),
  count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
  count(*) FILTER (WHERE price >= 1000000),
  min(price), max(price), CAST(trunc(avg(price)) AS bigint), CAST(sum(price) AS bigint)
FROM tumble(bid, date_time, INTERVAL '1 day') GROUP BY auction, window_start, window_end;
