-- The type behaviour_state, and the behaviour aggregates: what somebody did in time, for rows of any table.
-- Runs after the functions it names, which src/aggregates/behaviour declares.

CREATE TYPE analytics_groups.behaviour_state (
    INPUT = analytics_groups.behaviour_state_in,
    OUTPUT = analytics_groups.behaviour_state_out,
    RECEIVE = analytics_groups.behaviour_state_recv,
    SEND = analytics_groups.behaviour_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
COMMENT ON TYPE analytics_groups.behaviour_state IS
'Internal: the running state of the behaviour aggregates. Example: none, it is not meant to be stored or written by hand';

-- The state is one flat value that is changed in place; two aggregates over the same arguments share it. Rows may come in
-- any order. Rows without a time are passed over; a condition that is NULL is not met.

-- The functions that run for every row. They are written here, because the library has them without the layer that is
-- generated around others (src/pg/direct.rs).

CREATE FUNCTION analytics_groups.behaviour_combine(state analytics_groups.behaviour_state, other analytics_groups.behaviour_state) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'behaviour_combine_row';
CREATE FUNCTION analytics_groups.window_funnel_trans(state analytics_groups.behaviour_state, within interval, at timestamp with time zone, steps boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'window_funnel_trans_row';
CREATE FUNCTION analytics_groups.window_funnel_trans(state analytics_groups.behaviour_state, within interval, mode text, at timestamp with time zone, steps boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'window_funnel_mode_trans_row';
CREATE FUNCTION analytics_groups.window_funnel_trans(state analytics_groups.behaviour_state, within bigint, at bigint, steps boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'window_funnel_int_trans_row';
CREATE FUNCTION analytics_groups.window_funnel_trans(state analytics_groups.behaviour_state, within bigint, mode text, at bigint, steps boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'window_funnel_int_mode_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at timestamp with time zone, event text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at timestamp with time zone, event text, most integer) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_most_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at timestamp with time zone, event text, most integer, collapse boolean) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_collapse_trans_row';
CREATE FUNCTION analytics_groups.first_touch_trans(state analytics_groups.behaviour_state, at timestamp with time zone, value text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'first_touch_trans_row';
CREATE FUNCTION analytics_groups.last_touch_trans(state analytics_groups.behaviour_state, at timestamp with time zone, value text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'last_touch_trans_row';
CREATE FUNCTION analytics_groups.retention_conditions_trans(state analytics_groups.behaviour_state, met boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'conditions_trans_row';
CREATE FUNCTION analytics_groups.retention_returns_trans(state analytics_groups.behaviour_state, every interval, periods integer, at timestamp with time zone, born boolean, returned boolean) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'returns_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at bigint, event text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_int_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at bigint, event text, most integer) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_int_most_trans_row';
CREATE FUNCTION analytics_groups.path_trans(state analytics_groups.behaviour_state, at bigint, event text, most integer, collapse boolean) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'path_int_collapse_trans_row';
CREATE FUNCTION analytics_groups.first_touch_trans(state analytics_groups.behaviour_state, at bigint, value text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'first_touch_int_trans_row';
CREATE FUNCTION analytics_groups.last_touch_trans(state analytics_groups.behaviour_state, at bigint, value text) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'last_touch_int_trans_row';
CREATE FUNCTION analytics_groups.retention_returns_trans(state analytics_groups.behaviour_state, every bigint, periods integer, at bigint, born boolean, returned boolean) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'returns_int_trans_row';
CREATE FUNCTION analytics_groups.sequence_trans(state analytics_groups.behaviour_state, pattern text, at timestamp with time zone, met boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequence_trans_row';
CREATE FUNCTION analytics_groups.sequence_trans(state analytics_groups.behaviour_state, pattern text, at bigint, met boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequence_int_trans_row';
CREATE FUNCTION analytics_groups.sequence_next_trans(state analytics_groups.behaviour_state, pattern text, at timestamp with time zone, value text, met boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequence_next_trans_row';
CREATE FUNCTION analytics_groups.sequence_next_trans(state analytics_groups.behaviour_state, pattern text, at bigint, value text, met boolean[]) RETURNS analytics_groups.behaviour_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequence_next_int_trans_row';

-- Funnels

CREATE AGGREGATE analytics_groups.window_funnel(within interval, at timestamp with time zone, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel(interval, timestamp with time zone, VARIADIC boolean[]) IS
'How many steps of a funnel were reached: the length of the longest chain of rows that meet the first step, then the second, and so on, in order of time, none later than within after the first. Each row takes one step; simultaneous rows in any order. A day of within has 24 hours, a month 30 days. 0 when the first step was not reached. Example: SELECT who, analytics_groups.window_funnel(''7 days'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel(within interval, mode text, at timestamp with time zone, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel(interval, text, timestamp with time zone, VARIADIC boolean[]) IS
'As window_funnel without a mode; mode is a list, separated by commas: first_entry (the chain begins at the earliest row of the first step, as Mixpanel counts), strict_order (a row out of order ends the rows), allow_reentry (such rows are passed over instead), strict_dedup (a step that happens again ends the rows), strict_increase (each step is later than the one before), row_fills_many (a row takes as many steps as it meets), strict_once (and yet no row takes two). Example: SELECT who, analytics_groups.window_funnel(''7 days'', ''first_entry'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel(within bigint, at bigint, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel(bigint, bigint, VARIADIC boolean[]) IS
'As window_funnel of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.window_funnel(3600, n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel(within bigint, mode text, at bigint, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel(bigint, text, bigint, VARIADIC boolean[]) IS
'As window_funnel of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.window_funnel(3600, ''strict_order'', n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel_times(within interval, at timestamp with time zone, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_times_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel_times(interval, timestamp with time zone, VARIADIC boolean[]) IS
'When the steps that window_funnel counts were reached. Of several longest chains the one that ends first, of these the one that begins last, with its steps in between as early as can be. Empty when the first step was not reached. Example: SELECT who, analytics_groups.window_funnel_times(''7 days'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel_times(within interval, mode text, at timestamp with time zone, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_times_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel_times(interval, text, timestamp with time zone, VARIADIC boolean[]) IS
'As window_funnel_times without a mode, with the modes of window_funnel. Example: SELECT who, analytics_groups.window_funnel_times(''7 days'', ''first_entry'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel_times(within bigint, at bigint, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_times_int_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel_times(bigint, bigint, VARIADIC boolean[]) IS
'As window_funnel_times of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.window_funnel_times(3600, n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.window_funnel_times(within bigint, mode text, at bigint, VARIADIC steps boolean[]) (
    SFUNC = analytics_groups.window_funnel_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.window_funnel_times_int_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.window_funnel_times(bigint, text, bigint, VARIADIC boolean[]) IS
'As window_funnel_times of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.window_funnel_times(3600, ''strict_order'', n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

-- Retention

CREATE AGGREGATE analytics_groups.retention_agg(VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.retention_conditions_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.retention_conditions_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.retention_agg(VARIADIC boolean[]) IS
'Which conditions were met by any row, and the others only together with the first: element i is the first condition and the i-th. Over no rows NULL. Example: SELECT who, analytics_groups.retention_agg(at::date = ''2024-01-01'', at::date = ''2024-01-02'', at::date = ''2024-01-03'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.retention_agg(every interval, periods integer, at timestamp with time zone, born boolean, returned boolean) (
    SFUNC = analytics_groups.retention_returns_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.retention_returns_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.retention_agg(interval, integer, timestamp with time zone, boolean, boolean) IS
'In which periods after the birth somebody returned: element 1 is the first period, of the length every, that begins with the earliest row that is born; a return is later than the birth. NULL for who was never born. Example: SELECT who, analytics_groups.retention_agg(''1 day'', 3, at, event = ''View'', true) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.retention_agg(every bigint, periods integer, at bigint, born boolean, returned boolean) (
    SFUNC = analytics_groups.retention_returns_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.retention_returns_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.retention_agg(bigint, integer, bigint, boolean, boolean) IS
'As retention_agg of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.retention_agg(10, 3, n, event = ''View'', true) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

-- Sequences

CREATE AGGREGATE analytics_groups.sequence_match(pattern text, at timestamp with time zone, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_match_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_match(text, timestamp with time zone, VARIADIC boolean[]) IS
'Does the pattern match anywhere? The pattern is made of (?1), (?2) … for a row that meets the condition, . for any row, .* for any number of rows, and (?t<=60) for any number of rows with at most 60 seconds between the row before and the row after (also < >= > ==). Rows that meet no condition are not there. Simultaneous rows: the one whose first condition has the lower number comes first. Example: SELECT who, analytics_groups.sequence_match(''(?1)(?t<=3600)(?2)'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.sequence_match(pattern text, at bigint, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_match_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_match(text, bigint, VARIADIC boolean[]) IS
'As sequence_match of timestamps, for times that are numbers; times in the pattern are in their unit. Example: SELECT who, analytics_groups.sequence_match(''(?1)(?t<=10)(?2)'', n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.sequence_count(pattern text, at timestamp with time zone, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_count_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_count(text, timestamp with time zone, VARIADIC boolean[]) IS
'How often the pattern of sequence_match matches, without overlap: the match that ends first, then the next after it. Example: SELECT who, analytics_groups.sequence_count(''(?1).*(?2)'', at, event = ''View'', event = ''Pay'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.sequence_count(pattern text, at bigint, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_count_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_count(text, bigint, VARIADIC boolean[]) IS
'As sequence_count of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.sequence_count(''(?1).*(?2)'', n, event = ''View'', event = ''Pay'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.sequence_next(pattern text, at timestamp with time zone, value text, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_next_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_next_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_next(text, timestamp with time zone, text, VARIADIC boolean[]) IS
'The value of the row right after the first match of the pattern of sequence_match; NULL when there is none. Here every row with a value is there, also one that meets no condition. Example: SELECT who, analytics_groups.sequence_next(''(?1)'', at, event, event = ''View'') FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.sequence_next(pattern text, at bigint, value text, VARIADIC conditions boolean[]) (
    SFUNC = analytics_groups.sequence_next_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.sequence_next_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.sequence_next(text, bigint, text, VARIADIC boolean[]) IS
'As sequence_next of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.sequence_next(''(?1)'', n, event, event = ''View'') FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

-- Paths and touches

CREATE AGGREGATE analytics_groups.path_agg(at timestamp with time zone, event text) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(timestamp with time zone, text) IS
'The events in order of time, simultaneous ones in byte order. Over no rows NULL. Example: SELECT who, analytics_groups.path_agg(at, event) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.path_agg(at timestamp with time zone, event text, most integer) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(timestamp with time zone, text, integer) IS
'The first events in order of time, at most so many. Example: SELECT who, analytics_groups.path_agg(at, event, 5) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.path_agg(at timestamp with time zone, event text, most integer, collapse boolean) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(timestamp with time zone, text, integer, boolean) IS
'The first events in order of time, at most so many; with collapse an event that follows itself is told once. Example: SELECT who, analytics_groups.path_agg(at, event, 5, true) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.first_touch(at timestamp with time zone, value text) (
    SFUNC = analytics_groups.first_touch_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.touch_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.first_touch(timestamp with time zone, text) IS
'The value of the earliest row that has one; of simultaneous rows the least in byte order. Example: SELECT who, analytics_groups.first_touch(at, event) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.last_touch(at timestamp with time zone, value text) (
    SFUNC = analytics_groups.last_touch_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.touch_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.last_touch(timestamp with time zone, text) IS
'The value of the latest row that has one; of simultaneous rows the greatest in byte order. Example: SELECT who, analytics_groups.last_touch(at, event) FROM (VALUES (1, timestamptz ''2024-01-01'', ''View''), (1, ''2024-01-02'', ''Pay'')) AS e(who, at, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.path_agg(at bigint, event text) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(bigint, text) IS
'As path_agg of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.path_agg(n, event) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.path_agg(at bigint, event text, most integer) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(bigint, text, integer) IS
'As path_agg of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.path_agg(n, event, 5) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.path_agg(at bigint, event text, most integer, collapse boolean) (
    SFUNC = analytics_groups.path_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.path_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.path_agg(bigint, text, integer, boolean) IS
'As path_agg of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.path_agg(n, event, 5, true) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.first_touch(at bigint, value text) (
    SFUNC = analytics_groups.first_touch_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.touch_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.first_touch(bigint, text) IS
'As first_touch of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.first_touch(n, event) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

CREATE AGGREGATE analytics_groups.last_touch(at bigint, value text) (
    SFUNC = analytics_groups.last_touch_trans,
    STYPE = analytics_groups.behaviour_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.behaviour_combine,
    FINALFUNC = analytics_groups.touch_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.last_touch(bigint, text) IS
'As last_touch of timestamps, for times that are numbers. Example: SELECT who, analytics_groups.last_touch(n, event) FROM (VALUES (1, 10, ''View''), (1, 20, ''Pay'')) AS e(who, n, event) GROUP BY who';

-- Sessions

COMMENT ON FUNCTION analytics_groups.sessionize(timestamp with time zone, interval) IS
'The number of the session a row belongs to, from 1 in each partition: a new one begins when more than gap has passed since the row before. The window must be ordered by the same time; a row without a time has no session. Example: SELECT who, at, analytics_groups.sessionize(at, ''30 minutes'') OVER (PARTITION BY who ORDER BY at) FROM (VALUES (1, timestamptz ''2024-01-01 10:00+00''), (1, ''2024-01-01 11:00+00'')) AS e(who, at)';

COMMENT ON FUNCTION analytics_groups.sessionize(bigint, bigint) IS
'As sessionize of timestamps, for times that are numbers. Example: SELECT who, n, analytics_groups.sessionize(n, 1800) OVER (PARTITION BY who ORDER BY n) FROM (VALUES (1, 10), (1, 5000)) AS e(who, n)';

-- Functions of the type and of the aggregates

COMMENT ON FUNCTION analytics_groups.behaviour_state_in(cstring) IS
'Internal, a part of the behaviour aggregates: reads the hexadecimal form of a state, all of it checked. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.behaviour_state_out(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the hexadecimal form of a state. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.behaviour_state_recv(internal) IS
'Internal, a part of the behaviour aggregates: reads the binary form of a state, all of it checked. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.behaviour_state_send(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the binary form of a state. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.behaviour_combine(analytics_groups.behaviour_state, analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: puts two parts of the rows together. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_trans(analytics_groups.behaviour_state, interval, timestamp with time zone, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a funnel. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_trans(analytics_groups.behaviour_state, interval, text, timestamp with time zone, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a funnel. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_trans(analytics_groups.behaviour_state, bigint, bigint, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a funnel. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_trans(analytics_groups.behaviour_state, bigint, text, bigint, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a funnel. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of window_funnel. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_times_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of window_funnel_times. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.window_funnel_times_int_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of window_funnel_times with numbers. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.retention_conditions_trans(analytics_groups.behaviour_state, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to retention_agg over conditions. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.retention_conditions_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of retention_agg over conditions. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.retention_returns_trans(analytics_groups.behaviour_state, interval, integer, timestamp with time zone, boolean, boolean) IS
'Internal, a part of the behaviour aggregates: adds a row to retention_agg over time. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.retention_returns_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of retention_agg over time. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_trans(analytics_groups.behaviour_state, text, timestamp with time zone, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a sequence. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_trans(analytics_groups.behaviour_state, text, bigint, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row to a sequence. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_match_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of sequence_match. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_count_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of sequence_count. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_next_trans(analytics_groups.behaviour_state, text, timestamp with time zone, text, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row with a value to a sequence. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_next_trans(analytics_groups.behaviour_state, text, bigint, text, boolean[]) IS
'Internal, a part of the behaviour aggregates: adds a row with a value to a sequence. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.sequence_next_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of sequence_next. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, timestamp with time zone, text) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, timestamp with time zone, text, integer) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, timestamp with time zone, text, integer, boolean) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, bigint, text) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, bigint, text, integer) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_trans(analytics_groups.behaviour_state, bigint, text, integer, boolean) IS
'Internal, a part of the behaviour aggregates: adds an event to a path. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.first_touch_trans(analytics_groups.behaviour_state, bigint, text) IS
'Internal, a part of the behaviour aggregates: keeps the earlier value. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.last_touch_trans(analytics_groups.behaviour_state, bigint, text) IS
'Internal, a part of the behaviour aggregates: keeps the later value. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.retention_returns_trans(analytics_groups.behaviour_state, bigint, integer, bigint, boolean, boolean) IS
'Internal, a part of the behaviour aggregates: adds a row to retention_agg over time. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.path_agg_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of path_agg. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.first_touch_trans(analytics_groups.behaviour_state, timestamp with time zone, text) IS
'Internal, a part of the behaviour aggregates: keeps the earlier value. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.last_touch_trans(analytics_groups.behaviour_state, timestamp with time zone, text) IS
'Internal, a part of the behaviour aggregates: keeps the later value. Example: none, the executor calls it';
COMMENT ON FUNCTION analytics_groups.touch_final(analytics_groups.behaviour_state) IS
'Internal, a part of the behaviour aggregates: the answer of first_touch and last_touch. Example: none, the executor calls it';
