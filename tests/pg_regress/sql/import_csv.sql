-- import_profiles_csv: profiles of users and groups from CSV (semantics 2.9; RFC 4180, and the types of 2.10).
\set SHOW_CONTEXT never
SELECT analytics_groups.create_project('t_csv') > 0 AS created;
SET analytics_groups.project = 't_csv';
SELECT count(analytics_groups.add_group_key('company_id')) AS registered;

-- A header, and a row for each profile. Numbers, true and false, and lists of texts are what they look like; the id is a text
-- always. What is empty is not set.
SELECT analytics_groups.import_profiles_csv(E'id,name,seats,paid,tags,zip\nann,Ann,3,true,"[""a"",""b""]",01067\n007,"Bond, James",,FALSE,,\n',
    '{"user_column": "id", "property_mappings": {"name": "$name"}}');
CREATE VIEW pg_temp.users AS SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.query_users() WHERE properties <> '{}';
SELECT * FROM pg_temp.users;
-- Profiles that exist are updated: what a row says is written over, the rest stays. null leaves a column out.
SELECT analytics_groups.import_profiles_csv(E'id,name,seats\nann,Anne,4\n007,,7\n', '{"user_column": "id", "property_mappings": {"name": null}}') ->> 'num_rows' AS rows;
SELECT * FROM pg_temp.users;
-- A byte order mark, quotes with commas, quotes and line ends inside, CRLF, and no line end at the end.
SELECT analytics_groups.import_profiles_csv(U&'\FEFF' || E'"id","said"\r\n"bob","one, ""two""\r\nthree"\r\n\r\ncid,last', '{"user_column": "id"}') ->> 'num_records_imported' AS imported;
SELECT * FROM pg_temp.users WHERE id IN ('bob', 'cid');

-- Without a header the mapping names the columns. Without a column of ids the address tells who it is, and stays a property.
SELECT analytics_groups.import_profiles_csv(E'dora@example.com,pro\n', '{"columns": ["$email", "plan"]}') ->> 'num_records_imported' AS imported;
SELECT analytics_groups.import_profiles_csv(E'mail,plan\neve@example.com,free\n', '{"property_mappings": {"mail": "$email"}}') ->> 'num_records_imported' AS imported;
SELECT * FROM pg_temp.users WHERE id LIKE '%@%';

-- Groups of a key.
SELECT analytics_groups.import_profiles_csv(E'company,industry,size\nacme,Tools,120\nglobex,Energy,9000\n',
    '{"group_key": "company_id", "group_id_column": "company"}') ->> 'num_records_imported' AS imported;
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.query_groups('company_id');

-- What is wrong with a row fails that row alone. Rows count from 0 in the answer, as records do, and from 1 in import_errors.
SELECT jsonb_pretty(analytics_groups.import_profiles_csv(E'id,plan\nfred,pro\nshort\nlong,a,b\n,nobody\nbad"quote,x\n"after"x,y\ngina,free\n"open,z\n', '{"user_column": "id"}'));
SELECT id FROM pg_temp.users WHERE id IN ('fred', 'gina');
SELECT source, target, row_no, field, message FROM analytics_groups.import_errors WHERE project = 't_csv' ORDER BY row_no;
SELECT field, message, records FROM analytics_groups.ingest_errors WHERE project = 't_csv' ORDER BY message COLLATE "C";
SELECT source, target, rows_read, imported, refused FROM analytics_groups.imports WHERE project = 't_csv';

-- What is wrong with all of it.
SELECT analytics_groups.import_profiles_csv(NULL, '{}');
SELECT analytics_groups.import_profiles_csv('id', NULL);
SELECT analytics_groups.import_profiles_csv('', '{"user_column": "id"}');
SELECT analytics_groups.import_profiles_csv('id,id', '{"user_column": "id"}');
SELECT analytics_groups.import_profiles_csv('id,', '{"user_column": "id"}');
SELECT analytics_groups.import_profiles_csv('"id', '{"user_column": "id"}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{"user_column": "no"}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{"user_column": "id", "property_mappings": {"pln": "x"}}');
SELECT analytics_groups.import_profiles_csv('id,plan,x', '{"user_column": "id", "property_mappings": {"x": "plan"}}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{"group_key": "country", "group_id_column": "id"}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{"group_key": "company_id"}');
SELECT analytics_groups.import_profiles_csv('id,plan', '{"user_colum": "id"}');
SELECT analytics_groups.drop_project('t_csv');
