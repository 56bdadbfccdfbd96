-- The filter language: semantics 2.15, with our additions, and what a mistake is answered with.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_filters') > 0 AS created;
SET analytics_groups.project = 't_filters';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.track('E', 'u1', '{"company_id": "acme",   "n": 10,   "s": "apple pie", "b": true,  "l": ["x", "y"], "d": "2024-01-01T12:00:00"}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('E', 'u2', '{"company_id": "globex", "n": 2.5,  "s": "Apple",     "b": false, "l": ["y", "z"]}', at => '2024-01-01 11:00Z');
SELECT analytics_groups.track('E', 'u3', '{                        "n": "10", "s": "",          "l": []}', at => '2024-01-01 12:00Z');
SELECT analytics_groups.track('E', 'u4', '{"n": null}', at => '2024-01-01 13:00Z');
SELECT analytics_groups.track('E', 'u5', '{"n": -3, "s": "größe", "quote\"d": 1}', at => '2024-01-01 14:00Z');
SELECT analytics_groups.update_users('[{"$distinct_id": "u1", "$set": {"plan": "pro", "age": 30}}, {"$distinct_id": "u2", "$set": {"plan": "free"}}]') ->> 'code' AS code;
SELECT analytics_groups.update_groups('[{"$group_key": "company_id", "$group_id": "acme", "$set": {"size": 100}}]') ->> 'code' AS code;

-- Which of the five users pass.
CREATE FUNCTION pg_temp.pass(filter text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE "C"), 'nobody')
    FROM analytics_groups.insights('["E"]', '2024-01-01', '2024-01-01', filter => filter, breakdown => '["user.$distinct_id"]') WHERE value > 0
$$;

SELECT filter, pg_temp.pass(filter) AS pass
FROM (VALUES
    (1,  'properties["n"] == 10'),
    (2,  'properties["n"] != 10'),
    (3,  'properties["n"] > 2'),
    (4,  'properties["n"] >= 2.5 and properties["n"] <= 10'),
    (5,  'number(properties["n"]) == 10'),
    (6,  'string(properties["n"]) == "10"'),
    (7,  'properties["n"] < 0 or properties["b"]'),
    (8,  'not properties["b"]'),
    (9,  'properties["b"] == true'),
    (10, 'defined(properties["n"])'),
    (11, 'not defined(properties["s"])'),
    (12, 'properties["s"] == ""'),
    (13, '"apple" in properties["s"]'),
    (14, 'properties["s"] in ["Apple", "größe"]'),
    (15, '"x" in properties["l"]'),
    (16, 'any(v, properties["l"], v == "y")'),
    (17, 'has_prefix(properties["s"], "app")'),
    (18, 'starts_with(properties["s"], "App")'),
    (19, 'ends_with(properties["s"], "pie")'),
    (20, 'contains(properties["s"], "pp")'),
    (21, 'matches(properties["s"], "^[Aa]pple")'),
    (22, 'properties["n"] * 2 + 1 == 21'),
    (23, 'properties["n"] / 0 == 1'),
    (24, '-properties["n"] == 3'),
    (25, 'properties["n"] % 3 == 1'),
    (26, 'floor(properties["n"]) == 2 and ceil(properties["n"]) == 3'),
    (27, 'user["plan"] == "pro"'),
    (28, 'user["plan"] != "pro"'),
    (29, 'group["company_id"]["size"] >= 100'),
    (30, 'properties["company_id"] == "acme"'),
    (31, 'properties["$distinct_id"] == "u4"'),
    (32, 'properties["$time"] >= datetime("2024-01-01T13:00:00")'),
    (33, 'properties["quote\"d"] == 1'),
    (34, '(properties["n"] == 10 or properties["n"] == 2.5) and not (properties["b"])'),
    (35, 'true'),
    (36, 'false')
) AS t(n, filter) ORDER BY n;

