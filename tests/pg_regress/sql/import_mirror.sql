-- mode 'mirror' of import_events (semantics 2.12): the store has the events of a table as it is now.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SELECT analytics_groups.create_project('t_mirror') > 0 AS created;
SET analytics_groups.project = 't_mirror';
SELECT count(analytics_groups.add_group_key('company_id')) AS registered;
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id text, kind text, at timestamptz, customer text, company_id text, total numeric, notes json);
INSERT INTO shop.orders VALUES
    ('o-1', 'Order', '2024-01-01 09:00Z', 'ann', 'acme',   10, '{"a": 1}'),
    ('o-2', 'Order', '2024-01-02 09:00Z', 'bob', 'globex', 20, NULL),
    ('o-3', 'Order', '2024-01-03 09:00Z', 'cid', NULL,     30, NULL),
    ('o-4', 'Refund', '2024-01-04 09:00Z', 'ann', 'acme',  10, NULL);
CREATE FUNCTION pg_temp.mirror() RETURNS jsonb LANGUAGE sql AS $$
    SELECT analytics_groups.import_events('shop.orders', '{"event_column": "kind", "time_column": "at", "user_column": "customer", "insert_id_column": "id"}', 'mirror') $$;
CREATE VIEW pg_temp.stored AS SELECT e #>> '{properties,$insert_id}' AS id, e ->> 'event' AS event, e #>> '{properties,distinct_id}' AS who,
    to_timestamp((e #> '{properties,time}')::bigint / 1000.0) AT TIME ZONE 'UTC' AS at, e #>> '{properties,total}' AS total
FROM analytics_groups.export_events('2023-01-01', '2024-12-31') AS e ORDER BY 1, 2;
SELECT jsonb_pretty(pg_temp.mirror());
SELECT * FROM pg_temp.stored;
-- Nothing changed: nothing is done.
SELECT pg_temp.mirror() - '{code,status,failed_records}'::text[] AS again;

-- A row that is new, rows that changed (the time of one, the user of another, the event of a third), and one that is gone.
INSERT INTO shop.orders VALUES ('o-5', 'Order', '2024-01-05 09:00Z', 'dora', 'acme', 50, NULL);
UPDATE shop.orders SET at = '2024-02-01 09:00Z' WHERE id = 'o-1';
UPDATE shop.orders SET customer = 'bert', total = 21 WHERE id = 'o-2';
UPDATE shop.orders SET kind = 'Void' WHERE id = 'o-4';
DELETE FROM shop.orders WHERE id = 'o-3';
SELECT pg_temp.mirror() - '{code,status,failed_records}'::text[] AS changes;
SELECT * FROM pg_temp.stored;
SELECT metric, value FROM analytics_groups.insights('["Order", {"event":"Order","measure":"unique"}, {"event":"Order","measure":"sum","property":"total"}, "Refund", "Void"]',
    '2024-01-01', '2024-12-31', unit => 'range');
-- The same before and after maintenance, and when what is sealed changes.
CALL analytics_groups.maintain('t_mirror');
SELECT pg_temp.mirror() - '{code,status,failed_records}'::text[] AS again;
UPDATE shop.orders SET total = 22 WHERE id = 'o-2';
DELETE FROM shop.orders WHERE id = 'o-4';
SELECT pg_temp.mirror() - '{code,status,failed_records}'::text[] AS changes;
SELECT * FROM pg_temp.stored;
SELECT * FROM analytics_groups.verify('t_mirror');
-- What is rolled back was not mirrored.
BEGIN;
DELETE FROM shop.orders;
SELECT pg_temp.mirror() ->> 'num_removed' AS removed;
SELECT count(*) FROM pg_temp.stored;
ROLLBACK;
SELECT count(*) FROM pg_temp.stored;
SELECT pg_temp.mirror() ->> 'num_removed' AS removed;

-- Events that came otherwise stay, also with the same insert id under another name.
SELECT analytics_groups.track('Click', 'ann', '{}', '2024-01-05 09:00Z', 'o-5');
DELETE FROM shop.orders WHERE id = 'o-5';
SELECT pg_temp.mirror() ->> 'num_removed' AS removed;
SELECT * FROM pg_temp.stored;
-- Rows that are the same in every column are one; of others with one id one is taken, and stays. A row without an id is refused,
-- and so is one that is wrong; it is tried again every time. That a type has no hash does not matter.
INSERT INTO shop.orders VALUES ('o-6', 'Order', '2024-01-06 09:00Z', 'eve', NULL, 1, '{}'), ('o-6', 'Order', '2024-01-06 09:00Z', 'eve', NULL, 1, '{}'),
    ('o-7', 'Order', '2024-01-07 09:00Z', 'eve', NULL, 1, NULL), ('o-7', 'Order', '2024-01-07 09:00Z', 'eve', NULL, 2, NULL),
    (NULL, 'Order', '2024-01-08 09:00Z', 'eve', NULL, 1, NULL), ('not an id', 'Order', '2024-01-08 09:00Z', 'eve', NULL, 1, NULL), ('o-8', NULL, '2024-01-08 09:00Z', 'eve', NULL, 1, NULL);
SELECT jsonb_pretty(pg_temp.mirror());
SELECT pg_temp.mirror() - '{code,status,error,failed_records}'::text[] AS again;
SELECT id, event, who FROM pg_temp.stored WHERE id > 'o-5';
SELECT row_no, insert_id, field, message FROM analytics_groups.import_errors WHERE project = 't_mirror' ORDER BY at, row_no, field LIMIT 3;
-- A row that is corrected comes in; one that is spoilt goes.
UPDATE shop.orders SET kind = 'Order' WHERE id = 'o-8';
UPDATE shop.orders SET at = NULL WHERE id = 'o-6';
SELECT pg_temp.mirror() - '{code,status,error,failed_records}'::text[] AS corrected;
SELECT id, event, who FROM pg_temp.stored WHERE id > 'o-5';
-- With another mapping, every row is another; other events of the table are a mirror of their own.
SELECT analytics_groups.import_events('shop.orders', '{"event_column": "kind", "time_column": "at", "user_column": "customer", "insert_id_column": "id",
    "property_mappings": {"total": null}}', 'mirror') - '{code,status,error,failed_records}'::text[] AS less;
SELECT count(*) FILTER (WHERE total IS NOT NULL) AS with_total, count(*) AS events FROM pg_temp.stored WHERE event = 'Order';
SELECT source, target, state, rows_read, imported, refused FROM analytics_groups.imports WHERE project = 't_mirror';

-- What is blocked stays out, and comes in with the next call after it is let in again, whether its rows changed meanwhile or not.
CREATE TABLE shop.clicks (id text, kind text, at timestamptz, customer text);
INSERT INTO shop.clicks VALUES ('c-1', 'Tap', '2024-01-01 09:00Z', 'ann'), ('c-2', 'Tap', '2024-01-02 09:00Z', 'bob'), ('c-3', 'Swipe', '2024-01-03 09:00Z', 'cid');
CREATE FUNCTION pg_temp.clicks(OUT answer jsonb, OUT stored text) LANGUAGE plpgsql AS $$ BEGIN
    answer := analytics_groups.import_events('shop.clicks', '{"event_column": "kind", "time_column": "at", "user_column": "customer", "insert_id_column": "id"}', 'mirror')
        - '{code,status,failed_records,num_failed,num_duplicates}'::text[];
    SELECT string_agg(e #>> '{properties,$insert_id}', ' ' ORDER BY e #>> '{properties,$insert_id}') INTO stored
    FROM analytics_groups.export_events('2024-01-01', '2024-12-31', '{Tap,Swipe}') AS e;
END $$;
SELECT analytics_groups.block_event('Tap');
SELECT * FROM pg_temp.clicks();
SELECT * FROM pg_temp.clicks();
SELECT analytics_groups.block_event('Tap', false);
SELECT * FROM pg_temp.clicks();
SELECT * FROM pg_temp.clicks();
-- What was stored before it was blocked stays; a row that changes meanwhile goes, and comes back as it is then.
SELECT analytics_groups.block_event('Tap');
UPDATE shop.clicks SET customer = 'bea' WHERE id = 'c-2';
SELECT * FROM pg_temp.clicks();
SELECT analytics_groups.block_event('Tap', false);
SELECT * FROM pg_temp.clicks();

-- The same of what a drop filter keeps out.
SELECT analytics_groups.add_drop_filter('Swipe', '{"env": "test"}');
ALTER TABLE shop.clicks ADD COLUMN env text;
INSERT INTO shop.clicks VALUES ('c-4', 'Swipe', '2024-01-04 09:00Z', 'dan', 'test');
SELECT * FROM pg_temp.clicks();
SELECT analytics_groups.remove_drop_filter('Swipe') AS removed;
SELECT * FROM pg_temp.clicks();
SELECT * FROM pg_temp.clicks();

-- The source is read twice, counted and compared: a source that gives other rows each time is stored as it was once.
CREATE SEQUENCE shop.reads;
CREATE VIEW shop.fickle AS SELECT id, at, customer, nextval('shop.reads') AS reading FROM shop.clicks;
CREATE FUNCTION pg_temp.fickle() RETURNS TABLE (new int, changed int, reads bigint, stored numeric[], kept bigint) LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    answer := analytics_groups.import_events('shop.fickle', '{"event_name": "Read", "time_column": "at", "insert_id_column": "id"}', 'mirror');
    RETURN QUERY SELECT (answer ->> 'num_new')::int, (answer ->> 'num_changed')::int, (SELECT last_value FROM shop.reads),
        array_agg((e #> '{properties,reading}')::numeric ORDER BY (e #> '{properties,reading}')::numeric), count(*) FROM analytics_groups.export_events('2024-01-01', '2024-12-31', '{Read}') AS e;
END $$;
SELECT * FROM pg_temp.fickle();
SELECT * FROM pg_temp.fickle();
SELECT * FROM analytics_groups.verify('t_mirror');

-- What is wrong is said. It deletes, so it is for admins; the source is read as whoever imports.
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "at"}', 'mirror');
SELECT analytics_groups.import_profiles('shop.orders', '{"user_column": "customer"}', 'mirror');
CREATE ROLE t_mirror_role;
GRANT USAGE ON SCHEMA shop TO t_mirror_role;
SELECT analytics_groups.grant_access('t_mirror_role', 'writer');
SET ROLE t_mirror_role;
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "at", "insert_id_column": "id"}', 'mirror');
RESET ROLE;
GRANT SELECT ON shop.orders TO t_mirror_role;
SET ROLE t_mirror_role;
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "at", "insert_id_column": "id"}', 'mirror');
RESET ROLE;
SELECT analytics_groups.grant_access('t_mirror_role', 'admin');
SET ROLE t_mirror_role;
SELECT analytics_groups.import_events('shop.orders', '{"event_name": "E", "time_column": "at", "insert_id_column": "id"}', 'mirror') ->> 'num_new' AS new;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA shop CASCADE;
SELECT analytics_groups.drop_project('t_mirror');
DROP ROLE t_mirror_role;
