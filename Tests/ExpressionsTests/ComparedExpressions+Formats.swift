extension ComparedExpressions {
  static let formats =
    "\n"
    + numberPatterns.flatMap { pattern in
      ["n", "i", "l", "d", "r", "e"].map { "to_char(\($0), '\(pattern)')" }
    }.joined(separator: "\n") + "\n"
    + timePatterns.flatMap { pattern in ["ts", "tz"].map { "to_char(\($0), '\(pattern)')" } }.joined(separator: "\n")
    + timeTexts

  private static let timePatterns = [
    "YYYY-MM-DD HH24:MI:SS", "YYYY-MM-DD\"T\"HH24:MI:SS.US", "YYYYMMDDHH24MISSMS", "Day, DD Month YYYY",
    "FMDay, FMDD FMMonth YYYY", "FMDAY DAY day", "DY Dy dy MON Mon mon", "FMHH12:MI AM", "HH:MI pm", "IYYY-\"W\"IW-ID",
    "YYY YY Y", "DDD D Q WW W CC J", "SSSS MS", "month MONTH", "yyyy/mm/dd", "TZ", "OF", "FMMM.FMDD", "\"YYYY\"", "é–é"
  ]

  private static let numberPatterns = [
    "9", "999", "0", "000", "9999999999", "0999", "9990", "999.99", "000.00", "FM999.99", "FM000.00", "FM990.00",
    "999,999,999", "FM999,999,999.0", "9G999G999D99", "S999", "S999.9", "999S", "999.9S", "999MI", "MI999", "999.9MI",
    "PL999", "999PL", "SG999", "999SG", "999.9PR", "FM999PR", "FM9.9", "FM9.", "9.9", ".99", "FM.99", "\"x\"999\"y\"",
    "99-99", "FMS999,990.0", "0000000000.000", "FM0000000000.000", "99 99", "9,9,9,9", "099,999.9",
    "FM99999999999999999.9",
    "99999999999999999999.999999999999999999999", "fm999d9", "S0", "FMS9.99", "$999.00", "FMMI990.9", "SG999.99", ""
  ]

  private static let timeTexts = """

    to_timestamp('2026-01-31 13:45:12', 'YYYY-MM-DD HH24:MI:SS')
    to_timestamp('2026-01-31T13:45:12.345678', 'YYYY-MM-DD"T"HH24:MI:SS.US')
    to_timestamp('2026-01-31T13:45:12Z', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    to_timestamp('20260131134512', 'YYYYMMDDHH24MISS')
    to_timestamp('20260131134512345', 'YYYYMMDDHH24MISSMS')
    to_timestamp('31/01/2026 01:45 PM', 'DD/MM/YYYY HH12:MI PM')
    to_timestamp('31/01/2026 12:45 a.m.', 'DD/MM/YYYY HH:MI A.M.')
    to_timestamp('05 Dec 2000', 'DD Mon YYYY')
    to_timestamp('5 december 2000', 'DD Month YYYY')
    to_timestamp('Friday, 5 may 2000', 'Day, DD Month YYYY')
    to_timestamp('2026-01-31 13:45:12 +02:30', 'YYYY-MM-DD HH24:MI:SS TZH:TZM')
    to_timestamp('2026-01-31 13:45:12-05', 'YYYY-MM-DD HH24:MI:SSTZH')
    to_timestamp('2026-01-31 13:45:12.5', 'YYYY-MM-DD HH24:MI:SS.MS')
    to_timestamp('2026-01-31 13:45:12.025', 'YYYY-MM-DD HH24:MI:SS.FF3')
    to_timestamp('2026-1-3', 'YYYY-MM-DD')
    to_timestamp('2026/01.31', 'YYYY-MM-DD')
    to_timestamp('  2026   01  31', 'YYYY MM DD')
    to_timestamp('2026-13-01', 'YYYY-MM-DD')
    to_timestamp('2026-02-30', 'YYYY-MM-DD')
    to_timestamp('2026-01-31 25:00', 'YYYY-MM-DD HH24:MI')
    to_timestamp('nonsense', 'YYYY-MM-DD')
    to_timestamp('2026-01', 'YYYY-MM-DD')
    to_timestamp('26-01-31', 'YY-MM-DD')
    to_timestamp('99-01-31', 'YY-MM-DD')
    to_timestamp('026-01-31', 'YYY-MM-DD')
    to_timestamp('2024-060', 'YYYY-DDD')
    to_timestamp('2023-366', 'YYYY-DDD')
    to_timestamp('13:45', 'HH24:MI')
    to_timestamp('2026-01-31 49512', 'YYYY-MM-DD SSSSS')
    to_timestamp('2026 2026', 'YYYY YYYY')
    to_timestamp('2026 2027', 'YYYY YYYY')
    to_timestamp('2026-01-31 and more', 'YYYY-MM-DD')
    to_timestamp('', 'YYYY')
    to_timestamp('7', 'FMDD')
    to_timestamp('1-2-3', 'FMDDFMMMYYYY')
    to_timestamp(ts::text, 'YYYY-MM-DD HH24:MI:SS.US')
    to_timestamp(t, 'YYYY')
    to_timestamp(dt::text, concat('YYYY-MM', '-DD'))
    to_char(i, concat('99', '0D', '0'))
    to_date('20260131', 'YYYYMMDD')
    to_date('31 Jan 2026', 'DD Mon YYYY')
    to_date('Jan 31, 2026', 'Mon DD, YYYY')
    to_date('2451187', 'J')
    to_date('2026-01-31 10:00', 'YYYY-MM-DD HH24:MI')
    to_date('2026-02-29', 'YYYY-MM-DD')
    to_date(dt::text, 'YYYY-MM-DD')
    to_date(to_char(dt, 'DD.MM.YYYY'), 'DD.MM.YYYY')
    """

  static let json = #"""

    js
    js::text
    js->'a'
    js->'b'->'c'
    js->'b'->>'c'
    js->>'a'
    js->>'s'
    js->>'n'
    js->'n'
    js->'missing'
    js->0
    js->>1
    js->-1
    js->>-9
    js->i
    js->>u
    js->'a' = '1'
    js->'a' <> '1.00'
    js = js
    js = '{"n": null, "b": {"c": [1, 2.50, {}]}, "a": 1.0, "s": "x\ty"}'
    js IS DISTINCT FROM NULL
    js IN ('[1, 2, 3]', '"text"')
    COALESCE(js->>'a', 'none')
    NULLIF(js, '7')
    (js->>'a')::integer + 1
    (js->'a')::integer
    (js->'a')::numeric
    (js->'a')::double precision
    (js->'t')::boolean
    (js->'n')::integer
    (js->'s')::integer
    js::integer
    js::numeric(4,1)
    js::bigint
    js::real
    js::boolean
    concat(js, '!')
    js || t
    t::jsonb
    u::jsonb
    '{"b":1,"aa":2,"a":3,"b":{"x":[]}}'::jsonb
    '[1e3, 1.50e1, -0, -0.0, 1E-3, 0.10, 12345678901234567890123456789012345678901234567890]'::jsonb
    '"\u00e4\u20ac\ud83d\ude00 \" \\ \/ \b\f\n\r\t \u001f"'::jsonb
    concat('{"a":', i, '}')::jsonb
    concat('{"a":', i)::jsonb
    concat('"', t, '"')::jsonb->>0
    concat('"', chr(92), 'u0000"')::jsonb
    concat('"', chr(92), 'ud800"')::jsonb
    concat('[', d, ',', n, ',', r, ']')::jsonb
    concat('0', i)::jsonb
    concat('1.', '')::jsonb
    concat('tru', '')::jsonb
    concat(' { } ', '')::jsonb
    concat('1e200000', '')::jsonb
    concat('{"a":1}', ' x')::jsonb
    """#
}
