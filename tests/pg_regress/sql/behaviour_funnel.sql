-- window_funnel and window_funnel_times: how far somebody came through the steps of a funnel, over any table.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';

CREATE TEMP TABLE e (who text, at timestamptz, event text);
INSERT INTO e VALUES
  ('ann', '2024-01-01 10:00', 'View'), ('ann', '2024-01-01 10:05', 'Cart'), ('ann', '2024-01-03', 'Pay'),
  ('bob', '2024-01-01', 'Pay'), ('bob', '2024-01-02', 'View'),
  ('cid', '2024-01-01', 'Cart'),
  ('dan', NULL, 'View'), ('dan', '2024-01-01', NULL);

-- The longest chain of View, Cart, Pay within a week, and when its steps were. What comes before the first step does not count,
-- neither does a row without a time; a condition that is NULL is not met.
SELECT who, window_funnel('7 days', at, event = 'View', event = 'Cart', event = 'Pay'),
       window_funnel_times('7 days', at, event = 'View', event = 'Cart', event = 'Pay')
FROM e GROUP BY who ORDER BY who;

-- A funnel report: how many came at least so far.
SELECT step, count(*) FILTER (WHERE level >= step) AS users
FROM (SELECT window_funnel('7 days', at, event = 'View', event = 'Cart', event = 'Pay') AS level FROM e GROUP BY who) AS levels,
     generate_series(1, 3) AS step
GROUP BY step ORDER BY step;

-- The end of the window belongs to it; a microsecond later is too late. It runs from the first step.
SELECT within, window_funnel(within, at, event = 'View', event = 'Pay')
FROM e, (VALUES (interval '38 hours'), ('37:59:59.999999'), ('0')) AS w(within) WHERE who = 'ann' GROUP BY within ORDER BY within;

-- In the examples below a row is a time and the letters of the conditions it meets.
CREATE FUNCTION pg_temp.level(rows text, mode text DEFAULT '', within bigint DEFAULT 10) RETURNS text LANGUAGE sql AS $$
  SELECT window_funnel(within, mode, at, w LIKE '%A%', w LIKE '%B%', w LIKE '%C%') || ' ' ||
         window_funnel_times(within, mode, at, w LIKE '%A%', w LIKE '%B%', w LIKE '%C%')::text
  FROM regexp_split_to_table(rows, ' +') AS r, split_part(r, '@', 1) AS w, CAST(split_part(r, '@', 2) AS bigint) AS at
$$;

-- Any start will do, not only the first: the one that leads farthest. first_entry has only the first, as Mixpanel's funnels.
SELECT mode, pg_temp.level('A@0 A@8 B@12 C@15', mode) FROM unnest('{"",first_entry}'::text[]) AS mode;
-- Of several longest chains window_funnel_times tells the one that ends first, then begins last, then has its steps earliest.
SELECT pg_temp.level('A@0 A@1 B@2 B@3 C@4 C@5');

-- Simultaneous rows may be taken in any order: here in the order of the steps, whatever the table has.
SELECT pg_temp.level('C@5 B@5 A@5');
-- One row takes one step, even if it meets several conditions; row_fills_many lets it take all of them, as ClickHouse does.
SELECT mode, pg_temp.level('ABC@5', mode) AS one_row, pg_temp.level('ABC@5 AB@5', mode) AS two, pg_temp.level('AB@5 AC@5 A@5', mode) AS three
FROM unnest('{"",row_fills_many,"row_fills_many, strict_once"}'::text[]) AS mode;

-- strict_increase: each step is later than the one before.
SELECT mode, pg_temp.level('A@1 B@1 B@2 C@2 C@3', mode), pg_temp.level('A@0 A@1 B@1', mode) AS start_kept
FROM unnest('{"",strict_increase}'::text[]) AS mode;

-- strict_order: after the first step a row that is out of order ends the rows: one that meets no condition, or whose step can't be
-- reached yet. What repeats a step does no harm. With allow_reentry what is out of order is passed over.
SELECT mode, pg_temp.level('B@0 A@1 B@2 B@3 C@4', mode) AS repeats, pg_temp.level('A@0 x@1 B@2 C@3', mode) AS something_else,
       pg_temp.level('A@0 C@1 B@2 C@3', mode) AS too_early
FROM unnest('{"",strict_order,"strict_order, allow_reentry"}'::text[]) AS mode;

-- strict_dedup: a step after the first that happens again ends the rows; the first one begins anew.
SELECT mode, pg_temp.level('A@0 B@1 B@2 C@3', mode) AS again, pg_temp.level('A@0 A@1 B@2 C@3', mode) AS first_again
FROM unnest('{"",strict_dedup}'::text[]) AS mode;

-- Times may be numbers, and conditions an array; there are up to 64.
SELECT window_funnel(100, n, n >= 1, n >= 2, n >= 3) FROM generate_series(1, 3) AS n;
SELECT window_funnel(100, n, VARIADIC ARRAY(SELECT n >= i FROM generate_series(1, 64) AS i)) FROM generate_series(1, 64) AS n;
-- Numbers at the end of their range are just far apart.
SELECT window_funnel(9223372036854775807, n, n < 0, n >= 0)
FROM (VALUES (-9223372036854775808), (9223372036854775807)) AS t(n);

-- Over no rows nobody came anywhere.
SELECT window_funnel('1 day', at, true), window_funnel_times('1 day', at, true) FROM e WHERE false;
SELECT window_funnel('1 day', at, true), window_funnel_times('1 day', at, true) FROM e WHERE at IS NULL;

-- As a window function: how far until now.
SELECT who, event, window_funnel('7 days', at, event = 'View', event = 'Cart', event = 'Pay') OVER (PARTITION BY who ORDER BY at)
FROM e WHERE who IN ('ann', 'bob') ORDER BY who, at;

-- Random users against the definition in SQL: the best of all chains of three rows, two rows, one row.
SELECT setseed(0.25);
CREATE TEMP TABLE r AS
SELECT (random() * 400)::int AS who, (random() * 12)::bigint AS at, (random() * 7)::int AS m, row_number() OVER () AS id FROM generate_series(1, 2400);
CREATE TEMP TABLE by_definition AS
SELECT a.who, max(CASE WHEN c.id IS NOT NULL THEN 3 WHEN b.id IS NOT NULL THEN 2 ELSE 1 END) AS level
FROM r AS a
  LEFT JOIN r AS b ON b.who = a.who AND b.m & 2 > 0 AND b.at BETWEEN a.at AND a.at + 4 AND b.id <> a.id
  LEFT JOIN r AS c ON c.who = a.who AND c.m & 4 > 0 AND c.at BETWEEN b.at AND a.at + 4 AND c.id NOT IN (a.id, b.id)
WHERE a.m & 1 > 0 GROUP BY a.who;
SELECT count(*) AS users, count(DISTINCT f.level) AS levels, count(*) FILTER (WHERE f.level <> coalesce(d.level, 0)) AS wrong
FROM (SELECT who, window_funnel(4, at, m & 1 > 0, m & 2 > 0, m & 4 > 0) AS level FROM r GROUP BY who) AS f LEFT JOIN by_definition AS d USING (who);
