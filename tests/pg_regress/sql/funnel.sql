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

-- ---- 5.4: uniques and totals -----------------------------------------------------------------------------------------------
-- A 1:00, A 1:20, B 1:30, A 1:40, A 3:00, B 3:10 in 1 h: 3 entries and 2 conversions in all, 1 and 1 unique.
SELECT pg_temp.story('2024-01-06', 'u1', '01:00 A', '01:20 A', '01:30 B', '01:40 A', '03:00 A', '03:10 B');
SELECT count_as, step, f.count
FROM unnest('{unique,total}'::text[]) AS count_as,
     analytics_groups.funnel('["A", "B"]', '2024-01-06', '2024-01-06', within => '1 hour', count => count_as) AS f ORDER BY count_as DESC, step;

-- ---- 5.5: optimized re-entry -----------------------------------------------------------------------------------------------
-- Scenario 1: the window ends, A again, B. Scenario 2: A, A again within the window, B after the first window.
SELECT pg_temp.story('2024-01-07', 's1', '01:00 A', '05:00 A', '05:10 B');
SELECT pg_temp.story('2024-01-07', 's2', '01:00 A', '01:30 A', '02:10 B');
SELECT reentry, step, f.count, f.avg_time
FROM unnest('{default,optimized}'::text[]) AS reentry,
     analytics_groups.funnel('["A", "B"]', '2024-01-07', '2024-01-07', within => '1 hour', reentry => reentry) AS f ORDER BY reentry, step;
SELECT reentry, step, f.count
FROM unnest('{default,optimized}'::text[]) AS reentry,
     analytics_groups.funnel('["A", "B"]', '2024-01-07', '2024-01-07', within => '1 hour', count => 'total', reentry => reentry) AS f ORDER BY reentry, step;

-- ---- 5.6: exclusions -------------------------------------------------------------------------------------------------------
-- Totals of A -> B excluding A: A A A B has 2 entries (the first and the third) and 1 conversion.
SELECT pg_temp.story('2024-01-08', 'u1', '01:00 A', '01:10 A', '01:20 A', '01:30 B');
SELECT step, count
FROM analytics_groups.funnel('["A", "B"]', '2024-01-08', '2024-01-08', count => 'total', exclude => '["A"]') ORDER BY step;
SELECT pg_temp.story('2024-01-09', 'clean',     '01:00 A', '01:10 B', '01:20 C');
SELECT pg_temp.story('2024-01-09', 'cancelled', '01:00 A', '01:10 B', '01:15 X', '01:20 C');
SELECT pg_temp.story('2024-01-09', 'before',    '01:00 A', '01:05 X', '01:10 B', '01:20 C');
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-09', '2024-01-09', exclude => '["X"]') ORDER BY step;
SELECT step, count
FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-09', '2024-01-09', exclude => '[{"event": "X", "between": [2, 3]}]') ORDER BY step;

-- ---- 5.7: a property held constant ------------------------------------------------------------------------------------------
-- Browse shirt, Browse hat, Cart hat. Uniques: entered with the shirt, not converted. Totals: both entered, the hat converted.
SELECT pg_temp.story('2024-01-10', 'u1', '01:00 Browse {"item": "shirt"}', '01:10 Browse {"item": "hat"}', '01:20 Cart {"item": "hat"}');
SELECT pg_temp.story('2024-01-10', 'u2', '01:00 Browse', '01:20 Cart');
SELECT count_as, step, f.count
FROM unnest('{unique,total}'::text[]) AS count_as,
     analytics_groups.funnel('["Browse", "Cart"]', '2024-01-10', '2024-01-10', count => count_as, hold => '{item}') AS f ORDER BY count_as DESC, step;

