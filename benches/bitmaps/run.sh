#!/usr/bin/env bash
# Bitmaps beside pg_roaringbitmap: build, or, and, cardinalities, distinct counts over three kinds of sets.
#
#   PGHOST=… PGPORT=… PGUSER=… benches/bitmaps/run.sh [IDS] [ROUNDS]
#
# Works in a database of its own, which it drops. First every result is compared with pg_roaringbitmap's, then each
# question is asked in turns and the fastest of ROUNDS is printed, in milliseconds, with the ratio theirs / ours: above
# 1 we are faster. Without pg_roaringbitmap on the server the peer is skipped and only our times are printed.
set -euo pipefail
ids=${1:-10000000}
rounds=${2:-7}
db=analytics_groups_bitmaps_$$
trap 'dropdb --if-exists "$db"' EXIT
createdb "$db"
export PGOPTIONS='-c client_min_messages=warning -c jit=off -c max_parallel_workers_per_gather=0 -c work_mem=1GB'
psql -X -q -v ON_ERROR_STOP=1 -v ids="$ids" -v rounds="$rounds" -d "$db" <<'SQL'
CREATE EXTENSION analytics_groups;
CREATE SCHEMA peer;
SELECT count(*) > 0 AS peer FROM pg_available_extensions WHERE name = 'roaringbitmap' \gset
\if :peer
CREATE EXTENSION roaringbitmap SCHEMA peer;
\else
\echo 'pg_roaringbitmap: skipped (not on this server)'
\endif

