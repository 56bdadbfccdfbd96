-- insights: what a metric can measure beside events and uniques, and what can be done to its curve. Semantics 4.2 to 4.4.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_measures') > 0 AS created;
SET analytics_groups.project = 't_measures';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- The example of 4.2: acme: u1 watch 10, u1 watch 30, u2 watch 20; globex: u3 watch 60, u3 watch (no minutes);
-- no company: u4 watch 5, u1 watch 15.
SELECT count(analytics_groups.track('watch', u, p, at => '2024-01-01 09:00Z')) AS tracked
FROM (VALUES ('u1', '{"company_id": "acme", "minutes": 10}'::jsonb), ('u1', '{"company_id": "acme", "minutes": 30}'),
             ('u2', '{"company_id": "acme", "minutes": 20}'), ('u3', '{"company_id": "globex", "minutes": 60}'),
             ('u3', '{"company_id": "globex"}'), ('u4', '{"minutes": 5}'), ('u1', '{"minutes": 15}')) AS v(u, p);

-- One line per metric over one day.
CREATE FUNCTION pg_temp.of_day(metrics jsonb) RETURNS TABLE (metric text, segment text[], value float8) LANGUAGE sql AS $$
    SELECT i.metric, i.segment, i.value FROM analytics_groups.insights(metrics, '2024-01-01', '2024-01-01', unit => 'range') AS i
$$;

-- ---- Aggregates of a property ------------------------------------------------------------------------------------------
-- sum 140, average 140/6, median (15 + 20) / 2; the event without minutes does not contribute.
SELECT metric, value FROM pg_temp.of_day('[
    {"event": "watch", "measure": "sum", "property": "minutes", "label": "sum"},
    {"event": "watch", "measure": "average", "property": "minutes", "label": "average"},
    {"event": "watch", "measure": "median", "property": "minutes", "label": "median"},
    {"event": "watch", "measure": "p90", "property": "minutes", "label": "p90"},
    {"event": "watch", "measure": "percentile", "percentile": 12.5, "property": "minutes", "label": "percentile 12.5"},
    {"event": "watch", "measure": "min", "property": "minutes", "label": "min"},
    {"event": "watch", "measure": "max", "property": "minutes", "label": "max"},
    {"event": "watch", "measure": "distinct", "property": "minutes", "label": "distinct"},
    {"event": "watch", "measure": "sum", "property": "minutes", "by": "company_id", "label": "sum of companies"}]');
-- The percentiles are those of percentile_cont.
SELECT percentile_cont('{0.5,0.9,0.125}'::float8[]) WITHIN GROUP (ORDER BY m) FROM unnest('{10,30,20,60,5,15}'::float8[]) AS m;
-- Of nothing a sum and a count are 0, everything else is NULL.
SELECT metric, value FROM analytics_groups.insights('[
    {"event": "watch", "measure": "sum", "property": "minutes", "label": "sum"},
    {"event": "watch", "measure": "distinct", "property": "minutes", "label": "distinct"},
    {"event": "watch", "measure": "average", "property": "minutes", "label": "average"},
    {"event": "watch", "measure": "median", "property": "minutes", "label": "median"},
    {"event": "watch", "measure": "max", "property": "minutes", "label": "max"},
    {"event": "watch", "measure": "average", "per": "total", "label": "average per user"},
    {"event": "watch", "measure": "dau", "label": "dau"}]', '2024-02-01', '2024-02-01');
-- An event of two companies is one of the whole, and one of each company.
SELECT count(analytics_groups.track('split', 'u1', p, at => '2024-01-01 09:00Z')) AS tracked
FROM unnest('{"{\"company_id\": [\"acme\", \"globex\"], \"amount\": 10}","{\"company_id\": \"acme\", \"amount\": 5}"}'::jsonb[]) AS p;
SELECT segment, value FROM pg_temp.of_day('{"event": "split", "measure": "sum", "property": "amount", "by": "company_id"}');
SELECT segment, value
FROM analytics_groups.insights('{"event": "split", "measure": "sum", "property": "amount", "by": "company_id"}', '2024-01-01', '2024-01-01',
                               breakdown => '["group.company_id"]');
-- Sums are exact and rounded once: 0.1 ten times is 1, and what cancels is gone.
SELECT count(analytics_groups.track('fine', 'u1', jsonb_build_object('x', x), at => '2024-01-01 09:00Z')) AS tracked
FROM (SELECT 0.1 AS x FROM generate_series(1, 10) UNION ALL VALUES (1e300), (-1e300)) AS s;
SELECT value FROM pg_temp.of_day('{"event": "fine", "measure": "sum", "property": "x"}');
-- Different values, of any type: what reads the same is one, a list has those of its elements.
SELECT count(analytics_groups.track('tagged', 'u1', p, at => '2024-01-01 09:00Z')) AS tracked
FROM unnest('{"{\"t\": 1}","{\"t\": \"1\"}","{\"t\": [\"a\", \"b\", null]}","{\"t\": \"a\"}","{\"t\": null}","{\"t\": \"\"}"}'::jsonb[]) AS p;
SELECT value FROM pg_temp.of_day('{"event": "tagged", "measure": "distinct", "property": "t"}');

