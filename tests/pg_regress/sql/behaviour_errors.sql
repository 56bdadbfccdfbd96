-- Wrong questions and forged states: an error that helps, never a crash.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET TimeZone = 'UTC';
\set VERBOSITY verbose
CREATE FUNCTION pg_temp.refused(statement text, OUT code text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;
\set VERBOSITY default
\x on

-- Each of these is refused.
SELECT q, r.* FROM (VALUES
  (1, $$window_funnel('-1 day', now(), true)$$),
  (2, $$window_funnel(-1, 5, true)$$),
  (3, $$window_funnel(NULL::interval, now(), true)$$),
  (4, $$window_funnel('1 day', NULL::text, now(), true)$$),
  (5, $$window_funnel('1 day', 'strict', now(), true)$$),
  (6, $$window_funnel('1 day', 'allow_reentry', now(), true)$$),
  (7, $$window_funnel('1 day', now(), VARIADIC '{}'::boolean[])$$),
  (8, $$window_funnel('1 day', now(), VARIADIC NULL::boolean[])$$),
  (9, $$window_funnel('1 day', now(), VARIADIC array_fill(true, ARRAY[65]))$$),
  (10, $$window_funnel('1 day', now(), VARIADIC '{{t,f},{t,f}}'::boolean[])$$),
  (11, $$window_funnel('1 day', 'infinity'::timestamptz, true)$$),
  (12, $$window_funnel('1 day', '-infinity'::timestamptz, false)$$),
  (13, $$window_funnel(n * interval '1 day', now(), true) FROM generate_series(1, 2) AS n$$),
  (14, $$window_funnel('1 day', CASE n WHEN 1 THEN 'strict_order' ELSE '' END, now(), true) FROM generate_series(1, 2) AS n$$),
  (15, $$window_funnel('1 day', now(), VARIADIC array_fill(true, ARRAY[n])) FROM generate_series(1, 2) AS n$$),
  (16, $$retention_agg(VARIADIC array_fill(true, ARRAY[65]))$$),
  (17, $$retention_agg('0 days', 3, now(), true, true)$$),
  (18, $$retention_agg('1 day', 0, now(), true, true)$$),
  (19, $$retention_agg('1 day', 10001, now(), true, true)$$),
  (20, $$retention_agg('1 day', 3, 'infinity'::timestamptz, true, true)$$),
  (21, $$sequence_match('(?2)', now(), true)$$),
  (22, $$sequence_match('(?1)(', now(), true)$$),
  (23, $$sequence_match('(?t<5)(?1)', now(), true)$$),
  (24, $$sequence_match('', now(), true)$$),
  (25, $$sequence_match(NULL, now(), true)$$),
  (26, $$sequence_count(CASE n WHEN 1 THEN '(?1)' ELSE '.' END, now(), true) FROM generate_series(1, 2) AS n$$),
  (27, $$sequence_count(repeat('.', 1001), now(), true)$$),
  (28, $$path_agg(now(), 'a', 0)$$),
  (29, $$path_agg(now(), 'a', 1, NULL)$$),
  (30, $$first_touch('infinity'::timestamptz, 'a')$$)
) AS t(no, q), LATERAL pg_temp.refused('SELECT ' || q) AS r ORDER BY no;

-- Functions of aggregates are parts of aggregates.
SELECT r.* FROM pg_temp.refused($$SELECT window_funnel_trans(NULL, '1 day'::interval, now(), '{t}')$$) AS r;
SELECT r.* FROM pg_temp.refused($$SELECT behaviour_combine(s, s) FROM (VALUES ('\x02010000000000000000000000'::behaviour_state)) AS t(s)$$) AS r;
\x off

-- States from outside: text and binary are checked, every byte of them.
CREATE AGGREGATE pg_temp.funnel_state(bigint, bigint, VARIADIC boolean[]) (SFUNC = window_funnel_trans, STYPE = behaviour_state);
CREATE AGGREGATE pg_temp.path_state(timestamptz, text) (SFUNC = path_trans, STYPE = behaviour_state);
SELECT pg_temp.funnel_state(7, n, n = 1, n = 2) AS funnel, pg_temp.path_state('2024-01-01', 'ab') AS path FROM generate_series(1, 2) AS n \gset
SELECT :'funnel' AS state, window_funnel_final(:'funnel');
SELECT what, r.code, r.message FROM (VALUES
  (1, 'a good one', :'funnel'),
  (2, 'no hexadecimal', '{1}'),
  (3, 'nothing', '\x'),
  (4, 'another version', '\x02' || substr(:'funnel', 5)),
  (5, 'an unknown kind', overlay(:'funnel' PLACING '63' FROM 5)),
  (6, 'another kind', overlay(:'funnel' PLACING '03' FROM 5)),
  (7, 'a row too many conditions', overlay(:'funnel' PLACING '41' FROM 7)),
  (8, 'more rows than there are', overlay(:'funnel' PLACING 'ffffffff' FROM 19)),
  (9, 'more parameters than there are', overlay(:'funnel' PLACING 'ffffffff' FROM 11)),
  (10, 'bytes too many', :'funnel' || '00'),
  (11, 'a negative window', overlay(:'funnel' PLACING 'ff' FROM 41)),
  (12, 'an unknown mode', overlay(:'funnel' PLACING 'ff' FROM 43)),
  (13, 'a condition there is not', left(:'funnel', -2) || '04'),
  (14, 'text that is none', left(:'path', -2) || 'ff'),
  (15, 'text with a zero', left(:'path', -2) || '00')
) AS t(no, what, bytes), LATERAL pg_temp.refused(format('SELECT %L::analytics_groups.behaviour_state', bytes)) AS r ORDER BY no;
-- Every truncation, and every flipped bit that is not just another state.
SELECT count(*) AS cuts, count(*) FILTER (WHERE r.code = '22P02') AS refused
FROM generate_series(0, (length(:'funnel') - 2) / 2 - 1) AS n,
     LATERAL pg_temp.refused(format('SELECT %L::analytics_groups.behaviour_state', left(:'funnel', 2 + 2 * n))) AS r;
SELECT count(*) > 200 AS bits, count(*) FILTER (WHERE r.code NOT IN ('22P02')) AS other_errors
FROM (SELECT decode(substr(:'funnel', 3), 'hex') AS b) AS s, generate_series(0, length(b) * 8 - 1) AS bit,
     LATERAL pg_temp.refused(format('SELECT window_funnel_final(%L::analytics_groups.behaviour_state)', '\x' || encode(set_bit(b, bit, 1 - get_bit(b, bit)), 'hex'))) AS r;
-- Binary COPY: what comes back is what went in, and forged bytes are refused.
CREATE TEMP TABLE states AS SELECT :'funnel'::behaviour_state AS s;
CREATE TEMP TABLE forged AS SELECT '\x0163'::bytea AS s;
CREATE TEMP TABLE again (s behaviour_state);
SELECT format('COPY states TO %L (FORMAT binary)', f) AS copy_out, format('COPY again FROM %L (FORMAT binary)', f) AS copy_in,
       format('COPY forged TO %L (FORMAT binary)', f) AS copy_forged
FROM concat(current_setting('data_directory'), '/analytics_groups_states.bin') AS f \gset
:copy_out;
:copy_in;
SELECT window_funnel_final(s) AS level, s::text = :'funnel' AS same FROM again;
:copy_forged;
\set VERBOSITY sqlstate
:copy_in;
\set VERBOSITY default

-- A state of another aggregate is an error wherever it turns up.
CREATE AGGREGATE pg_temp.merge(behaviour_state) (SFUNC = behaviour_combine, STYPE = behaviour_state, FINALFUNC = window_funnel_final);
SELECT r.code, r.message FROM pg_temp.refused(format($$SELECT pg_temp.merge(s) FROM (VALUES (%L::analytics_groups.behaviour_state), (%L)) AS t(s)$$, :'funnel', :'path')) AS r;
SELECT r.code, r.message FROM pg_temp.refused(format($$SELECT touch_final(%L)$$, :'funnel')) AS r;
SELECT r.code, r.message FROM pg_temp.refused(format($$SELECT window_funnel_final(%L)$$, :'path')) AS r;
