-- The types roaringbitmap64 and rb64_state, their operators, aggregates, casts and documentation.
-- Runs after the functions it names, which src/types and src/aggregates declare; as sql/types.sql, but for bigint.

CREATE TYPE analytics_groups.roaringbitmap64 (
    INPUT = analytics_groups.roaringbitmap64_in,
    OUTPUT = analytics_groups.roaringbitmap64_out,
    RECEIVE = analytics_groups.roaringbitmap64_recv,
    SEND = analytics_groups.roaringbitmap64_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    -- Already compact; uncompressed, so that a slice of a large value can be read by itself.
    STORAGE = external
);

CREATE TYPE analytics_groups.rb64_state (
    INPUT = analytics_groups.rb64_state_in,
    OUTPUT = analytics_groups.rb64_state_out,
    RECEIVE = analytics_groups.rb64_state_recv,
    SEND = analytics_groups.rb64_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);

COMMENT ON TYPE analytics_groups.roaringbitmap64 IS
'A set of bigints, compressed; the ids are ordered as unsigned numbers: 0 … 9223372036854775807, -9223372036854775808 … -1. Stored and sent in the 64-bit extension of the portable format of the Roaring specification. Example: SELECT ''{1,2,3}''::analytics_groups.roaringbitmap64';
COMMENT ON TYPE analytics_groups.rb64_state IS
'Internal: the running state of the bitmap aggregates. Example: none, it is not meant to be stored or written by hand';

-- Casts

CREATE CAST (analytics_groups.roaringbitmap64 AS bytea) WITHOUT FUNCTION;
CREATE CAST (bytea AS analytics_groups.roaringbitmap64) WITH FUNCTION analytics_groups.roaringbitmap64(bytea);

COMMENT ON CAST (analytics_groups.roaringbitmap64 AS bytea) IS
'The portable format of the set. Example: SELECT ''{1}''::analytics_groups.roaringbitmap64::bytea';
COMMENT ON CAST (bytea AS analytics_groups.roaringbitmap64) IS
'The set in the portable format, checked. Example: SELECT ''\x0000000000000000''::bytea::analytics_groups.roaringbitmap64';

CREATE CAST (analytics_groups.roaringbitmap AS analytics_groups.roaringbitmap64)
    WITH FUNCTION analytics_groups.rb64_from_roaringbitmap(analytics_groups.roaringbitmap);
CREATE CAST (analytics_groups.roaringbitmap64 AS analytics_groups.roaringbitmap)
    WITH FUNCTION analytics_groups.rb64_to_roaringbitmap(analytics_groups.roaringbitmap64);

COMMENT ON CAST (analytics_groups.roaringbitmap AS analytics_groups.roaringbitmap64) IS
'The set of the same signed numbers. Example: SELECT ''{1,-1}''::analytics_groups.roaringbitmap::analytics_groups.roaringbitmap64';
COMMENT ON CAST (analytics_groups.roaringbitmap64 AS analytics_groups.roaringbitmap) IS
'The set of the same signed numbers; an error if one of them is no integer. Example: SELECT ''{1,-1}''::analytics_groups.roaringbitmap64::analytics_groups.roaringbitmap';

-- Operators

CREATE OPERATOR analytics_groups.& (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_and,
    COMMUTATOR = OPERATOR(analytics_groups.&)
);
COMMENT ON OPERATOR analytics_groups.& (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in both sets. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.&) ''{2,3}''';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_or,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in either set. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.|) ''{2,3}''';

CREATE OPERATOR analytics_groups.# (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_xor,
    COMMUTATOR = OPERATOR(analytics_groups.#)
);
COMMENT ON OPERATOR analytics_groups.# (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in exactly one of the sets. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.#) ''{2,3}''';