-- ---- 5.8: breakdown and filters -----------------------------------------------------------------------------------------------
-- Browse shirt, Browse jeans, Cart, Browse shoes: by the item of step 1 the shirt converted, the shoes entered, the jeans are not there.
SELECT pg_temp.story('2024-01-11', 'u1', '01:00 Browse {"item": "shirt"}', '01:10 Browse {"item": "jeans"}', '01:20 Cart', '01:30 Browse {"item": "shoes"}');
SELECT segment, step, count
FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-11', '2024-01-11', count => 'total', breakdown => '["item"]', attribution => 'step1')
ORDER BY segment, step;
SELECT attribution, segment, step, f.count
FROM unnest('{first,last,step1,step2}'::text[]) AS attribution,
     analytics_groups.funnel('["Browse", "Cart"]', '2024-01-11', '2024-01-11', breakdown => '["item"]', attribution => attribution) AS f
ORDER BY attribution, segment, step;
-- An inline filter decides what a step sees; the filter of the funnel drops whole attempts.
SELECT pg_temp.story('2024-01-12', 'u1', '01:00 View {"browser": "Chrome"}', '02:30 View {"browser": "Safari"}', '02:40 Cart {"browser": "Safari"}', '02:50 Buy {"browser": "Safari"}');
SELECT step, event, count
FROM analytics_groups.funnel('[{"event": "View", "filter": "properties[\"browser\"] == \"Safari\""}, "Cart", "Buy"]', '2024-01-12', '2024-01-12', within => '1 hour')
ORDER BY step;
SELECT step, event, count
FROM analytics_groups.funnel('["View", "Cart", "Buy"]', '2024-01-12', '2024-01-12', within => '1 hour', filter => 'properties["browser"] == "Safari"') ORDER BY step;

-- ---- 5.3: any order ---------------------------------------------------------------------------------------------------------
-- Signup first, then A and B in any order, then Pay.
SELECT pg_temp.story('2024-01-13', 'converts',    '01:00 Signup', '01:10 B', '01:20 A', '01:30 Pay');
SELECT pg_temp.story('2024-01-13', 'pays early',  '01:00 Signup', '01:10 A', '01:20 Pay', '01:30 B');
SELECT pg_temp.story('2024-01-13', 'A before',    '01:00 A', '01:10 Signup', '01:20 B', '01:30 Pay');
SELECT step, event, count
FROM analytics_groups.funnel('["Signup", {"event": "A", "order": "any"}, {"event": "B", "order": "any"}, "Pay"]', '2024-01-13', '2024-01-13')
ORDER BY step;
SELECT step, count FROM analytics_groups.funnel('["Pay", "B", "A"]', '2024-01-13', '2024-01-13', ordering => 'any') ORDER BY step;

-- Strict: the very next event must be the next step.
SELECT step, count FROM analytics_groups.funnel('["Signup", "A", "Pay"]', '2024-01-13', '2024-01-13', ordering => 'strict') ORDER BY step;

-- ---- 5.11: groups: different people may do different steps ------------------------------------------------------------------------
-- u1 Signup(acme) 10:00, u2 Pay(acme) 10:30, u3 Signup(globex) 11:00, u3 Pay([globex, acme]) 11:05.
SELECT pg_temp.story('2024-01-14', 'u1', '10:00 Signup {"company_id": "acme"}');
SELECT pg_temp.story('2024-01-14', 'u2', '10:30 Pay {"company_id": "acme"}');
SELECT pg_temp.story('2024-01-14', 'u3', '11:00 Signup {"company_id": "globex"}', '11:05 Pay {"company_id": ["globex", "acme"]}');
-- By user 2 entered and 1 converted; by company both, acme after 30 minutes, globex after 5.
SELECT by, step, f.count, f.avg_time, f.median_time
FROM unnest('{user,company_id}'::text[]) AS by,
     analytics_groups.funnel('["Signup", "Pay"]', '2024-01-14', '2024-01-14', by => by) AS f ORDER BY by DESC, step;
SELECT segment, step, count, avg_time
FROM analytics_groups.funnel('["Signup", "Pay"]', '2024-01-14', '2024-01-14', by => 'company_id', breakdown => '["group.company_id"]') ORDER BY segment, step;

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