-- In a group report a condition on the group is asked of each group the event belongs to.
SELECT analytics_groups.track('Two', 'u1', '{"company_id": ["acme", "globex"]}', at => '2024-01-01 10:00Z');
SELECT segment, value
FROM analytics_groups.insights('[{"event": "Two", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-01',
                               filter => 'group["company_id"]["size"] >= 100', breakdown => '["group.company_id"]') ORDER BY segment;

-- ---- Mistakes: SQLSTATE 22023, the position in characters, and what to write instead ------------------------------------------------
CREATE FUNCTION pg_temp.mistake(filter text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; hint text;
BEGIN
    RETURN 'passes: ' || pg_temp.pass(filter);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN state || ': ' || message || CASE WHEN hint <> '' THEN E'\n  HINT: ' || hint ELSE '' END;
END $$;
\pset format unaligned
\pset tuples_only on
SELECT filter || E'\n  ' || pg_temp.mistake(filter) || E'\n'
FROM (VALUES
    (1,  ''),
    (2,  'properties["n"] = 10'),
    (3,  'properties["n"] =='),
    (4,  'properties["n" == 10'),
    (5,  'properties[n] == 10'),
    (6,  'propertys["n"] == 10'),
    (7,  'n == 10'),
    (8,  'properties["s"] == "apple'),
    (9,  'properties["s"] == ''apple'''),
    (10, 'properties["größe"] && true'),
    (11, '(properties["n"] == 10'),
    (12, 'properties["n"] == 10)'),
    (13, 'properties["n"] == 10 properties["b"]'),
    (14, 'starts_with(properties["s"])'),
    (15, 'beginswith(properties["s"], "a")'),
    (16, 'matches(properties["s"], "(")'),
    (17, 'group["compani_id"]["size"] > 1'),
    (18, 'group["company_id"] > 1'),
    (19, 'cohort("power users")'),
    (20, 'datetime("yesterday") < properties["$time"]'),
    (21, 'properties["n"] == 1e999'),
    (22, 'properties["n"] and true'),
    (23, '1 +'),
    (24, repeat('(', 2000) || '1' || repeat(')', 2000)),
    (25, repeat('not ', 5000) || 'true')
) AS t(n, filter) WHERE length(filter) < 1000 ORDER BY n;
SELECT pg_temp.mistake(repeat('(', 20000) || 'true' || repeat(')', 20000));
SELECT pg_temp.mistake(repeat('not ', 20000) || 'true');
SELECT pg_temp.mistake(NULL);
\pset format aligned
\pset tuples_only off

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_filters');

-- ---- Names nobody ever used -------------------------------------------------------------------------------------------
-- A property that no event or profile carries would read as "not set" everywhere, and a slip of the pen with it: an error.
SELECT analytics_groups.create_project('t_names') > 0 AS created;
SET analytics_groups.project = 't_names';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SELECT analytics_groups.track('A', 'u1', '{"company_id": "acme", "country": "FR"}', '2024-01-01 10:00Z');
SELECT analytics_groups.people_set('u1', '{"role": "admin"}'), analytics_groups.group_set('company_id', 'acme', '{"plan": "pro"}');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', filter => 'properties["county"] == "FR"');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', filter => 'user["roll"] == "admin"');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', filter => 'group["company_id"]["plans"] == "pro"');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', filter => 'group["compny_id"]["plan"] == "pro"');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["nothing of the kind"]');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["user.nothing of the kind"]');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["group.company_id.plam"]');
SELECT value FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["group.team_id"]');
-- A number that no double precision can hold is the error of its argument, or of its record.
SELECT * FROM analytics_groups.insights('[{"event": "A", "x": 1e400}]', '2024-01-01', '2024-01-01');
SELECT a ->> 'num_records_imported' AS imported, a #>> '{failed_records,0,index}' AS failed
FROM analytics_groups.update_users('[{"$distinct_id": "u1", "$set": {"n": 1}}, {"$distinct_id": "u2", "$set": {"n": 1e400}},
                                     {"$distinct_id": "u3", "$set": {"n": 3}}]') AS a;
SELECT analytics_groups.drop_project('t_names');
