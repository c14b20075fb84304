-- All events of the generator as JSON lines, in files: what the other queries read.

CREATE TABLE nexmark (
  event_type integer,
  id bigint,
  name text,
  email_address text,
  credit_card text,
  city text,
  state text,
  item_name text,
  description text,
  initial_bid bigint,
  reserve bigint,
  expires timestamp,
  seller bigint,
  category bigint,
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

CREATE TABLE events (
  partition bigint,
  "offset" bigint,
  event_type integer,
  id bigint,
  name text,
  email_address text,
  credit_card text,
  city text,
  state text,
  item_name text,
  description text,
  initial_bid bigint,
  reserve bigint,
  expires timestamp,
  seller bigint,
  category bigint,
  auction bigint,
  bidder bigint,
  price bigint,
  channel text,
  url text,
  date_time timestamp,
  extra text
) WITH (connector = 'file', path = '${NEXMARK_DUMP:-nexmark-events}');

INSERT INTO events
SELECT _partition, _offset, event_type, id, name, email_address, credit_card, city, state, item_name, description,
  initial_bid, reserve, expires, seller, category, auction, bidder, price, channel, url, date_time, extra
FROM nexmark;
