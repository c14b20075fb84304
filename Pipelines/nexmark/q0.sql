-- Nexmark q0, pass through: every bid as it is.

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
  extra text
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, price, date_time, extra FROM bid;