CREATE OPERATOR analytics_groups.- (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_andnot
);
COMMENT ON OPERATOR analytics_groups.- (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids of the left set that are not in the right one. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.-) ''{2,3}''';

CREATE OPERATOR analytics_groups.@> (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_contains,
    COMMUTATOR = OPERATOR(analytics_groups.<@),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.@> (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the left set contain every id of the right one? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.@>) ''{2}''';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Is every id of the left set in the right one? Example: SELECT ''{2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.<@) ''{1,2}''';

CREATE OPERATOR analytics_groups.@> (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb64_contains,
    COMMUTATOR = OPERATOR(analytics_groups.<@),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.@> (analytics_groups.roaringbitmap64, bigint) IS
'Is the id in the set? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.@>) 2';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = bigint,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (bigint, analytics_groups.roaringbitmap64) IS
'Is the id in the set? Example: SELECT 2 OPERATOR(analytics_groups.<@) ''{1,2}''::analytics_groups.roaringbitmap64';

CREATE OPERATOR analytics_groups.&& (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_intersect,
    COMMUTATOR = OPERATOR(analytics_groups.&&),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.&& (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Have the sets an id in common? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.&&) ''{2,3}''';

CREATE OPERATOR analytics_groups.= (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_equals,
    COMMUTATOR = OPERATOR(analytics_groups.=),
    NEGATOR = OPERATOR(analytics_groups.<>),
    RESTRICT = eqsel,
    JOIN = eqjoinsel,
    HASHES,
    MERGES
);
COMMENT ON OPERATOR analytics_groups.= (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Are the sets equal? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.=) ''{2,1}''';

CREATE OPERATOR analytics_groups.<> (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_not_equals,
    COMMUTATOR = OPERATOR(analytics_groups.<>),
    NEGATOR = OPERATOR(analytics_groups.=),
    RESTRICT = neqsel,
    JOIN = neqjoinsel
);
COMMENT ON OPERATOR analytics_groups.<> (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Are the sets different? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.<>) ''{2}''';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb64_add,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (analytics_groups.roaringbitmap64, bigint) IS
'The set with the id. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.|) 3';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = bigint,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_add,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (bigint, analytics_groups.roaringbitmap64) IS
'The set with the id. Example: SELECT 3 OPERATOR(analytics_groups.|) ''{1,2}''::analytics_groups.roaringbitmap64';

CREATE OPERATOR analytics_groups.- (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb64_remove
);
COMMENT ON OPERATOR analytics_groups.- (analytics_groups.roaringbitmap64, bigint) IS
'The set without the id. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.-) 2';

CREATE OPERATOR analytics_groups.<< (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb64_shiftleft
);
COMMENT ON OPERATOR analytics_groups.<< (analytics_groups.roaringbitmap64, bigint) IS
'Every id made smaller by the distance; those below 0 are dropped. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.<<) 1';

CREATE OPERATOR analytics_groups.>> (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb64_shiftright
);
COMMENT ON OPERATOR analytics_groups.>> (analytics_groups.roaringbitmap64, bigint) IS
'Every id made larger by the distance; those beyond the largest are dropped. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.>>) 1';

-- Order: as lists of ids, so {1} < {1,2} < {2}. Equality is that of the sets, whatever their encoding.

