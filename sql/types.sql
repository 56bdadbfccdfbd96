-- The types roaringbitmap and rb_state, their operators, aggregates, casts and documentation.
-- Runs after the functions it names, which src/types and src/aggregates declare. sql/types64.sql is the same for bigint.

CREATE TYPE analytics_groups.roaringbitmap (
    INPUT = analytics_groups.roaringbitmap_in,
    OUTPUT = analytics_groups.roaringbitmap_out,
    RECEIVE = analytics_groups.roaringbitmap_recv,
    SEND = analytics_groups.roaringbitmap_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    -- Already compact; uncompressed, so that a slice of a large value can be read by itself.
    STORAGE = external
);

CREATE TYPE analytics_groups.rb_state (
    INPUT = analytics_groups.rb_state_in,
    OUTPUT = analytics_groups.rb_state_out,
    RECEIVE = analytics_groups.rb_state_recv,
    SEND = analytics_groups.rb_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);

COMMENT ON TYPE analytics_groups.roaringbitmap IS
'A set of integers, compressed; the ids are ordered as unsigned numbers: 0 … 2147483647, -2147483648 … -1. Stored and sent in the portable format of the Roaring specification. Example: SELECT ''{1,2,3}''::analytics_groups.roaringbitmap';
COMMENT ON TYPE analytics_groups.rb_state IS
'Internal: the running state of the bitmap aggregates. Example: none, it is not meant to be stored or written by hand';

-- Casts

CREATE CAST (analytics_groups.roaringbitmap AS bytea) WITHOUT FUNCTION;
CREATE CAST (bytea AS analytics_groups.roaringbitmap) WITH FUNCTION analytics_groups.roaringbitmap(bytea);

COMMENT ON CAST (analytics_groups.roaringbitmap AS bytea) IS
'The portable format of the set. Example: SELECT ''{1}''::analytics_groups.roaringbitmap::bytea';
COMMENT ON CAST (bytea AS analytics_groups.roaringbitmap) IS
'The set in the portable format, checked. Example: SELECT ''\x3a30000000000000''::bytea::analytics_groups.roaringbitmap';

-- Operators

CREATE OPERATOR analytics_groups.& (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_and,
    COMMUTATOR = OPERATOR(analytics_groups.&)
);
COMMENT ON OPERATOR analytics_groups.& (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in both sets. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.&) ''{2,3}''';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_or,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in either set. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.|) ''{2,3}''';

CREATE OPERATOR analytics_groups.# (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_xor,
    COMMUTATOR = OPERATOR(analytics_groups.#)
);
COMMENT ON OPERATOR analytics_groups.# (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in exactly one of the sets. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.#) ''{2,3}''';

CREATE OPERATOR analytics_groups.- (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_andnot
);
COMMENT ON OPERATOR analytics_groups.- (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids of the left set that are not in the right one. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.-) ''{2,3}''';

CREATE OPERATOR analytics_groups.@> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_contains,
    COMMUTATOR = OPERATOR(analytics_groups.<@),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.@> (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the left set contain every id of the right one? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.@>) ''{2}''';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Is every id of the left set in the right one? Example: SELECT ''{2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<@) ''{1,2}''';

CREATE OPERATOR analytics_groups.@> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = integer,
    FUNCTION = analytics_groups.rb_contains,
    COMMUTATOR = OPERATOR(analytics_groups.<@),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.@> (analytics_groups.roaringbitmap, integer) IS
'Is the id in the set? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.@>) 2';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = integer,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (integer, analytics_groups.roaringbitmap) IS
'Is the id in the set? Example: SELECT 2 OPERATOR(analytics_groups.<@) ''{1,2}''::analytics_groups.roaringbitmap';

CREATE OPERATOR analytics_groups.&& (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_intersect,
    COMMUTATOR = OPERATOR(analytics_groups.&&),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.&& (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Have the sets an id in common? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.&&) ''{2,3}''';

