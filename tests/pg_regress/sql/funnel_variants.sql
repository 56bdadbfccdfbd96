-- funnel in its variants: counting, re-entry, order, exclusions, held properties, breakdowns, filters. Semantics 5, example by example.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_funnel_variants') > 0 AS created;
SET analytics_groups.project = 't_funnel_variants';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- A story is told as `time event[:properties]`, one story a day, so that each question names its day.
CREATE FUNCTION pg_temp.story(day date, who text, VARIADIC events text[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(split_part(e, ' ', 2), who, coalesce(nullif(substr(e, length(split_part(e, ' ', 1)) + length(split_part(e, ' ', 2)) + 3), ''), '{}')::jsonb,
                                        (day || ' ' || split_part(e, ' ', 1) || 'Z')::timestamptz))
    FROM unnest(events) AS e
$$;

-- ---- Counting (5.4) ------------------------------------------------------------------------------------------------------------
-- Within 1 h: 1:00 converts at 1:30; 1:40 times out at 2:40; 3:00 converts. The A of 1:20 comes while an attempt is under way.
SELECT pg_temp.story('2024-01-01', 'u1', '01:00 A', '01:20 A', '01:30 B', '01:40 A', '03:00 A', '03:10 B');
SELECT counting, step, f.count, f.avg_time
FROM unnest('{unique,total}'::text[]) AS counting,
     analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', within => '1 hour', count => counting) AS f ORDER BY counting DESC, step;
-- S1 S1 S2 is one entry and one conversion.
SELECT pg_temp.story('2024-01-02', 'u1', '01:00 S1', '01:01 S1', '01:02 S2');
SELECT step, count, avg_time FROM analytics_groups.funnel('["S1", "S2"]', '2024-01-02', '2024-01-02', count => 'total') ORDER BY step;

-- ---- Re-entry (5.5) --------------------------------------------------------------------------------------------------------------
-- Default: the clock runs from the first A. Optimized: of several A before the same B the most recent one.
SELECT pg_temp.story('2024-01-03', 'u1', '10:00 A', '10:10 A', '10:20 A', '10:25 B');
SELECT reentry, step, f.count, f.avg_time
FROM unnest('{default,optimized}'::text[]) AS reentry,
     analytics_groups.funnel('["A", "B"]', '2024-01-03', '2024-01-03', reentry => reentry) AS f ORDER BY reentry, step;
-- A … its window ends … A B: the first entry fails, the second converts.
SELECT pg_temp.story('2024-01-04', 'u1', '10:00 A', '12:00 A', '12:10 B');
-- A A, the window of the first ends, B: as totals two entries, one of which converts.
SELECT pg_temp.story('2024-01-05', 'u1', '10:00 A', '10:50 A', '11:10 B');
SELECT day, counting, reentry, step, f.count
FROM unnest('{2024-01-04,2024-01-05}'::date[]) AS day, unnest('{unique,total}'::text[]) AS counting, unnest('{default,optimized}'::text[]) AS reentry,
     analytics_groups.funnel('["A", "B"]', day, day, within => '1 hour', count => counting, reentry => reentry) AS f ORDER BY day, counting DESC, reentry, step;
-- Past step 2 an attempt runs as by default: A B A C is one entry, one conversion.
SELECT pg_temp.story('2024-01-06', 'u1', '10:00 A', '10:05 B', '10:10 A', '10:15 C');
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-06', '2024-01-06', count => 'total', reentry => 'optimized') ORDER BY step;
-- Of two attempts that convert at the same C, uniques count the one that began first.
SELECT pg_temp.story('2024-01-07', 'u1', '10:00 A', '10:05 B', '10:10 A', '10:15 B', '10:20 C');
SELECT step, count, avg_time_from_start FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-07', '2024-01-07', reentry => 'optimized') ORDER BY step;
-- Nobody converts: the attempt that went furthest counts.
SELECT step, count, avg_time_from_start FROM analytics_groups.funnel('["A", "B", "C", "S1"]', '2024-01-07', '2024-01-07', reentry => 'optimized') ORDER BY step;

-- ---- Any order (5.3) ---------------------------------------------------------------------------------------------------------------
SELECT pg_temp.story('2024-01-08', 'converts',   '10:00 Signup', '10:01 B', '10:02 A', '10:03 Pay');
SELECT pg_temp.story('2024-01-08', 'pays early', '10:00 Signup', '10:01 A', '10:02 Pay', '10:03 B');
SELECT pg_temp.story('2024-01-08', 'A early',    '10:00 A', '10:01 Signup', '10:02 B', '10:03 Pay');
-- Signup and Pay have their places, A and B may change theirs: 'pays early' reaches 3 of 4, 'A early' 2.
SELECT step, event, count
FROM analytics_groups.funnel('["Signup", {"event": "A", "order": "any"}, {"event": "B", "order": "any"}, "Pay"]', '2024-01-08', '2024-01-08') ORDER BY step;
-- All of them in any order: step 3 says who did any three.
SELECT step, count, avg_time FROM analytics_groups.funnel('["Pay", "A", "B", "Signup"]', '2024-01-08', '2024-01-08', ordering => 'any') ORDER BY step;
-- The window runs from the first event; optimized takes the best one.
SELECT pg_temp.story('2024-01-09', 'u1', '10:00 B', '10:50 C', '11:10 A', '11:20 B');
SELECT reentry, step, f.count, f.avg_time_from_start
FROM unnest('{default,optimized}'::text[]) AS reentry,
     analytics_groups.funnel('["A", "B", "C"]', '2024-01-09', '2024-01-09', within => '1 hour', ordering => 'any', reentry => reentry) AS f ORDER BY reentry, step;

-- ---- Strict order ------------------------------------------------------------------------------------------------------------------
-- The very next event of the subject, whatever it is, must be the next step. Of simultaneous ones the step comes first.
SELECT pg_temp.story('2024-01-10', 'straight',     '10:00 A', '10:01 B', '10:02 C');
SELECT pg_temp.story('2024-01-10', 'detour',       '10:00 A', '10:01 B', '10:02 F', '10:03 C');
SELECT pg_temp.story('2024-01-10', 'repeated',     '10:00 A', '10:01 A', '10:02 B', '10:03 C');
SELECT pg_temp.story('2024-01-10', 'simultaneous', '10:00 A', '10:01 F', '10:01 B', '10:02 C');
SELECT ordering, step, f.count
FROM unnest('{loose,strict}'::text[]) AS ordering,
     analytics_groups.funnel('["A", "B", "C"]', '2024-01-10', '2024-01-10', ordering => ordering) AS f ORDER BY ordering, step;
-- The event that breaks the order may begin anew: 'repeated' has a second entry.
SELECT step, count FROM analytics_groups.funnel('["A", "B", "C"]', '2024-01-10', '2024-01-10', ordering => 'strict', count => 'total') ORDER BY step;

-- ---- Exclusions (5.6) --------------------------------------------------------------------------------------------------------------
-- Excluding A itself: A A A B as totals has the entries 1 and 3; the excluding event does not start the next attempt.
SELECT pg_temp.story('2024-01-11', 'u1', '10:00 A', '10:01 A', '10:02 A', '10:03 B');
SELECT step, count FROM analytics_groups.funnel('["A", "B"]', '2024-01-11', '2024-01-11', count => 'total', exclude => '["A"]') ORDER BY step;
-- Between all steps, or between two; at the very moment of a step is not between. Whoever is excluded still counts in the steps reached.
SELECT pg_temp.story('2024-01-12', 'cancels at once', '10:00 A', '10:01 X', '10:02 B', '10:03 C');
SELECT pg_temp.story('2024-01-12', 'cancels later',   '10:00 A', '10:02 B', '10:02:30 X', '10:03 C');
SELECT pg_temp.story('2024-01-12', 'on the dot',      '10:00 A', '10:00 X', '10:02 B', '10:02 X', '10:03 C');
SELECT x.exclude, step, f.count
FROM (VALUES ('[]'), ('["X"]'), ('[{"event": "X", "between": [1, 2]}]'), ('[{"event": "X", "between": [2, 3]}]')) AS x(exclude),
     analytics_groups.funnel('["A", "B", "C"]', '2024-01-12', '2024-01-12', exclude => x.exclude::jsonb) AS f ORDER BY x.exclude COLLATE "C", step;

-- ---- Holding properties constant (5.7) -----------------------------------------------------------------------------------------------
SELECT pg_temp.story('2024-01-13', 'u1', '10:00 Browse {"item": "shirt"}', '10:01 Browse {"item": "hat"}', '10:02 Cart {"item": "hat"}');
SELECT pg_temp.story('2024-01-13', 'no item', '10:00 Browse', '10:01 Cart');
-- Uniques: the first item decides. Totals: one attempt for each item, side by side. What is not set can not enter.
SELECT counting, step, f.count
FROM unnest('{unique,total}'::text[]) AS counting,
     analytics_groups.funnel('["Browse", "Cart"]', '2024-01-13', '2024-01-13', count => counting, hold => '{item}') AS f ORDER BY counting DESC, step;
-- With a breakdown by it, a user enters once per item.
SELECT segment, step, count FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-13', '2024-01-13', hold => '{item}', breakdown => '["item"]') ORDER BY segment, step;

-- ---- Breakdown and attribution (5.8) ---------------------------------------------------------------------------------------------------
-- By the item of step 1: the jeans belong to the attempt that began with the shirt; the shoes are an attempt of their own.
SELECT pg_temp.story('2024-01-14', 'u1', '10:00 Browse {"item": "shirt"}', '10:01 Browse {"item": "jeans"}', '10:02 Cart', '10:03 Browse {"item": "shoes"}');
SELECT segment, step, count
FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-14', '2024-01-14', breakdown => '["item"]', attribution => 'step1') ORDER BY segment, step;
-- first: the first step that has it; last: the last that has it; step2: what step 2 has.
SELECT pg_temp.story('2024-01-15', 'u1', '10:00 Browse', '10:01 Cart {"item": "hat"}', '10:02 Buy {"item": "cap"}');
SELECT attribution, f.segment, f.count
FROM unnest('{first,last,step1,step2,step3}'::text[]) AS attribution,
     analytics_groups.funnel('["Browse", "Cart", "Buy"]', '2024-01-15', '2024-01-15', breakdown => '["item"]', attribution => attribution) AS f
WHERE f.step = 3 ORDER BY attribution;
-- A list belongs to each of its elements; two dimensions cross.
SELECT pg_temp.story('2024-01-16', 'u1', '10:00 Browse {"item": ["hat", "cap"], "shop": "north"}', '10:01 Cart');
SELECT segment, step, count FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-16', '2024-01-16', breakdown => '["shop", "item"]') ORDER BY segment, step;
-- Ranges of numbers and parts of dates label attempts as other values do: here the day on which they began.
SELECT segment, step, count FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-13', '2024-01-16', count => 'total', breakdown => '[{"property": "$time", "unit": "day"}]') ORDER BY segment, step;
-- Beyond the top: $other, in which a user counts once. Segments rank by entries, then by name.
SELECT pg_temp.story('2024-01-17', 'u1', '10:00 Browse {"item": "b"}', '10:01 Cart', '10:02 Browse {"item": "c"}', '10:03 Cart', '10:04 Browse {"item": "a"}');
SELECT pg_temp.story('2024-01-17', 'u2', '10:00 Browse {"item": "b"}');
SELECT segment, step, count FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-17', '2024-01-17', breakdown => '["item"]', attribution => 'step1', top => 1);
-- Properties of the one that is counted are the same at every step.
SELECT analytics_groups.update_users('[{"$distinct_id": "u1", "$set": {"plan": "pro"}}, {"$distinct_id": "u2", "$set": {"plan": "free"}}]') IS NOT NULL AS updated;
SELECT segment, step, count FROM analytics_groups.funnel('["Browse", "Cart"]', '2024-01-17', '2024-01-17', breakdown => '["user.plan"]', attribution => 'step2') ORDER BY segment, step;

-- ---- Inline and global filters (5.8) ----------------------------------------------------------------------------------------------------
SELECT pg_temp.story('2024-01-18', 'u1', '01:00 View {"browser": "Chrome"}', '02:30 View {"browser": "Safari"}', '02:40 Cart {"browser": "Safari"}', '02:50 Buy {"browser": "Safari"}');
-- Inline: the step does not see Chrome, so the attempt begins with the second View.
SELECT step, count
FROM analytics_groups.funnel('[{"event": "View", "filter": "properties[\"browser\"] == \"Safari\""}, "Cart", "Buy"]', '2024-01-18', '2024-01-18', within => '1 hour') ORDER BY step;
-- Global: the attempt has begun with Chrome and is left out as a whole …
SELECT step, count
FROM analytics_groups.funnel('["View", "Cart", "Buy"]', '2024-01-18', '2024-01-18', within => '1 hour', filter => 'properties["browser"] == "Safari"') ORDER BY step;
-- … where a breakdown, which looks at further attempts too, still shows the second.
SELECT segment, step, count
FROM analytics_groups.funnel('["View", "Cart", "Buy"]', '2024-01-18', '2024-01-18', within => '1 hour', breakdown => '["browser"]', filter => 'properties["browser"] == "Safari"') ORDER BY segment, step;

-- ---- Groups ----------------------------------------------------------------------------------------------------------------------------
-- Different people of a company; every option works on the company's events. By its own id: one segment a company.
SELECT pg_temp.story('2024-01-19', 'ann', '10:00 Signup {"company_id": "acme"}', '10:10 Signup {"company_id": ["acme", "globex"]}');
SELECT pg_temp.story('2024-01-19', 'bob', '10:30 Pay {"company_id": "acme"}', '10:40 Pay {"company_id": ["globex", "acme"]}');
SELECT segment, step, count, avg_time
FROM analytics_groups.funnel('["Signup", "Pay"]', '2024-01-19', '2024-01-19', by => 'company_id', breakdown => '["group.company_id"]', reentry => 'optimized') ORDER BY segment, step;
SELECT step, count FROM analytics_groups.funnel('["Signup", "Pay"]', '2024-01-19', '2024-01-19', by => 'company_id', ordering => 'any', count => 'total') ORDER BY step;

-- ---- funnel_trend: a funnel of its own for each interval ------------------------------------------------------------------------------------
-- Day 20's entry converts on day 21; that day has an entry of its own. Each row is what funnel() says of that day alone.
SELECT pg_temp.story('2024-01-20', 'u1', '20:00 T1');
SELECT pg_temp.story('2024-01-21', 'u1', '08:00 T2', '09:00 T1');
SELECT bucket, step, count, avg_time FROM analytics_groups.funnel_trend('["T1", "T2"]', '2024-01-20', '2024-01-22') ORDER BY bucket, step;
SELECT step, count FROM analytics_groups.funnel('["T1", "T2"]', '2024-01-20', '2024-01-22') ORDER BY step;
SELECT bucket, step, count FROM analytics_groups.funnel_trend('["T1", "T2"]', '2024-01-20', '2024-01-22', unit => 'week', count => 'total') ORDER BY bucket, step;

-- ---- funnel_times: how long did they take ------------------------------------------------------------------------------------------------
SELECT pg_temp.story('2024-01-23', 'u1', '10:00 A', '10:00:30 B');
SELECT pg_temp.story('2024-01-23', 'u2', '10:00 A', '10:04:59 B');
SELECT pg_temp.story('2024-01-23', 'u3', '10:00 A', '10:07 B');
SELECT pg_temp.story('2024-01-23', 'u4', '10:00 A');
SELECT segment, at_least, below, count FROM analytics_groups.funnel_times('["A", "B"]', '2024-01-23', '2024-01-23', buckets => 4);
SELECT at_least, below, count FROM analytics_groups.funnel_times('["A", "B"]', '2024-01-23', '2024-01-23', buckets => 1);
SELECT * FROM analytics_groups.funnel_times('["A", "Nothing"]', '2024-01-23', '2024-01-23');

-- ---- Numbers of the events that fill the steps (5.9) -----------------------------------------------------------------------------------------
-- property: the sum, average, median, smallest and largest of a property, of the events that filled each step in the counted attempts.
SELECT pg_temp.story('2024-02-01', 'u1', '10:00 Add {"amount": 5, "shop": "north"}', '10:01 Add {"amount": 100}', '10:02 Order {"amount": 4.5}', '10:03 Add {"amount": 3, "shop": "south"}', '10:05 Order {"amount": 0.1}');
SELECT pg_temp.story('2024-02-01', 'u2', '11:00 Add {"amount": "7", "shop": "north"}', '11:01 Order {"amount": -1}');
SELECT pg_temp.story('2024-02-01', 'u3', '12:00 Add {"amount": 2, "shop": "south"}');
-- The Add of 100 fills no step, u2's 7 is a text. Uniques: what the one counted attempt of each user brought.
SELECT step, count, sum, average, median, min, max FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-01', '2024-02-01', property => 'amount') ORDER BY step;
-- Totals: every attempt brings its own. Nobody there: a sum of 0, and nothing else.
SELECT step, count, sum, average, median, min, max FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-01', '2024-02-01', count => 'total', property => 'amount') ORDER BY step;
SELECT step, event, count, sum, average, median, min, max FROM analytics_groups.funnel('["Add", "A"]', '2024-02-01', '2024-02-01', property => 'amount') ORDER BY step;
SELECT step, event, count, sum, average FROM analytics_groups.funnel('["Order", "Add"]', '2024-02-01', '2024-02-01', ordering => 'any', property => 'amount') ORDER BY step;
-- By segments of the attempts; those of sessions; a funnel of its own for each day.
SELECT segment, step, count, sum FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-01', '2024-02-01', breakdown => '["shop"]', property => 'amount') ORDER BY segment, step;
SELECT step, count, sum FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-01', '2024-02-01', count => 'sessions', property => 'amount') ORDER BY step;
SELECT bucket, step, count, sum, average FROM analytics_groups.funnel_trend('["Add", "Order"]', '2024-01-31', '2024-02-01', property => 'amount') ORDER BY bucket, step;
-- Without a property there is none to speak of.
SELECT step, count, sum, average FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-01', '2024-02-01') ORDER BY step;
-- Sums are exact: neither the order nor the number of threads makes a difference.
SELECT pg_temp.story('2024-02-02', 'u' || i, '10:00 Add {"amount": ' || v || '}', '10:01 Order {"amount": ' || v || '}') FROM unnest('{1e100,0.1,-1e100,0.2}'::text[]) WITH ORDINALITY AS x(v, i);
SELECT step, count, sum FROM analytics_groups.funnel('["Add", "Order"]', '2024-02-02', '2024-02-02', property => 'amount') ORDER BY step;

-- ---- funnel_significance: chance, or not (5.10) ----------------------------------------------------------------------------------------------
-- 100 entries of which 50 convert: 28 of the 40 in the north, 22 of the 60 in the south.
SELECT analytics_groups.track_ndjson(string_agg(format('{"event": %s, "properties": {"distinct_id": "s%s", "time": %s, "shop": "%s"}}', e, i, 1706086800 + t, CASE WHEN i <= 40 THEN 'north' ELSE 'south' END), e'\n')) ->> 'num_records_imported' AS stored
FROM generate_series(1, 100) AS i, (VALUES ('"A"', 0), ('"B"', 60)) AS v(e, t)
WHERE t = 0 OR i <= 28 OR i BETWEEN 41 AND 62;
SELECT segment, entered, converted, conversion, round(p_value::numeric, 6) AS p_value, round(confidence::numeric, 6) AS confidence, significant, verdict
FROM analytics_groups.funnel_significance('["A", "B"]', '2024-01-24', '2024-01-24', breakdown => '["shop"]');
SELECT segment, round(p_value::numeric, 6) AS p_value, significant, verdict
FROM analytics_groups.funnel_significance('["A", "B"]', '2024-01-24', '2024-01-24', breakdown => '["shop"]', control => '{south}');
SELECT segment, entered, verdict
FROM analytics_groups.funnel_significance('["A", "B"]', '2024-01-23', '2024-01-24', breakdown => '["shop"]') ORDER BY segment;

-- ---- Nothing changes when the store is compacted, on any number of threads -----------------------------------------------------------------------
CREATE TEMP TABLE before AS
SELECT o.*, r.* FROM unnest('{loose,any,strict}'::text[]) AS ordering, unnest('{default,optimized}'::text[]) AS reentry, unnest('{unique,total}'::text[]) AS counting
CROSS JOIN LATERAL (SELECT ordering, reentry, counting) AS o
CROSS JOIN LATERAL analytics_groups.funnel('["A", "B", "C"]', '2024-01-01', '2024-01-24', ordering => o.ordering, reentry => o.reentry, count => o.counting, breakdown => '["user.plan", "shop"]') AS r;
CALL analytics_groups.maintain('t_funnel_variants');
SET analytics_groups.thread_rows = 0;
SET analytics_groups.max_threads = 3;
SELECT count(*) FROM before;
SELECT count(*) AS changed FROM (
    TABLE before EXCEPT
    SELECT o.*, r.* FROM unnest('{loose,any,strict}'::text[]) AS ordering, unnest('{default,optimized}'::text[]) AS reentry, unnest('{unique,total}'::text[]) AS counting
    CROSS JOIN LATERAL (SELECT ordering, reentry, counting) AS o
    CROSS JOIN LATERAL analytics_groups.funnel('["A", "B", "C"]', '2024-01-01', '2024-01-24', ordering => o.ordering, reentry => o.reentry, count => o.counting, breakdown => '["user.plan", "shop"]') AS r
) AS d;

-- ---- Mistakes ----------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', count => 'sessions', within => '1 hour');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', count => 'uniques');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', ordering => 'sorted');
SELECT * FROM analytics_groups.funnel('["A", {"event": "B", "order": "strict"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", {"event": "B", "order": "any"}]', '2024-01-01', '2024-01-01', ordering => 'strict');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', ordering => 'strict', exclude => '["X"]');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', reentry => 'basic');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', exclude => '[{"event": "X", "between": [2, 1]}]');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', exclude => '[{"event": "X", "between": [1, 3]}]');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', hold => '{item,shop,browser,plan}');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', hold => '{itm}');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', property => 'ammount');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', attribution => 'step3');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', attribution => 'middle');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', breakdown => '[{"users_who_did": "A"}]', by => 'company_id');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', breakdown => '["user.plan"]', by => 'company_id');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', filter => '"$time" > 5');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', filter => 'user["plan"] == "pro"', by => 'company_id');
SELECT * FROM analytics_groups.funnel('["A", "B"]', '2024-01-01', '2024-01-01', top => 0);
SELECT * FROM analytics_groups.funnel_trend('["A", "B"]', '2024-01-01', '2024-01-01', unit => 'fortnight');
SELECT * FROM analytics_groups.funnel_times('["A", "B"]', '2024-01-01', '2024-01-01', buckets => 0);
SELECT * FROM analytics_groups.funnel_significance('["A", "B"]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel_significance('["A", "B"]', '2024-01-24', '2024-01-24', breakdown => '["shop"]', control => '{west}');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_funnel_variants');
