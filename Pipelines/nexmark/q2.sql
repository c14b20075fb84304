-- Nexmark q2, selection: the bids for every 123rd auction.

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
  price bigint
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, price FROM bid WHERE mod(auction, 123) = 0;
