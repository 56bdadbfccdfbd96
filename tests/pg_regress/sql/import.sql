-- Import from tables, views and foreign tables (semantics 2.12): the warehouse connector.
\set SHOW_CONTEXT never
SET TimeZone = 'America/New_York';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('t_import') > 0 AS created;
SET analytics_groups.project = 't_import';
SELECT count(analytics_groups.add_group_key(k)) AS registered FROM unnest('{company_id,team_id}'::text[]) AS k;
CREATE SCHEMA shop;
CREATE TABLE shop.orders (
    no bigint, created_at timestamptz, customer text, company_id text, team_id text[], total numeric(10,2), paid boolean,
    shipped timestamptz, due date, extra jsonb, notes text, loaded_at timestamptz);
INSERT INTO shop.orders VALUES
    (1, '2024-01-01 09:00:00.1234Z', 'ann', 'acme',   '{red,blue}', 49.50, true,  '2024-01-03 12:00Z', '2024-02-01', '{"coupon": "X", "cart": [1, 2]}', E'two\nlines', '2024-01-10 00:00Z'),
    (2, '2024-01-02 23:30:00Z',      'bob', 'globex', NULL,         10,    false, NULL,                NULL,         '{}',   'secret', '2024-01-10 00:00Z'),
    (3, '2024-01-03 09:00:00Z',      NULL,  '',       '{}',         1,     NULL,  NULL,                NULL,         NULL,   NULL,     '2024-01-11 00:00Z');

-- One event for all rows. Columns become properties of their names, unless a key or property_mappings says otherwise; group
-- keys need nothing but their name. NULL is not set, arrays are lists, instants are written in UTC.
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "Order Placed", "time_column": "created_at", "user_column": "customer",
    "json_properties_column": "extra", "insert_time_column": "loaded_at", "property_mappings": {"total": "amount", "notes": null}}');
CREATE VIEW pg_temp.stored AS SELECT e FROM analytics_groups.export_events('2023-01-01', '2024-12-31') AS e ORDER BY e #> '{properties,time}', e::text;
SELECT * FROM pg_temp.stored;
SELECT metric, value FROM analytics_groups.insights('["Order Placed", {"event":"Order Placed","measure":"unique"},
    {"event":"Order Placed","measure":"unique","by":"company_id"}, {"event":"Order Placed","measure":"unique","by":"team_id"}]', '2024-01-01', '2024-01-31', unit => 'range');

-- mode 'append', which is the default, reads what was inserted since: strictly later than anything read before.
INSERT INTO shop.orders (no, created_at, customer, loaded_at) VALUES
    (4, '2024-01-04 09:00Z', 'cid', '2024-01-12 00:00:00.000001Z'), (5, '2024-01-04 10:00Z', 'too late', '2024-01-11 00:00Z'), (6, '2024-01-04 11:00Z', 'never', NULL);
PREPARE append AS SELECT analytics_groups.import_events('shop.orders', '{"event_name": "Order Placed", "time_column": "created_at", "user_column": "customer",
    "insert_time_column": "loaded_at"}') - '{code,status,failed_records}'::text[] AS appended;
EXECUTE append;
EXECUTE append;
SELECT source, target, insert_time FROM analytics_groups.imports WHERE project = 't_import';
-- What is rolled back was never read.
BEGIN;
INSERT INTO shop.orders (no, created_at, customer, loaded_at) VALUES (7, '2024-01-04 12:00Z', 'dora', '2024-01-13 00:00Z');
EXECUTE append;
ROLLBACK;
EXECUTE append;
-- The same rows may be events of another name: each has its own mark. A number will do as well.
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "Order Seen", "time_column": "created_at", "insert_time_column": "no"}') ->> 'num_rows' AS seen;
INSERT INTO shop.orders (no, created_at) VALUES (10, '2024-01-05 12:00Z');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "Order Seen", "time_column": "created_at", "insert_time_column": "no"}') ->> 'num_rows' AS seen;

