-- Lookup tables: attributes of the values of a property, joined when a report asks.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('lookups') > 0 AS created;
SET analytics_groups.project = 'lookups';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
SELECT analytics_groups.track_ndjson('
{"event":"Purchase","properties":{"distinct_id":"u1","time":1704099600,"company_id":"acme","sku":"p1","n":1,"city":"Oslo"}}
{"event":"Purchase","properties":{"distinct_id":"u1","time":1704186000,"company_id":"acme","sku":42,"n":2,"city":"Rome"}}
{"event":"Purchase","properties":{"distinct_id":"u2","time":1704186000,"company_id":"globex","sku":"p2","n":4,"city":"Rome"}}
{"event":"Purchase","properties":{"distinct_id":"u3","time":1704272400,"company_id":["acme","globex"],"sku":"p9","n":8}}
{"event":"Purchase","properties":{"distinct_id":"u3","time":1704272400,"company_id":"globex","n":16}}
{"event":"Viewed","properties":{"distinct_id":"u1","time":1704096000,"skus":["p1","p2","p9"]}}
{"event":"Viewed","properties":{"distinct_id":"u2","time":1704096000,"skus":["p2","42"]}}
{"event":"Viewed","properties":{"distinct_id":"u3","time":1704096000,"skus":["p9"]}}
') ->> 'num_records_imported' AS stored;
SELECT analytics_groups.update_users('[{"$distinct_id":"u1","$set":{"city":"Oslo"}},{"$distinct_id":"u2","$set":{"city":"Rome"}}]') ->> 'status' AS users;
SELECT analytics_groups.update_groups('[{"$group_key":"company_id","$group_id":"acme","$set":{"hq":"Rome"}}]') ->> 'status' AS groups;

-- The first column is the join key. Numbers, booleans, lists and dates say of themselves what they are; an empty field is not set.
SELECT analytics_groups.set_lookup_table('products', E'sku,category,price,sale,tags,launched\n'
    'p1,Shoes,59.9,TRUE,"[""new"",""red""]",2023-05-01T10:00:00Z\n'
    'p2,Hats,20,false,,\n'
    '42,Shoes,5,,"[""red""]",2023-11-20T00:00:00Z\n') AS rows;
SELECT analytics_groups.map_lookup('sku', 'products');
SELECT lookup_table, columns, rows, bytes, properties, id IS NOT NULL AS has_id FROM analytics_groups.lookup_tables WHERE project = 'lookups';

CREATE FUNCTION pg_temp.total(breakdown jsonb, filter text DEFAULT NULL, event text DEFAULT 'Purchase') RETURNS TABLE (segment text[], value float8)
LANGUAGE sql AS $$
    SELECT segment, value FROM analytics_groups.insights(jsonb_build_array(event), '2024-01-01', '2024-01-31', unit => 'range',
                                                         breakdown => breakdown, filter => filter) ORDER BY segment COLLATE "C" $$;
-- A breakdown and a filter by what the product stands for. The number 42 and the text "42" are one key; p9 is not in the table.
SELECT * FROM pg_temp.total('["lookup.sku.category"]');
SELECT * FROM pg_temp.total('["lookup.sku.tags"]', 'lookup["sku"]["category"] == "Shoes"');
SELECT * FROM pg_temp.total('[]', 'not defined(lookup["sku"]["category"])');
SELECT * FROM pg_temp.total('[]', 'lookup["sku"]["sale"] and lookup["sku"]["price"] > 50');
SELECT * FROM pg_temp.total('[]', 'datetime(lookup["sku"]["launched"]) < datetime("2023-06-01")');
SELECT * FROM pg_temp.total('[{"property":"lookup.sku.price","bucket":{"at":[10,30]}}]');
SELECT * FROM pg_temp.total('[{"property":"lookup.sku.launched","unit":"month"}]');
-- Wherever a property of events is named: a sum by company, and the products of each company.
SELECT metric, segment, value FROM analytics_groups.insights(
    '[{"event":"Purchase","measure":"sum","property":"lookup.sku.price","by":"company_id","label":"revenue"},
      {"event":"Purchase","measure":"unique","by":"company_id","filter":"lookup[\"sku\"][\"category\"] == \"Hats\"","label":"hats"}]',
    '2024-01-01', '2024-01-31', unit => 'range', breakdown => '["group.company_id"]') ORDER BY 1 DESC, 2;

-- A list stands for the list of what its elements stand for. Together with the list each element goes with its own.
SELECT analytics_groups.map_lookup('skus', 'products');
SELECT * FROM pg_temp.total('["lookup.skus.category"]', event => 'Viewed');
SELECT * FROM pg_temp.total('["lookup.skus.category", "skus"]', event => 'Viewed');
SELECT * FROM pg_temp.total('["lookup.skus.category", "lookup.skus.tags", {"property":"$time","unit":"day"}]', event => 'Viewed');
SELECT * FROM pg_temp.total('["lookup.skus.category"]', 'any(x, lookup["skus"]["category"], x == "Hats")', 'Viewed');
SELECT * FROM pg_temp.total('[]', 'lookup["skus"]["category"][1] == "Hats"', 'Viewed');