-- sparse: all over 32 bits; dense: half of the numbers up to twice as many; runs: 1,000 in a row, then a gap of 500.
-- Two sets of each kind; the sets of a kind share a part of their ids.
CREATE FUNCTION mixed(i bigint, odd bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT i * odd % 4294967296';
CREATE FUNCTION as_int(u bigint) RETURNS int LANGUAGE sql IMMUTABLE AS
'SELECT CASE WHEN u > 2147483647 THEN u - 4294967296 ELSE u END::int';
CREATE TABLE ids_sparse AS SELECT as_int(mixed(i, 2654435761)) AS id FROM generate_series(1, :ids::bigint) AS i;
CREATE TABLE ids_dense AS SELECT i AS id FROM generate_series(1, 2 * :ids) AS i WHERE mixed(i, 2654435761) % 1000 < 500;
CREATE TABLE ids_runs AS SELECT i AS id FROM generate_series(1, :ids / 2 * 3) AS i WHERE i % 1500 < 1000;
CREATE TABLE arrays (kind text, a int[], b int[]);
ALTER TABLE arrays ALTER a SET STORAGE external, ALTER b SET STORAGE external;
INSERT INTO arrays VALUES
 ('sparse', ARRAY(SELECT id FROM ids_sparse), ARRAY(SELECT as_int(mixed(i, 2654435761)) FROM generate_series(:ids::bigint / 2, :ids::bigint / 2 * 3) AS i)),
 ('dense', ARRAY(SELECT id FROM ids_dense), ARRAY(SELECT i FROM generate_series(1, 2 * :ids) AS i WHERE mixed(i, 2246822519) % 1000 < 500)),
 ('runs', ARRAY(SELECT id FROM ids_runs), ARRAY(SELECT id + 700 FROM ids_runs));
CREATE TABLE ours AS SELECT kind, analytics_groups.rb_build(a) AS a, analytics_groups.rb_build(b) AS b FROM arrays;
CREATE TABLE our_parts AS
SELECT 'sparse' AS kind, id & 1023 AS part, analytics_groups.rb_build_agg(id) AS s FROM ids_sparse GROUP BY 2
UNION ALL SELECT 'dense', id & 1023, analytics_groups.rb_build_agg(id) FROM ids_dense GROUP BY 2
UNION ALL SELECT 'runs', id & 1023, analytics_groups.rb_build_agg(id) FROM ids_runs GROUP BY 2;
\if :peer
CREATE TABLE theirs AS SELECT kind, peer.rb_build(a) AS a, peer.rb_build(b) AS b FROM arrays;
-- The peer's own advice for sets that are stored.
UPDATE theirs SET a = peer.rb_runoptimize(a), b = peer.rb_runoptimize(b);
CREATE TABLE their_parts AS SELECT kind, part, s::bytea::peer.roaringbitmap AS s FROM our_parts;
\endif
VACUUM ANALYZE;

CREATE TABLE questions (no int, name text, ours text, theirs text, heavy bool);
INSERT INTO questions VALUES
 (1, 'build_agg', 'SELECT analytics_groups.rb_build_agg(id)::bytea FROM ids_@', 'SELECT peer.rb_build_agg(id)::bytea FROM ids_@', true),
 (2, 'build (array)', 'SELECT analytics_groups.rb_build(a)::bytea FROM arrays WHERE kind = ''@''', 'SELECT peer.rb_build(a)::bytea FROM arrays WHERE kind = ''@''', true),
 (3, 'count distinct', 'SELECT int8send(analytics_groups.rb_build_cardinality_agg(id)) FROM ids_@', 'SELECT int8send(peer.rb_cardinality(peer.rb_build_agg(id))) FROM ids_@', true),
 (4, 'or_agg', 'SELECT analytics_groups.rb_or_agg(s)::bytea FROM our_parts WHERE kind = ''@''', 'SELECT peer.rb_or_agg(s)::bytea FROM their_parts WHERE kind = ''@''', true),
 (5, 'or', 'SELECT analytics_groups.rb_or(a, b)::bytea FROM ours WHERE kind = ''@''', 'SELECT peer.rb_or(a, b)::bytea FROM theirs WHERE kind = ''@''', false),
 (6, 'and', 'SELECT analytics_groups.rb_and(a, b)::bytea FROM ours WHERE kind = ''@''', 'SELECT peer.rb_and(a, b)::bytea FROM theirs WHERE kind = ''@''', false),
 (7, 'or_cardinality', 'SELECT int8send(analytics_groups.rb_or_cardinality(a, b)) FROM ours WHERE kind = ''@''', 'SELECT int8send(peer.rb_or_cardinality(a, b)) FROM theirs WHERE kind = ''@''', false),
 (8, 'and_cardinality', 'SELECT int8send(analytics_groups.rb_and_cardinality(a, b)) FROM ours WHERE kind = ''@''', 'SELECT int8send(peer.rb_and_cardinality(a, b)) FROM theirs WHERE kind = ''@''', false),
 (9, 'cardinality', 'SELECT int8send(analytics_groups.rb_cardinality(a)) FROM ours WHERE kind = ''@''', 'SELECT int8send(peer.rb_cardinality(a)) FROM theirs WHERE kind = ''@''', false);

CREATE FUNCTION ms(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE start timestamptz := clock_timestamp(); answer bytea;
BEGIN
  EXECUTE query INTO answer;
  RETURN extract(epoch FROM clock_timestamp() - start) * 1000;
END $$;

\if :peer
-- Equal answers first. Sets are compared as sets: the two write runs in different cases.
CREATE FUNCTION agree(name text, ours text, theirs text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE a bytea; b bytea;
BEGIN
  EXECUTE ours INTO a;
  EXECUTE theirs INTO b;
  RETURN a = b OR (length(a) > 8 AND peer.rb_equals(a::peer.roaringbitmap, b::peer.roaringbitmap)
    AND analytics_groups.rb_equals(a::analytics_groups.roaringbitmap, b::analytics_groups.roaringbitmap));
END $$;
SELECT CASE WHEN bool_and(agree(name, replace(ours, '@', kind), replace(theirs, '@', kind))) THEN 'all answers are equal: ' || count(*)
       ELSE 'WRONG: ' || string_agg(kind || ' ' || name, ', ') FILTER (WHERE NOT agree(name, replace(ours, '@', kind), replace(theirs, '@', kind))) END AS verified
FROM questions, (VALUES ('sparse'), ('dense'), ('runs')) AS k(kind);
\endif

-- One statement for each question, so that each line is there as soon as it is known.
CREATE FUNCTION measure(question int, k text, rounds int, with_peer bool, OUT name text, OUT kind text, OUT ours_ms numeric, OUT theirs_ms numeric, OUT ratio numeric)
LANGUAGE plpgsql AS $$
DECLARE q questions; ours float8; theirs float8;
BEGIN
  SELECT * INTO q FROM questions WHERE no = question;
  FOR r IN 1 .. CASE WHEN q.heavy THEN greatest(rounds / 2, 1) ELSE rounds * 2 END LOOP
    ours := least(ours, ms(replace(q.ours, '@', k)));
    IF with_peer THEN
      theirs := least(theirs, ms(replace(q.theirs, '@', k)));
    END IF;
  END LOOP;
  name := q.name; kind := k; ours_ms := round(ours::numeric, 2); theirs_ms := round(theirs::numeric, 2); ratio := round((theirs / ours)::numeric, 2);
END $$;
\t on
\pset format unaligned
\pset fieldsep ' | '
\echo 'question | kind | ours ms | theirs ms | ratio'
SELECT format('SELECT * FROM measure(%s, %L, %s, %L)', no, kind, :rounds, :'peer')
FROM questions, (VALUES (1, 'sparse'), (2, 'dense'), (3, 'runs')) AS k(i, kind) ORDER BY heavy, no, i \gexec
SELECT kind, pg_size_pretty(octet_length(a::bytea)::bigint) AS ours_size FROM ours ORDER BY 1;
\if :peer
SELECT kind, pg_size_pretty(octet_length(a::bytea)::bigint) AS theirs_size FROM theirs ORDER BY 1;
\endif
SQL
