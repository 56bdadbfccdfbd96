-- What every behaviour aggregate keeps to: one answer for one set of rows, however a plan goes about it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET jit = off;

SELECT setseed(0.125);
CREATE TABLE b_events (who int, at timestamptz, event text, part int) PARTITION BY HASH (who);
CREATE TABLE b_events_0 PARTITION OF b_events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE b_events_1 PARTITION OF b_events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO b_events
SELECT (random() * 1500)::int, timestamptz '2024-01-01' + (random() * 500)::int * interval '1 hour', chr(97 + (random() * 4)::int), (random() * 5)::int
FROM generate_series(1, 30000);
ANALYZE b_events;

-- Every aggregate at once.
CREATE VIEW b_answers AS
SELECT who,
       window_funnel('7 days', at, event = 'a', event = 'b', event = 'c') AS funnel,
       window_funnel('7 days', 'strict_order', at, event = 'a', event = 'b', event = 'c') AS ordered,
       window_funnel((7 * 86400)::bigint, extract(epoch FROM at)::bigint, event = 'a', event = 'b') AS numbers,
       window_funnel_times('7 days', 'first_entry', at, event = 'a', event = 'b', event = 'c') AS times,
       retention_agg(event = 'a', event = 'b', event = 'c') AS met,
       retention_agg('1 day', 20, at, event = 'a', event = 'b') AS returned,
       sequence_match('(?1)(?t<=86400)(?2)', at, event = 'a', event = 'b') AS matched,
       sequence_count('(?1).*(?2)', at, event = 'a', event = 'b') AS counted,
       sequence_next('(?1)(?2)', at, event, event = 'a', event = 'b') AS next,
       path_agg(at, event, 10, true) AS path,
       first_touch(at, event) AS first, last_touch(at, event) AS last
FROM b_events GROUP BY who;
CREATE VIEW b_digest AS SELECT count(*) AS users, md5(string_agg(b::text, '|' ORDER BY who)) FROM b_answers AS b;

-- Serial, sorted and hashed, with little memory (it spills), in parallel with and without the leader, partition by partition: one answer.
CREATE TEMP TABLE d (way text, users bigint, digest text);
SET max_parallel_workers_per_gather = 0;
INSERT INTO d SELECT 'serial', * FROM b_digest;
SET enable_hashagg = off;
INSERT INTO d SELECT 'sorted', * FROM b_digest;
RESET enable_hashagg;
SET enable_sort = off;
SET work_mem = '64kB';
INSERT INTO d SELECT 'hashed, 64 kB', * FROM b_digest;
RESET work_mem;
RESET enable_sort;
SET enable_partitionwise_aggregate = on;
INSERT INTO d SELECT 'partitionwise', * FROM b_digest;
RESET enable_partitionwise_aggregate;
SET max_parallel_workers_per_gather = 4;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
INSERT INTO d SELECT 'parallel', * FROM b_digest;
SET parallel_leader_participation = off;
INSERT INTO d SELECT 'workers only', * FROM b_digest;
SET work_mem = '64kB';
INSERT INTO d SELECT 'workers only, 64 kB', * FROM b_digest;
RESET work_mem;
SET enable_partitionwise_aggregate = on;
INSERT INTO d SELECT 'parallel, partitionwise', * FROM b_digest;
RESET enable_partitionwise_aggregate;
RESET parallel_leader_participation;
SELECT way, users, digest = first_value(digest) OVER () AS same FROM d;

-- Workers do share the work.
EXPLAIN (COSTS OFF) SELECT who, window_funnel('7 days', at, event = 'a', event = 'b') FROM b_events GROUP BY who;
EXPLAIN (COSTS OFF) SELECT window_funnel('7 days', at, event = 'a', event = 'b'), path_agg(at, event) FROM b_events;

