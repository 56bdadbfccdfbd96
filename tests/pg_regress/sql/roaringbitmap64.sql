-- The type roaringbitmap64: sets of bigints, with the functions, operators and aggregates of roaringbitmap.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET jit = off;
\set SHOW_CONTEXT never

SELECT '{3,1,2,2,-1,9223372036854775807}'::roaringbitmap64, '{}'::roaringbitmap64;
-- The 64-bit extension of the portable format, as CRoaring writes it: parts of 32 bits.
SELECT '\x0200000000000000000000003a300000020000000000000008000000180000001a0000000200237affffffff3a30000001000000ffff010010000000fcffffff'::roaringbitmap64;
SELECT '{1,4294967296}'::roaringbitmap64::bytea;
SELECT '{1,4294967296}'::roaringbitmap64::bytea::roaringbitmap64;
SELECT rb64_to_array(rb64_build('{1,-1,4294967296,1}')), rb64_iterate('{1,-1}');

-- What is no set is refused.
SELECT '{1,9223372036854775808}'::roaringbitmap64;
SELECT '{1,2'::roaringbitmap64;
CREATE FUNCTION pg_temp.refused(bytes text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM bytes::bytea::roaringbitmap64;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT what, pg_temp.refused(bytes)
FROM (VALUES
  (0, 'a good one', '\x0100000000000000' || '05000000' || '3a30000001000000000000001000000001' || '00'),
  (1, 'empty', '\x'),
  (2, 'half a count', '\x00000000'),
  (3, 'a part that is missing', '\x0100000000000000'),
  (4, 'a huge number of parts', '\xffffffffffffffff' || '000000003a300000010000000000000010000000' || '0100'),
  (5, 'an empty part', '\x0100000000000000' || '000000003a300000000000000000000000000000000000'),
  (6, 'parts out of order', '\x0200000000000000' || '010000003a3000000100000000000000100000000100' || '000000003a3000000100000000000000100000000100'),
  (7, 'bytes too many', '\x0100000000000000' || '000000003a3000000100000000000000100000000100' || '00'),
  (8, 'a part cut off', '\x0100000000000000' || '000000003a30000002000000000000000100000018000000'),
  (9, 'an offset that leads elsewhere', '\x0100000000000000' || '000000003a3000000100000000000000110000000100')
) AS t(i, what, bytes) ORDER BY i;

-- Algebra and comparison.
SELECT '{1,2,4294967296}'::roaringbitmap64 & '{2,4294967296}' AS "and", '{1}'::roaringbitmap64 | '{4294967296}' AS "or", '{1,2}'::roaringbitmap64 # '{2,-1}' AS "xor",
       '{1,2,-1}'::roaringbitmap64 - '{2}'::roaringbitmap64 AS "andnot", '{1}'::roaringbitmap64 | 5 AS with_id, 5 | '{1}'::roaringbitmap64 AS with_id, '{1,-1}'::roaringbitmap64 - -1 AS without_id;
SELECT rb64_and_cardinality('{1,2,-1}', '{2,-1}') AS "and", rb64_or_cardinality('{1,2,-1}', '{2,-1}') AS "or", rb64_xor_cardinality('{1,2,-1}', '{2,-1}') AS "xor",
       rb64_andnot_cardinality('{1,2,-1}', '{2,-1}') AS "andnot", rb64_jaccard_dist('{1,2}', '{2}') AS alike;
SELECT '{1,-1}'::roaringbitmap64 @> -1::bigint AS contains, 3::bigint <@ '{1,-1}'::roaringbitmap64 AS no, '{1,-1}'::roaringbitmap64 @> '{-1}'::roaringbitmap64 AS contains_all,
       '{1,-1}'::roaringbitmap64 && '{-1}' AS meet, '{1}'::roaringbitmap64 = '{1}' AS equal, '{1}'::roaringbitmap64 <> '{-1}' AS different;
SELECT rb64_cardinality('{1,-1}'), rb64_is_empty('{}'), rb64_min('{5,-1}'), rb64_max('{5,-1}'), rb64_min('{}'), rb64_rank('{1,5,-1}', 5), rb64_index('{1,5,-1}', -1), rb64_index('{1}', 2);
SELECT * FROM rb64_stats('{1,2,3,4,5,4294967296}');

-- Ranges: the end is exclusive, and 0 is no end. What would fill more than a set can hold is an error.
SELECT rb64_fill('{1}', 3, 6), rb64_clear('{1,2,3,-1}', 2, 0), rb64_flip('{1,2,3}', 2, 6), rb64_range('{1,2,3,-1}', 2, 0), rb64_range_cardinality('{1,2,3,-1}', 2, 0);
SELECT rb64_cardinality(rb64_fill('{}', 4294967290, 4294967300)), rb64_cardinality(rb64_fill('{}', 0, 8589934592));
SELECT rb64_fill('{1}', 0, 0);
SELECT rb64_select('{1,2,3,-1}', 2), rb64_select('{1,2,3,-1}', 2, 1), rb64_select('{1,2,3,-1}', 2, 1, true), rb64_select('{1,2,3,-1}', 9, range_start => 2, range_end => 3);
SELECT '{1,4294967295}'::roaringbitmap64 >> 1 AS right, '{1,4294967296}'::roaringbitmap64 << 1 AS left;

-- To 32 bits and back: the same signed numbers, or an error.
SELECT '{1,-1,2147483647,-2147483648}'::roaringbitmap::roaringbitmap64, '{1,-1,2147483647,-2147483648}'::roaringbitmap64::roaringbitmap;
SELECT '{1,2147483648}'::roaringbitmap64::roaringbitmap;

-- Aggregates, with the laws of all: any order, any split, NULLs passed over, NULL over nothing.
CREATE TABLE rb64_events AS
SELECT i, i % 7 AS day, (i::bigint * 7919 % 50021) * 1000000007 AS user_id, i % 3000 AS g FROM generate_series(1, 100000) AS i;
INSERT INTO rb64_events VALUES (NULL, NULL, NULL, NULL);
ANALYZE rb64_events;
SELECT rb64_build_agg(id), rb64_build_cardinality_agg(id) FROM (VALUES (3), (1), (NULL), (-1::bigint)) AS t(id);
SELECT rb64_build_agg(user_id), rb64_build_cardinality_agg(user_id), rb64_or_agg(NULL) FROM rb64_events WHERE i < 0;
SELECT rb64_build_cardinality_agg(user_id) = count(DISTINCT user_id) AS users, rb64_to_array(rb64_build_agg(user_id)) = array_agg(DISTINCT user_id) FILTER (WHERE user_id IS NOT NULL) AS same FROM rb64_events;
CREATE TABLE rb64_sets AS SELECT g, rb64_build_agg(user_id) AS b FROM rb64_events GROUP BY g;
ANALYZE rb64_sets;
SELECT rb64_or_agg(b) = (SELECT rb64_build_agg(user_id) FROM rb64_events) AS "or", rb64_or_cardinality_agg(b) AS n, rb64_and_agg(b | -5) AS "and",
       rb64_xor_agg(b # b) AS "xor", rb64_xor_cardinality_agg(b) = rb64_cardinality(rb64_xor_agg(b)) AS xor_n, rb64_and_cardinality_agg(b) AS and_n FROM rb64_sets;
SELECT i, rb64_or_agg(b) OVER w, rb64_and_agg(b) OVER w, rb64_xor_cardinality_agg(b) OVER w
FROM (VALUES (1, '{1,10}'::roaringbitmap64), (2, NULL), (3, '{2,10}'), (4, '{10,-100}')) AS t(i, b) WINDOW w AS (ORDER BY i) ORDER BY i;
SELECT i, rb64_build_agg(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM generate_series(1, 4) AS i ORDER BY i;
SELECT day, rb64_build_cardinality_agg(user_id) FILTER (WHERE i % 2 = 0) AS even FROM rb64_events WHERE day < 2 GROUP BY GROUPING SETS ((day), ()) ORDER BY day;

-- In 64 kB, in parallel, and both.
CREATE TEMP TABLE serial AS SELECT g, rb64_build_agg(user_id) AS b, rb64_build_cardinality_agg(i) AS n FROM rb64_events GROUP BY g;
SET work_mem = '64kB';
SET enable_sort = off;
CREATE TEMP TABLE spilled AS SELECT g, rb64_build_agg(user_id) AS b, rb64_build_cardinality_agg(i) AS n FROM rb64_events GROUP BY g;
SET max_parallel_workers_per_gather = 3;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TEMP TABLE par AS SELECT g, rb64_build_agg(user_id) AS b, rb64_build_cardinality_agg(i) AS n FROM rb64_events GROUP BY g;
SELECT count(*) AS groups, bool_and(s.b IS NOT DISTINCT FROM p.b AND s.n IS NOT DISTINCT FROM p.n AND s.b IS NOT DISTINCT FROM q.b AND s.n IS NOT DISTINCT FROM q.n) AS same
FROM serial s JOIN spilled p ON s.g IS NOT DISTINCT FROM p.g JOIN par q ON s.g IS NOT DISTINCT FROM q.g;
EXPLAIN (COSTS OFF) SELECT rb64_or_agg(b) FROM rb64_sets;
CREATE TEMP TABLE par_of_sets AS SELECT rb64_or_agg(b) AS "or", rb64_and_agg(b | -5) AS "and", rb64_xor_agg(b) AS "xor" FROM rb64_sets;
RESET max_parallel_workers_per_gather;
SET max_parallel_workers_per_gather = 0;
SELECT p."or" = rb64_or_agg(b) AS "or", p."and" = rb64_and_agg(b | -5) AS "and", p."xor" = rb64_xor_agg(b) AS "xor" FROM rb64_sets, par_of_sets p GROUP BY p."or", p."and", p."xor";

-- The states are values of an internal type; those of other widths and kinds are refused.
SELECT rb64_state_final(('\x010101000000000008000000' || '0700000000000000')::rb64_state);
SELECT ('\x010100000000000004000000' || '07000000')::rb64_state;
SELECT rb_state_final(('\x010101000000000008000000' || '0700000000000000')::text::rb_state);
SELECT rb64_build_trans(NULL, 1);

-- All functions of the type can be used in parallel queries and in index expressions; the text depends on a setting.
SELECT p.oid::regprocedure, p.provolatile FROM pg_proc p
WHERE p.pronamespace = 'analytics_groups'::regnamespace AND p.proname ~ '^(rb64_|roaringbitmap64)'
  AND (p.proparallel <> 's' OR p.provolatile <> 'i' OR (NOT p.proisstrict AND p.prokind = 'f' AND p.proname !~ '_trans$'))
ORDER BY 1;

-- Whatever roaringbitmap has, roaringbitmap64 has, but for a name that was misspelt before there were 64 bits.
SELECT replace(proname, 'rb_', 'rb64_') AS missing FROM pg_proc WHERE pronamespace = 'analytics_groups'::regnamespace AND proname ~ '^rb_'
EXCEPT SELECT proname FROM pg_proc WHERE pronamespace = 'analytics_groups'::regnamespace;
DROP TABLE rb64_events, rb64_sets;
