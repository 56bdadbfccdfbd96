-- Governance: what is hidden, blocked, shown under another name, or one event under several names.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('governance') > 0 AS created;
SET analytics_groups.project = 'governance';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
SELECT analytics_groups.track_ndjson('
{"event":"Signed Up","properties":{"distinct_id":"u1","time":1704096000,"company_id":"acme","plan":"free"}}
{"event":"Heartbeat","properties":{"distinct_id":"u1","time":1704096060,"company_id":"acme"}}
{"event":"purchase","properties":{"distinct_id":"u1","time":1704096120,"company_id":"acme","amount":5}}
{"event":"Purchased","properties":{"distinct_id":"u2","time":1704096180,"company_id":"globex","amount":7}}
{"event":"Purchased","properties":{"distinct_id":"u1","time":1704182400,"company_id":"acme","amount":9}}
{"event":"Heartbeat","properties":{"distinct_id":"u3","time":1704182460,"company_id":"initech"}}
') ->> 'num_records_imported' AS stored;
CREATE FUNCTION pg_temp.count(event jsonb, by text DEFAULT 'user', breakdown jsonb DEFAULT '[]') RETURNS TABLE (segment text[], total float8, "unique" float8)
LANGUAGE sql AS $$
    SELECT a.segment, max(a.value) FILTER (WHERE a.metric = 'total'), max(a.value) FILTER (WHERE a.metric = 'unique')
    FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', event, 'by', by, 'label', 'total'),
             jsonb_build_object('event', event, 'measure', 'unique', 'by', by, 'label', 'unique')),
             '2024-01-01', '2024-01-31', unit => 'range', breakdown => breakdown) a GROUP BY a.segment ORDER BY a.segment $$;

-- Hidden: out of any event, sessions and the steps of flows; counted where it is named.
SELECT * FROM pg_temp.count('"$any"');
SELECT analytics_groups.hide_event('Heartbeat');
SELECT * FROM pg_temp.count('"$any"');
SELECT * FROM pg_temp.count('"$any"', 'company_id');
SELECT * FROM pg_temp.count('"Heartbeat"');
SELECT step, event, next_event, count FROM analytics_groups.flows('"Signed Up"', '2024-01-01', '2024-01-31', forward => 1) ORDER BY 1, 2, 3;
SELECT event, user_id FROM analytics_groups.activity('company_id', 'initech', '2024-01-01', '2024-01-31');
SELECT event, hidden FROM analytics_groups.lexicon_events WHERE project = 'governance' ORDER BY event COLLATE "C";
SELECT analytics_groups.hide_event('Heartbeat', false);
SELECT * FROM pg_temp.count('"$any"');
SELECT analytics_groups.hide_event('Hearbeat');
SELECT analytics_groups.hide_property('amunt');