CREATE OPERATOR analytics_groups.< (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_lt,
    COMMUTATOR = OPERATOR(analytics_groups.>),
    NEGATOR = OPERATOR(analytics_groups.>=),
    RESTRICT = scalarltsel,
    JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR analytics_groups.< (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come before the second, compared as lists of ids? Example: SELECT ''{1}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.<) ''{1,2}''';

CREATE OPERATOR analytics_groups.<= (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_le,
    COMMUTATOR = OPERATOR(analytics_groups.>=),
    NEGATOR = OPERATOR(analytics_groups.>),
    RESTRICT = scalarlesel,
    JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR analytics_groups.<= (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come before the second, or are they equal? Example: SELECT ''{1}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.<=) ''{1}''';

CREATE OPERATOR analytics_groups.> (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_gt,
    COMMUTATOR = OPERATOR(analytics_groups.<),
    NEGATOR = OPERATOR(analytics_groups.<=),
    RESTRICT = scalargtsel,
    JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR analytics_groups.> (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come after the second, compared as lists of ids? Example: SELECT ''{2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.>) ''{1,2}''';

CREATE OPERATOR analytics_groups.>= (
    LEFTARG = analytics_groups.roaringbitmap64,
    RIGHTARG = analytics_groups.roaringbitmap64,
    FUNCTION = analytics_groups.rb64_ge,
    COMMUTATOR = OPERATOR(analytics_groups.<=),
    NEGATOR = OPERATOR(analytics_groups.<),
    RESTRICT = scalargesel,
    JOIN = scalargejoinsel
);
COMMENT ON OPERATOR analytics_groups.>= (analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come after the second, or are they equal? Example: SELECT ''{2}''::analytics_groups.roaringbitmap64 OPERATOR(analytics_groups.>=) ''{2}''';

-- DISTINCT, GROUP BY, ORDER BY, joins, unique indexes and hash partitions.

CREATE OPERATOR FAMILY analytics_groups.roaringbitmap64_ops USING btree;
CREATE OPERATOR CLASS analytics_groups.roaringbitmap64_ops
    DEFAULT FOR TYPE analytics_groups.roaringbitmap64 USING btree FAMILY analytics_groups.roaringbitmap64_ops AS
    OPERATOR 1 analytics_groups.<,
    OPERATOR 2 analytics_groups.<=,
    OPERATOR 3 analytics_groups.=,
    OPERATOR 4 analytics_groups.>=,
    OPERATOR 5 analytics_groups.>,
    FUNCTION 1 analytics_groups.rb64_cmp(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64);

CREATE OPERATOR FAMILY analytics_groups.roaringbitmap64_ops USING hash;
CREATE OPERATOR CLASS analytics_groups.roaringbitmap64_ops
    DEFAULT FOR TYPE analytics_groups.roaringbitmap64 USING hash FAMILY analytics_groups.roaringbitmap64_ops AS
    OPERATOR 1 analytics_groups.=,
    FUNCTION 1 analytics_groups.rb64_hash(analytics_groups.roaringbitmap64),
    FUNCTION 2 analytics_groups.rb64_hash_extended(analytics_groups.roaringbitmap64, bigint);

COMMENT ON OPERATOR FAMILY analytics_groups.roaringbitmap64_ops USING btree IS
'Sets compared as lists of ids. Example: SELECT b FROM (VALUES (''{2}''::analytics_groups.roaringbitmap64), (''{1}'')) AS t(b) ORDER BY b';
COMMENT ON OPERATOR CLASS analytics_groups.roaringbitmap64_ops USING btree IS
'Sets compared as lists of ids. Example: SELECT b FROM (VALUES (''{2}''::analytics_groups.roaringbitmap64), (''{1}'')) AS t(b) ORDER BY b';
COMMENT ON OPERATOR FAMILY analytics_groups.roaringbitmap64_ops USING hash IS
'Equal sets, whatever their encoding. Example: SELECT b, count(*) FROM (VALUES (''{2,1}''::analytics_groups.roaringbitmap64), (''{1,2}'')) AS t(b) GROUP BY b';
COMMENT ON OPERATOR CLASS analytics_groups.roaringbitmap64_ops USING hash IS
'Equal sets, whatever their encoding. Example: SELECT b, count(*) FROM (VALUES (''{2,1}''::analytics_groups.roaringbitmap64), (''{1,2}'')) AS t(b) GROUP BY b';

-- Aggregates. Over no rows, or NULLs only, they answer NULL; NULLs are passed over.
-- The state is one flat value that is changed in place; two aggregates over the same input share it.

-- The functions that run for every row. They are written here, because the library has them without the layer that is
-- generated around others (src/pg/direct.rs).

CREATE FUNCTION analytics_groups.rb64_build_trans(state analytics_groups.rb64_state, id bigint) RETURNS analytics_groups.rb64_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb64_build_trans_row';
CREATE FUNCTION analytics_groups.rb64_or_trans(state analytics_groups.rb64_state, set analytics_groups.roaringbitmap64) RETURNS analytics_groups.rb64_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb64_or_trans_row';
CREATE FUNCTION analytics_groups.rb64_and_trans(state analytics_groups.rb64_state, set analytics_groups.roaringbitmap64) RETURNS analytics_groups.rb64_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb64_and_trans_row';
CREATE FUNCTION analytics_groups.rb64_xor_trans(state analytics_groups.rb64_state, set analytics_groups.roaringbitmap64) RETURNS analytics_groups.rb64_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb64_xor_trans_row';
CREATE FUNCTION analytics_groups.rb64_state_combine(state analytics_groups.rb64_state, other analytics_groups.rb64_state) RETURNS analytics_groups.rb64_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb64_state_combine_row';

CREATE AGGREGATE analytics_groups.rb64_build_agg(bigint) (
    SFUNC = analytics_groups.rb64_build_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_build_agg(bigint) IS
'The set of the ids. Example: SELECT analytics_groups.rb64_build_agg(id) FROM generate_series(1, 3) AS id';

CREATE AGGREGATE analytics_groups.rb64_build_cardinality_agg(bigint) (
    SFUNC = analytics_groups.rb64_build_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_build_cardinality_agg(bigint) IS
'The exact number of distinct ids. Example: SELECT analytics_groups.rb64_build_cardinality_agg(id) FROM generate_series(1, 3) AS id';

CREATE AGGREGATE analytics_groups.rb64_or_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_or_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_or_agg(analytics_groups.roaringbitmap64) IS
'The ids that are in any of the sets. Example: SELECT analytics_groups.rb64_or_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb64_or_cardinality_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_or_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_or_cardinality_agg(analytics_groups.roaringbitmap64) IS
'The number of ids that are in any of the sets. Example: SELECT analytics_groups.rb64_or_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb64_and_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_and_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_and_agg(analytics_groups.roaringbitmap64) IS
'The ids that are in all of the sets. Example: SELECT analytics_groups.rb64_and_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb64_and_cardinality_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_and_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_and_cardinality_agg(analytics_groups.roaringbitmap64) IS
'The number of ids that are in all of the sets. Example: SELECT analytics_groups.rb64_and_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb64_xor_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_xor_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_xor_agg(analytics_groups.roaringbitmap64) IS
'The ids that are in an odd number of the sets. Example: SELECT analytics_groups.rb64_xor_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb64_xor_cardinality_agg(analytics_groups.roaringbitmap64) (
    SFUNC = analytics_groups.rb64_xor_trans,
    STYPE = analytics_groups.rb64_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb64_state_combine,
    FINALFUNC = analytics_groups.rb64_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb64_xor_cardinality_agg(analytics_groups.roaringbitmap64) IS
'The number of ids that are in an odd number of the sets. Example: SELECT analytics_groups.rb64_xor_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap64), (''{2,3}'')) AS t(b)';

-- Functions

COMMENT ON FUNCTION analytics_groups.rb64_build(bigint[]) IS
'The set of the elements. Example: SELECT analytics_groups.rb64_build(ARRAY[3,1,2])';
COMMENT ON FUNCTION analytics_groups.rb64_to_array(analytics_groups.roaringbitmap64) IS
'The ids as an array, in ascending order. Example: SELECT analytics_groups.rb64_to_array(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_iterate(analytics_groups.roaringbitmap64) IS
'The ids as rows, in ascending order. Example: SELECT analytics_groups.rb64_iterate(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_cardinality(analytics_groups.roaringbitmap64) IS
'The number of ids. Example: SELECT analytics_groups.rb64_cardinality(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_is_empty(analytics_groups.roaringbitmap64) IS
'Has the set no ids? Example: SELECT analytics_groups.rb64_is_empty(''{}'')';
COMMENT ON FUNCTION analytics_groups.rb64_and(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in both sets. Example: SELECT analytics_groups.rb64_and(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_and_cardinality(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The number of ids that are in both sets, without making the set. Example: SELECT analytics_groups.rb64_and_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_or(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in either set. Example: SELECT analytics_groups.rb64_or(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_or_cardinality(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The number of ids that are in either set, without making the set. Example: SELECT analytics_groups.rb64_or_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_xor(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in exactly one of the sets. Example: SELECT analytics_groups.rb64_xor(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_xor_cardinality(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The number of ids that are in exactly one of the sets, without making the set. Example: SELECT analytics_groups.rb64_xor_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_andnot(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The ids that are in the first set and not in the second. Example: SELECT analytics_groups.rb64_andnot(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_andnot_cardinality(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The number of ids that are in the first set and not in the second, without making the set. Example: SELECT analytics_groups.rb64_andnot_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_contains(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set contain every id of the second? Example: SELECT analytics_groups.rb64_contains(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_contains(analytics_groups.roaringbitmap64, bigint) IS
'Is the id in the set? Example: SELECT analytics_groups.rb64_contains(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb64_containedby(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Is every id of the first set in the second? Example: SELECT analytics_groups.rb64_containedby(''{2}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_containedby(bigint, analytics_groups.roaringbitmap64) IS
'Is the id in the set? Example: SELECT analytics_groups.rb64_containedby(2, ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_intersect(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Have the sets an id in common? Example: SELECT analytics_groups.rb64_intersect(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_equals(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Are the sets equal? Example: SELECT analytics_groups.rb64_equals(''{1,2}'', ''{2,1}'')';
COMMENT ON FUNCTION analytics_groups.rb64_not_equals(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Are the sets different? Example: SELECT analytics_groups.rb64_not_equals(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_from_bytea(bytea) IS
'The set in the portable format; every byte of it is checked. Example: SELECT analytics_groups.rb64_from_bytea(''\x0000000000000000''::bytea)';
COMMENT ON FUNCTION analytics_groups.rb64_min(analytics_groups.roaringbitmap64) IS
'The smallest id, unsigned; NULL for the set without ids. Example: SELECT analytics_groups.rb64_min(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_max(analytics_groups.roaringbitmap64) IS
'The largest id, unsigned, so that negative ones are larger; NULL for the set without ids. Example: SELECT analytics_groups.rb64_max(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_runoptimize(analytics_groups.roaringbitmap64) IS
'The same set in its smallest encoding, which sets of this extension have already. Example: SELECT analytics_groups.rb64_runoptimize(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_stats(analytics_groups.roaringbitmap64) IS
'How the set is stored: ids, smallest and largest, containers that are arrays, bits or runs, bytes. Example: SELECT * FROM analytics_groups.rb64_stats(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_add(analytics_groups.roaringbitmap64, bigint) IS
'The set with the id. Example: SELECT analytics_groups.rb64_add(''{1,2}'', 3)';
COMMENT ON FUNCTION analytics_groups.rb64_add(bigint, analytics_groups.roaringbitmap64) IS
'The set with the id. Example: SELECT analytics_groups.rb64_add(3, ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_remove(analytics_groups.roaringbitmap64, bigint) IS
'The set without the id. Example: SELECT analytics_groups.rb64_remove(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb64_jaccard_dist(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'The share of common ids: the number in both sets over the number in either. Example: SELECT analytics_groups.rb64_jaccard_dist(''{1,2,3}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_rank(analytics_groups.roaringbitmap64, bigint) IS
'How many ids of the set are smaller than or equal to the id. Example: SELECT analytics_groups.rb64_rank(''{1,5,9}'', 5)';
COMMENT ON FUNCTION analytics_groups.rb64_index(analytics_groups.roaringbitmap64, bigint) IS
'The place of the id in the set, from 0; -1 when it is not in it. Example: SELECT analytics_groups.rb64_index(''{1,5,9}'', 5)';
COMMENT ON FUNCTION analytics_groups.rb64_fill(analytics_groups.roaringbitmap64, bigint, bigint) IS
'The set with all ids of the range; its end is exclusive, and 0 is no end. Example: SELECT analytics_groups.rb64_fill(''{1}'', 3, 6)';
COMMENT ON FUNCTION analytics_groups.rb64_clear(analytics_groups.roaringbitmap64, bigint, bigint) IS
'The set without the ids of the range; its end is exclusive, and 0 is no end. Example: SELECT analytics_groups.rb64_clear(''{1,2,3}'', 1, 3)';
COMMENT ON FUNCTION analytics_groups.rb64_flip(analytics_groups.roaringbitmap64, bigint, bigint) IS
'The set with the ids of the range turned around: out when they were in, and in when they were out; its end is exclusive, and 0 is no end. Example: SELECT analytics_groups.rb64_flip(''{1,2,3}'', 2, 6)';
COMMENT ON FUNCTION analytics_groups.rb64_range(analytics_groups.roaringbitmap64, bigint, bigint) IS
'The ids of the set that are in the range; its end is exclusive, and 0 is no end. Example: SELECT analytics_groups.rb64_range(''{1,2,3}'', 2, 4)';
COMMENT ON FUNCTION analytics_groups.rb64_range_cardinality(analytics_groups.roaringbitmap64, bigint, bigint) IS
'The number of ids of the set in the range; its end is exclusive, and 0 is no end. Example: SELECT analytics_groups.rb64_range_cardinality(''{1,2,3}'', 2, 4)';
COMMENT ON FUNCTION analytics_groups.rb64_select(analytics_groups.roaringbitmap64, bigint, bigint, boolean, bigint, bigint) IS
'The first ids of the set in a range, or the last when reverse: how many, after leaving out how many. Example: SELECT analytics_groups.rb64_select(''{1,2,3,4}'', bitset_limit => 2, bitset_offset => 1)';
COMMENT ON FUNCTION analytics_groups.rb64_shiftleft(analytics_groups.roaringbitmap64, bigint) IS
'Every id made smaller by the distance; those below 0 are dropped. Example: SELECT analytics_groups.rb64_shiftleft(''{1,2}'', 1)';
COMMENT ON FUNCTION analytics_groups.rb64_shiftright(analytics_groups.roaringbitmap64, bigint) IS
'Every id made larger by the distance; those beyond the largest are dropped. Example: SELECT analytics_groups.rb64_shiftright(''{1,2}'', 1)';
COMMENT ON FUNCTION analytics_groups.rb64_lt(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come before the second, compared as lists of ids? Example: SELECT analytics_groups.rb64_lt(''{1}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_le(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come before the second, or are they equal? Example: SELECT analytics_groups.rb64_le(''{1}'', ''{1}'')';
COMMENT ON FUNCTION analytics_groups.rb64_gt(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come after the second, compared as lists of ids? Example: SELECT analytics_groups.rb64_gt(''{2}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_ge(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'Does the first set come after the second, or are they equal? Example: SELECT analytics_groups.rb64_ge(''{2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_cmp(analytics_groups.roaringbitmap64, analytics_groups.roaringbitmap64) IS
'-1, 0 or 1: which set comes first, compared as lists of ids. Example: SELECT analytics_groups.rb64_cmp(''{1}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_hash(analytics_groups.roaringbitmap64) IS
'A hash of the ids, the same for each encoding of a set. Example: SELECT analytics_groups.rb64_hash(''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb64_hash_extended(analytics_groups.roaringbitmap64, bigint) IS
'A hash of the ids in 64 bits. Example: SELECT analytics_groups.rb64_hash_extended(''{1,2}'', 0)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap64(bytea) IS
'The set in the portable format, checked. Example: SELECT analytics_groups.roaringbitmap64(''\x0000000000000000''::bytea)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap64_in(cstring) IS
'Reads a set: {1,2,3}, or \x and the digits of the portable format. Example: SELECT analytics_groups.roaringbitmap64_in(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap64_out(analytics_groups.roaringbitmap64) IS
'Writes a set as {1,2,3}, or as \x and the digits of the portable format if roaringbitmap.output_format is bytea. Example: SELECT analytics_groups.roaringbitmap64_out(''{3,2,1}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap64_recv(internal) IS
'Reads a set in the portable format from a binary message. Example: COPY … FROM … (FORMAT binary)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap64_send(analytics_groups.roaringbitmap64) IS
'The portable format of a set. Example: SELECT analytics_groups.roaringbitmap64_send(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb64_state_in(cstring) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_out(analytics_groups.rb64_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_recv(internal) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_send(analytics_groups.rb64_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_build_trans(analytics_groups.rb64_state, bigint) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_or_trans(analytics_groups.rb64_state, analytics_groups.roaringbitmap64) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_and_trans(analytics_groups.rb64_state, analytics_groups.roaringbitmap64) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_xor_trans(analytics_groups.rb64_state, analytics_groups.roaringbitmap64) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_combine(analytics_groups.rb64_state, analytics_groups.rb64_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_final(analytics_groups.rb64_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_state_cardinality(analytics_groups.rb64_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb64_build_agg';
COMMENT ON FUNCTION analytics_groups.rb64_from_roaringbitmap(analytics_groups.roaringbitmap) IS
'The set of the same signed numbers. Example: SELECT analytics_groups.rb64_from_roaringbitmap(''{1,-1}'')';
COMMENT ON FUNCTION analytics_groups.rb64_to_roaringbitmap(analytics_groups.roaringbitmap64) IS
'The set of the same signed numbers; an error if one of them is no integer. Example: SELECT analytics_groups.rb64_to_roaringbitmap(''{1,-1}'')';