-- import_batches does the same and commits after every so many rows, with how far it is: one that is ended loses nothing but the
-- batch it is at. Rows of one insert time are never parted.
CREATE TABLE shop.visits AS SELECT i AS no, '2024-03-01Z'::timestamptz + i * interval '1 minute' AS at, 'v' || i AS who, '2024-03-02Z'::timestamptz + (i / 3) * interval '1 s' AS loaded_at
FROM generate_series(1, 10) AS i;
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at", "user_column": "who", "insert_time_column": "loaded_at"}', 4);
INSERT INTO shop.visits VALUES (11, NULL, 'v11', '2024-03-03Z');
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at", "user_column": "who", "insert_time_column": "loaded_at"}');
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at", "user_column": "who", "insert_time_column": "loaded_at"}');
SELECT source, insert_time, state, rows_read, rows_expected, imported, refused FROM analytics_groups.imports WHERE target = 'events: Visited';
SELECT source, target, row_no, field, message FROM analytics_groups.import_errors WHERE project = 't_import';
SELECT value FROM analytics_groups.insights('["Visited"]', '2024-03-01', '2024-03-01', unit => 'range');
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at"}');
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at", "insert_time_column": "loaded_at"}', 0);
BEGIN;
CALL analytics_groups.import_batches('shop.visits', '{"event_name": "Visited", "time_column": "at", "insert_time_column": "loaded_at"}');
ROLLBACK;

