-- Aggregates over ids and over roaringbitmap.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET jit = off;

-- The set of ids, and its size: an exact count(DISTINCT …).
SELECT rb_build_agg(id), rb_build_cardinality_agg(id) FROM (VALUES (3), (1), (NULL), (1), (-1)) AS t(id);

-- The same over sets.
CREATE TEMP TABLE t (g int, b roaringbitmap);
INSERT INTO t VALUES (1, '{1,2,3}'), (1, '{2,3,4}'), (1, NULL), (1, '{3}'), (2, '{7}'), (2, '{}'), (3, NULL);
SELECT g, rb_or_agg(b), rb_and_agg(b), rb_xor_agg(b) FROM t GROUP BY g ORDER BY g;
SELECT g, rb_or_cardinality_agg(b), rb_and_cardinality_agg(b), rb_xor_cardinality_agg(b) FROM t GROUP BY g ORDER BY g;

-- No rows, or NULLs only: NULL, not the empty set.
SELECT rb_build_agg(id), rb_build_cardinality_agg(id) FROM (VALUES (NULL::int)) AS t(id);
SELECT rb_or_agg(b), rb_and_agg(b), rb_xor_agg(b), rb_or_cardinality_agg(b) FROM t WHERE false;

-- FILTER, DISTINCT, ORDER BY, GROUPING SETS.
SELECT rb_build_agg(id) FILTER (WHERE id % 2 = 0) AS even, rb_build_agg(DISTINCT id / 3) AS thirds, rb_build_agg(id ORDER BY id DESC) AS ordered
FROM generate_series(1, 9) AS id;
SELECT a, b, rb_build_agg(a * 10 + b) FROM generate_series(1, 2) AS a, generate_series(1, 2) AS b
GROUP BY GROUPING SETS ((a), (b), ()) ORDER BY a, b;

-- Window functions: the state goes on growing after each row is answered.
SELECT id, rb_build_agg(id) OVER w, rb_build_cardinality_agg(id) OVER w
FROM (VALUES (1), (2), (NULL), (4)) AS t(id) WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT i, rb_or_agg(b) OVER w, rb_and_agg(b) OVER w, rb_xor_agg(b) OVER w
FROM (VALUES (1, '{1,10}'::roaringbitmap), (2, NULL), (3, '{2,10}'), (4, '{10,100}')) AS t(i, b) WINDOW w AS (ORDER BY i) ORDER BY i;
SELECT i, rb_build_agg(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM generate_series(1, 4) AS i ORDER BY i;
-- 4,000 running counts, each exact: the state grows and is merged on the way.
SELECT count(*) FILTER (WHERE n = i) AS exact, count(*) AS rows
FROM (SELECT i, rb_build_cardinality_agg(i * 7919 % 1000003) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING) AS n FROM generate_series(1, 4000) AS i) AS w
WHERE i % 100 = 0;

-- Large and small sets against count(DISTINCT …) and array_agg.
CREATE TABLE rb_events AS
SELECT i, (i::bigint * 7919 % 50021)::int AS user_id, i % 7 AS day, (i::bigint * 31 % 50000)::int AS g FROM generate_series(1, 300000) AS i;
ANALYZE rb_events;
SELECT rb_build_cardinality_agg(user_id) = count(DISTINCT user_id) AS users,
       rb_build_cardinality_agg(i) = count(DISTINCT i) AS rows,
       rb_build_cardinality_agg(day) = count(DISTINCT day) AS days,
       rb_to_array(rb_build_agg(user_id)) = array_agg(DISTINCT user_id) AS the_same_users
FROM rb_events;

-- 50,000 groups in 64 kB: the states are ordinary memory of the aggregate, so the hash table spills as it should.
SET work_mem = '64kB';
SET enable_sort = off;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT g, rb_build_agg(user_id) FROM rb_events GROUP BY g;
CREATE FUNCTION pg_temp.spilled(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT json) ' || query INTO plan;
  RETURN plan::text ~ '"HashAgg Batches": ([2-9]|[0-9]{2,})';
