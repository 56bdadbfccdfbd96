-- Two companies that are one: merge_groups makes the events, the profile and the places of the one the other's, for good.
\set SHOW_CONTEXT never
SET search_path = analytics_groups, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT create_project('mergers') > 0 AS created;
SET analytics_groups.project = 'mergers';
SELECT add_group_key('company_id', 'Company') <> 0 AS added;
SELECT keep_history('company_id', 'plan');

SELECT track_ndjson($$
{"event": "Log In", "properties": {"distinct_id": "ann", "time": 1704103200, "$insert_id": "a1", "company_id": "Acme Inc."}}
{"event": "Log In", "properties": {"distinct_id": "bob", "time": 1704103260, "$insert_id": "a2", "company_id": "acme"}}
{"event": "Log In", "properties": {"distinct_id": "cid", "time": 1704103320, "$insert_id": "a3", "company_id": ["acme", "Acme Inc.", "globex"]}}
{"event": "Log In", "properties": {"distinct_id": "dee", "time": 1704103380, "$insert_id": "a4", "company_id": "globex"}}
$$) ->> 'num_records_imported' AS imported;
SELECT update_groups('[{"$group_key": "company_id", "$group_id": "acme", "$set": {"plan": "free"}, "$time": 1704067200},
                       {"$group_key": "company_id", "$group_id": "Acme Inc.", "$set": {"plan": "pro", "city": "Paris"}, "$time": 1704067200}]') ->> 'code' AS code;
-- A user whose events name no company, but whose profile does.
SELECT people_set('eve', '{"company_id": ["Acme Inc."]}');
SELECT track('Log In', 'eve', '{}', at => '2024-01-01 12:00', insert_id => 'a5');
SELECT define_cohort('today''s companies', '{"did": "Log In", "at_least": 1, "from_date": "2024-01-01", "to_date": "2024-01-31"}', by => 'company_id');
SELECT freeze_cohort('today''s companies');

CREATE VIEW by_company AS
SELECT segment[1] AS company, value AS users
FROM insights('[{"event": "Log In", "measure": "unique"}]', '2024-01-01', '2024-01-01', unit => 'range', breakdown => '["group.company_id"]') ORDER BY 1;
CREATE VIEW companies AS
SELECT value AS companies FROM insights('[{"event": "Log In", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-01', unit => 'range');
SELECT * FROM by_company;
SELECT * FROM companies;

-- How many events are another company's now. What waits and what is sealed moves alike.
CALL maintain('mergers');
SELECT track('Log In', 'fay', '{"company_id": "Acme Inc."}', at => '2024-01-01 13:00', insert_id => 'a6');
SELECT merge_groups('company_id', 'Acme Inc.', 'acme') AS events;
SELECT * FROM by_company;
SELECT * FROM companies;

-- What only the other had is in the profile that stays, under either id.
SELECT group_profile('company_id', 'acme') - '$last_seen' AS one, group_profile('company_id', 'Acme Inc.') - '$last_seen' AS other;
SELECT changed, since, value FROM group_history('company_id', 'Acme Inc.');
SELECT subject_ids('company_id', '{acme}') = subject_ids('company_id', '{Acme Inc.,acme}') AS one;
SELECT id FROM cohort_members('today''s companies') ORDER BY 1;
SELECT id, listed, events FROM group_members('company_id', 'Acme Inc.');
SELECT group_id, listed, events FROM user_groups('eve');
SELECT at, event, user_id, properties FROM activity('company_id', 'Acme Inc.', '2024-01-01', '2024-01-31');

-- Events that arrive with the old id, or with both, are the other's; what was sent stays as it was sent.
SELECT track('Log In', 'gus', '{"company_id": "Acme Inc."}', at => '2024-01-01 14:00', insert_id => 'a7');
SELECT track('[{"event": "Log In", "properties": {"distinct_id": "hal", "time": 1704121200, "$insert_id": "a8", "company_id": ["Acme Inc.", "acme"]}}]') ->> 'code' AS code;
SELECT * FROM by_company;
SELECT e -> 'properties' -> 'company_id' AS sent, count(*) FROM export_events('2024-01-01', '2024-01-31') e GROUP BY 1 ORDER BY 1;
SELECT properties -> 'company_id' AS sent, groups FROM analytics_mergers.events WHERE distinct_id IN ('gus', 'hal') ORDER BY 1;
SELECT update_groups('[{"$group_key": "company_id", "$group_id": "Acme Inc.", "$set": {"city": "Lyon"}}]') ->> 'code' AS code;
SELECT group_profile('company_id', 'acme') ->> 'city' AS city;
SELECT property, groups FROM group_keys WHERE project = 'mergers';

-- Merges go along when a project moves.
SELECT * FROM export_group_merges();
SELECT merge_groups(group_key, from_id, into_id) AS again FROM export_group_merges();

-- A group may take in others, and be taken in itself.
SELECT merge_groups('company_id', 'acme', 'globex') AS events;
SELECT * FROM export_group_merges();
SELECT * FROM by_company;
SELECT * FROM verify();

-- What cannot be.
SELECT merge_groups('company_id', 'globex', 'globex');
SELECT merge_groups('company_id', 'acme', 'initech');
SELECT merge_groups('company_id', '', 'globex');
SELECT merge_groups('company_id', NULL, 'globex');
SELECT merge_groups('user', 'ann', 'bob');
SELECT _number_listed('mergers', 0::smallint, 'company_id');
SELECT merge_groups('team_id', 'a', 'b');
SELECT delete_group('company_id', 'acme');

-- A group that is deleted with its events takes its ids along: they are nobody's again.
SELECT delete_group('company_id', 'globex', events => true) AS events;
SELECT * FROM export_group_merges();
SELECT track('Log In', 'ivy', '{"company_id": "acme"}', at => '2024-01-01 15:00');
SELECT * FROM by_company;
SELECT * FROM verify();

DROP VIEW by_company, companies;
SELECT drop_project('mergers');
