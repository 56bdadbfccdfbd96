-- The type roaringbitmap: sets of integers, with the functions and operators of pg_roaringbitmap.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
\set SHOW_CONTEXT never

-- Sets are written in braces, in any order. They come back in the order of unsigned numbers: negatives last.
SELECT '{3,1,2,2}'::roaringbitmap;
SELECT ' { -1 , 5,-2147483648,2147483647,0 } '::roaringbitmap;
SELECT '{}'::roaringbitmap, '{ }'::roaringbitmap;

-- … or as the bytes of the portable format, as other tools write it. Sets written by CRoaring:
SELECT '\x3a30000000000000'::roaringbitmap;
SELECT '\x3a300000030000000000000008000000ffff01002000000022000000240000000200237afcffffff'::roaringbitmap;
SELECT '{1,9999}'::roaringbitmap::bytea;
SELECT roaringbitmap('\x3a30000001000000000001001000000001000f27'::bytea);
SELECT '{1,9999,-88888}'::roaringbitmap::bytea::roaringbitmap;

-- What is not a set is refused, with the place of the mistake.
\set VERBOSITY default
SELECT ''::roaringbitmap;
SELECT '{1,2'::roaringbitmap;
SELECT '{1,,2}'::roaringbitmap;
SELECT '{1, 2147483648}'::roaringbitmap;
SELECT '{1,2,three}'::roaringbitmap;
SELECT '\x3a3'::roaringbitmap;
SELECT '\x3a3g'::roaringbitmap;

-- Forged bytes are refused as well: cut off, too long, unsorted, with a wrong count, with a huge declared size.
CREATE FUNCTION pg_temp.refused(bytes text, OUT as_text text, OUT as_bytes text) LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    PERFORM bytes::roaringbitmap;
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS as_text = PG_EXCEPTION_DETAIL;
    as_text := SQLSTATE || ' ' || SQLERRM || ': ' || as_text;
  END;
  BEGIN
    PERFORM bytes::bytea::roaringbitmap;
  EXCEPTION WHEN OTHERS THEN as_bytes := SQLSTATE;
  END;
END $$;
SELECT what, as_text, as_bytes
FROM (VALUES
  (1, 'empty', '\x'),
  (2, 'not the format', '\x11'),
  (3, 'cut off', '\x3a30000001000000000001001000000001000f'),
  (4, 'too long', '\x3a30000001000000000001001000000001000f2700'),
  (5, 'unsorted ids', '\x3a3000000100000000000100100000000f270100'),
  (6, 'the same id twice', '\x3a30000001000000000001001000000001000100'),
  (7, 'four billion containers', '\x3a300000ffffffff'),
  (8, '65,536 containers of nothing', '\x3a30000000000100'),
  (9, '65,536 run containers of nothing', '\x3b30ffff'),
  (10, 'containers out of order', '\x3a300000020000000100000000000000180000001a00000001000100'),
  (11, 'overlapping runs', '\x3b30000001000004000200010002000200' || '0200'),
  (12, 'a run past the end', '\x3b300000010000ffff0100f0ffff00'),
  (13, 'an offset that leads elsewhere', '\x3a30000001000000000001001100000001000f27')
) AS t(i, what, bytes), pg_temp.refused(bytes)
ORDER BY i;

-- A set in another encoding (no runs) is the same set; it is stored in the compact form.
SELECT b::roaringbitmap, b::roaringbitmap = '{1,2,3,4}' AS equal, b::bytea::roaringbitmap::bytea AS stored
FROM (VALUES ('\x3a300000010000000000030010000000' || '0100020003000400')) AS t(b);

-- Building and reading.
SELECT rb_build(ARRAY[3,1,2,1]), rb_build('{}'), rb_build(NULL), rb_build(ARRAY[[1,2],[3,-1]]);
SELECT rb_build(ARRAY[1,NULL]);
SELECT rb_to_array('{3,1,2,-1}'), rb_to_array('{}'), rb_to_array(NULL);
SELECT rb_iterate('{3,1,2,-1}');
SELECT count(*), min(i), max(i) FROM rb_iterate(rb_build(ARRAY(SELECT generate_series(1, 200000, 2)))) AS i;
SELECT i FROM rb_iterate(rb_build(ARRAY(SELECT generate_series(1, 200000)))) AS i LIMIT 2;
SELECT count(*) FROM rb_iterate('{}');
SELECT rb_cardinality('{}'), rb_cardinality('{1,5,-1}'), rb_cardinality(rb_build(ARRAY(SELECT generate_series(1, 200000))));
SELECT rb_is_empty('{}'), rb_is_empty('{0}');

-- Algebra.
SELECT '{1,2,3}'::roaringbitmap & '{3,4,5}' AS "and",
       '{1,2,3}'::roaringbitmap | '{3,4,5}' AS "or",
       '{1,2,3}'::roaringbitmap # '{3,4,5}' AS "xor",
       '{1,2,3}'::roaringbitmap - '{3,4,5}' AS "andnot";
SELECT rb_and_cardinality('{1,2,3}', '{3,4,5}') AS "and", rb_or_cardinality('{1,2,3}', '{3,4,5}') AS "or",
       rb_xor_cardinality('{1,2,3}', '{3,4,5}') AS "xor", rb_andnot_cardinality('{1,2,3}', '{3,4,5}') AS "andnot";

