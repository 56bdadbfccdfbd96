-- Text ids as numbers and back: sets of users and groups as bitmaps, kept in any table and combined.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET timezone = 'UTC';
SET search_path = analytics_groups, public;
\set VERBOSITY terse
SELECT create_project('ids') > 0 AS created;
SET analytics_groups.project = 'ids';
SELECT add_group_key('company_id') IS NOT NULL AS company;
SELECT a ->> 'num_records_imported' AS imported FROM track_ndjson($$
{"event": "Visit", "properties": {"time": 1704790800, "$device_id": "phone", "$insert_id": "i1", "company_id": "acme"}}
{"event": "Login", "properties": {"time": 1704791100, "$device_id": "phone", "$user_id": "ann", "$insert_id": "i2", "company_id": "acme"}}
{"event": "Login", "properties": {"time": 1704791200, "distinct_id": "bob", "$insert_id": "i3", "company_id": "globex"}}
{"event": "Login", "properties": {"time": 1704791300, "distinct_id": "cid", "$insert_id": "i4", "company_id": ["acme", "globex"]}}
$$) a;

-- A set of users in a table of one's own; ids that nobody has are left out.
CREATE TEMP TABLE lists (name text, users roaringbitmap);
INSERT INTO lists VALUES ('invited', subject_ids('user', '{ann,bob,nobody}')), ('paying', subject_ids('user', '{bob,cid}'));
SELECT name, rb_cardinality(users) FROM lists ORDER BY name;
-- The numbers are the project's; who is in both lists, and who in one only, are questions to the sets.
SELECT id FROM lists i, lists p, subject_names('user', i.users & p.users) WHERE i.name = 'invited' AND p.name = 'paying' ORDER BY id;
SELECT id FROM subject_names('user', (SELECT rb_xor_agg(users) FROM lists)) ORDER BY id;
-- After an identity merge a device is its user.
SELECT subject_ids('user', '{$device:phone}') = subject_ids('user', '{ann}') AS one_person;
-- Groups have numbers of their own, by key.
SELECT id FROM subject_names('company_id', subject_ids('company_id', '{globex,acme,nobody}')) ORDER BY id;
-- Nothing in, nothing out.
SELECT subject_ids('user', '{}'), subject_ids('user', NULL), subject_ids('user', '{NULL}');
SELECT count(*) FROM subject_names('user', '{}');
SELECT count(*) FROM subject_names('user', NULL);
SELECT count(*) FROM subject_names('user', '{1000000,-1}');
-- What can't be meant is said.
SELECT subject_ids('team', '{a}');
SELECT subject_ids(NULL, '{a}');
SET analytics_groups.query_memory = 1024;
SELECT count(*) FROM subject_names('user', rb_fill('{}', 0, 1000000));
RESET analytics_groups.query_memory;
SELECT drop_project('ids');