-- ---- What each subject has ---------------------------------------------------------------------------------------------
-- (3 + 1 + 2 + 1) / 4 events per user, (3 + 2) / 2 per company; 55, 20, 60, 5 minutes per user; 60 of acme and of globex.
SELECT metric, value FROM pg_temp.of_day('[
    {"event": "watch", "per": "total", "label": "events per user"},
    {"event": "watch", "per": "total", "by": "company_id", "label": "events per company"},
    {"event": "watch", "measure": "average", "per": {"measure": "sum", "property": "minutes"}, "label": "minutes per user"},
    {"event": "watch", "measure": "median", "per": {"measure": "sum", "property": "minutes"}, "label": "median minutes per user"},
    {"event": "watch", "measure": "max", "by": "company_id", "per": {"measure": "sum", "property": "minutes"}, "label": "most minutes of a company"},
    {"event": "watch", "measure": "min", "per": {"measure": "distinct", "property": "minutes"}, "label": "fewest different minutes"}]');
-- One row per value, which comes last in the segment: two users with 1 event, one with 2, one with 3.
SELECT segment, value FROM pg_temp.of_day('{"event": "watch", "measure": "distribution"}');
-- Every value has a row in every interval.
SELECT bucket, segment, value
FROM analytics_groups.insights('{"event": "watch", "measure": "distribution", "per": {"measure": "max", "property": "minutes"}, "by": "company_id"}',
                               '2024-01-01', '2024-01-02');

-- ---- Trailing windows --------------------------------------------------------------------------------------------------
-- 4.3: acme on days 1 and 8, globex on 3, initech on 10. Weekly actives: day 7 has acme and globex, 10 acme and initech.
SELECT count(analytics_groups.track('visit', 'u1', jsonb_build_object('company_id', c), at => timestamptz '2024-03-01 12:00Z' + (d - 1) * interval '1 day')) AS tracked
FROM (VALUES (1, 'acme'), (8, 'acme'), (3, 'globex'), (10, 'initech')) AS v(d, c);
SELECT bucket::date, max(value) FILTER (WHERE metric = 'A') AS dau, max(value) FILTER (WHERE metric = 'B') AS wau,
       max(value) FILTER (WHERE metric = 'C') AS mau, max(value) FILTER (WHERE metric = 'D') AS so_far, max(value) FILTER (WHERE metric = 'stickiness') AS stickiness
FROM analytics_groups.insights('[{"event": "visit", "measure": "dau", "by": "company_id"}, {"event": "visit", "measure": "wau", "by": "company_id"},
                                 {"event": "visit", "measure": "mau", "by": "company_id"}, {"event": "visit", "measure": "cumulative_unique", "by": "company_id"}]',
                               '2024-03-05', '2024-03-10', formulas => '{"stickiness = A / C"}')
GROUP BY 1 ORDER BY 1;
-- For a week or a month the window ends with its last day inside of the range: 1 to 7 April looks back over 25 March.
SELECT bucket::date, value FROM analytics_groups.insights('{"event": "visit", "measure": "mau", "by": "company_id"}', '2024-03-01', '2024-04-07', unit => 'month');

-- ---- Rolling averages, running sums, formulas --------------------------------------------------------------------------
-- 4.4: the points 3, 0, 6, 3, 0, 9, 7, 0, 3; the last three averages of 7 are 4.0, 3.571, 4.0. Points before the range count.
SELECT count(analytics_groups.track('point', 'u1', at => timestamptz '2024-05-01 12:00Z' + (d - 1) * interval '1 day')) AS tracked
FROM unnest('{3,0,6,3,0,9,7,0,3}'::int[]) WITH ORDINALITY AS p(n, d), generate_series(1, n);
SELECT bucket::date, round(value::numeric, 3) AS value FROM analytics_groups.insights('["point"]', '2024-05-07', '2024-05-09', rolling => 7);
SELECT bucket::date, value FROM analytics_groups.insights('["point"]', '2024-05-07', '2024-05-09', cumulative => true);
-- A formula knows metrics by their labels; without a name it is called by its text. Division by zero is NULL.
SELECT metric, bucket::date, value
FROM analytics_groups.insights('["point", {"event": "point", "measure": "unique", "label": "who"}]', '2024-05-08', '2024-05-09',
                               formulas => '{"A / who", "per thousand = (A + 1) * 1000"}');
