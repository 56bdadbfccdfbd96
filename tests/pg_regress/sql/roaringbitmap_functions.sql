-- The rest of the surface of pg_roaringbitmap for the type roaringbitmap, and what goes beyond it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
\set SHOW_CONTEXT never

-- One id in, one id out: as functions and as operators.
SELECT rb_add('{1,2}', 3), rb_add(3, '{1,2}'), rb_remove('{1,2}', 2), rb_remove('{1,2}', 5);
SELECT '{1,2}'::roaringbitmap | 3 AS "or", 3 | '{1,2}'::roaringbitmap AS "or", '{1,2}'::roaringbitmap - 2 AS minus;
SELECT rb_exsit('{1,2}', 2) AS old_name_of_contains;

-- Smallest, largest, places. Ids are unsigned numbers: negative ones are the largest.
SELECT rb_min('{5,-1,3}'), rb_max('{5,-1,3}'), rb_min('{}'), rb_max('{}');
SELECT id, rb_rank('{10,20,-5}', id), rb_index('{10,20,-5}', id) FROM (VALUES (9), (10), (15), (20), (-6), (-5), (-1)) AS t(id);

-- Ranges: the end is exclusive, 4294967296 is behind the largest id, and what is outside of the ids is cut.
SELECT rb_fill('{1}', 3, 6), rb_clear('{1,2,3,4}', 2, 4), rb_flip('{1,2,3}', 2, 6), rb_range('{1,2,3,-1}', 2, 4294967296);
SELECT rb_fill('{1}', 6, 3), rb_clear('{1}', 1, 1), rb_flip('{1}', -5, 0), rb_range('{0,1}', -100, 1);
SELECT rb_cardinality(rb_fill('{}', 0, 4294967296)) AS everything, rb_cardinality(rb_flip(rb_fill('{}', 0, 4294967296), 0, 10)) AS all_but_ten,
       octet_length(rb_fill('{}', 0, 4294967296)::bytea) < 1000000 AS small;
SELECT rb_range_cardinality('{1,2,3,-1}', 2, 4), rb_range_cardinality('{1,2,3,-1}', 0, 5000000000), rb_range_cardinality('{1,2,3,-1}', 4, 2);

-- A page of the ids: how many, after how many, from which end, in which range.
SELECT rb_select('{1,2,3,4,5}', 2), rb_select('{1,2,3,4,5}', 2, 1), rb_select('{1,2,3,4,5}', 2, reverse => true),
       rb_select('{1,2,3,4,5}', 2, 1, true), rb_select('{1,2,3,4,5}', 10, range_start => 2, range_end => 4), rb_select('{1,2,3,4,5}', 0);
-- From the end, what an offset leaves out stays out, however large the page is. (pg_roaringbitmap gives {1,2,3} here.)
SELECT rb_select('{1,2,3}', 5, 1, true);

-- Moving all ids; those that leave the 32 bits are dropped.
SELECT '{1,2,70000}'::roaringbitmap << 1 AS left, '{1,2,70000}'::roaringbitmap >> 70000 AS right, rb_shiftleft('{1}', 2), rb_shiftright('{-1}', 1),
       rb_shiftright('{1}', -9223372036854775808), rb_shiftleft('{1}', -9223372036854775808);

-- How alike: the ids in both over the ids in either.
SELECT rb_jaccard_dist('{1,2,3}', '{2,3,4}') AS half, rb_jaccard_dist('{1}', '{2}') AS nothing, rb_jaccard_dist('{}', '{}') AS neither;

-- How a set is stored: arrays of ids, bits, or runs.
SELECT * FROM rb_stats(rb_build(ARRAY(SELECT generate_series(1, 5))) | rb_build(ARRAY(SELECT generate_series(100000, 120000, 2))) | -1);
SELECT * FROM rb_stats('{}');

-- Sets come from bytes, all of which are checked.
SELECT rb_from_bytea('\x3a30000001000000000001001000000001000f27');
SELECT rb_from_bytea('\x3a30000001000000000001001000000001000f2700');

