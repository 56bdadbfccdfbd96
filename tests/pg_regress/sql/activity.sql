-- One user or one group at a time: what happened, who belongs to whom, and the figures of a company.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

SELECT analytics_groups.create_project('t_activity', timezone => 'Europe/Berlin') > 0 AS created;
SET analytics_groups.project = 't_activity';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('team_id', 'Team') IS NOT NULL AS added;

SELECT count(analytics_groups.track(event, who, properties::jsonb, at => at::timestamptz))
FROM (VALUES ('Sign Up',   'ann', '{"company_id": "acme", "team_id": "eng", "country": "de"}', '2024-03-01 09:00Z'),
             ('Login',     'ann', '{"company_id": "acme"}',                                    '2024-03-02 10:00Z'),
             ('Heartbeat', 'ann', '{"company_id": "acme"}',                                    '2024-03-02 10:01Z'),
             ('Login',     'bob', '{"company_id": ["acme", "globex"], "device": {"os": "x"}}', '2024-03-02 10:00Z'),
             ('Login',     'ann', '{"amount": 3}',                                             '2024-03-03 10:00Z'),
             ('Login',     '',    '{"company_id": "acme"}',                                    '2024-03-04 10:00Z')) AS e(event, who, properties, at);
SELECT analytics_groups.people_set('ann', '{"team_id": ["eng", "ops"]}');
SELECT analytics_groups.people_set('zoe', '{"company_id": "acme"}');
SELECT analytics_groups.group_set('company_id', 'acme', '{"$name": "Acme Inc", "plan": "pro"}');

-- ---- activity: the newest first, with all properties -----------------------------------------------------------------------------
SELECT * FROM analytics_groups.activity('user', 'ann', '2024-03-01', '2024-03-31');
-- Of a group: what is attributed to it, whoever did it; events of other keys are not its own.
SELECT * FROM analytics_groups.activity('company_id', 'acme', '2024-03-01', '2024-03-31', hide => '{Heartbeat}');
SELECT at, event FROM analytics_groups.activity('team_id', 'eng', '2024-03-01', '2024-03-31');
-- Page by page: a page ends with a whole millisecond.
SELECT at, event, user_id FROM analytics_groups.activity('company_id', 'acme', '2024-03-01', '2024-03-31', hide => '{Heartbeat}', page_size => 2);
SELECT at, event, user_id FROM analytics_groups.activity('company_id', 'acme', '2024-03-01', '2024-03-31', hide => '{Heartbeat}', page_size => 2, before => '2024-03-02 10:00Z');
-- The same once everything is sealed, and half and half.
CALL analytics_groups.maintain('t_activity');
SELECT * FROM analytics_groups.activity('user', 'ann', '2024-03-01', '2024-03-31');
SELECT analytics_groups.track('Login', 'ann', '{"company_id": "acme", "fresh": true}', at => '2024-03-05 10:00Z', insert_id => 'twice');
SELECT analytics_groups.track('Login', 'ann', '{"company_id": "acme", "fresh": false}', at => '2024-03-05 10:00Z', insert_id => 'twice');
SELECT * FROM analytics_groups.activity('company_id', 'acme', '2024-03-04', '2024-03-31');
-- By default the last 30 days; nobody, nothing.
SELECT count(*) FROM analytics_groups.activity('user', 'ann');
SELECT count(*) FROM analytics_groups.activity('user', 'nobody', '2024-03-01', '2024-03-31');
-- What the lexicon hides is hidden here as well.
UPDATE analytics_t_activity.event_name SET hidden = true WHERE name = 'Login';
SELECT at, event FROM analytics_groups.activity('user', 'ann', '2024-03-01', '2024-03-31');
UPDATE analytics_t_activity.event_name SET hidden = false;

-- ---- who belongs to whom -----------------------------------------------------------------------------------------------------------
-- By what they did (events), and by what their profile says (listed).
SELECT id, listed, events, first_seen, last_seen FROM analytics_groups.group_members('company_id', 'acme');
SELECT id, events FROM analytics_groups.group_members('company_id', 'acme', at => '2024-03-01 12:00Z');
SELECT id FROM analytics_groups.group_members('company_id', 'acme', page_size => 1, after => 'ann');
SELECT group_key, group_id, listed, events, first_seen, last_seen, properties ->> 'plan' AS plan FROM analytics_groups.user_groups('ann');
SELECT group_key, group_id, events FROM analytics_groups.user_groups('bob');
SELECT * FROM analytics_groups.user_groups('nobody');

-- ---- company_profile ---------------------------------------------------------------------------------------------------------------
-- Only of the company key.
SELECT * FROM analytics_groups.company_profile('acme');
SELECT analytics_groups.set_company_key('company_id');
-- Four users as of 2024-04-10: uma is here since March and was back the day after; vic began in January, was here in March and
-- again now; wes was away since January; xia was last seen in March.
SELECT count(analytics_groups.track('Use', who, '{"company_id": "initech"}', at => at::timestamptz))
FROM (VALUES ('uma', '2024-03-20 10:00Z'), ('uma', '2024-03-21 10:00Z'), ('vic', '2024-01-01 10:00Z'), ('vic', '2024-03-01 10:00Z'), ('vic', '2024-04-09 10:00Z'),
             ('wes', '2024-01-01 10:00Z'), ('wes', '2024-04-10 10:00Z'), ('xia', '2024-02-20 10:00Z')) AS e(who, at);
\x on
SELECT * FROM analytics_groups.company_profile('initech', as_of => '2024-04-10');
\x off
-- The figures are those of ordinary reports, filtered to the company.
SELECT p.mau, p.mau = i.value AS as_insights FROM analytics_groups.company_profile('initech', '2024-04-10') AS p,
     analytics_groups.insights('[{"event": "$any", "measure": "mau", "filter": "group[\"company_id\"][\"$group_id\"] == \"initech\""}]', '2024-04-10', '2024-04-10') AS i;
SELECT id, name, dau, mau, events_per_user, day_1_retention FROM analytics_groups.company_profile('acme', as_of => '2024-03-02');
SELECT * FROM analytics_groups.company_profile('umbrella');

-- ---- what makes no sense -----------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.activity('plan', 'acme');
SELECT * FROM analytics_groups.activity('user', NULL);
SELECT * FROM analytics_groups.activity('user', 'ann', '2024-03-02', '2024-03-01');
SELECT * FROM analytics_groups.activity('user', 'ann', page_size => 0);
SELECT * FROM analytics_groups.group_members('user', 'ann');
SELECT * FROM analytics_groups.group_members('tem_id', 'eng');

SELECT analytics_groups.drop_project('t_activity');