END $$;
SELECT pg_temp.spilled('SELECT g, rb_build_agg(user_id) FROM rb_events GROUP BY g') AS spilled;
CREATE TEMP TABLE by_hash AS SELECT g, rb_build_agg(user_id) AS b, rb_build_cardinality_agg(user_id) AS n FROM rb_events GROUP BY g;
SET enable_sort = on;
SET enable_hashagg = off;
CREATE TEMP TABLE by_sort AS SELECT g, rb_build_agg(user_id) AS b FROM rb_events GROUP BY g;
CREATE TEMP TABLE by_array AS SELECT g, rb_build(array_agg(user_id)) AS b FROM rb_events GROUP BY g;
RESET enable_hashagg;
SELECT count(*) AS groups, count(*) FILTER (WHERE h.b = s.b) AS hash_is_sort, count(*) FILTER (WHERE h.b = a.b) AS hash_is_array,
       count(*) FILTER (WHERE h.n = rb_cardinality(a.b)) AS exact
FROM by_hash h JOIN by_sort s USING (g) JOIN by_array a USING (g);
-- Sets of sets, many small groups and a few large ones.
SET enable_sort = off;
SELECT count(*) AS groups, bool_and(n = 6) AS six_each FROM (SELECT g, rb_or_cardinality_agg(b) AS n FROM by_hash GROUP BY g) AS x;
RESET enable_sort;
SELECT g % 3 AS part, rb_cardinality(rb_or_agg(b)) AS "or", rb_cardinality(rb_xor_agg(b)) AS "xor", rb_cardinality(rb_and_agg(b)) AS "and"
FROM by_hash GROUP BY 1 ORDER BY 1;
SELECT u.part, u.n AS "or", x.n AS "xor" FROM
  (SELECT g % 3 AS part, count(DISTINCT user_id) AS n FROM rb_events GROUP BY 1) AS u
  JOIN (SELECT part, count(*) AS n FROM (SELECT g % 3 AS part, user_id FROM (SELECT DISTINCT g, user_id FROM rb_events) AS d
        GROUP BY 1, 2 HAVING count(*) % 2 = 1) AS odd GROUP BY part) AS x USING (part)
ORDER BY 1;
RESET work_mem;

-- Parallel plans give the same answers: partial states go through tuples and are combined.
CREATE TABLE rb_sets AS SELECT * FROM by_hash;
INSERT INTO rb_sets VALUES (NULL, NULL, NULL);
ANALYZE rb_sets;
CREATE TEMP TABLE answers (plan text, day int, users roaringbitmap, n bigint);
CREATE TEMP TABLE answers_of_sets (plan text, "or" roaringbitmap, "and" roaringbitmap, "xor" roaringbitmap, n bigint);
SET max_parallel_workers_per_gather = 0;
INSERT INTO answers SELECT 'serial', day, rb_build_agg(user_id), rb_build_cardinality_agg(i) FROM rb_events GROUP BY day;
INSERT INTO answers_of_sets SELECT 'serial', rb_or_agg(b), rb_and_agg(b | '{5}'), rb_xor_agg(b), rb_or_cardinality_agg(b) FROM rb_sets;
SET max_parallel_workers_per_gather = 3;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT rb_build_agg(user_id) FROM rb_events;
EXPLAIN (COSTS OFF) SELECT rb_or_agg(b), rb_and_cardinality_agg(b) FROM rb_sets;
-- (CREATE TABLE AS is planned in parallel, INSERT … SELECT is not.)
CREATE TEMP TABLE par AS SELECT day, rb_build_agg(user_id) AS users, rb_build_cardinality_agg(i) AS n FROM rb_events GROUP BY day;
CREATE TEMP TABLE par_of_sets AS
SELECT rb_or_agg(b) AS "or", rb_and_agg(b | '{5}') AS "and", rb_xor_agg(b) AS "xor", rb_or_cardinality_agg(b) AS n FROM rb_sets;
SELECT count(*) AS days, bool_and(p.users = a.users AND p.n = a.n) AS parallel_is_serial FROM par p JOIN answers a USING (day);
SELECT p."or" = a."or" AS "or", p."and" = a."and" AS "and", p."xor" = a."xor" AS "xor", p.n = a.n AS n FROM par_of_sets p, answers_of_sets a;
-- A worker that sees no rows, or NULLs only, contributes nothing.
SELECT rb_build_agg(CASE WHEN i = 300000 THEN user_id END), rb_build_cardinality_agg(CASE WHEN i < 0 THEN 1 END) FROM rb_events;
-- … and everything once more with each query forced through a worker.
SET force_parallel_mode = regress;
SELECT rb_cardinality(rb_build_agg(user_id)), rb_build_cardinality_agg(day) FROM rb_events;
SELECT rb_or_cardinality_agg(b) = (SELECT n FROM answers_of_sets) AS same FROM rb_sets;
SELECT count(*) FROM rb_sets, rb_iterate(b) WHERE g < 10;
SELECT g, b FROM rb_sets WHERE b @> 5 ORDER BY g LIMIT 2;
RESET force_parallel_mode;
RESET max_parallel_workers_per_gather;