-- The same once more over the days that lie a week before, interval by interval; the change is a matter of SQL.
SELECT a.bucket::date, a.value, b.value AS week_before, round((a.value / nullif(b.value, 0) - 1)::numeric, 2) AS change
FROM analytics_groups.insights('["point"]', '2024-05-08', '2024-05-09', compare => '7 days') AS a
JOIN analytics_groups.insights('["point"]', '2024-05-08', '2024-05-09', compare => '7 days') AS b USING (bucket)
WHERE a.metric = 'A' AND b.metric = 'A (compared)' ORDER BY 1;
-- Segments are those of the report; a month before, of February there was less.
SELECT metric, bucket::date, value FROM analytics_groups.insights('["visit"]', '2024-03-30', '2024-03-31', compare => '1 month');
SELECT metric, segment, value
FROM analytics_groups.insights('["watch"]', '2024-01-02', '2024-01-02', breakdown => '["minutes"]', compare => '1 day');
SELECT metric, segment, value
FROM analytics_groups.insights('[{"event": "$any", "measure": "unique", "by": "company_id"}]', '2024-03-10', '2024-03-10', breakdown => '["group.company_id"]', compare => '2 days');
-- The rest of a breakdown is one segment in everything.
SELECT metric, segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "sum", "property": "minutes", "by": "company_id", "label": "minutes"},
                                 {"event": "watch", "measure": "median", "property": "minutes", "by": "company_id", "label": "median"},
                                 {"event": "watch", "measure": "distribution", "by": "company_id", "label": "companies with so many events"}]',
                               '2024-01-01', '2024-01-01', breakdown => '["minutes"]', top => 2);

-- ---- Breakdowns into ranges and parts of dates -------------------------------------------------------------------------
-- 4.5: size 10, from 50 to 100, on 12, 50, 59.9, 60, 100, "a", unset. The lower end belongs to a range, the upper does not.
SELECT count(analytics_groups.track('bought', 'u1', p, at => '2024-06-01 09:00Z')) AS tracked
FROM unnest('{"{\"amount\": 12}","{\"amount\": 50}","{\"amount\": 59.9}","{\"amount\": 60}","{\"amount\": 100}","{\"amount\": \"a\"}","{}"}'::jsonb[]) AS p;
SELECT segment, value FROM analytics_groups.insights('["bought"]', '2024-06-01', '2024-06-01', breakdown => '[{"property": "amount", "bucket": {"size": 10, "min": 50, "max": 100}}]');
-- Without min and max the ranges are multiples of the size.
SELECT segment, value FROM analytics_groups.insights('["bought"]', '2024-06-01', '2024-06-01', breakdown => '[{"property": "amount", "bucket": {"size": 0.1}}]');
-- Ranges of different widths have their bounds.
SELECT segment, value FROM analytics_groups.insights('["bought"]', '2024-06-01', '2024-06-01', breakdown => '[{"property": "amount", "bucket": {"at": [50, 60]}}]');
-- Buckets with names: the first that lists a value has it.
SELECT segment, value FROM analytics_groups.insights('["bought"]', '2024-06-01', '2024-06-01',
    breakdown => '[{"property": "amount", "bucket": [{"name": "small", "values": [12, 50]}, {"name": "strange", "values": ["a", 12]}]}]');
-- When it happened, on the project's clock; and a property that is a date.
SELECT segment, value FROM analytics_groups.insights('["point"]', '2024-05-01', '2024-05-09', unit => 'range', breakdown => '[{"property": "$time", "unit": "day_of_week"}]');
SELECT count(analytics_groups.track('renewed', 'u1', jsonb_build_object('due', d), at => '2024-06-01 09:00Z')) AS tracked
FROM unnest('{2024-07-31,2024-07-01T10:00:00,2024-08-01T00:30:00Z,soon}'::text[]) AS d;
SELECT segment, value FROM analytics_groups.insights('["renewed"]', '2024-06-01', '2024-06-01', breakdown => '[{"property": "due", "unit": "month"}]');

-- ---- Uniques in one segment -------------------------------------------------------------------------------------------
-- Who picked several plans counts in that of the first event of an interval only, or of the last: waiting or sealed.
SELECT count(analytics_groups.track('picked', 'u1', jsonb_build_object('plan', plan), at => at::timestamptz)) AS tracked
FROM (VALUES ('b', '2024-06-03 09:00Z'), ('a', '2024-06-03 10:00Z'), ('d', '2024-06-04 08:00Z'), ('c', '2024-06-04 09:00Z')) AS t (plan, at);
CREATE VIEW pg_temp.plans AS
SELECT attribution, segment, value FROM unnest('{first,last}'::text[]) AS attribution,
       analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', 'picked', 'measure', 'unique', 'attribution', attribution)),
                                 '2024-06-03', '2024-06-09', unit => 'week', breakdown => '["plan"]') WHERE value > 0;
SELECT * FROM pg_temp.plans;
CALL analytics_groups.maintain('t_measures');
SELECT * FROM pg_temp.plans;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_measures');
