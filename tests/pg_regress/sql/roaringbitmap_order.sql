-- Sets of ids in DISTINCT, GROUP BY, ORDER BY, joins and unique indexes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
\set SHOW_CONTEXT never
\set VERBOSITY terse

-- Sets are ordered as lists of their ids: the first id that differs decides, and a list that ends comes first.
SELECT b FROM (VALUES ('{2}'::roaringbitmap), ('{}'), ('{1,2}'), ('{1}'), ('{-1}'), ('{1,70000}'), ('{1,2,3}')) AS t(b) ORDER BY b;
SELECT b FROM (VALUES ('{2}'::roaringbitmap64), ('{}'), ('{1,2}'), ('{1}'), ('{-1}'), ('{1,9223372036854775807}'), ('{1,2,3}')) AS t(b) ORDER BY b DESC;
SELECT '{1}'::roaringbitmap < '{1,2}' AS lt, '{1}'::roaringbitmap <= '{1}' AS le, '{2}'::roaringbitmap > '{1,2}' AS gt, '{1}'::roaringbitmap >= '{1,2}' AS ge,
       rb_cmp('{1}', '{2}') AS cmp;
-- That is the order of their arrays, unsigned.
CREATE TEMP TABLE sets AS
SELECT n, rb_build(a) AS b, rb64_build(a::bigint[]) AS b64, a FROM
  (SELECT n, ARRAY(SELECT DISTINCT (n * i * i * 37 % 11) * (1 + n % 3) * 30000 FROM generate_series(1, n % 5) AS i ORDER BY 1) AS a FROM generate_series(1, 200) AS n) AS s;
SELECT count(*) AS pairs, count(*) FILTER (WHERE (x.b < y.b) <> (x.a < y.a)) AS wrong, count(*) FILTER (WHERE (x.b64 < y.b64) <> (x.a < y.a)) AS wrong_64,
       count(*) FILTER (WHERE (x.b = y.b) <> (x.a = y.a) OR (x.b64 = y.b64) <> (x.a = y.a)) AS wrong_equal
FROM sets x, sets y;

-- By hash and by sort, with the same groups; the two encodings of a set are one.
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT b, count(*) FROM sets GROUP BY b;
CREATE TEMP TABLE by_hash AS SELECT b, count(*) AS n FROM sets GROUP BY b;
SET enable_sort = on;
SET enable_hashagg = off;
CREATE TEMP TABLE by_sort AS SELECT b, count(*) AS n FROM sets GROUP BY b;
RESET enable_hashagg;
SELECT (SELECT count(*) FROM by_hash) = (SELECT count(DISTINCT a) FROM sets) AS all_groups, count(*) = (SELECT count(*) FROM by_sort) AS same FROM by_hash JOIN by_sort USING (b, n);
SELECT count(DISTINCT b) = count(DISTINCT a) AS "distinct", count(DISTINCT b64) = count(DISTINCT a) AS distinct_64 FROM sets;
SET enable_mergejoin = off;
SELECT count(*) AS hash_join FROM sets x JOIN sets y ON x.b = y.b;
RESET enable_mergejoin;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) AS merge_join FROM sets x JOIN sets y ON x.b = y.b;
RESET enable_hashjoin;
RESET enable_nestloop;
SELECT rb_hash(b) = rb_hash_extended(b, 0)::bit(32)::int AS halves_agree FROM (VALUES ('{1,2,3}'::roaringbitmap)) AS t(b);

-- A unique index, and hash partitions.
CREATE TEMP TABLE unique_sets (b roaringbitmap PRIMARY KEY);
INSERT INTO unique_sets VALUES ('{1,2}'), ('{2}');
INSERT INTO unique_sets VALUES ('{2,1}');
INSERT INTO unique_sets VALUES ('{2,1}') ON CONFLICT DO NOTHING;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM unique_sets WHERE b = '{1,2}';
SELECT * FROM unique_sets WHERE b = '{1,2}';
RESET enable_seqscan;
CREATE TEMP TABLE parts (b roaringbitmap64) PARTITION BY HASH (b);
CREATE TEMP TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT b64 FROM sets;
SELECT count(*) AS rows, count(DISTINCT b) = (SELECT count(DISTINCT a) FROM sets) AS same_sets, min(tableoid) <> max(tableoid) AS both_used FROM parts;
