-- retention: who comes back. Semantics 6, example by example.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_retention') > 0 AS created;
SET analytics_groups.project = 't_retention';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- One line per cohort, retained in buckets 0, 1, 2 …
CREATE FUNCTION pg_temp.counts(born text, returned text, from_date date, to_date date, by text, unit text, buckets int, criterion text, alignment text)
RETURNS TABLE (segment text[], cohort text, size bigint, retained text) LANGUAGE sql AS $$
    SELECT r.segment, to_char(r.cohort, 'YYYY-MM-DD'), max(r.size), string_agg(r.retained::text, ' ' ORDER BY r.bucket)
    FROM analytics_groups.retention(to_jsonb(born), to_jsonb(returned), from_date, to_date, by => by, unit => unit, buckets => buckets,
                                    criterion => criterion, alignment => alignment) AS r
    GROUP BY r.segment, r.cohort ORDER BY 1, 2
$$;

-- ---- 6.2: rolling buckets of 24 h and calendar days --------------------------------------------------------------------------
-- Birth 2024-01-01 20:00. Back 01-02 06:00 -> rolling 0, calendar 1; 01-02 21:00 -> 1, 1; 01-04 19:59 -> 2, 3.
SELECT analytics_groups.track('Join', w, '{}', at => '2024-01-01 20:00Z') FROM unnest('{a,b,c}'::text[]) AS w;
SELECT analytics_groups.track('Back', 'a', '{}', at => '2024-01-02 06:00Z');
SELECT analytics_groups.track('Back', 'b', '{}', at => '2024-01-02 21:00Z');
SELECT analytics_groups.track('Back', 'c', '{}', at => '2024-01-04 19:59Z');
SELECT alignment, c.* FROM unnest('{rolling,calendar}'::text[]) AS alignment,
     pg_temp.counts('Join', 'Back', '2024-01-01', '2024-01-01', 'user', 'day', 3, 'on', alignment) AS c ORDER BY alignment DESC;
-- A month of 30 days or of the calendar: 25 February to 3 March is month 1 of the calendar.
SELECT analytics_groups.track('Join', 'd', '{}', at => '2024-02-25 12:00Z');
SELECT analytics_groups.track('Back', 'd', '{}', at => '2024-03-03 12:00Z');
SELECT alignment, c.* FROM unnest('{rolling,calendar}'::text[]) AS alignment,
     pg_temp.counts('Join', 'Back', '2024-02-01', '2024-02-29', 'user', 'month', 1, 'on', alignment) AS c ORDER BY alignment DESC;

-- ---- 6.3: criteria -----------------------------------------------------------------------------------------------------------
-- Active in buckets g1 {0,2}, g2 {1}, g3 {0,1,2}, g4 {}, g5 {3}:
-- on 2 2 2 1, on or after 4 4 3 1, on or before 2 3 3 4, streak 2 1 1 0.
SELECT count(analytics_groups.track('Start', g, jsonb_build_object('company_id', g), at => '2024-04-01 10:00Z')) FROM unnest('{g1,g2,g3,g4,g5}'::text[]) AS g;
SELECT count(analytics_groups.track('Use', g, jsonb_build_object('company_id', g), at => '2024-04-01 12:00Z'::timestamptz + make_interval(days => d)))
FROM (VALUES ('g1', 0), ('g1', 2), ('g2', 1), ('g3', 0), ('g3', 1), ('g3', 2), ('g5', 3)) AS t(g, d);
SELECT criterion, c.* FROM unnest('{on,on_or_after,on_or_before,streak}'::text[]) WITH ORDINALITY AS k(criterion, n),
     pg_temp.counts('Start', 'Use', '2024-04-01', '2024-04-01', 'company_id', 'day', 3, criterion, 'rolling') AS c ORDER BY n;
-- The default is on or after; the value is the share; all is complete by now.
SELECT segment, cohort, size, bucket, retained, round(value::numeric, 2) AS value, complete
FROM analytics_groups.retention('"Start"', '"Use"', '2024-04-01', '2024-04-01', by => 'company_id', buckets => 3) ORDER BY bucket;

-- The birth is not its own return.
SELECT * FROM pg_temp.counts('Start', 'Start', '2024-04-01', '2024-04-01', 'user', 'day', 1, 'on', 'rolling');
-- In a streak it fills bucket 0.
SELECT * FROM pg_temp.counts('Start', 'Start', '2024-04-01', '2024-04-01', 'user', 'day', 1, 'streak', 'rolling');