-- Values as they are written: what to_json writes, with instants in UTC.
CREATE TABLE shop.kinds (at timestamptz, a timestamptz, b timestamp, c date, d double precision, e real, f bigint, g smallint, h text, i varchar, j char(3), k json, l uuid, m numeric, n boolean);
INSERT INTO shop.kinds VALUES ('2024-06-01Z', '2024-02-29 23:59:59.05+02', '0044-03-15 12:00 BC', '2024-02-29', 0.1, 0.25, 9007199254740993, -5, E'q"b\\t\tn\nx\x01é', 'v', 'c', E'{"a":\n1}', '00000000-0000-0000-0000-000000000001', 1.50, false),
    ('2024-06-02Z', 'infinity', '12024-01-02', 'infinity', 'NaN', 'Infinity', 0, 0, '', '', '', 'null', NULL, 'NaN', true),
    ('2024-06-03Z', '1969-12-31 23:59:59.999999Z', NULL, NULL, 1e300, NULL, -9223372036854775808, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('2024-06-04Z', NULL, NULL, NULL, 1e-7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('2024-06-05Z', NULL, NULL, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT analytics_groups.import_events('shop.kinds', '{"event_name": "Kinds", "time_column": "at"}', 'one_time') ->> 'num_records_imported' AS imported;
SELECT e -> 'properties' AS properties FROM analytics_groups.export_events('2024-06-01', '2024-06-30', '{Kinds}') AS e ORDER BY (e #> '{properties,time}')::bigint;
-- The same through to_json, whatever the session's time zone is.
SET TimeZone = 'UTC';
CREATE VIEW shop.jsons AS SELECT at, (SELECT jsonb_object_agg(k, v) FROM jsonb_each(to_jsonb(t) - 'at') AS x(k, v) WHERE v <> 'null') AS p FROM
    (SELECT at, a AT TIME ZONE 'UTC' AS a, b, c, d, e, f, g, h, i, j, k, l, m, n FROM shop.kinds) AS t;
SELECT analytics_groups.import_events('shop.jsons', '{"event_name": "Jsons", "time_column": "at", "json_properties_column": "p"}', 'one_time') ->> 'num_records_imported' AS imported;
SELECT count(*) AS differences FROM (SELECT e -> 'properties' FROM analytics_groups.export_events('2024-06-01', '2024-06-30', '{Kinds}') AS e
    EXCEPT ALL SELECT e -> 'properties' FROM analytics_groups.export_events('2024-06-01', '2024-06-30', '{Jsons}') AS e) AS d;
SET TimeZone = 'America/New_York';
SELECT analytics_groups.delete_events('{"any": ["Kinds", "Jsons", "Visited"]}', '2024-01-01', '2024-12-31') AS deleted;

-- The event from a column; devices, which become their users'; ids that tell duplicates apart; times as numbers. The names
-- that the warehouse API has for columns will do as well. What is wrong with a row fails that row alone.
CREATE TABLE shop.tracked (kind text, at bigint, device text, who int, id text, props json, company_id int[]);
INSERT INTO shop.tracked VALUES
    ('Visit', 1704103200, 'd1', NULL, 't-1', E'{ "path": "/",\n "deep": {"a": [1]} }', '{7,8}'),
    ('Visit', 1704103200, 'd1', NULL, 't-1', '{"path": "/again"}', NULL),
    ('Login', 1704103260000, 'd1', 1, 't-2', 'null', NULL),
    (NULL,    1704103260, 'd1', NULL, NULL,  NULL,   NULL),
    ('Visit', NULL,       'd1', NULL, NULL,  NULL,   NULL),
    ('Visit', 1704103260, 'd1', NULL, 'not an id', NULL, NULL),
    ('Visit', 1704103260, 'd1', NULL, NULL,  '[1]',  NULL),
    ('Visit', 17,         'd1', NULL, NULL,  NULL,   NULL),
    ('Visit', 1704106800, 'd2', NULL, NULL,  NULL,   NULL);
SELECT jsonb_pretty(analytics_groups.import_events('shop.tracked', '{"event_column_name": "kind", "time_column_name": "at", "device_column_name": "device",
    "user_column_name": "who", "insert_id_column": "id", "json_properties_column_name": "props"}', mode => 'one_time'));
SELECT e FROM pg_temp.stored WHERE e ->> 'event' IN ('Visit', 'Login');
SELECT field, message, records FROM analytics_groups.ingest_errors WHERE project = 't_import' ORDER BY field COLLATE "C", message COLLATE "C";
-- Times: a timestamp without a zone and a date are UTC; what is infinite or before 1971 is refused.
CREATE VIEW shop.moments AS
SELECT 'Moment' AS name, at::timestamp AS at FROM unnest('{2024-03-01 12:00,infinity,-infinity,1970-01-05 00:00,1969-12-31 00:00}'::timestamp[]) AS at;
SELECT a ->> 'num_records_imported' AS imported, jsonb_path_query_array(a, '$.failed_records[*].message') AS refused
FROM analytics_groups.import_events('shop.moments', '{"event_column": "name", "time_column": "at"}', 'one_time') AS a;
SELECT e #> '{properties,time}' AS time FROM pg_temp.stored WHERE e ->> 'event' = 'Moment';

-- Profiles of users and of groups. NULL leaves a property as it was.
CREATE TABLE shop.customers (id text, name text, seats int, tags text[], more jsonb);
INSERT INTO shop.customers VALUES ('ann', 'Ann', 3, '{a,b}', '{"plan": "pro"}'), ('bob', 'Bob', NULL, NULL, NULL), (NULL, 'Nobody', 1, NULL, NULL);
SELECT a FROM analytics_groups.import_profiles('shop.customers', '{"user_column": "id", "json_properties_column": "more", "property_mappings": {"name": "$name"}}') AS a;
UPDATE shop.customers SET seats = NULL, name = 'Ann B.' WHERE id = 'ann';
SELECT a ->> 'num_records_imported' AS imported
FROM analytics_groups.import_profiles('shop.customers', '{"user_column": "id", "property_mappings": {"name": "$name", "more": null}}', 'full') AS a;
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.query_users() WHERE properties <> '{}';
SELECT a ->> 'num_records_imported' AS imported
FROM analytics_groups.import_profiles('shop.customers', '{"group_key": "company_id", "group_id_column": "name", "property_mappings": {"id": "contact", "more": null}}') AS a;
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.query_groups('company_id') WHERE properties <> '{}';

-- The three ways in are one: what is exported and comes back through a table has the same answers.
SELECT analytics_groups.create_project('t_table') > 0 AS created;
SELECT count(analytics_groups.add_group_key(k, project => 't_table')) AS registered FROM unnest('{company_id,team_id}'::text[]) AS k;
CREATE TABLE shop.raw AS SELECT e ->> 'event' AS event, (e #>> '{properties,time}')::bigint AS time, e -> 'properties' AS properties
FROM analytics_groups.export_events('2023-01-01', '2024-12-31') AS e;
SELECT analytics_groups.import_events('shop.raw', '{"event_column": "event", "time_column": "time", "json_properties_column": "properties"}', 'one_time', project => 't_table')
    = jsonb_build_object('code', 200, 'status', 'OK', 'failed_records', '[]'::jsonb, 'num_duplicates', 0, 'num_failed', 0, 'num_rows', count(*), 'num_records_imported', count(*)) AS complete FROM shop.raw;
CREATE FUNCTION pg_temp.answers(project text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
    SELECT e::text FROM analytics_groups.export_events('2023-01-01', '2024-12-31', project => project) AS e
    UNION ALL SELECT i::text FROM analytics_groups.insights('["$any", {"event":"$any","measure":"unique"}, {"event":"$any","measure":"unique","by":"company_id"},
        {"event":"$any","measure":"unique","by":"team_id"}, {"event":"$any","measure":"sum","property":"amount"}]', '2024-01-01', '2024-01-05', project => project) AS i
    UNION ALL SELECT f::text FROM analytics_groups.funnel('["Visit","Login"]', '2024-01-01', '2024-01-05', project => project) AS f $$;
SELECT count(*) AS differences FROM ((SELECT pg_temp.answers('t_import') EXCEPT ALL SELECT pg_temp.answers('t_table'))
    UNION ALL (SELECT pg_temp.answers('t_table') EXCEPT ALL SELECT pg_temp.answers('t_import'))) AS d;

-- In many slices, which are read, judged and stored side by side, it is the same as in one.
SELECT analytics_groups.create_project('t_slices') > 0 AS created;
SELECT count(analytics_groups.add_group_key(k, project => 't_slices')) AS registered FROM unnest('{company_id,team_id}'::text[]) AS k;
CREATE FUNCTION pg_temp.slices() RETURNS TABLE (complete boolean) LANGUAGE sql AS $$
    SELECT a ->> 'num_records_imported' = a ->> 'num_rows' FROM analytics_groups.import_events('shop.raw', '{"event_column": "event", "time_column": "time",
        "json_properties_column": "properties"}', 'one_time', project => 't_slices') AS a $$;
SET analytics_groups.max_batch_records = 1;
-- What was rolled back is not known either.
BEGIN;
SAVEPOINT nothing;
SELECT * FROM pg_temp.slices();
ROLLBACK TO nothing;
SELECT * FROM pg_temp.slices();
COMMIT;
RESET analytics_groups.max_batch_records;
SELECT count(*) AS differences FROM ((SELECT pg_temp.answers('t_import') EXCEPT ALL SELECT pg_temp.answers('t_slices'))
    UNION ALL (SELECT pg_temp.answers('t_slices') EXCEPT ALL SELECT pg_temp.answers('t_import'))) AS d;
SELECT * FROM analytics_groups.verify('t_slices');

-- What is wrong is said, and nothing is imported.
SELECT analytics_groups.import_events('shop.nothing', '{}');
SELECT analytics_groups.import_events(NULL, '{}');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"time_column": "created_at"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "event_column": "notes", "time_column": "created_at"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "notes"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at", "json_properties_column": "notes"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at", "property_mappings": {"totl": "amount"}}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at", "property_mappings": {"total": "paid"}}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_colum": "created_at"}', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '["E"]', 'one_time');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at"}');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at"}', 'full');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at"}', 'mirror');
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at"}', 'sometimes');
SELECT analytics_groups.import_profiles('shop.customers', '{}');
SELECT analytics_groups.import_profiles('shop.customers', '{"group_key": "country", "group_id_column": "id"}');
SELECT analytics_groups.import_profiles('shop.customers', '{"group_key": "company_id"}');
-- The source is read as whoever imports: what they may not read, they may not import, and a view does nothing with our rights.
CREATE ROLE t_import_writer;
SELECT analytics_groups.grant_access('t_import_writer', 'writer');
CREATE VIEW shop.whose AS SELECT current_user::text AS reader, now() - interval '1 day' AS at;
GRANT SELECT ON shop.whose TO t_import_writer;
SET ROLE t_import_writer;
SELECT analytics_groups.import_events('shop.whose'::regclass, '{"event_name": "E", "time_column": "at"}', 'one_time');
RESET ROLE;
GRANT USAGE ON SCHEMA shop TO t_import_writer;
SET ROLE t_import_writer;
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "created_at"}', 'one_time');
SELECT analytics_groups.import_events('shop.whose', '{"event_name": "Who", "time_column": "at"}', 'one_time') ->> 'status' AS status;
RESET ROLE;
SELECT e #>> '{properties,reader}' AS reader FROM analytics_groups.export_events(current_date - 2, current_date, '{Who}') AS e;
SET client_min_messages = warning;
DROP SCHEMA shop CASCADE;
SELECT analytics_groups.drop_project(p) FROM unnest('{t_import,t_table,t_slices}'::text[]) AS p;
DROP ROLE t_import_writer;
