-- Nexmark q5, hot items: the auction with the most bids in the last 10 seconds, every 2 seconds. The original joins
-- the counts with their maximum and gives all auctions that share it; without a join the maximum takes the auction
-- along in its last ten digits, and of several auctions the one with the greatest number is given. Windows of 2
-- seconds over the starts of the first stage put the counts of one window together.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  date_time timestamp
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, date_time FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  window_start timestamp,
  window_end timestamp,
  auction bigint,
  num bigint
) WITH (connector = 'blackhole');

CREATE VIEW counts AS
SELECT auction, window_start AS starts, count(*) AS num
FROM hop(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds') GROUP BY auction, window_start;

INSERT INTO result
SELECT window_start, window_start + INTERVAL '10 seconds', max(num * 10000000000 + auction) % 10000000000, max(num)
FROM tumble(counts, starts, INTERVAL '2 seconds') GROUP BY window_start;