-- The setting of pg_roaringbitmap says how sets are written, with or without that extension; both forms are read.
SET roaringbitmap.output_format = 'bytea';
SELECT '{1,9999}'::roaringbitmap, '{1,9999}'::roaringbitmap64;
SET roaringbitmap.output_format = 'array';
SELECT '\x3a30000001000000000001001000000001000f27'::roaringbitmap;
SET roaringbitmap.output_format = 'hex';
SELECT '{1}'::roaringbitmap;
RESET roaringbitmap.output_format;
-- Without it, sets are written as lists up to ten million ids, and as bytes above: a dump does not fail on a large one.
SELECT left(rb_fill('{}', 0, 10000000)::text, 12) AS list, left(rb_fill('{}', 0, 10000001)::text, 12) AS bytes;
SELECT rb_cardinality(rb_fill('{}', 0, 4294967296)::text::roaringbitmap);

-- Large sets lie in the TOAST table; these functions fetch the header and one container of it.
CREATE TEMP TABLE large (n int, b roaringbitmap);
INSERT INTO large SELECT n, rb_build(ARRAY(SELECT i * n FROM generate_series(1, 300000) AS i)) FROM (VALUES (3), (20), (1000)) AS t(n);
SELECT n, rb_cardinality(b), rb_is_empty(b), rb_min(b), rb_max(b), rb_contains(b, n * 777), rb_contains(b, n * 777 + 1), (n * 5) <@ b AS five FROM large ORDER BY n;
SELECT n, count(*) FILTER (WHERE b @> i) AS found FROM large, generate_series(1, 3000) AS i GROUP BY n ORDER BY n;

-- Random sets agree with arrays.
SELECT setseed(0.25);
CREATE TEMP TABLE random_sets AS
SELECT n, array_agg(DISTINCT a ORDER BY a) AS a FROM (SELECT n, (random() * n * n)::int AS a FROM generate_series(1, 250) AS n, generate_series(1, 250)) AS r GROUP BY n;
SELECT count(*) AS sets,
       count(*) FILTER (WHERE rb_to_array(rb_range(x, n, n * 50)) <> ARRAY(SELECT i FROM unnest(a) AS i WHERE i >= n AND i < n * 50 ORDER BY 1)) AS wrong_range,
       count(*) FILTER (WHERE rb_range_cardinality(x, n, n * 50) <> (SELECT count(*) FROM unnest(a) AS i WHERE i >= n AND i < n * 50)) AS wrong_count,
       count(*) FILTER (WHERE rb_to_array(rb_clear(x, n, n * 50)) <> ARRAY(SELECT i FROM unnest(a) AS i WHERE i < n OR i >= n * 50 ORDER BY 1)) AS wrong_clear,
       count(*) FILTER (WHERE rb_to_array(rb_fill(x, n, n * 9)) <> ARRAY(SELECT i FROM unnest(a) AS i UNION SELECT generate_series(n, n * 9 - 1) ORDER BY 1)) AS wrong_fill,
       count(*) FILTER (WHERE rb_flip(x, n, n * 9) <> (x # rb_fill('{}', n, n * 9))) AS wrong_flip,
       count(*) FILTER (WHERE rb_to_array(x >> n) <> ARRAY(SELECT i + n FROM unnest(a) AS i ORDER BY 1)) AS wrong_shift,
       count(*) FILTER (WHERE rb_to_array(rb_select(x, 20, 7)) <> ARRAY(SELECT i FROM unnest(a) AS i ORDER BY 1 OFFSET 7 LIMIT 20)) AS wrong_page,
       count(*) FILTER (WHERE rb_to_array(rb_select(x, 20, 7, true)) <> ARRAY(SELECT i FROM (SELECT i FROM unnest(a) AS i ORDER BY 1 DESC OFFSET 7 LIMIT 20) AS p ORDER BY 1)) AS wrong_last_page,
       count(*) FILTER (WHERE (SELECT bool_or(a[rb_index(x, i) + 1] <> i OR rb_rank(x, i) <> rb_index(x, i) + 1) FROM unnest(a) AS i)) AS wrong_place
FROM random_sets, rb_build(a) AS x;
