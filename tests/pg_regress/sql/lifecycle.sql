-- lifecycle: who is new, retained, resurrected or dormant. frequency: on how many days of a week. Semantics 6.6.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_lifecycle') > 0 AS created;
SET analytics_groups.project = 't_lifecycle';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- ---- Lifecycle ---------------------------------------------------------------------------------------------------------
-- acme logs in on days 1, 2 and 4, through different users; globex on 1 and 3; old long ago, the day before, and on day 1.
SELECT count(analytics_groups.track('Login', u, jsonb_build_object('company_id', c), at => timestamptz '2024-01-01 12:00Z' + (d - 1) * interval '1 day')) AS tracked
FROM (VALUES (1, 'u1', 'acme'), (2, 'u2', 'acme'), (4, 'u1', 'acme'), (1, 'u3', 'globex'), (3, 'u3', 'globex'),
             (-50, 'u4', 'old'), (0, 'u4', 'old'), (1, 'u4', 'old')) AS v(d, u, c);
CREATE FUNCTION pg_temp.states(by text, from_date date, to_date date, unit text) RETURNS TABLE (bucket date, new bigint, retained bigint, resurrected bigint, dormant bigint)
LANGUAGE sql AS $$
    SELECT l.bucket::date, max(count) FILTER (WHERE state = 'new'), max(count) FILTER (WHERE state = 'retained'),
           max(count) FILTER (WHERE state = 'resurrected'), max(count) FILTER (WHERE state = 'dormant')
    FROM analytics_groups.lifecycle('"Login"', from_date, to_date, by => by, unit => unit) AS l GROUP BY 1 ORDER BY 1
$$;
-- Day 1: acme and globex are new, old is retained from the day before. Day 2: acme stays, two pause. Day 3: globex is back …
SELECT * FROM pg_temp.states('company_id', '2024-01-01', '2024-01-05', 'day');
SELECT * FROM pg_temp.states('user', '2024-01-01', '2024-01-05', 'day');
-- The first week is taken whole, though the range begins with its Thursday.
SELECT * FROM pg_temp.states('company_id', '2024-01-04', '2024-01-14', 'week');
-- One row per interval and state. An event nobody sent is nobody's, with a word about it.
SELECT * FROM analytics_groups.lifecycle('"Logn"', '2024-01-01', '2024-01-01', unit => 'month');
SELECT * FROM analytics_groups.lifecycle(from_date => '2024-01-01', to_date => '2024-01-01', unit => 'hour');

-- ---- Frequency ---------------------------------------------------------------------------------------------------------
-- u1 on Monday, Tuesday and Wednesday, u2 on Monday, u3 on Monday to Friday, u4 on Tuesday and Wednesday, some of them often.
SELECT count(analytics_groups.track('Visit', u, '{"company_id": "acme"}', at => timestamptz '2024-02-05 08:00Z' + d * interval '1 day' + h * interval '1 hour')) AS tracked
FROM (VALUES ('u1', '{0,1,2}'::int[]), ('u2', '{0}'), ('u3', '{0,1,2,3,4}'), ('u4', '{1,2}')) AS v(u, days), unnest(days) AS d, generate_series(0, 2) AS h;
-- On at least so many days: 4 3 2 1 1 0 0; on exactly so many: 1 1 1 0 1 0 0.
SELECT a.bucket::date, a.active, a.count AS at_least, e.count AS exactly
FROM analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-11') AS a
JOIN analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-11', cumulative => false) AS e USING (bucket, active) ORDER BY 1, 2;
-- The company was there on five days, through whomever.
SELECT string_agg(count::text, ' ' ORDER BY active) FROM analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-11', by => 'company_id');
-- Days of a month, of which the range has a few; hours of a day.
SELECT string_agg(count::text, ' ' ORDER BY active) FROM analytics_groups.frequency('"Visit"', '2024-02-06', '2024-02-07', unit => 'month');
SELECT string_agg(count::text, ' ' ORDER BY active) FROM analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-05', unit => 'day');
SELECT * FROM analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-05', unit => 'week', every => 'hour');
SELECT * FROM analytics_groups.frequency('"Visit"', '2024-02-05', '2024-02-05', by => 'team_id');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_lifecycle');