-- Rows of a table or a query; properties of profiles. Groups have the hq of their own.
SELECT analytics_groups.set_lookup_table('cities', (SELECT jsonb_agg(c) FROM (VALUES ('Oslo', 'Norway', 0.7), ('Rome', 'Italy', 2.8)) AS c(name, country, million)), key => 'name') AS rows;
SELECT analytics_groups.map_lookup('city', 'cities');
SELECT analytics_groups.map_lookup('user.city', 'cities');
SELECT analytics_groups.map_lookup('group.company_id.hq', 'cities');
SELECT * FROM pg_temp.total('["lookup.city.country", "lookup.user.city.country", "lookup.group.company_id.hq.country"]');
SELECT * FROM pg_temp.total('[]', 'lookup["city"]["country"] != lookup["user.city"]["country"] and defined(lookup["city"]["country"])');
SELECT lookup_table, properties FROM analytics_groups.lookup_tables WHERE project = 'lookups' ORDER BY 1;

-- Every report that takes expressions: funnels, retention, sessions, flows, cohorts, and who is behind a number.
SELECT segment, step, count FROM analytics_groups.funnel('["Viewed", {"event":"Purchase","filter":"lookup[\"sku\"][\"price\"] > 10"}]',
    '2024-01-01', '2024-01-31', breakdown => '["lookup.sku.category"]', attribution => 'step2', filter => 'lookup["sku"]["category"] == "Shoes"');
SELECT segment, bucket, size, retained FROM analytics_groups.retention('"Viewed"', '{"event":"Purchase","filter":"lookup[\"sku\"][\"category\"] == \"Shoes\""}',
    from_date => '2024-01-01', to_date => '2024-01-01', buckets => 1, breakdown => '["lookup.skus.category"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-01-01', '2024-01-31', unit => 'range', breakdown => '["lookup.city.country"]') ORDER BY segment;
SELECT path, count FROM analytics_groups.flow_paths('"Viewed"', '2024-01-01', '2024-01-31', forward => 1, split => '{"Purchase":"lookup.sku.category"}') ORDER BY path;
SELECT analytics_groups.define_cohort('shoe buyers', '{"did":{"event":"Purchase","filter":"lookup[\"sku\"][\"category\"] == \"Shoes\""},"at_least":2,"from_date":"2024-01-01","to_date":"2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('shoe buyers');
SELECT id FROM analytics_groups.insights_members('["Purchase"]', '2024-01-01', '2024-01-31', unit => 'range', metric => 'A', breakdown => '["lookup.sku.category"]', segment => '{Hats}');

-- The same answers however events are stored, and by any number of threads.
CALL analytics_groups.maintain('lookups');
SELECT * FROM pg_temp.total('["lookup.sku.category"]');
SELECT * FROM pg_temp.total('["lookup.skus.category", "skus"]', event => 'Viewed');
SET analytics_groups.thread_rows = 0;
SET analytics_groups.max_threads = 4;
SELECT * FROM pg_temp.total('["lookup.sku.category"]');
SELECT * FROM pg_temp.total('["lookup.skus.category", "skus"]', event => 'Viewed');
RESET analytics_groups.thread_rows;
RESET analytics_groups.max_threads;

-- A table is replaced as a whole, and its last version holds for all time.
SELECT analytics_groups.set_lookup_table('products', E'sku,category\r\np1,Footwear\r\np9,"Bags, small"\r\n') AS rows;
SELECT * FROM pg_temp.total('["lookup.sku.category"]');
SELECT * FROM pg_temp.total('["lookup.sku.price"]');
-- What is wrong with a table is told row by row, and the one before stays.
SELECT analytics_groups.set_lookup_table('products', E'sku,category\n ,Shoes\np2,Hats\np3\np2,Hats\np4,Big "hats"\n');
SELECT analytics_groups.set_lookup_table('products', E'sku,category\n' || string_agg('p' || n, E'\n')) FROM generate_series(1, 12) AS n;
SELECT analytics_groups.set_lookup_table('products', E'sku,category,category\n');
SELECT analytics_groups.set_lookup_table('products', '');
SELECT analytics_groups.set_lookup_table('products', '[{"sku":"p1","maker":{"name":"x"}}, 5, {"category":"Hats"}]', key => 'sku');
SELECT analytics_groups.set_lookup_table('products', E'sku\n' || repeat('x', 100000000));
SELECT * FROM pg_temp.total('["lookup.sku.category"]');
-- One table for a property, any number of properties for a table.
SELECT analytics_groups.map_lookup('sku', 'products');
SELECT analytics_groups.map_lookup('sku', 'cities');
SELECT analytics_groups.map_lookup('sku', 'product');
SELECT analytics_groups.map_lookup('$distinct_id', 'products');
SELECT analytics_groups.map_lookup('user.$distinct_id', 'products');
SELECT analytics_groups.map_lookup('group.team_id.size', 'products');
SELECT * FROM pg_temp.total('["lookup.skuu.category"]');
SELECT * FROM pg_temp.total('[]', 'lookup["n"]["category"] == "x"');
-- One way only: what users have says nothing of groups.
SELECT * FROM analytics_groups.insights('[{"event":"Purchase","measure":"unique","by":"company_id"}]', '2024-01-01', '2024-01-31', filter => 'lookup["user.city"]["country"] == "Italy"');
SELECT * FROM analytics_groups.query_users(filter => 'lookup["user.city"]["country"] == "Italy"');
SELECT analytics_groups.drop_lookup_table('products');
SELECT analytics_groups.unmap_lookup('sku'), analytics_groups.unmap_lookup('skus');
SELECT analytics_groups.drop_lookup_table('products');
SELECT analytics_groups.drop_lookup_table('products');
SELECT analytics_groups.unmap_lookup('sku');
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('lookups');