-- Merged: one event in every report, whichever of the names is asked for; nothing stored changes.
SELECT analytics_groups.merge_events('{purchase,Purchased}', 'Purchase');
SELECT * FROM pg_temp.count('"Purchase"');
SELECT * FROM pg_temp.count('"purchase"');
SELECT value FROM analytics_groups.insights('{"event":"Purchase","filter":"properties[\"amount\"] > 6"}', '2024-01-01', '2024-01-31', unit => 'range');
SELECT segment, step, event, count FROM analytics_groups.funnel('["Signed Up","Purchase","Purchase"]', '2024-01-01', '2024-01-31') ORDER BY step;
SELECT path, count FROM analytics_groups.flow_paths('"Signed Up"', '2024-01-01', '2024-01-31', forward => 3);
SELECT event FROM analytics_groups.activity('user', 'u1', '2024-01-01', '2024-01-31');
SELECT e ->> 'event' AS sent, count(*) FROM analytics_groups.export_events('2024-01-01', '2024-01-31') e GROUP BY 1 ORDER BY (e ->> 'event') COLLATE "C";
-- The same when all is settled.
CALL analytics_groups.maintain();
SELECT * FROM pg_temp.count('"Purchase"');
SELECT path, count FROM analytics_groups.flow_paths('"Signed Up"', '2024-01-01', '2024-01-31', forward => 3);
-- Hiding the event hides all that is merged into it.
SELECT analytics_groups.hide_event('Purchase');
SELECT * FROM pg_temp.count('"$any"');
SELECT analytics_groups.hide_event('Purchase', false);
-- No chains, no circles.
SELECT analytics_groups.merge_events('{Purchase}', 'Sale');
SELECT analytics_groups.merge_events('{Signed Up}', 'purchase');
SELECT analytics_groups.merge_events('{Purchase}', 'Purchase');
SELECT analytics_groups.merge_events('{Purchaze}', 'Purchase');
SELECT analytics_groups.merge_events('{}', 'Purchase');
SELECT event, merged_into FROM analytics_groups.lexicon_events WHERE project = 'governance' ORDER BY event COLLATE "C";
SELECT analytics_groups.unmerge_events('{purchase}');
SELECT * FROM pg_temp.count('"Purchase"');
SELECT analytics_groups.unmerge_events('{Purchased}');
SELECT * FROM pg_temp.count('"Purchased"');
SELECT analytics_groups.unmerge_events('{Purchased}');

-- Blocked: what arrives from now on is discarded, from whatever way; what is stored stays. A name may be blocked before it is sent.
SELECT analytics_groups.block_event('Heartbeat');
SELECT analytics_groups.block_event('Debug');
SELECT analytics_groups.block_property('plan');
SELECT analytics_groups.track_ndjson('
{"event":"Debug","properties":{"distinct_id":"u9","time":1704268800,"company_id":"hooli"}}
{"event":"Signed Up","properties":{"distinct_id":"u4","time":1704268800,"plan":"pro","amount":1}}
{"event":"Heartbeat","properties":{"distinct_id":"u1","time":1704268800,"company_id":["acme","hooli"]}}
') AS answer;
SELECT analytics_groups.track('Debug', 'u9', at => '2024-01-03') AS tracked;
SELECT analytics_groups.track('Signed Up', 'u5', '{"plan":"pro"}', at => '2024-01-03') AS tracked;
COPY analytics_groups.inbox FROM STDIN;
{"event":"Debug","properties":{"distinct_id":"u9","time":1704268800}}
\.
SELECT * FROM pg_temp.count('"Heartbeat"');
SELECT * FROM pg_temp.count('"Signed Up"', breakdown => '["plan"]');
SELECT id FROM analytics_groups.query_groups('company_id');
SELECT outcome, field, message, sum(records) AS records FROM analytics_groups.ingest_errors WHERE project = 'governance' GROUP BY 1, 2, 3 ORDER BY field, message;
SELECT analytics_groups.block_event('Debug', false);
SELECT analytics_groups.track('Debug', 'u9', at => '2024-01-03') AS tracked;
SELECT * FROM pg_temp.count('"Debug"');
SELECT analytics_groups.block_event('Debgu', false);
SELECT analytics_groups.block_property('company_id');
SELECT analytics_groups.block_property('$insert_id');

-- Shown under another name.
SELECT analytics_groups.set_event_display_name('Signed Up', 'Sign-up');
SELECT analytics_groups.set_property_display_name('amount', 'Amount (EUR)');
SELECT event, display_name FROM analytics_groups.lexicon_events WHERE project = 'governance' AND display_name IS NOT NULL;
SELECT property, display_name, blocked FROM analytics_groups.lexicon_properties WHERE project = 'governance' AND (display_name IS NOT NULL OR blocked) ORDER BY 1;
SELECT analytics_groups.set_event_display_name('Signed Up', NULL);
SELECT count(*) AS shown FROM analytics_groups.lexicon_events WHERE project = 'governance' AND display_name IS NOT NULL;
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('governance');
