-- Deleting for good: users, groups, events, keys; how long events are kept; and that nothing is left (semantics 9.4).
\set SHOW_CONTEXT never
\set VERBOSITY default
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_deletion') > 0 AS created;
SET analytics_groups.project = 't_deletion';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered, analytics_groups.add_group_key('team_id') IS NOT NULL AS registered;

CREATE FUNCTION pg_temp.sent(event text, who text, hours int, properties jsonb DEFAULT '{}', insert_id text DEFAULT NULL) RETURNS boolean LANGUAGE sql AS
$$ SELECT analytics_groups.track(event, who, properties, at => '2024-01-01 10:00Z'::timestamptz + hours * interval '1 hour', insert_id => insert_id) $$;
-- The story that is told three times: ann has a device and an old name, and works for two companies.
CREATE FUNCTION pg_temp.story() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.sent('Open', NULL, 0, '{"$device_id": "D1", "company_id": "acme"}');
    PERFORM pg_temp.sent('Sign Up', NULL, 1, '{"$device_id": "D1", "$user_id": "ann", "company_id": "acme", "team_id": "eng"}', 's1');
    PERFORM pg_temp.sent('Buy', 'ann', 2, '{"company_id": ["acme", "beta"], "amount": 10}', 'b1');
    PERFORM pg_temp.sent('Buy', 'ann.old', 30, '{"company_id": "beta", "amount": 5}', 'b2');
    PERFORM analytics_groups.merge('ann.old', 'ann');
    PERFORM pg_temp.sent('Sign Up', 'bob', 3, '{"company_id": "acme", "team_id": "ops"}', 's2');
    PERFORM pg_temp.sent('Buy', 'bob', 26, '{"company_id": ["beta", "acme", "gamma"], "amount": 7}', 'b3');
    PERFORM pg_temp.sent('Buy', 'cid', 50, '{"company_id": "gamma", "amount": 1}', 'b4');
    PERFORM analytics_groups.update_users('[{"$distinct_id": "ann", "$set": {"$email": "ann@example.com", "company_id": ["acme", "beta"]}},
                                            {"$distinct_id": "bob", "$set": {"plan": "pro", "company_id": "acme"}}]');
    PERFORM analytics_groups.update_groups('[{"$group_key": "company_id", "$group_id": "acme", "$set": {"plan": "gold"}},
                                             {"$group_key": "company_id", "$group_id": "beta", "$set": {"plan": "iron"}}]');
    RETURN (SELECT value FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-31', 'range'));
END $$;
-- What every report says.
CREATE VIEW pg_temp.said AS
SELECT 1 AS no, 'events' AS report, value::text AS answer FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-31', 'range')
UNION ALL SELECT 2, 'users', string_agg(id || ' ' || events, ', ' ORDER BY id) FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-01-31', 'range')
UNION ALL SELECT 3, 'companies', string_agg(id || ' ' || events, ', ' ORDER BY id) FROM analytics_groups.insights_members('[{"event": "$any", "by": "company_id"}]', '2024-01-01', '2024-01-31', 'range')
UNION ALL SELECT 4, 'amount', value::text FROM analytics_groups.insights('[{"event": "Buy", "measure": "sum", "property": "amount"}]', '2024-01-01', '2024-01-31', 'range')
UNION ALL SELECT 5, 'days', string_agg(value::text, ' ' ORDER BY bucket) FROM analytics_groups.insights('[{"event": "$any", "measure": "unique"}]', '2024-01-01', '2024-01-04')
UNION ALL SELECT 6, 'funnel', string_agg(count::text, ' ' ORDER BY step) FROM analytics_groups.funnel('["Sign Up", "Buy"]', '2024-01-01', '2024-01-31')
UNION ALL SELECT 7, 'retained', sum(retained)::text FROM analytics_groups.retention('"Sign Up"', '"Buy"', '2024-01-01', '2024-01-02', buckets => 2)
UNION ALL SELECT 8, 'sessions', sum(sessions)::text FROM analytics_groups.sessions('2024-01-01', '2024-01-04')
UNION ALL SELECT 9, 'paths', string_agg(array_to_string(path, ' > ') || ' ' || count, ', ' ORDER BY path) FROM analytics_groups.flow_paths('"Sign Up"', '2024-01-01', '2024-01-31', forward => 1)
UNION ALL SELECT 10, 'profiles', string_agg(id, ', ' ORDER BY id) FROM analytics_groups.query_users()
UNION ALL SELECT 11, 'of beta', string_agg(id, ', ' ORDER BY id) FROM analytics_groups.group_members('company_id', 'beta')
UNION ALL SELECT 12, 'plans', string_agg(DISTINCT segment[1], ', ' ORDER BY segment[1]) FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-31', 'range', breakdown => '["group.company_id.plan"]')
ORDER BY 1;

-- Nobody of that name: an error, so that a misspelt id is not taken for a deleted one.
SELECT analytics_groups.delete_user('ann');
SELECT pg_temp.story() AS events;
SELECT analytics_groups.delete_user('Ann');
SELECT analytics_groups.delete_user(NULL);
SELECT analytics_groups.define_cohort('buyers', '{"did": "Buy", "at_least": 1, "from_date": "2024-01-01", "to_date": "2024-01-31"}');
SELECT analytics_groups.freeze_cohort('buyers') AS frozen;
SELECT report, answer FROM pg_temp.said;
-- Where there is something of her; sealed or not.
SELECT * FROM analytics_groups.erased('ann');
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.erased('ann.old');

-- Any of her ids is she. Nothing is left but the old rows on disk.
SELECT analytics_groups.delete_user('ann.old') AS events;
SELECT report, answer FROM pg_temp.said;
SELECT id FROM analytics_groups.cohort_members('buyers');
SELECT analytics_groups.user_profile('ann') AS profile, count(*) AS feed FROM analytics_groups.activity('user', 'ann', '2024-01-01', '2024-01-31');
SELECT id, (SELECT string_agg(place, ', ' ORDER BY place) FROM analytics_groups.erased(id)) AS traces FROM unnest('{ann, ann.old, $device:D1}'::text[]) AS id;
SELECT * FROM analytics_groups.verify();
SELECT what, events FROM analytics_groups.deletions WHERE project = 't_deletion';
-- Once is enough.
SELECT analytics_groups.delete_user('ann');
-- What others remember of her number is forgotten: whoever comes with her name is somebody new, sealed or not.
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.verify();
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'companies');

