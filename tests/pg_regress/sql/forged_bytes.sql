-- Bytes that come from outside: every truncation and every flipped bit of sets and states, counts that can't be, nonsense, by every way
-- in that takes bytes. Each is refused with the SQLSTATE of that way, or is another value: it can be computed with and written again.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;

-- Golden values: arrays, runs and bits; states of each kind.
CREATE AGGREGATE pg_temp.build(int) (SFUNC = rb_build_trans, STYPE = rb_state);
CREATE AGGREGATE pg_temp.unite(roaringbitmap) (SFUNC = rb_or_trans, STYPE = rb_state);
CREATE AGGREGATE pg_temp.build64(bigint) (SFUNC = rb64_build_trans, STYPE = rb64_state);
CREATE AGGREGATE pg_temp.unite64(roaringbitmap64) (SFUNC = rb64_or_trans, STYPE = rb64_state);
CREATE AGGREGATE pg_temp.funnel(bigint, bigint, VARIADIC boolean[]) (SFUNC = window_funnel_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.pattern(text, bigint, VARIADIC boolean[]) (SFUNC = sequence_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.next(text, bigint, text, VARIADIC boolean[]) (SFUNC = sequence_next_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.back(bigint, int, bigint, bool, bool) (SFUNC = retention_returns_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.met(VARIADIC boolean[]) (SFUNC = retention_conditions_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.path(bigint, text) (SFUNC = path_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.first(bigint, text) (SFUNC = first_touch_trans, STYPE = behaviour_state);
CREATE FUNCTION pg_temp.bytes(state text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(substr(state, 3), 'hex') $$;
CREATE TEMP TABLE golden AS
          SELECT 'roaringbitmap' AS type, 'array' AS what, '{1,5,70000,-1}'::roaringbitmap::bytea AS b
UNION ALL SELECT 'roaringbitmap', 'runs', rb_runoptimize('{1,2,3,4,5,6,7,8,9,70000,200000,300000,400000}')::bytea
UNION ALL SELECT 'roaringbitmap64', 'array', '{1,70000,9000000000,-1}'::roaringbitmap64::bytea
UNION ALL SELECT 'roaringbitmap64', 'runs', rb64_runoptimize('{1,2,3,4,5,6,7,8,9,9000000000}')::bytea
UNION ALL SELECT 'rb_state', 'ids', pg_temp.bytes(pg_temp.build(n * 40000)::text) FROM generate_series(1, 9) AS n
UNION ALL SELECT 'rb_state', 'sets', pg_temp.bytes(pg_temp.unite(rb_build(ARRAY[n, 70000]))::text) FROM generate_series(1, 3) AS n
UNION ALL SELECT 'rb64_state', 'ids', pg_temp.bytes(pg_temp.build64(n * 3000000000)::text) FROM generate_series(1, 5) AS n
UNION ALL SELECT 'rb64_state', 'sets', pg_temp.bytes(pg_temp.unite64(rb64_build(ARRAY[n, 9000000000]))::text) FROM generate_series(1, 3) AS n
UNION ALL SELECT 'behaviour_state', 'funnel', pg_temp.bytes(pg_temp.funnel(7, n, n = 1, n = 2, n > 2)::text) FROM generate_series(1, 3) AS n
UNION ALL SELECT 'behaviour_state', 'pattern', pg_temp.bytes(pg_temp.pattern('(?1)(?t<5)(?2)', n, n = 1, n = 2)::text) FROM generate_series(1, 2) AS n
UNION ALL SELECT 'behaviour_state', 'next', pg_temp.bytes(pg_temp.next('(?1).', n, 'v' || n, n = 1)::text) FROM generate_series(1, 2) AS n
UNION ALL SELECT 'behaviour_state', 'returns', pg_temp.bytes(pg_temp.back(7, 3, n, n = 1, true)::text) FROM generate_series(1, 4) AS n
UNION ALL SELECT 'behaviour_state', 'conditions', pg_temp.bytes(pg_temp.met(n = 1, n = 4)::text) FROM generate_series(1, 3) AS n
UNION ALL SELECT 'behaviour_state', 'path', pg_temp.bytes(pg_temp.path(n, 'v' || n)::text) FROM generate_series(1, 2) AS n
UNION ALL SELECT 'behaviour_state', 'touch', pg_temp.bytes(pg_temp.first(n, 'v' || n)::text) FROM generate_series(1, 3) AS n;
CREATE TEMP TABLE forged AS
          SELECT type, what, 'as it is' AS done, b FROM golden
UNION ALL SELECT type, what, 'cut off', substr(b, 1, n) FROM golden, generate_series(0, length(b) - 1) AS n
UNION ALL SELECT type, what, 'a byte more', b || '\x00' FROM golden
UNION ALL SELECT type, what, 'a bit flipped', set_bit(b, n, 1 - get_bit(b, n)) FROM golden, generate_series(0, length(b) * 8 - 1) AS n
UNION ALL SELECT type, what, 'huge counts', overlay(b PLACING '\xffffffff' FROM n) FROM golden, generate_series(1, length(b) - 3) AS n
UNION ALL SELECT type, what, 'nonsense', decode(repeat(md5(n::text || what), 4), 'hex') FROM golden, generate_series(1, 10) AS n;

-- What can be done with a value: whatever is accepted bears it.
CREATE FUNCTION pg_temp.used(v roaringbitmap) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RETURN (v & v) = v AND (v | v) = v AND rb_is_empty(v - v) AND (v # '{5}') @> 5 <> v @> 5 AND v::bytea::roaringbitmap = v AND v::text::roaringbitmap = v
       AND rb_cardinality(v) = (SELECT count(*) FROM rb_iterate(v)) AND rb_rank(v, -1) = rb_cardinality(v) AND (rb_min(v) IS NULL) = rb_is_empty(v)
       AND EXISTS (SELECT FROM rb_stats(v));
END $$;
CREATE FUNCTION pg_temp.used(v roaringbitmap64) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RETURN (v & v) = v AND (v | v) = v AND rb64_is_empty(v - v) AND (v # '{5}') @> 5::bigint <> v @> 5::bigint AND v::bytea::roaringbitmap64 = v AND v::text::roaringbitmap64 = v
       AND rb64_cardinality(v) = (SELECT count(*) FROM rb64_iterate(v)) AND rb64_rank(v, -1) = rb64_cardinality(v) AND (rb64_min(v) IS NULL) = rb64_is_empty(v)
       AND EXISTS (SELECT FROM rb64_stats(v));
END $$;
CREATE AGGREGATE pg_temp.merged(rb_state) (SFUNC = rb_state_combine, STYPE = rb_state, FINALFUNC = rb_state_final);
CREATE AGGREGATE pg_temp.merged(rb64_state) (SFUNC = rb64_state_combine, STYPE = rb64_state, FINALFUNC = rb64_state_final);
CREATE AGGREGATE pg_temp.merged(behaviour_state) (SFUNC = behaviour_combine, STYPE = behaviour_state);
CREATE FUNCTION pg_temp.used(v rb_state) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.used(rb_state_final(v)) AND rb_state_cardinality(v) = rb_cardinality(rb_state_final(v)) AND pg_temp.used(pg_temp.merged(s)) FROM (VALUES (v), (v)) AS t(s);
END $$;
CREATE FUNCTION pg_temp.used(v rb64_state) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.used(rb64_state_final(v)) AND rb64_state_cardinality(v) = rb64_cardinality(rb64_state_final(v)) AND pg_temp.used(pg_temp.merged(s)) FROM (VALUES (v), (v)) AS t(s);
END $$;
-- A state of behaviour knows its kind: the final functions of other aggregates refuse it.
CREATE FUNCTION pg_temp.used(v behaviour_state) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE merged behaviour_state; f text; took int := 0;
BEGIN
    SELECT pg_temp.merged(s) INTO merged FROM (VALUES (v), (v)) AS t(s);
    FOREACH f IN ARRAY ARRAY['window_funnel_final', 'window_funnel_times_int_final', 'retention_conditions_final', 'retention_returns_final', 'sequence_match_final',
                             'sequence_count_final', 'sequence_next_final', 'path_agg_final', 'touch_final'] LOOP
        BEGIN
            EXECUTE format('SELECT analytics_groups.%I($1), analytics_groups.%I($2)', f, f) USING v, merged;
            took := took + 1;
        EXCEPTION WHEN data_corrupted THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN took BETWEEN 1 AND 2;
END $$;

-- The ways in: the cast of bytea or the text of a state, and the binary protocol, here by COPY.
CREATE FUNCTION pg_temp.cast_of(type text, b bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE used bool;
BEGIN
    EXECUTE format('SELECT pg_temp.used(v) FROM (SELECT %s::analytics_groups.%I AS v OFFSET 0) AS t',
                   CASE WHEN type LIKE 'roaring%' THEN '$1' ELSE '(''\x'' || encode($1, ''hex''))' END, type) INTO used USING b;
    RETURN CASE WHEN used THEN 'a value' ELSE 'a value that can''t be used' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT current_setting('data_directory') || '/analytics_groups_forged.bin' AS file \gset
CREATE TEMP TABLE read_roaringbitmap (v roaringbitmap);
CREATE TEMP TABLE read_roaringbitmap64 (v roaringbitmap64);
CREATE TEMP TABLE read_rb_state (v rb_state);
CREATE TEMP TABLE read_rb64_state (v rb64_state);
CREATE TEMP TABLE read_behaviour_state (v behaviour_state);
CREATE FUNCTION pg_temp.received(type text, b bytea, file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE used bool;
BEGIN
    EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', b, file);
    BEGIN
        EXECUTE format('COPY pg_temp.%I FROM %L (FORMAT binary)', 'read_' || type, file);
    EXCEPTION WHEN OTHERS THEN
        RETURN SQLSTATE;
    END;
    EXECUTE format('SELECT pg_temp.used(v) FROM pg_temp.%I', 'read_' || type) INTO used;
    EXECUTE format('DELETE FROM pg_temp.%I', 'read_' || type);
    RETURN CASE WHEN used THEN 'a value' ELSE 'a value that can''t be used' END;
END $$;
CREATE TEMP TABLE outcomes AS
SELECT type, what, done, pg_temp.cast_of(type, b) AS by_cast, pg_temp.received(type, b, :'file') AS by_copy FROM forged;
SELECT type, done, string_agg(DISTINCT by_cast, ', ' ORDER BY by_cast) AS by_cast, string_agg(DISTINCT by_copy, ', ' ORDER BY by_copy) AS by_copy
FROM outcomes GROUP BY type, done ORDER BY type, done;
-- Both ways agree on what is a value.
SELECT count(*) > 5000 AS many, count(*) FILTER (WHERE (by_cast = 'a value') <> (by_copy = 'a value')) AS disagree FROM outcomes;
