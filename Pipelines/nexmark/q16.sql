-- Nexmark q16, channel statistics: as q15 for each channel, and the minute of the last bid. The original groups by the
-- text of the day without a window and gives a new row with every bid; here the day is a window and gives its rows
-- once.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  date_time timestamp
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, bidder, price, channel, date_time FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  channel text,
  day text,
  minute text,
  total_bids bigint,
  rank1_bids bigint,
  rank2_bids bigint,
  rank3_bids bigint,
  total_bidders bigint,
  rank1_bidders bigint,
  rank2_bidders bigint,
  rank3_bidders bigint,
  total_auctions bigint,
  rank1_auctions bigint,
  rank2_auctions bigint,
  rank3_auctions bigint
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT channel, to_char(window_start, 'YYYY-MM-DD'), to_char(max(date_time), 'HH24:MI'),
  count(*),
  count(*) FILTER (WHERE price < 10000),
  count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
  count(*) FILTER (WHERE price >= 1000000),
  count(DISTINCT bidder),
  count(DISTINCT bidder) FILTER (WHERE price < 10000),
  count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000),
  count(DISTINCT bidder) FILTER (WHERE price >= 1000000),
  count(DISTINCT auction),
  count(DISTINCT auction) FILTER (WHERE price < 10000),
  count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000),
  count(DISTINCT auction) FILTER (WHERE price >= 1000000)
FROM tumble(bid, date_time, INTERVAL '1 day') GROUP BY channel, window_start, window_end;