-- The same is sent again: all of it counts again, as insert ids of what was deleted are unknown.
SELECT pg_temp.story() AS events;
SELECT report, answer FROM pg_temp.said;
-- This time nothing was sealed before, and everything is rolled back.
BEGIN;
SELECT analytics_groups.delete_user('$device:D1') AS events;
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'days');
SELECT pg_temp.sent('Open', 'ann', 4), pg_temp.sent('Open', 'dan', 4);
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'days');
ROLLBACK;
SELECT pg_temp.sent('Open', 'dan', 4), pg_temp.sent('Open', 'ann', 4);
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'days');
SELECT analytics_groups.delete_user('dan') AS events;

-- A version of an event that was replaced does not come to light when the one that replaced it is deleted.
SELECT pg_temp.sent('Typo', 'bob', 5, '{"amount": 1}', 'x'), pg_temp.sent('Typo', 'bob', 5, '{"amount": 2}', 'x');
SELECT analytics_groups.delete_events('"Typo"', '2024-01-01', '2024-01-01', 'properties["amount"] == 2') AS events;
SELECT value AS typos FROM analytics_groups.insights('["Typo"]', '2024-01-01', '2024-01-31', 'range');
-- And it can be sent again, now or after maintenance.
SELECT pg_temp.sent('Typo', 'bob', 5, '{"amount": 3}', 'x');
SELECT value AS typos FROM analytics_groups.insights('["Typo"]', '2024-01-01', '2024-01-31', 'range');
SELECT analytics_groups.delete_events('"Typo"', '2024-01-01', '2024-01-01') AS events, analytics_groups.delete_events('"Typo"', '2024-01-02', '2024-01-31') AS others;
CALL analytics_groups.maintain();
SELECT pg_temp.sent('Typo', 'bob', 5, '{"amount": 4}', 'x');
SELECT value AS typos FROM analytics_groups.insights('["Typo"]', '2024-01-01', '2024-01-31', 'range');

-- Events: any selector, any filter, days of the project's zone.
SELECT analytics_groups.delete_events('{"any": ["Typo", {"event": "Open", "filter": "\"$distinct_id\" == \"nobody\""}]}', '2024-01-01', '2024-01-31') AS events;
SELECT analytics_groups.delete_events('"Buy"', '2024-01-02', '2024-01-02', 'user["plan"] == "pro" and group["company_id"]["plan"] == "iron"') AS events;
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'companies', 'amount', 'days');
SELECT analytics_groups.delete_events('"Bye"', '2024-01-01', '2024-01-31') AS events;
SELECT analytics_groups.delete_events('"Buy"', '2024-01-31', '2024-01-01');
SELECT analytics_groups.delete_events(NULL, '2024-01-01', '2024-01-31');
SELECT analytics_groups.delete_events('"Buy"', NULL, '2024-01-31');
SELECT analytics_groups.delete_events('"Buy"', '2024-01-01', '2024-01-31', 'amount >');
SELECT analytics_groups.delete_events('"Buy"', '2024-01-01', '2024-01-31', 'properties["amont"] > 1');
SELECT * FROM analytics_groups.verify();

