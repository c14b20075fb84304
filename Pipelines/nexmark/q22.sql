-- Nexmark q22, directories: the first three parts of the path of each URL.

CREATE TABLE nexmark (
  event_type integer,
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  url text,
  date_time timestamp
) WITH (
  connector = 'nexmark', events = '${NEXMARK_EVENTS:-10000000}', rate = '${NEXMARK_RATE:-100000}',
  partitions = '${NEXMARK_PARTITIONS:-2}', seed = '${NEXMARK_SEED:-1}',
  event_time = 'date_time', watermark_delay = '4 seconds'
);

CREATE VIEW bid AS SELECT auction, bidder, price, channel, url, date_time FROM nexmark WHERE event_type = 2;

CREATE TABLE result (
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  dir1 text,
  dir2 text,
  dir3 text
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, price, channel, split_part(url, '/', 4), split_part(url, '/', 5), split_part(url, '/', 6)
FROM bid;