-- Comparison.
SELECT '{1,2,3}'::roaringbitmap @> '{3,2}'::roaringbitmap AS contains, '{3,2}'::roaringbitmap <@ '{1,2,3}'::roaringbitmap AS contained,
       '{1,2,3}'::roaringbitmap @> '{}'::roaringbitmap AS contains_nothing, '{1}'::roaringbitmap @> '{1,2}'::roaringbitmap AS no;
SELECT '{1,2,-1}'::roaringbitmap @> -1 AS contains_id, 2 <@ '{1,2}'::roaringbitmap AS id_in, '{1,2}'::roaringbitmap @> 3 AS no;
SELECT '{1,2}'::roaringbitmap && '{2,3}' AS meet, '{1,2}'::roaringbitmap && '{3}' AS no;
SELECT '{1,2}'::roaringbitmap = '{2,1}' AS equal, '{1,2}'::roaringbitmap <> '{2}' AS different,
       '{1,2}'::roaringbitmap = '{1,3}' AS no, '{1,2}'::roaringbitmap <> '{2,1}' AS no_either;

-- Every function passes NULL on.
SELECT rb_and('{1}', NULL) IS NULL AND rb_cardinality(NULL) IS NULL AND rb_contains(NULL, 1) IS NULL AND rb_to_array(NULL) IS NULL AS nulls;

-- Random sets agree with SQL's own set operations.
SELECT setseed(0.5);
CREATE TEMP TABLE pairs AS
SELECT n, array_agg(DISTINCT a ORDER BY a) AS a, array_agg(DISTINCT b ORDER BY b) AS b
FROM (SELECT n, (random() * n * n)::int AS a, (random() * n * n)::int AS b
      FROM generate_series(1, 300) AS n, generate_series(1, 300)) AS r
GROUP BY n;
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE rb_to_array(x & y) <> ARRAY(SELECT unnest(a) INTERSECT SELECT unnest(b) ORDER BY 1)) AS wrong_and,
       count(*) FILTER (WHERE rb_to_array(x | y) <> ARRAY(SELECT unnest(a) UNION SELECT unnest(b) ORDER BY 1)) AS wrong_or,
       count(*) FILTER (WHERE rb_to_array(x - y) <> ARRAY(SELECT unnest(a) EXCEPT SELECT unnest(b) ORDER BY 1)) AS wrong_andnot,
       count(*) FILTER (WHERE x # y <> ((x | y) - (x & y))) AS wrong_xor,
       count(*) FILTER (WHERE (x @> y) <> (a @> b) OR (x && y) <> (a && b) OR (x = y) <> (a = b)) AS wrong_comparison,
       count(*) FILTER (WHERE (SELECT bool_or((x @> i) <> (i = ANY (a))) FROM unnest(a || b) AS i)) AS wrong_membership,
       count(*) FILTER (WHERE x::text::roaringbitmap <> x OR x::bytea::roaringbitmap <> x) AS wrong_round_trip
FROM pairs, rb_build(a) AS x, rb_build(b) AS y;

-- Stored values, toasted or not, and the binary protocol: what comes back is what went in.
CREATE TEMP TABLE sets (id int, b roaringbitmap);
INSERT INTO sets VALUES (1, '{}'), (2, '{1,2,3,-1}'), (3, NULL);
INSERT INTO sets SELECT 4, rb_build(ARRAY(SELECT generate_series(1, 300000, 3)));
INSERT INTO sets SELECT 5, rb_build(ARRAY(SELECT generate_series(1, 300000)));
SELECT id, rb_cardinality(b), pg_column_size(b) > 8000 AS large, b @> 4 AS has_4 FROM sets ORDER BY id;
SELECT format('COPY sets TO %L (FORMAT binary)', current_setting('data_directory') || '/analytics_groups_sets.bin') AS copy_out,
       format('COPY again FROM %L (FORMAT binary)', current_setting('data_directory') || '/analytics_groups_sets.bin') AS copy_in \gset
CREATE TEMP TABLE again (LIKE sets);
:copy_out;
:copy_in;
SELECT count(*) AS rows, count(*) FILTER (WHERE s.b IS NOT DISTINCT FROM a.b) AS same FROM sets s JOIN again a USING (id);

-- Forged bytes through the binary protocol are refused: a bytea column read as a set.
CREATE TEMP TABLE forged (id int, b bytea);
INSERT INTO forged VALUES (1, '\x3a30000001000000000001001000000001000f2700');
SELECT format('COPY forged TO %L (FORMAT binary)', current_setting('data_directory') || '/analytics_groups_sets.bin') AS copy_out \gset
:copy_out;
\set VERBOSITY sqlstate
:copy_in;
\set VERBOSITY default

-- All functions of the type can be used in parallel queries and in index expressions; the text depends on a setting.
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'analytics_groups'::regnamespace AND p.proname ~ '^(rb_|roaringbitmap_)'
  AND (p.proparallel <> 's' OR p.provolatile <> 'i' OR (NOT p.proisstrict AND p.prokind = 'f' AND p.proname !~ '_trans$'))
ORDER BY 1;

-- Everything has a description with an example.
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_example
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'analytics_groups')
  AND pg_describe_object(d.classid, d.objid, 0) ~ '(rb_|rb64_|roaringbitmap)'
  AND pg_describe_object(d.classid, d.objid, 0) !~ '^type .*\[\]$'
  AND coalesce(obj_description(d.objid, d.classid::regclass::text::name), '') !~ 'Example: '
ORDER BY 1;