-- A group: its profile and its place in the lists of users; the events stay attributed to it, as after $delete.
SELECT pg_temp.story() AS events;
SELECT analytics_groups.delete_group('company_id', 'acme') AS events;
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'companies', 'plans');
SELECT analytics_groups.group_profile('company_id', 'acme') AS profile, analytics_groups.user_profile('ann') - '$last_seen' AS ann, analytics_groups.user_profile('bob') - '$last_seen' AS bob;
-- With its events: those of acme alone go; of those it shares, only acme goes, from the list that was sent as well.
SELECT analytics_groups.delete_group('company_id', 'acme', events => true) AS events;
SELECT report, answer FROM pg_temp.said WHERE report IN ('events', 'users', 'companies', 'amount');
SELECT event, properties ->> 'company_id' AS company_id FROM analytics_groups.activity('company_id', 'beta', '2024-01-01', '2024-01-31') ORDER BY at;
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.delete_group('company_id', 'acme', events => true);
SELECT analytics_groups.delete_group('company_id', NULL);
SELECT analytics_groups.delete_group('user', 'ann');
SELECT analytics_groups.delete_group('country', 'de');

-- A key: what was attributed is gone, events and their properties stay.
SELECT analytics_groups.define_cohort('big', '{"did": "Buy", "at_least": 2, "from_date": "2024-01-01", "to_date": "2024-01-31"}', by => 'company_id');
SELECT analytics_groups.drop_group_key('company_id');
SELECT analytics_groups.drop_cohort('big');
SELECT analytics_groups.drop_group_key('company_id');
SELECT analytics_groups.drop_group_key('company_id');
SELECT * FROM analytics_groups.verify();
SELECT property, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 't_deletion';
SELECT value::int AS events, segment FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-31', 'range', breakdown => '["company_id"]') ORDER BY segment;
-- Registered again it begins anew, with the groups that profiles of users list; with backfill it finds what is stored.
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
SELECT property, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 't_deletion' ORDER BY property;
SELECT pg_temp.sent('Buy', 'bob', 60, '{"company_id": "beta"}');
SELECT property, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 't_deletion' ORDER BY property;
SELECT analytics_groups.drop_group_key('company_id');
SELECT analytics_groups.add_group_key('company_id', backfill => true) IS NOT NULL AS registered;
SELECT property, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 't_deletion' ORDER BY property;
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.verify();

-- How long events are kept: maintenance lets whole days go.
SELECT analytics_groups.track('Old', 'eve', at => now() - interval '40 days'), analytics_groups.track('Old', 'eve', at => now() - interval '20 days');
SELECT analytics_groups.keep_events_for('1 hour');
SELECT analytics_groups.keep_events_for('30 days');
CALL analytics_groups.maintain();
SELECT value AS old FROM analytics_groups.insights('["Old"]', (now() - interval '50 days')::date, now()::date, 'range');
SELECT count(*) AS others FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-31', 'range') WHERE value > 0;
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.keep_events_for(NULL);
SELECT what, count(*) FROM analytics_groups.deletions WHERE project = 't_deletion' GROUP BY what ORDER BY what;

-- Only admins delete.
CREATE ROLE t_deletion_writer;
SELECT analytics_groups.grant_access('t_deletion_writer', 'writer');
SET ROLE t_deletion_writer;
SELECT analytics_groups.delete_user('bob');
SELECT analytics_groups._delete_user('t_deletion', 'bob');
SELECT analytics_groups.delete_group('company_id', 'beta');
SELECT analytics_groups.delete_events('"Buy"', '2024-01-01', '2024-01-31');
SELECT analytics_groups.keep_events_for('1 day');
SELECT analytics_groups.drop_group_key('company_id');
RESET ROLE;
SELECT analytics_groups.grant_access('t_deletion_writer', 'admin');
SET ROLE t_deletion_writer;
SELECT analytics_groups.delete_user('bob') >= 0 AS deleted;
SELECT analytics_groups.drop_group_key('team_id');
RESET ROLE;
-- Not in a transaction that sees what was, and not what is.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT analytics_groups.delete_user('cid');
ROLLBACK;
SELECT analytics_groups.drop_project('t_deletion');
DROP ROLE t_deletion_writer;