-- Any split of the rows, states sent as text, put together in any order, some of them empty.
CREATE AGGREGATE pg_temp.funnel_state(interval, timestamptz, VARIADIC boolean[]) (SFUNC = window_funnel_trans, STYPE = behaviour_state, COMBINEFUNC = behaviour_combine);
CREATE AGGREGATE pg_temp.met_state(VARIADIC boolean[]) (SFUNC = retention_conditions_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.returned_state(interval, int, timestamptz, boolean, boolean) (SFUNC = retention_returns_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.sequence_state(text, timestamptz, VARIADIC boolean[]) (SFUNC = sequence_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.next_state(text, timestamptz, text, VARIADIC boolean[]) (SFUNC = sequence_next_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.path_state(timestamptz, text, int, boolean) (SFUNC = path_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.first_state(timestamptz, text) (SFUNC = first_touch_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.last_state(timestamptz, text) (SFUNC = last_touch_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.merge(behaviour_state) (SFUNC = behaviour_combine, STYPE = behaviour_state);
CREATE TEMP TABLE parts AS
SELECT who, part, random() AS turn,
       pg_temp.funnel_state('7 days', at, event = 'a', event = 'b', event = 'c')::text AS funnel,
       pg_temp.met_state(event = 'a', event = 'b', event = 'c')::text AS met,
       pg_temp.returned_state('1 day', 20, at, event = 'a', event = 'b')::text AS returned,
       pg_temp.sequence_state('(?1).*(?2)', at, event = 'a', event = 'b')::text AS counted,
       pg_temp.next_state('(?1)(?2)', at, event, event = 'a', event = 'b')::text AS next,
       pg_temp.path_state(at, event, 10, true)::text AS path,
       pg_temp.first_state(at, event)::text AS first, pg_temp.last_state(at, event)::text AS last
FROM b_events GROUP BY who, part
UNION ALL
SELECT DISTINCT who, 99, random(), pg_temp.funnel_state('7 days', NULL, false, false, false)::text, pg_temp.met_state(false, false, NULL)::text,
       pg_temp.returned_state('1 day', 20, at, false, NULL)::text, pg_temp.sequence_state('(?1).*(?2)', NULL, true, true)::text,
       pg_temp.next_state('(?1)(?2)', at, NULL, true, true)::text, NULL, NULL, NULL
FROM b_events GROUP BY who, at;
SELECT count(*) AS users,
       count(*) FILTER (WHERE window_funnel_final(m.funnel) IS DISTINCT FROM b.funnel) AS funnel,
       count(*) FILTER (WHERE retention_conditions_final(m.met) IS DISTINCT FROM b.met) AS met,
       count(*) FILTER (WHERE retention_returns_final(m.returned) IS DISTINCT FROM b.returned) AS returned,
       count(*) FILTER (WHERE sequence_count_final(m.counted) IS DISTINCT FROM b.counted) AS counted,
       count(*) FILTER (WHERE sequence_next_final(m.next) IS DISTINCT FROM b.next) AS next,
       count(*) FILTER (WHERE path_agg_final(m.path) IS DISTINCT FROM b.path) AS path,
       count(*) FILTER (WHERE touch_final(m.first) IS DISTINCT FROM b.first) AS first,
       count(*) FILTER (WHERE touch_final(m.last) IS DISTINCT FROM b.last) AS last
FROM (SELECT who, pg_temp.merge(funnel::behaviour_state ORDER BY turn) AS funnel, pg_temp.merge(met::behaviour_state ORDER BY turn) AS met,
             pg_temp.merge(returned::behaviour_state ORDER BY turn) AS returned, pg_temp.merge(counted::behaviour_state ORDER BY turn) AS counted,
             pg_temp.merge(next::behaviour_state ORDER BY turn) AS next, pg_temp.merge(path::behaviour_state ORDER BY turn) AS path,
             pg_temp.merge(first::behaviour_state ORDER BY turn) AS first, pg_temp.merge(last::behaviour_state ORDER BY turn) AS last
      FROM parts GROUP BY who) AS m JOIN b_answers AS b USING (who);

-- No rows; and rows without a time, conditions that are NULL, no value.
SELECT window_funnel('1 day', at, event = 'a') AS funnel, window_funnel_times('1 day', at, event = 'a') AS times, retention_agg(event = 'a') AS met,
       retention_agg('1 day', 2, at, event = 'a', true) AS returned, sequence_match('(?1)', at, event = 'a') AS matched,
       sequence_count('(?1)', at, event = 'a') AS counted, sequence_next('(?1)', at, event, event = 'a') AS next,
       path_agg(at, event) AS path, first_touch(at, event) AS first, last_touch(at, event) AS last
FROM (SELECT at, event FROM b_events WHERE false
      UNION ALL SELECT NULL, NULL FROM generate_series(1, 3) WHERE current_setting('work_mem') = '') AS t;
SELECT window_funnel('1 day', at, event = 'a') AS funnel, window_funnel_times('1 day', at, event = 'a') AS times, retention_agg(event = 'a') AS met,
       retention_agg('1 day', 2, at, event = 'a', true) AS returned, sequence_match('(?1)', at, event = 'a') AS matched,
       sequence_count('(?1)', at, event = 'a') AS counted, sequence_next('(?1)', at, event, event = 'a') AS next,
       path_agg(at, event) AS path, first_touch(at, event) AS first, last_touch(at, event) AS last
FROM (SELECT NULL::timestamptz AS at, NULL::text AS event FROM generate_series(1, 3)) AS t;

-- FILTER, and GROUPING SETS: each set is what a GROUP BY of its own gives.
SELECT window_funnel('7 days', at, event = 'a', event = 'b') FILTER (WHERE event <> 'b') AS without_b, path_agg(at, event, 3) FILTER (WHERE event > 'c') AS late
FROM b_events WHERE who = 1;
CREATE TEMP TABLE sets AS
SELECT who, part, window_funnel('1 day', at, event = 'a', event = 'b') AS funnel, path_agg(at, event) AS path
FROM b_events WHERE who < 100 GROUP BY GROUPING SETS ((who), (part), ());
CREATE TEMP TABLE each AS
SELECT who, NULL::int AS part, window_funnel('1 day', at, event = 'a', event = 'b') AS funnel, path_agg(at, event) AS path FROM b_events WHERE who < 100 GROUP BY who
UNION ALL SELECT NULL, part, window_funnel('1 day', at, event = 'a', event = 'b'), path_agg(at, event) FROM b_events WHERE who < 100 GROUP BY part
UNION ALL SELECT NULL, NULL, window_funnel('1 day', at, event = 'a', event = 'b'), path_agg(at, event) FROM b_events WHERE who < 100;
SELECT (SELECT count(*) FROM sets) AS rows, (SELECT count(*) FROM (TABLE sets EXCEPT TABLE each) AS d) AS wrong, (SELECT count(*) FROM (TABLE each EXCEPT TABLE sets) AS d) AS missing;

-- Window functions: the state goes on growing after each row is answered, and frames may move.
SELECT count(*) AS rows, count(*) FILTER (WHERE path IS DISTINCT FROM by_hand OR last IS DISTINCT FROM event) AS wrong
FROM (SELECT path_agg(at, event) OVER w AS path, array_agg(event) OVER w AS by_hand, last_touch(at, event) OVER w AS last, event
      FROM (SELECT DISTINCT ON (who, at) * FROM b_events WHERE who < 100) AS t
      WINDOW w AS (PARTITION BY who ORDER BY at ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)) AS t;

-- Memory is what the executor sees: hashing spills instead of growing past work_mem.
SET max_parallel_workers_per_gather = 0;
SET enable_sort = off;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
CREATE FUNCTION pg_temp.batches() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) SELECT who, window_funnel(''7 days'', at, event = ''a'', event = ''b'') FROM b_events_0 GROUP BY who' INTO plan;
  RETURN (plan #>> '{0,Plan,HashAgg Batches}')::int > 0;
END $$;
SELECT pg_temp.batches() AS spilled;
RESET enable_sort;
RESET work_mem;
RESET hash_mem_multiplier;
RESET max_parallel_workers_per_gather;

-- Everything may run in parallel and in indexes, and has a description with an example.
SELECT p.oid::regprocedure::text AS wrong FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE p.proname ~ '^(behaviour_|window_funnel|retention_(agg|cond|ret)|sequence_(match|count|next|trans)|path_(agg|trans)|(first_|last_)?touch_|sessionize)'
  AND (p.proparallel <> 's' OR p.provolatile <> 'i') ORDER BY 1;
SELECT p.oid::regprocedure::text AS without_example FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE p.proname ~ '^(behaviour_|window_funnel|retention_(agg|cond|ret)|sequence_(match|count|next|trans)|path_(agg|trans)|first_touch|last_touch|touch_|sessionize)'
  AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~ 'Example: ' ORDER BY 1;

DROP VIEW b_digest, b_answers;
DROP TABLE b_events;
