/// The expressions that are compared with PostgreSQL one by one.
enum ComparedExpressions {
  static let all = (arithmetic + logic + texts + patterns + times + casts + formats + json)
    .split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)

  private static let arithmetic = """
    i + j
    i - j
    i * j
    i / j
    i % j
    -i
    abs(i)
    l + i
    l * 2
    l / j
    -l
    n + i
    n - 0.00001
    n * n
    n / 3
    n / j
    1.0 / 3
    2 / 3.0
    n % 7
    mod(i, 5)
    div(n, 3)
    d + e
    d * e
    d / e
    r + r
    r * 2
    r / 3
    r + i
    r + d
    i + d
    i = l
    n = i
    n > d
    r = 0.1
    round(n)
    round(n, 2)
    round(n, -1)
    round(d)
    floor(n)
    floor(d)
    ceil(n)
    ceil(e)
    trunc(n)
    trunc(n, 1)
    trunc(d)
    sqrt(d)
    sqrt(abs(n))
    sqrt(2.0)
    power(2, 10)
    power(d, 2)
    power(n, 2)
    2 ^ 3
    exp(1.0::double precision)
    ln(d)
    log(100.0::double precision)
    sign(n)
    sign(d)
    greatest(i, j, 3)
    least(n, 1)
    greatest(t, u)
    """
  private static let logic = """

    b AND i > 0
    b OR i > 0
    NOT b
    b IS TRUE
    b IS NOT TRUE
    b IS NULL
    b IS FALSE
    b IS UNKNOWN
    i IS DISTINCT FROM j
    i IS NOT DISTINCT FROM NULL
    j <> 0 AND i / j > 1
    j = 0 OR i / j > 1
    CASE WHEN j = 0 THEN -1 ELSE i / j END
    CASE i WHEN 7 THEN 'seven' WHEN 0 THEN 'zero' END
    COALESCE(i, 1 / j)
    COALESCE(i, 5)
    NULLIF(i, 7)
    i IN (7, 42)
    i IN (7, NULL)
    i NOT IN (7, NULL)
    t IN ('', 'Hello World')
    n IN (12.5, 0)
    i BETWEEN 0 AND 10
    i NOT BETWEEN 0 AND 10
    t < u
    dt < ts
    ts < tz
    id < '12345678-1234-1234-1234-123456789abc'
    b = true
    b < true
    """
  private static let texts = """

    t || u
    t || i
    lower(t)
    upper(t)
    initcap(t)
    length(t)
    char_length(t)
    octet_length(t)
    substring(t, 2)
    substring(t, 2, 3)
    substring(t, -1, 4)
    substring(t, 1, i)
    substring(t FROM 2 FOR 2)
    trim(t)
    trim(BOTH 'Hd' FROM t)
    ltrim(t)
    rtrim(t, ' d')
    btrim(t, 'H ')
    split_part(u, ',', 2)
    split_part(u, ',', -1)
    split_part(u, ',', j)
    replace(t, 'l', 'LL')
    position(u IN t)
    strpos(t, 'o')
    left(t, 3)
    left(t, -2)
    right(t, 3)
    right(t, -2)
    concat(t, i, b, NULL, d)
    concat_ws('-', t, NULL, u, n)
    md5(t)
    reverse(t)
    repeat(t, 2)
    lpad(t, 14, '*-')
    rpad(t, 4)
    starts_with(t, 'He')
    to_hex(i)
    to_hex(l)
    chr(j + 65)
    ascii(t)
    encode(sha256(t::bytea), 'hex')
    encode(t::bytea, 'base64')
    encode(decode('deadbeef', 'hex'), 'base64')
    translate(t, 'lo', '01')
    """
  private static let patterns = """

    t LIKE 'Hello%'
    t LIKE '%World'
    t LIKE '%lo W%'
    t LIKE '_ello%d'
    t NOT LIKE '%o%'
    t ILIKE 'hello%'
    t ILIKE '%äö'
    t LIKE u
    t LIKE '%!%' ESCAPE '!'
    u LIKE '\\%'
    t ~ '^H.*d$'
    t ~ '[0-9]{2,}'
    t ~* 'HELLO'
    t !~ 'o'
    t ~ u
    t ~ '\\mWorld\\M'
    t ~ '(a|b)+[[:digit:]]'
    t ~ '\\d\\s|\\w+'
    substring(t FROM '[0-9]+')
    substring(t, 'a(.)b')
    substring(t, '(l+).*')
    regexp_replace(t, '[aeiou]', '#')
    regexp_replace(t, '[aeiou]', '#', 'g')
    regexp_replace(t, '(\\w)(\\w)', '\\2\\1', 'g')
    regexp_replace(t, 'L+', '<\\&>', 'gi')
    regexp_replace(t, 'x*', '-', 'g')
    regexp_replace(t, 'a|ab|a1b', 'X')
    t ~ '(W|^)o?r?'
    t ~* 'ä'
    t ~ '[^a-zA-Z]'
    t ~ 'ö$'
    substring('q=1&channel_id=42&x=' || t FROM '(?:&|^)channel_id=([^&]*)')
    substring('channel_id=' || t FROM '(?:&|^)channel_id=([^&]*)')
    substring('xchannel_id=' || t FROM '(?:&|^)channel_id=([^&]*)')
    regexp_replace('ä–' || t || 'ö', '(ö|d)', '[\\1]', 'g')
    regexp_replace(t, '\\mw', '_', 'gi')
    regexp_replace(t, '$', '!')
    """
  private static let times = """

    date_trunc('hour', ts)
    date_trunc('week', tz)
    date_trunc('quarter', ts)
    date_trunc('month', dt)
    date_trunc('century', ts)
    date_trunc('nonsense', ts)
    date_bin('15 minutes', ts, '2001-01-01')
    extract(year FROM ts)
    extract(epoch FROM tz)
    extract(epoch FROM ts)
    extract(second FROM ts)
    extract(milliseconds FROM ts)
    extract(dow FROM dt)
    extract(isodow FROM dt)
    extract(doy FROM dt)
    extract(week FROM dt)
    extract(isoyear FROM dt)
    extract(hour FROM dt)
    extract(julian FROM dt)
    extract(century FROM ts)
    extract(epoch FROM interval '1 year 2 months 3 days 4 hours')
    extract(day FROM ts - '2020-01-01'::timestamp)
    date_part('hour', ts)
    date_part('epoch', tz)
    ts + interval '1 month'
    ts - interval '1 day 02:00:00'
    tz + interval '90 minutes'
    dt + 1
    dt - 31
    dt - '2020-01-01'::date
    dt + interval '1 month'
    ts - '2025-01-01'::timestamp
    tz - ts
    interval '1 day' * 1.5
    interval '1 month 3 days' / 2
    interval '1 day' + interval '2 hours'
    -interval '1 day 2 hours'
    interval '30 days' = interval '1 month'
    ts AT TIME ZONE 'UTC'
    ts AT TIME ZONE 'Europe/Berlin'
    tz AT TIME ZONE 'Europe/Berlin'
    tz AT TIME ZONE 'America/New_York'
    tz AT TIME ZONE '+02'
    tz AT TIME ZONE 'Nowhere/Land'
    to_timestamp(d)
    to_timestamp(1767882600.5)
    make_date(2024, 2, 29)
    make_date(2023, 2, 29)
    make_timestamp(2024, 2, 29, 12, 30, 15.5)
    ts > '2020-01-01'
    dt = '2024-02-29'
    """
  private static let casts = """

    i::bigint
    l::integer
    i::text
    i::numeric(5,2)
    n::integer
    n::double precision
    n::numeric(6,1)
    d::integer
    d::bigint
    d::numeric
    d::real
    d::text
    r::text
    r::double precision
    (r / 100)::numeric
    e::text
    t::integer
    '42'::integer
    ' 42 '::bigint
    '1e5'::double precision
    'abc'::double precision
    'NaN'::double precision
    'Infinity'::double precision
    '12.345'::numeric
    '1e-3'::numeric
    'yes'::boolean
    'maybe'::boolean
    i::boolean
    b::integer
    b::text
    ts::date
    dt::timestamp
    ts::text
    tz::text
    tz::date
    '2026-01-08T14:30:00Z'::timestamptz
    '2026-13-01'::date
    '1 year 2 mons'::interval
    id::text
    'zz'::uuid
    t::bytea
    '\\xDEADBEEF'::bytea
    """
}
