-- The types roaringbitmap and rb_state, their operators, aggregates, casts and documentation.
-- Runs after the functions it names, which src/types and src/aggregates declare.

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
'Does the left set contain every id of the right one?. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.@>) ''{2}''';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Is every id of the left set in the right one?. Example: SELECT ''{2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<@) ''{1,2}''';

CREATE OPERATOR analytics_groups.@> (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = integer,
    FUNCTION = analytics_groups.rb_contains,
    COMMUTATOR = OPERATOR(analytics_groups.<@),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.@> (analytics_groups.roaringbitmap, integer) IS
'Is the id in the set?. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.@>) 2';

CREATE OPERATOR analytics_groups.<@ (
    LEFTARG = integer,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_containedby,
    COMMUTATOR = OPERATOR(analytics_groups.@>),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.<@ (integer, analytics_groups.roaringbitmap) IS
'Is the id in the set?. Example: SELECT 2 OPERATOR(analytics_groups.<@) ''{1,2}''::analytics_groups.roaringbitmap';

CREATE OPERATOR analytics_groups.&& (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_intersect,
    COMMUTATOR = OPERATOR(analytics_groups.&&),
    RESTRICT = contsel,
    JOIN = contjoinsel
);
COMMENT ON OPERATOR analytics_groups.&& (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Have the sets an id in common?. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.&&) ''{2,3}''';

CREATE OPERATOR analytics_groups.= (
    LEFTARG = analytics_groups.roaringbitmap,
    RIGHTARG = analytics_groups.roaringbitmap,
    FUNCTION = analytics_groups.rb_equals,
    COMMUTATOR = OPERATOR(analytics_groups.=),
    NEGATOR = OPERATOR(analytics_groups.<>),
    RESTRICT = eqsel,
    JOIN = eqjoinsel
);
COMMENT ON OPERATOR analytics_groups.= (analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets equal?. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.=) ''{2,1}''';

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
'Are the sets different?. Example: SELECT ''{1,2}''::analytics_groups.roaringbitmap OPERATOR(analytics_groups.<>) ''{2}''';

-- Aggregates. Over no rows, or NULLs only, they answer NULL; NULLs are passed over.
-- The state is one flat value that is changed in place; two aggregates over the same input share it.

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
'Has the set no ids?. Example: SELECT analytics_groups.rb_is_empty(''{}'')';
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
'Does the first set contain every id of the second?. Example: SELECT analytics_groups.rb_contains(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.rb_contains(analytics_groups.roaringbitmap, integer) IS
'Is the id in the set?. Example: SELECT analytics_groups.rb_contains(''{1,2}'', 2)';
COMMENT ON FUNCTION analytics_groups.rb_containedby(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Is every id of the first set in the second?. Example: SELECT analytics_groups.rb_containedby(''{2}'', ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_containedby(integer, analytics_groups.roaringbitmap) IS
'Is the id in the set?. Example: SELECT analytics_groups.rb_containedby(2, ''{1,2}'')';
COMMENT ON FUNCTION analytics_groups.rb_intersect(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Have the sets an id in common?. Example: SELECT analytics_groups.rb_intersect(''{1,2}'', ''{2,3}'')';
COMMENT ON FUNCTION analytics_groups.rb_equals(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets equal?. Example: SELECT analytics_groups.rb_equals(''{1,2}'', ''{2,1}'')';
COMMENT ON FUNCTION analytics_groups.rb_not_equals(analytics_groups.roaringbitmap, analytics_groups.roaringbitmap) IS
'Are the sets different?. Example: SELECT analytics_groups.rb_not_equals(''{1,2}'', ''{2}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap(bytea) IS
'The set in the portable format, checked. Example: SELECT analytics_groups.roaringbitmap(''\x3a30000000000000''::bytea)';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_in(cstring) IS
'Reads a set: {1,2,3}, or \x and the digits of the portable format. Example: SELECT analytics_groups.roaringbitmap_in(''{1,2,3}'')';
COMMENT ON FUNCTION analytics_groups.roaringbitmap_out(analytics_groups.roaringbitmap) IS
'Writes a set as {1,2,3}. Example: SELECT analytics_groups.roaringbitmap_out(''{3,2,1}'')';
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
