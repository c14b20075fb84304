-- Nexmark q7, highest bid: the highest price in each period of 10 seconds, and its auction. The original joins the
-- maximum with the bids and gives all bids of that price whole; without a join the maximum takes the auction along in
-- its last ten digits, and of several auctions the one with the greatest number is given.

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
  window_start timestamp,
  window_end timestamp,
  auction bigint,
  price bigint
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT window_start, window_end, max(price * 10000000000 + auction) % 10000000000, max(price)
FROM tumble(bid, date_time, INTERVAL '10 seconds') GROUP BY window_start, window_end;
