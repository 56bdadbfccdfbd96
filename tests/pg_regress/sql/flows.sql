-- flows and flow_paths: what people do right after an event, and right before it. Semantics 7, with its worked example.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_flows') > 0 AS created;
SET analytics_groups.project = 't_flows';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- One letter an event, an hour apart, from 10:00 on.
CREATE FUNCTION pg_temp.send(who text, day date, letters text, properties jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(substr(letters, i, 1), who, properties, at => day + make_interval(hours => 9 + i)))
    FROM generate_series(1, length(letters)) AS i
$$;

-- ---- 7.3: u1 A,B,C; u2 A,B,B,D; u3 A,C; u4 A; u5 A,D,B ------------------------------------------------------------------------
SELECT who, pg_temp.send(who, '2024-01-10', letters)
FROM (VALUES ('u1', 'ABC'), ('u2', 'ABBD'), ('u3', 'AC'), ('u4', 'A'), ('u5', 'ADB')) AS t(who, letters);
-- Step 1: B 2, C 1, D 1, nobody else. Step 2: after B one C and one B, after D a B, after C nothing.
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 50);
-- Equal events in a row as one step: u2 goes from B to D.
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 50, collapse => true) WHERE step = 1;
-- Without D: its place is taken by what comes next, u3 and u5 have nothing more.
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 50, hide => '{D}');
-- One event per step, the rest is $other: step 1 is B 2, $other 2, drop-off 1.
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 1);
-- Whole paths; one that ends early ends with (drop-off).
SELECT path, count, round(share::numeric, 2) AS share FROM analytics_groups.flow_paths('"A"', '2024-01-10', '2024-01-10', forward => 2);
SELECT path, count FROM analytics_groups.flow_paths('"A"', '2024-01-10', '2024-01-10', forward => 2, top => 2);

-- ---- Before the anchor -------------------------------------------------------------------------------------------------------
-- Everything is read from left to right in time. (start) = nothing earlier.
SELECT * FROM analytics_groups.flows('"B"', '2024-01-10', '2024-01-10', reverse => 2, forward => 0);
SELECT path, count FROM analytics_groups.flow_paths('"B"', '2024-01-10', '2024-01-10', reverse => 2, forward => 1);

-- ---- Which anchors -----------------------------------------------------------------------------------------------------------
-- Uniques: the first in range of everybody. Totals: every one, here the second B of u2 as well.
SELECT counting, p.path, p.count FROM unnest('{unique,total}'::text[]) AS counting,
     analytics_groups.flow_paths('"B"', '2024-01-10', '2024-01-10', forward => 1, count => counting) AS p ORDER BY 1 DESC, 3 DESC, 2;
-- With collapse the two in a row are one.
SELECT path, count FROM analytics_groups.flow_paths('"B"', '2024-01-10', '2024-01-10', forward => 1, count => 'total', collapse => true);
-- Several events, and a filter.
SELECT path, count FROM analytics_groups.flow_paths('{"any":["C","D"]}', '2024-01-10', '2024-01-10', forward => 1);
SELECT pg_temp.send('v1', '2024-01-20', 'A', '{"n": 1}'), pg_temp.send('v1', '2024-01-21', 'AB', '{"n": 2}');
SELECT path, count FROM analytics_groups.flow_paths('["A"]', '2024-01-20', '2024-01-21', forward => 2);
SELECT path, count FROM analytics_groups.flow_paths('{"event":"A","filter":"properties[\"n\"] == 2"}', '2024-01-20', '2024-01-21', forward => 2, reverse => 1);

-- ---- The window, and the range -------------------------------------------------------------------------------------------------
-- The window is inclusive: 24 hours are enough to see the next A, a millisecond less is not.
SELECT w, p.path FROM unnest('{24:00:00,23:59:59.999}'::interval[]) AS w, analytics_groups.flow_paths('"A"', '2024-01-20', '2024-01-20', forward => 1, within => w) AS p;
-- Steps may lie past the range, or before it; the anchor may not.
SELECT path FROM analytics_groups.flow_paths('"B"', '2024-01-21', '2024-01-21', forward => 1, reverse => 2);
SELECT count(*) FROM analytics_groups.flow_paths('"A"', '2024-01-11', '2024-01-19', forward => 1);

-- ---- Simultaneous events come in the order of their names ----------------------------------------------------------------------
SELECT count(analytics_groups.track(e, 'w1', '{}', at => '2024-02-01 10:00Z')) FROM unnest('{D,B,A,C}'::text[]) AS e;
SELECT path FROM analytics_groups.flow_paths('"A"', '2024-02-01', '2024-02-01', forward => 3);
SELECT path FROM analytics_groups.flow_paths('"C"', '2024-02-01', '2024-02-01', forward => 2, reverse => 3);

-- ---- By a group key: what its users do, one after the other --------------------------------------------------------------------
SELECT pg_temp.send('x1', '2024-03-01', 'A', '{"company_id": "acme"}'), pg_temp.send('x2', '2024-03-01', 'BB', '{"company_id": ["acme", "globex"]}');
SELECT by, p.path, p.count FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.flow_paths('{"any":["A","B"]}', '2024-03-01', '2024-03-01', by => by, forward => 2) AS p ORDER BY 1, 2;

-- ---- Events hidden in the lexicon are no steps, and anchors only by name ---------------------------------------------------------
UPDATE analytics_t_flows.event_name SET hidden = true WHERE name = 'B';
SELECT path, count FROM analytics_groups.flow_paths('"A"', '2024-01-10', '2024-01-10', forward => 2);
SELECT path, count FROM analytics_groups.flow_paths('"B"', '2024-01-10', '2024-01-10', forward => 1);
SELECT path, count FROM analytics_groups.flow_paths('"$any"', '2024-01-10', '2024-01-10', forward => 1, count => 'total');
UPDATE analytics_t_flows.event_name SET hidden = false;

-- ---- The same after maintenance --------------------------------------------------------------------------------------------------
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 50);
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 2, rows => 50, hide => '{D}');
SELECT path, count FROM analytics_groups.flow_paths('"B"', '2024-01-10', '2024-01-10', reverse => 2, forward => 1);
SELECT path FROM analytics_groups.flow_paths('"A"', '2024-02-01', '2024-02-01', forward => 3);
SELECT w, p.path FROM unnest('{24:00:00,23:59:59.999}'::interval[]) AS w, analytics_groups.flow_paths('"A"', '2024-01-20', '2024-01-20', forward => 1, within => w) AS p;

-- ---- Mistakes --------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.flows(NULL, '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.flows('[]', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 6);
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', forward => 0);
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', rows => 0);
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', within => '367 days');
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', hide => '{A}');
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', count => 'sessions', within => '1 day');
SELECT * FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', count => 'twice');
-- Nobody sent it: nothing to follow, and a notice.
SELECT * FROM analytics_groups.flows('"AA"', '2024-01-10', '2024-01-10');
SELECT count(*) FROM analytics_groups.flows('"A"', '2024-01-10', '2024-01-10', hide => '{BB}');

SELECT analytics_groups.drop_project('t_flows');