CREATE OPERATOR analytics_groups.= (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_equals,
    COMMUTATOR = OPERATOR(analytics_groups.=),
    NEGATOR = OPERATOR(analytics_groups.<>),
    RESTRICT = eqsel,
    JOIN = eqjoinsel,
    HASHES,
    MERGES
);
COMMENT ON OPERATOR analytics_groups.= (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets equal? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.=) ''{2,1}''';

CREATE OPERATOR analytics_groups.<> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_not_equals,
    COMMUTATOR = OPERATOR(analytics_groups.<>),
    NEGATOR = OPERATOR(analytics_groups.=),
    RESTRICT = neqsel,
    JOIN = neqjoinsel
);
COMMENT ON OPERATOR analytics_groups.<> (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets different? Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<>) ''{2}''';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = integer,
    FUNCTION = analytics_groups.rb_add,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (analytics_groups.roaringbitmap, integer) IS
'The set with the id. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.|) 3';

CREATE OPERATOR analytics_groups.| (
    LEFTARG = integer,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_add,
    COMMUTATOR = OPERATOR(analytics_groups.|)
);
COMMENT ON OPERATOR analytics_groups.| (integer, analytics_groups.roaringbitmap) IS
'The set with the id. Example: SELECT 3 OPERATOR(analytics_groups.|) ''{1,2}''::analytics_groups.roaringbitmap';

CREATE OPERATOR analytics_groups.- (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = integer,
    FUNCTION = analytics_groups.rb_remove
);
COMMENT ON OPERATOR analytics_groups.- (analytics_groups.roaringbitmap, integer) IS
'The set without the id. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.-) 2';

CREATE OPERATOR analytics_groups.<< (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb_shiftleft
);
COMMENT ON OPERATOR analytics_groups.<< (analytics_groups.roaringbitmap, bigint) IS
'Every id made smaller by the distance; those below 0 are dropped. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<<) 1';

CREATE OPERATOR analytics_groups.>> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = bigint,
    FUNCTION = analytics_groups.rb_shiftright
);
COMMENT ON OPERATOR analytics_groups.>> (analytics_groups.roaringbitmap, bigint) IS
'Every id made larger by the distance; those beyond the largest are dropped. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.>>) 1';

-- Order: as lists of ids, so {1} < {1,2} < {2}. Equality is that of the sets, whatever their encoding.

