-- funnel: who gets from step to step. Semantics 5, example by example.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_funnel') > 0 AS created;
SET analytics_groups.project = 't_funnel';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- Stories are told as `time event[:properties]`, one story a day, so that each question names its day.
CREATE FUNCTION pg_temp.story(day date, who text, VARIADIC events text[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(split_part(e, ' ', 2), who, coalesce(nullif(substr(e, length(split_part(e, ' ', 1)) + length(split_part(e, ' ', 2)) + 3), ''), '{}')::jsonb,
                                        (day || ' ' || split_part(e, ' ', 1) || 'Z')::timestamptz))
    FROM unnest(events) AS e
$$;

-- ---- 5.1: the order of steps; anything may happen in between --------------------------------------------------------------
SELECT pg_temp.story('2024-01-01', 'straight', '10:00 A', '10:01 B', '10:02 C', '10:03 D', '10:04 E');
SELECT pg_temp.story('2024-01-01', 'detour',   '10:00 A', '10:01 B', '10:02 F', '10:03 C', '10:04 D', '10:05 E');
SELECT pg_temp.story('2024-01-01', 'early D',  '10:00 A', '10:01 B', '10:02 D', '10:03 C', '10:04 D', '10:05 E');
SELECT pg_temp.story('2024-01-01', 'stops',    '10:00 A', '10:01 B', '10:02 C', '10:03 E');
SELECT segment, step, event, count, round(step_conversion::numeric, 4) AS step_conversion, round(overall_conversion::numeric, 4) AS overall_conversion,
       avg_time, median_time, avg_time_from_start, median_time_from_start
FROM analytics_groups.funnel('["A", "B", "C", "D", "E"]', '2024-01-01', '2024-01-01') ORDER BY step;

-- Window 1 h from the first step, which a second A does not restart: A, B reached, C not. Exactly at its end is inside.
SELECT pg_temp.story('2024-01-02', 'u1', '01:00 A', '01:30 A', '01:45 B', '02:15 C');
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-02', '2024-01-02', within => '1 hour') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-02', '2024-01-02', within => '75 minutes') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-02', '2024-01-02', within => '74 minutes 59.999 seconds') ORDER BY step;
-- Entry must be in range; completion need not.
SELECT analytics_groups.track('B', 'late', '{}', at => '2024-01-04 00:30Z');
SELECT analytics_groups.track('A', 'late', '{}', at => '2024-01-03 23:30Z');
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-03', '2024-01-03') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-04', '2024-01-04') ORDER BY step;

-- ---- 5.2: two seconds of grace -------------------------------------------------------------------------------------------
SELECT pg_temp.story('2024-01-05', 'inside',  '10:00:00.0 B', '10:00:01.5 A');
SELECT pg_temp.story('2024-01-05', 'outside', '10:00:00.0 B', '10:00:02.001 A');
SELECT pg_temp.story('2024-01-05', 'same',    '10:00:00.0 B', '10:00:00.0 A');
SELECT step, count, avg_time FROM analytics_groups.funnel('["A", "B"]', '2024-01-05', '2024-01-05') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-05', '2024-01-05', grace => '0') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-05', '2024-01-05', grace => '1 minute') ORDER BY step;

-- ---- 5.4: once per subject, from the first step-1 event in the range ---------------------------------------------------------
-- A 1:00, A 1:20, B 1:30, A 1:40, A 3:00, B 3:10 in 1 h: one entry, one conversion after 30 minutes.
SELECT pg_temp.story('2024-01-06', 'u1', '01:00 A', '01:20 A', '01:30 B', '01:40 A', '03:00 A', '03:10 B');
SELECT step, count, avg_time FROM analytics_groups.funnel('["A", "B"]', '2024-01-06', '2024-01-06', within => '1 hour') ORDER BY step;
-- The window ended before B came; a second A does not open another.
SELECT pg_temp.story('2024-01-07', 's1', '01:00 A', '05:00 A', '05:10 B');
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-07', '2024-01-07', within => '1 hour') ORDER BY step;
-- One event fills one step: A, A wants two of them.
SELECT step, count FROM analytics_groups.funnel('["A", "A"]', '2024-01-07', '2024-01-07') ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["A", "A", "A"]', '2024-01-07', '2024-01-07') ORDER BY step;

-- ---- 5.8: an inline filter decides which events a step sees -------------------------------------------------------------------
SELECT pg_temp.story('2024-01-12', 'u1', '01:00 View {"browser": "Chrome"}', '02:30 View {"browser": "Safari"}', '02:40 Cart {"browser": "Safari"}', '02:50 Buy {"browser": "Safari"}');
SELECT step, event, count FROM analytics_groups.funnel('["View", "Cart", "Buy"]', '2024-01-12', '2024-01-12', within => '1 hour') ORDER BY step;
SELECT step, event, count
FROM analytics_groups.funnel('[{"event": "View", "filter": "properties[\"browser\"] == \"Safari\"", "label": "View in Safari"}, "Cart", "Buy"]',
                             '2024-01-12', '2024-01-12', within => '1 hour') ORDER BY step;

-- ---- 5.11: groups: different people may do different steps ------------------------------------------------------------------------
-- u1 Signup(acme) 10:00, u2 Pay(acme) 10:30, u3 Signup(globex) 11:00, u3 Pay([globex, acme]) 11:05.
SELECT pg_temp.story('2024-01-14', 'u1', '10:00 Signup {"company_id": "acme"}');
SELECT pg_temp.story('2024-01-14', 'u2', '10:30 Pay {"company_id": "acme"}');
SELECT pg_temp.story('2024-01-14', 'u3', '11:00 Signup {"company_id": "globex"}', '11:05 Pay {"company_id": ["globex", "acme"]}');
-- By user 2 entered and 1 converted; by company both, acme after 30 minutes, globex after 5.
SELECT by, step, f.count, f.avg_time, f.median_time
FROM unnest('{user,company_id}'::text[]) AS by,
     analytics_groups.funnel('["Signup", "Pay"]', '2024-01-14', '2024-01-14', by => by) AS f ORDER BY by DESC, step;
-- Custom events and "any event" are steps like others.
SELECT step, event, count
FROM analytics_groups.funnel('[{"any": ["Signup", "Login"]}, "$any"]', '2024-01-14', '2024-01-14', by => 'company_id') ORDER BY step;

-- Nothing changes when the store is compacted.
CALL analytics_groups.maintain('t_funnel');
SELECT by, step, f.count, f.avg_time, f.median_time
FROM unnest('{user,company_id}'::text[]) AS by,
     analytics_groups.funnel('["Signup", "Pay"]', '2024-01-14', '2024-01-14', by => by) AS f ORDER BY by DESC, step;
SELECT step, count, avg_time FROM analytics_groups.funnel('["A", "B"]', '2024-01-05', '2024-01-05') ORDER BY step;
SELECT segment, step, event, count FROM analytics_groups.funnel('["A", "B", "C", "D", "E"]', '2024-01-01', '2024-01-01') ORDER BY step;
-- Nobody: every step is there with 0.
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2025-01-01', '2025-01-01') ORDER BY step;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_funnel');
