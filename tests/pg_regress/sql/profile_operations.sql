-- The table of semantics 2.7, line by line, for users and (2.8) for groups: the same eight operations do the same.
\set SHOW_CONTEXT never
\pset format unaligned
SET TimeZone = 'UTC';

SELECT analytics_groups.create_project('t_operations') > 0 AS created;
SET analytics_groups.project = 't_operations';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- What an operation makes of a profile, or what it says; the profile is gone again afterwards.
CREATE FUNCTION pg_temp.try(of_group boolean, before jsonb, op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    who jsonb := CASE WHEN of_group THEN '{"$group_key": "company_id", "$group_id": "acme"}' ELSE '{"$distinct_id": "u1"}' END;
    updates jsonb := CASE WHEN before IS NULL THEN '[]' ELSE jsonb_build_array(who || jsonb_build_object('$set', before)) END;
    a jsonb;
    answer jsonb;
BEGIN
    IF of_group THEN
        PERFORM analytics_groups.update_groups(updates);
        a := analytics_groups.update_groups(who || op);
        answer := coalesce(analytics_groups.group_profile('company_id', 'acme') - '$last_seen', '"no profile"');
        PERFORM analytics_groups.group_delete('company_id', 'acme');
    ELSE
        PERFORM analytics_groups.update_users(updates);
        a := analytics_groups.update_users(who || op);
        answer := coalesce(analytics_groups.user_profile('u1') - '$last_seen', '"no profile"');
        PERFORM analytics_groups.people_delete('u1');
    END IF;
    RETURN coalesce(a #> '{failed_records,0,message}', answer);
END $$;
CREATE FUNCTION pg_temp.show(line text, before jsonb, op jsonb) RETURNS TABLE (line text, before jsonb, op jsonb, after jsonb, groups_alike boolean) LANGUAGE sql AS $$
    SELECT line, before, op, pg_temp.try(false, before, op), pg_temp.try(false, before, op) = pg_temp.try(true, before, op)
$$;

SELECT s.* FROM (VALUES
    (1, '$set: creates the profile',                   NULL,                 '{"$set": {"a": 1}}'),
    (2, '$set: overwrites what is listed',             '{"a": 1, "b": 2}',   '{"$set": {"a": "x"}}'),
    (3, '$set_once: creates the profile',              NULL,                 '{"$set_once": {"a": 1}}'),
    (4, '$set_once: only what is not there',           '{"a": 1}',           '{"$set_once": {"a": 2, "b": 2}}'),
    (5, '$add: missing is 0',                          '{"a": 1}',           '{"$add": {"a": 2, "b": 5}}'),
    (6, '$add: negative numbers decrement',            '{"a": 1}',           '{"$add": {"a": -2.5}}'),
    (7, '$add: a number that is none',                 '{"a": "x"}',         '{"$add": {"a": 1}}'),
    (8, '$add: by what is no number',                  '{"a": 1}',           '{"$add": {"a": "1"}}'),
    (9, '$append: to the end, duplicates stay',        '{"a": ["x"]}',       '{"$append": {"a": "x"}}'),
    (10, '$append: missing becomes a list of one',     '{"b": 1}',           '{"$append": {"a": "x"}}'),
    (11, '$append: a scalar is a list of one',         '{"a": "x"}',         '{"$append": {"a": "y"}}'),
    (12, '$union: what is not there',                  '{"a": ["x"]}',       '{"$union": {"a": ["x", "y"]}}'),
    (13, '$union: missing becomes the list',           NULL,                 '{"$union": {"a": ["x"]}}'),
    (14, '$union: equality is typed',                  '{"a": [1]}',         '{"$union": {"a": ["1", 1]}}'),
    (15, '$union: at least one element',               '{"a": ["x"]}',       '{"$union": {"a": []}}'),
    (16, '$union: of a list',                          '{"a": ["x"]}',       '{"$union": {"a": "y"}}'),
    (17, '$remove: all that are equal',                '{"a": ["x", "y", "x"]}', '{"$remove": {"a": "x"}}'),
    (18, '$remove: absent, nothing happens',           '{"a": ["x"]}',       '{"$remove": {"a": "y"}}'),
    (19, '$remove: equality is typed',                 '{"a": [1, "1"]}',    '{"$remove": {"a": "1"}}'),
    (20, '$remove: from another scalar',               '{"a": "x"}',         '{"$remove": {"a": "y"}}'),
    (21, '$remove: makes no profile',                  NULL,                 '{"$remove": {"a": "y"}}'),
    (22, '$unset: takes properties away',              '{"a": 1, "b": 2}',   '{"$unset": ["a", "absent"]}'),
    (23, '$unset: at least one name',                  '{"a": 1}',           '{"$unset": []}'),
    (24, '$delete: whatever its value',                '{"a": 1}',           '{"$delete": "null"}'),
    (25, 'one object, in the order of the table',      '{"n": 1, "t": ["x"]}', '{"$unset": ["t"], "$add": {"n": 1}, "$set": {"n": 10}, "$append": {"t": "y"}}')
) AS law(n, line, before, op) CROSS JOIN LATERAL pg_temp.show(law.line, law.before::jsonb, law.op::jsonb) AS s ORDER BY law.n;

-- $last_seen is the time of the last update, and not touched with $ignore_time.
SELECT analytics_groups.update_users('{"$distinct_id": "u2", "$ignore_time": true, "$set": {"a": 1}}') ->> 'code' AS code;
SELECT analytics_groups.user_profile('u2') ? '$last_seen' AS "last seen";
SELECT analytics_groups.people_set('u2', '{"a": 2}');
SELECT analytics_groups.user_profile('u2') ? '$last_seen' AS "last seen";

-- 2.8: the profile of a key that is not registered, names that say whose profile it is, a batch of several groups and operations.
SELECT analytics_groups.update_groups('{"$group_key": "nope", "$group_id": "acme", "$set": {"a": 1}}') #>> '{failed_records,0,message}' AS message;
SELECT analytics_groups.update_groups('{"$group_key": "company_id", "$group_id": "acme", "$set": {"$group_id": "x", "a": 1}}') #>> '{failed_records,0,message}' AS message;
SELECT analytics_groups.update_groups('[{"$group_key": "company_id", "$group_id": "a", "$set": {"n": 1}},
                                        {"$group_key": "company_id", "$group_id": "b", "$union": {"l": ["x"]}},
                                        {"$group_key": "company_id", "$group_id": "a", "$add": {"n": 1}}]') ->> 'status' AS status;
SELECT id, analytics_groups.group_profile('company_id', id) - '$last_seen' AS profile FROM unnest('{a,b}'::text[]) AS id;

SELECT analytics_groups.drop_project('t_operations');