CREATE OPERATOR analytics_groups.< (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_lt,
    COMMUTATOR = OPERATOR(analytics_groups.>),
    NEGATOR = OPERATOR(analytics_groups.>=),
    RESTRICT = scalarltsel,
    JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR analytics_groups.< (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come before the second, compared as lists of ids? Example: SELECT ''{1}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<) ''{1,2}''';

CREATE OPERATOR analytics_groups.<= (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_le,
    COMMUTATOR = OPERATOR(analytics_groups.>=),
    NEGATOR = OPERATOR(analytics_groups.>),
    RESTRICT = scalarlesel,
    JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR analytics_groups.<= (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come before the second, or are they equal? Example: SELECT ''{1}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<=) ''{1}''';

CREATE OPERATOR analytics_groups.> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_gt,
    COMMUTATOR = OPERATOR(analytics_groups.<),
    NEGATOR = OPERATOR(analytics_groups.<=),
    RESTRICT = scalargtsel,
    JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR analytics_groups.> (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come after the second, compared as lists of ids? Example: SELECT ''{2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.>) ''{1,2}''';

CREATE OPERATOR analytics_groups.>= (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_ge,
    COMMUTATOR = OPERATOR(analytics_groups.<=),
    NEGATOR = OPERATOR(analytics_groups.<),
    RESTRICT = scalargesel,
    JOIN = scalargejoinsel
);
COMMENT ON OPERATOR analytics_groups.>= (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come after the second, or are they equal? Example: SELECT ''{2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.>=) ''{2}''';

-- DISTINCT, GROUP BY, ORDER BY, joins, unique indexes and hash partitions.

CREATE OPERATOR FAMILY analytics_groups.roaringbitmap_ops USING btree;
CREATE OPERATOR CLASS analytics_groups.roaringbitmap_ops
    DEFAULT FOR TYPE analytics_groups.roaringbitmap USING btree FAMILY analytics_groups.roaringbitmap_ops AS
    OPERATOR 1 analytics_groups.<,
    OPERATOR 2 analytics_groups.<=,
    OPERATOR 3 analytics_groups.=,
    OPERATOR 4 analytics_groups.>=,
    OPERATOR 5 analytics_groups.>,
    FUNCTION 1 analytics_groups.rb_cmp(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap);

CREATE OPERATOR FAMILY analytics_groups.roaringbitmap_ops USING hash;
CREATE OPERATOR CLASS analytics_groups.roaringbitmap_ops
    DEFAULT FOR TYPE analytics_groups.roaringbitmap USING hash FAMILY analytics_groups.roaringbitmap_ops AS
    OPERATOR 1 analytics_groups.=,
    FUNCTION 1 analytics_groups.rb_hash(analytics_groups.roaringbitmap),
    FUNCTION 2 analytics_groups.rb_hash_extended(analytics_groups.roaringbitmap, bigint);

COMMENT ON OPERATOR FAMILY analytics_groups.roaringbitmap_ops USING btree IS
'Sets compared as lists of ids. Example: SELECT b FROM (VALUES (''{2}''::analytics_groups.roaringbitmap), (''{1}'')) AS t(b) ORDER BY b';
COMMENT ON OPERATOR CLASS analytics_groups.roaringbitmap_ops USING btree IS
'Sets compared as lists of ids. Example: SELECT b FROM (VALUES (''{2}''::analytics_groups.roaringbitmap), (''{1}'')) AS t(b) ORDER BY b';
COMMENT ON OPERATOR FAMILY analytics_groups.roaringbitmap_ops USING hash IS
'Equal sets, whatever their encoding. Example: SELECT b, count(*) FROM (VALUES (''{2,1}''::analytics_groups.roaringbitmap), (''{1,2}'')) AS t(b) GROUP BY b';
COMMENT ON OPERATOR CLASS analytics_groups.roaringbitmap_ops USING hash IS
'Equal sets, whatever their encoding. Example: SELECT b, count(*) FROM (VALUES (''{2,1}''::analytics_groups.roaringbitmap), (''{1,2}'')) AS t(b) GROUP BY b';

-- Aggregates. Over no rows, or NULLs only, they answer NULL; NULLs are passed over.
-- The state is one flat value that is changed in place; two aggregates over the same input share it.

-- The functions that run for every row. They are written here, because the library has them without the layer that is
-- generated around others (src/pg/direct.rs).

CREATE FUNCTION analytics_groups.rb_build_trans(state analytics_groups.rb_state, id integer) RETURNS analytics_groups.rb_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb_build_trans_row';
CREATE FUNCTION analytics_groups.rb_or_trans(state analytics_groups.rb_state, set analytics_groups.roaringbitmap) RETURNS analytics_groups.rb_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb_or_trans_row';
CREATE FUNCTION analytics_groups.rb_and_trans(state analytics_groups.rb_state, set analytics_groups.roaringbitmap) RETURNS analytics_groups.rb_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb_and_trans_row';
CREATE FUNCTION analytics_groups.rb_xor_trans(state analytics_groups.rb_state, set analytics_groups.roaringbitmap) RETURNS analytics_groups.rb_state
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb_xor_trans_row';
CREATE FUNCTION analytics_groups.rb_state_combine(state analytics_groups.rb_state, other analytics_groups.rb_state) RETURNS analytics_groups.rb_state
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'rb_state_combine_row';

CREATE AGGREGATE analytics_groups.rb_build_agg(integer) (
    SFUNC = analytics_groups.rb_build_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_build_agg(integer) IS
'The set of the ids. Example: SELECT analytics_groups.rb_build_agg(id) FROM generate_series(1, 3) AS id';

CREATE AGGREGATE analytics_groups.rb_build_cardinality_agg(integer) (
    SFUNC = analytics_groups.rb_build_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_build_cardinality_agg(integer) IS
'The exact number of distinct ids. Example: SELECT analytics_groups.rb_build_cardinality_agg(id) FROM generate_series(1, 3) AS id';

CREATE AGGREGATE analytics_groups.rb_or_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_or_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_or_agg(analytics_groups.roaringbitmap) IS
'The ids that are in any of the sets. Example: SELECT analytics_groups.rb_or_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb_or_cardinality_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_or_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_or_cardinality_agg(analytics_groups.roaringbitmap) IS
'The number of ids that are in any of the sets. Example: SELECT analytics_groups.rb_or_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb_and_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_and_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_and_agg(analytics_groups.roaringbitmap) IS
'The ids that are in all of the sets. Example: SELECT analytics_groups.rb_and_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb_and_cardinality_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_and_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_and_cardinality_agg(analytics_groups.roaringbitmap) IS
'The number of ids that are in all of the sets. Example: SELECT analytics_groups.rb_and_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb_xor_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_xor_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_xor_agg(analytics_groups.roaringbitmap) IS
'The ids that are in an odd number of the sets. Example: SELECT analytics_groups.rb_xor_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

CREATE AGGREGATE analytics_groups.rb_xor_cardinality_agg(analytics_groups.roaringbitmap) (
    SFUNC = analytics_groups.rb_xor_trans,
    STYPE = analytics_groups.rb_state,
    SSPACE = 128,
    COMBINEFUNC = analytics_groups.rb_state_combine,
    FINALFUNC = analytics_groups.rb_state_cardinality,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics_groups.rb_xor_cardinality_agg(analytics_groups.roaringbitmap) IS
'The number of ids that are in an odd number of the sets. Example: SELECT analytics_groups.rb_xor_cardinality_agg(b) FROM (VALUES (''{1,2}''::analytics_groups.roaringbitmap), (''{2,3}'')) AS t(b)';

-- Functions

COMMENT ON FUNCTION analytics_groups.rb_build(integer[]) IS
'The set of the elements. Example: SELECT analytics_groups.rb_build(ARRAY[3,1,2])';
COMMENT ON FUNCTION analytics_groups.rb_to_array(analytics_groups.roaringbitmap) IS
'The ids as an array, in ascending order. Example: SELECT analytics_groups.rb_to_array(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_iterate(analytics_groups.roaringbitmap) IS
'The ids as rows, in ascending order. Example: SELECT analytics_groups.rb_iterate(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_cardinality(analytics_groups.roaringbitmap) IS
'The number of ids. Example: SELECT analytics_groups.rb_cardinality(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_is_empty(analytics_groups.roaringbitmap) IS
'Has the set no ids? Example: SELECT analytics_groups.rb_is_empty(''{}'')';
COMMENT ON FUNCTION analytics_groups.rb_and(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in both sets. Example: SELECT analytics_groups.rb_and(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_and_cardinality(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The number of ids that are in both sets, without making the set. Example: SELECT analytics_groups.rb_and_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_or(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in either set. Example: SELECT analytics_groups.rb_or(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_or_cardinality(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The number of ids that are in either set, without making the set. Example: SELECT analytics_groups.rb_or_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_xor(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in exactly one of the sets. Example: SELECT analytics_groups.rb_xor(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_xor_cardinality(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The number of ids that are in exactly one of the sets, without making the set. Example: SELECT analytics_groups.rb_xor_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_andnot(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The ids that are in the first set and not in the second. Example: SELECT analytics_groups.rb_andnot(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_andnot_cardinality(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The number of ids that are in the first set and not in the second, without making the set. Example: SELECT analytics_groups.rb_andnot_cardinality(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_contains(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set contain every id of the second? Example: SELECT analytics_groups.rb_contains(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb_contains(analytics_groups.roaringbitmap, integer) IS
'Is the id in the set? Example: SELECT analytics_groups.rb_contains(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb_containedby(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Is every id of the first set in the second? Example: SELECT analytics_groups.rb_containedby(''{2}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_containedby(integer, analytics_groups.roaringbitmap) IS
'Is the id in the set? Example: SELECT analytics_groups.rb_containedby(2, ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_intersect(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Have the sets an id in common? Example: SELECT analytics_groups.rb_intersect(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_equals(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets equal? Example: SELECT analytics_groups.rb_equals(''{1,2}'', ''{2,1}'')';
COMMENT ON FUNCTION analytics_groups.rb_not_equals(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets different? Example: SELECT analytics_groups.rb_not_equals(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb_from_bytea(bytea) IS
'The set in the portable format; every byte of it is checked. Example: SELECT analytics_groups.rb_from_bytea(''\x3a30000000000000''::bytea)';
COMMENT ON FUNCTION analytics_groups.rb_min(analytics_groups.roaringbitmap) IS
'The smallest id, unsigned; NULL for the set without ids. Example: SELECT analytics_groups.rb_min(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_max(analytics_groups.roaringbitmap) IS
'The largest id, unsigned, so that negative ones are larger; NULL for the set without ids. Example: SELECT analytics_groups.rb_max(''{3,1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_runoptimize(analytics_groups.roaringbitmap) IS
'The same set in its smallest encoding, which sets of this extension have already. Example: SELECT analytics_groups.rb_runoptimize(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_stats(analytics_groups.roaringbitmap) IS
'How the set is stored: ids, smallest and largest, containers that are arrays, bits or runs, bytes. Example: SELECT * FROM analytics_groups.rb_stats(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_add(analytics_groups.roaringbitmap, integer) IS
'The set with the id. Example: SELECT analytics_groups.rb_add(''{1,2}'', 3)';
COMMENT ON FUNCTION analytics_groups.rb_add(integer, analytics_groups.roaringbitmap) IS
'The set with the id. Example: SELECT analytics_groups.rb_add(3, ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_remove(analytics_groups.roaringbitmap, integer) IS
'The set without the id. Example: SELECT analytics_groups.rb_remove(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb_jaccard_dist(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'The share of common ids: the number in both sets over the number in either. Example: SELECT analytics_groups.rb_jaccard_dist(''{1,2,3}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_exsit(analytics_groups.roaringbitmap, integer) IS
'Is the id in the set? The old name of rb_contains. Example: SELECT analytics_groups.rb_exsit(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb_rank(analytics_groups.roaringbitmap, integer) IS
'How many ids of the set are smaller than or equal to the id. Example: SELECT analytics_groups.rb_rank(''{1,5,9}'', 5)';
COMMENT ON FUNCTION analytics_groups.rb_index(analytics_groups.roaringbitmap, integer) IS
'The place of the id in the set, from 0; -1 when it is not in it. Example: SELECT analytics_groups.rb_index(''{1,5,9}'', 5)';
COMMENT ON FUNCTION analytics_groups.rb_fill(analytics_groups.roaringbitmap, bigint, bigint) IS
'The set with all ids of the range; its end is exclusive. Example: SELECT analytics_groups.rb_fill(''{1}'', 3, 6)';
COMMENT ON FUNCTION analytics_groups.rb_clear(analytics_groups.roaringbitmap, bigint, bigint) IS
'The set without the ids of the range; its end is exclusive. Example: SELECT analytics_groups.rb_clear(''{1,2,3}'', 1, 3)';
COMMENT ON FUNCTION analytics_groups.rb_flip(analytics_groups.roaringbitmap, bigint, bigint) IS
'The set with the ids of the range turned around: out when they were in, and in when they were out; its end is exclusive. Example: SELECT analytics_groups.rb_flip(''{1,2,3}'', 2, 6)';
COMMENT ON FUNCTION analytics_groups.rb_range(analytics_groups.roaringbitmap, bigint, bigint) IS
'The ids of the set that are in the range; its end is exclusive. Example: SELECT analytics_groups.rb_range(''{1,2,3}'', 2, 4)';
COMMENT ON FUNCTION analytics_groups.rb_range_cardinality(analytics_groups.roaringbitmap, bigint, bigint) IS
'The number of ids of the set in the range; its end is exclusive. Example: SELECT analytics_groups.rb_range_cardinality(''{1,2,3}'', 2, 4)';
COMMENT ON FUNCTION analytics_groups.rb_select(analytics_groups.roaringbitmap, bigint, bigint, boolean, bigint, bigint) IS
'The first ids of the set in a range, or the last when reverse: how many, after leaving out how many. Example: SELECT analytics_groups.rb_select(''{1,2,3,4}'', bitset_limit => 2, bitset_offset => 1)';
COMMENT ON FUNCTION analytics_groups.rb_shiftleft(analytics_groups.roaringbitmap, bigint) IS
'Every id made smaller by the distance; those below 0 are dropped. Example: SELECT analytics_groups.rb_shiftleft(''{1,2}'', 1)';
COMMENT ON FUNCTION analytics_groups.rb_shiftright(analytics_groups.roaringbitmap, bigint) IS
'Every id made larger by the distance; those beyond the largest are dropped. Example: SELECT analytics_groups.rb_shiftright(''{1,2}'', 1)';
COMMENT ON FUNCTION analytics_groups.rb_lt(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come before the second, compared as lists of ids? Example: SELECT analytics_groups.rb_lt(''{1}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_le(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come before the second, or are they equal? Example: SELECT analytics_groups.rb_le(''{1}'', ''{1}'')';
COMMENT ON FUNCTION analytics_groups.rb_gt(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come after the second, compared as lists of ids? Example: SELECT analytics_groups.rb_gt(''{2}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_ge(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Does the first set come after the second, or are they equal? Example: SELECT analytics_groups.rb_ge(''{2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb_cmp(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'-1, 0 or 1: which set comes first, compared as lists of ids. Example: SELECT analytics_groups.rb_cmp(''{1}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_hash(analytics_groups.roaringbitmap) IS
'A hash of the ids, the same for each encoding of a set. Example: SELECT analytics_groups.rb_hash(''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_hash_extended(analytics_groups.roaringbitmap, bigint) IS
'A hash of the ids in 64 bits. Example: SELECT analytics_groups.rb_hash_extended(''{1,2}'', 0)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap(bytea) IS
'The set in the portable format, checked. Example: SELECT analytics_groups.roaringbitmap(''\x3a30000000000000''::bytea)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_in(cstring) IS
'Reads a set: {1,2,3}, or \x and the digits of the portable format. Example: SELECT analytics_groups.roaringbitmap_in(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_out(analytics_groups.roaringbitmap) IS
'Writes a set as {1,2,3}, or as \x and the digits of the portable format if roaringbitmap.output_format is bytea. Example: SELECT analytics_groups.roaringbitmap_out(''{3,2,1}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_recv(internal) IS
'Reads a set in the portable format from a binary message. Example: COPY … FROM … (FORMAT binary)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_send(analytics_groups.roaringbitmap) IS
'The portable format of a set. Example: SELECT analytics_groups.roaringbitmap_send(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_state_in(cstring) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_out(analytics_groups.rb_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_recv(internal) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_send(analytics_groups.rb_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_build_trans(analytics_groups.rb_state, integer) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_or_trans(analytics_groups.rb_state, analytics_groups.roaringbitmap) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_and_trans(analytics_groups.rb_state, analytics_groups.roaringbitmap) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_xor_trans(analytics_groups.rb_state, analytics_groups.roaringbitmap) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_combine(analytics_groups.rb_state, analytics_groups.rb_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_final(analytics_groups.rb_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
COMMENT ON FUNCTION analytics_groups.rb_state_cardinality(analytics_groups.rb_state) IS
'Internal: a part of the bitmap aggregates. Example: see the aggregate rb_build_agg';
