-- Nexmark q21, channel numbers: from the name of a well-known channel, otherwise from the URL.

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
  channel_id text
) WITH (connector = 'blackhole');

INSERT INTO result
SELECT auction, bidder, price, channel,
  CASE
    WHEN lower(channel) = 'apple' THEN '0'
    WHEN lower(channel) = 'google' THEN '1'
    WHEN lower(channel) = 'facebook' THEN '2'
    WHEN lower(channel) = 'baidu' THEN '3'
    ELSE substring(url FROM '(?:&|^)channel_id=([^&]*)')
  END
FROM bid
WHERE substring(url FROM '(?:&|^)channel_id=([^&]*)') IS NOT NULL
  OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');
