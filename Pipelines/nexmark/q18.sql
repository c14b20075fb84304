-- Nexmark q18, last bid: each bidder's last bid for each auction, by day. The original numbers rows without a window
-- and gives a new row with every bid.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  url text,
  date_time timestamp,
  extra text
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, bidder, price, channel, url, date_time, extra FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  url text,
  date_time timestamp,
  extra text
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, last_value(price), last_value(channel), last_value(url), max(date_time), last_value(extra)
FROM tumble(bid, date_time, INTERVAL '1 day') GROUP BY auction, bidder, window_start, window_end;