-- The parts of the aggregates can't be called by themselves.
SELECT rb_build_trans(NULL, 1);
SELECT rb_state_combine(s, s) FROM (SELECT '\x010100000000000000000000'::rb_state AS s) AS x;

-- States of one kind, in text form: they are values of an internal type, and forged ones are refused.
CREATE AGGREGATE pg_temp.state_of(int) (SFUNC = rb_build_trans, STYPE = rb_state, COMBINEFUNC = rb_state_combine, PARALLEL = SAFE);
SELECT pg_temp.state_of(id) FROM generate_series(1, 3) AS id;
SELECT rb_state_final(pg_temp.state_of(id)::text::rb_state) FROM generate_series(1, 3) AS id;
CREATE FUNCTION pg_temp.refused(bytes text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM bytes::rb_state;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT what, pg_temp.refused(bytes)
FROM (VALUES
  (1, 'a good one', '\x010100000000000004000000' || '07000000'),
  (2, 'not hexadecimal', '{1,2}'),
  (3, 'no header', '\x0101'),
  (4, 'another version', '\x020100000000000004000000' || '07000000'),
  (5, 'an unknown kind', '\x010900000000000004000000' || '07000000'),
  (6, 'half an id', '\x010100000000000002000000' || '0700'),
  (7, 'more than there is', '\x0101000000000000ffffffff' || '07000000'),
  (8, 'sizes that overflow', '\x01010000ffffffffffffffff' || '07000000'),
  (9, 'bytes too many', '\x010100000000000000000000' || '07000000'),
  (10, 'a set that is none', '\x010200000400000000000000' || '07000000'),
  (11, 'a set too many for and', '\x010300000800000004000000' || '3a30000000000000' || '00000000'),
  (12, 'a pending set cut off', '\x010200000800000008000000' || '3a30000000000000' || 'ff0000003a300000')
) AS t(i, what, bytes) ORDER BY i;
-- A user-made aggregate that starts from a state of another kind gets an error, not a crash.
CREATE AGGREGATE pg_temp.mixed(int) (SFUNC = rb_build_trans, STYPE = rb_state, INITCOND = '\x0102000008000000000000003a30000000000000', FINALFUNC = rb_state_final);
SELECT pg_temp.mixed(id) FROM generate_series(1, 3) AS id;
CREATE AGGREGATE pg_temp.started(int) (SFUNC = rb_build_trans, STYPE = rb_state, INITCOND = '\x01010000000000000400000007000000', FINALFUNC = rb_state_final);
SELECT g % 2 AS part, pg_temp.started(g) FROM generate_series(1, 4) AS g GROUP BY 1 ORDER BY 1;

DROP TABLE rb_events, rb_sets;