-- ---- 6.1: in every birth bucket, or only the first -----------------------------------------------------------------------------
SELECT count(analytics_groups.track('Buy', 'weekly', '{}', at => '2024-05-06 10:00Z'::timestamptz + make_interval(weeks => w))) FROM generate_series(0, 3) AS w;
SELECT count(analytics_groups.track('Buy', 'once', '{}', at => '2024-05-13 10:00Z'));
SELECT births, to_char(r.cohort, 'YYYY-MM-DD') AS cohort, r.size, string_agg(r.retained::text, ' ' ORDER BY r.bucket) AS retained
FROM unnest('{every,first}'::text[]) AS births,
     analytics_groups.retention('"Buy"', '"Buy"', '2024-05-06', '2024-06-02', unit => 'week', buckets => 2, criterion => 'on', births => births) AS r
GROUP BY births, r.cohort, r.size ORDER BY births, r.cohort;
-- The first ever, over all history, even when the range begins later.
SELECT to_char(cohort, 'YYYY-MM-DD') AS cohort, size
FROM analytics_groups.retention('"Buy"', '"Buy"', '2024-05-13', '2024-05-26', unit => 'week', buckets => 0, births => 'first') ORDER BY cohort;

-- ---- 6.7: a company is retained when any of its people comes back ------------------------------------------------------------------
-- acme: Signup by u1 01-01 09:00, Login by u2 01-02 10:00; globex: Signup u3 12:00, Login u3 18:00.
SELECT analytics_groups.track('Signup', 'u1', '{"company_id": "acme"}', at => '2024-07-01 09:00Z');
SELECT analytics_groups.track('Login', 'u2', '{"company_id": "acme"}', at => '2024-07-02 10:00Z');
SELECT analytics_groups.track('Signup', 'u3', '{"company_id": "globex"}', at => '2024-07-01 12:00Z');
SELECT analytics_groups.track('Login', 'u3', '{"company_id": "globex"}', at => '2024-07-01 18:00Z');
SELECT by, c.* FROM unnest('{company_id,user}'::text[]) AS by,
     pg_temp.counts('Signup', 'Login', '2024-07-01', '2024-07-01', by, 'day', 1, 'on', 'rolling') AS c ORDER BY by;

-- ---- Filters, and any event -------------------------------------------------------------------------------------------------------
SELECT count(analytics_groups.track('Subscribe', u, jsonb_build_object('source', s), at => '2024-08-01 10:00Z')) FROM (VALUES ('s1', 'ad'), ('s2', 'ad'), ('s3', NULL)) AS t(u, s);
SELECT count(analytics_groups.track('Pay', u, jsonb_build_object('amount', a), at => '2024-08-01 12:00Z'::timestamptz + make_interval(days => d)))
FROM (VALUES ('s1', 10, 0), ('s1', 5, 1), ('s2', 7, 1), ('s2', 3, 1), ('s3', 100, 2)) AS t(u, a, d);
SELECT bucket, size, retained
FROM analytics_groups.retention('"Subscribe"', from_date => '2024-08-01', to_date => '2024-08-01', buckets => 1, criterion => 'on') ORDER BY bucket;
SELECT bucket, size, retained
FROM analytics_groups.retention('{"event": "Subscribe", "filter": "properties[\"source\"] == \"ad\""}', '{"event": "Pay", "filter": "properties[\"amount\"] >= 7"}',
                                '2024-08-01', '2024-08-01', buckets => 1, criterion => 'on') ORDER BY bucket;

-- Nothing changes when the store is compacted.
CALL analytics_groups.maintain('t_retention');
SELECT criterion, c.* FROM unnest('{on,on_or_after,on_or_before,streak}'::text[]) WITH ORDINALITY AS k(criterion, n),
     pg_temp.counts('Start', 'Use', '2024-04-01', '2024-04-01', 'company_id', 'day', 3, criterion, 'rolling') AS c ORDER BY n;
SELECT by, c.* FROM unnest('{company_id,user}'::text[]) AS by,
     pg_temp.counts('Signup', 'Login', '2024-07-01', '2024-07-01', by, 'day', 1, 'on', 'rolling') AS c ORDER BY by;
-- Nobody: no cohort has a row.
SELECT cohort::date, size, bucket, retained FROM analytics_groups.retention('"Start"', '"Use"', '2025-01-01', '2025-01-02', buckets => 1) ORDER BY cohort, bucket;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_retention');
