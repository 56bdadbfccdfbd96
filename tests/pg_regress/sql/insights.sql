-- insights: counts, uniques and sums over time, by user and by group. Semantics 4.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_insights') > 0 AS created;
SET analytics_groups.project = 't_insights';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- The example of 4.2: acme: u1 watch 10, u1 watch 30, u2 watch 20; globex: u3 watch 60, u3 watch (no minutes);
-- no company: u4 watch 5, u1 watch 15.
SELECT analytics_groups.track('watch', 'u1', '{"company_id": "acme", "minutes": 10, "device": "tv"}',     at => '2024-01-01 09:00Z');
SELECT analytics_groups.track('watch', 'u1', '{"company_id": "acme", "minutes": 30, "device": "tv"}',     at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('watch', 'u2', '{"company_id": "acme", "minutes": 20, "device": "phone"}',  at => '2024-01-01 11:00Z');
SELECT analytics_groups.track('watch', 'u3', '{"company_id": "globex", "minutes": 60, "device": "phone"}', at => '2024-01-02 12:00Z');
SELECT analytics_groups.track('watch', 'u3', '{"company_id": "globex", "device": ""}',                    at => '2024-01-02 13:00Z');
SELECT analytics_groups.track('watch', 'u4', '{"minutes": 5}',                                            at => '2024-01-03 14:00Z');
SELECT analytics_groups.track('watch', 'u1', '{"minutes": 15, "device": "tv"}',                           at => '2024-01-03 15:00Z');

-- ---- Measures ----------------------------------------------------------------------------------------------------------
-- 7 events, 4 users, 2 companies; by company only what has a company: 5 events.
SELECT metric, segment, bucket, value
FROM analytics_groups.insights('["watch", {"event": "watch", "measure": "unique"}, {"event": "watch", "measure": "unique", "by": "company_id"},
                                 {"event": "watch", "by": "company_id", "label": "events of companies"}]',
                               '2024-01-01', '2024-01-03', unit => 'range') ORDER BY metric;
-- A filter of one metric, a filter of all, both; a custom event of several.
SELECT metric, value
FROM analytics_groups.insights('[{"event": "watch", "filter": "properties[\"minutes\"] >= 20", "label": "long"},
                                 {"event": "watch", "label": "all"},
                                 {"any": ["watch", "listen"], "label": "any of two"}]',
                               '2024-01-01', '2024-01-03', unit => 'range', filter => 'properties["device"] == "tv"') ORDER BY metric;

-- ---- Time --------------------------------------------------------------------------------------------------------------
-- Every bucket has a row, also those in which nothing happened.
SELECT bucket, max(value) FILTER (WHERE metric = 'users') AS users, max(value) FILTER (WHERE metric = 'companies') AS companies
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique", "label": "users"},
                                 {"event": "watch", "measure": "unique", "by": "company_id", "label": "companies"}]',
                               '2023-12-31', '2024-01-05') GROUP BY bucket ORDER BY bucket;
SELECT bucket, value FROM analytics_groups.insights('["watch"]', '2024-01-01', '2024-01-01', unit => 'hour') WHERE value > 0 ORDER BY bucket;
-- A week, month, quarter or year carries its calendar start even when the range begins later.
SELECT unit, bucket, value
FROM unnest('{week,month,quarter,year,range}'::text[]) WITH ORDINALITY AS u(unit, n),
     analytics_groups.insights('["watch"]', '2024-01-02', '2024-01-03', unit => unit) ORDER BY n, bucket;
-- Uniques do not add up: u1 and u3 are there on one day each, in the range once.
SELECT unit, sum(value)
FROM unnest('{day,range}'::text[]) AS unit,
     analytics_groups.insights('[{"event": "watch", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => unit) GROUP BY unit ORDER BY unit;

-- ---- Breakdowns --------------------------------------------------------------------------------------------------------
SELECT segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["device"]')
ORDER BY segment;
SELECT segment, value
FROM analytics_groups.insights('["watch"]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["group.company_id", "device"]')
ORDER BY segment;
-- Each user in one segment only: that of the first event of the interval, or of the last. u3 moves from the phone to a device without
-- a name. Without a breakdown there is but one segment.
SELECT attribution, segment, value
FROM unnest('{first,last}'::text[]) AS attribution,
     analytics_groups.insights(jsonb_build_object('event', 'watch', 'measure', 'unique', 'attribution', attribution), '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["device"]')
ORDER BY attribution, segment;
SELECT bucket, segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique", "attribution": "last"}]', '2024-01-01', '2024-01-03', breakdown => '["device"]') WHERE value > 0
ORDER BY bucket, segment;
SELECT segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique", "by": "company_id", "attribution": "first"}]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["device"]')
ORDER BY segment;
SELECT segment, value FROM analytics_groups.insights('[{"event": "watch", "measure": "unique", "attribution": "first"}]', '2024-01-01', '2024-01-03', unit => 'range');
-- The rest of a top is one segment, counted once.
SELECT segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["device"]', top => 1)
ORDER BY segment;
-- Lists (4.8): an event is in the segment of each element.
SELECT count(analytics_groups.track('listed', 'u1', properties, at => '2024-01-06 12:00Z')) AS tracked
FROM unnest('{"{\"P\":[\"P1\",\"P2\",\"P4\"]}","{\"P\":[\"P2\",\"P3\",\"P4\"]}","{\"P\":[\"P3\",\"P4\"]}"}'::jsonb[]) AS properties;
SELECT segment, value FROM analytics_groups.insights('["listed"]', '2024-01-06', '2024-01-06', breakdown => '["P"]') ORDER BY segment;
-- Several metrics share their segments; the profile of the company gives one, and a profile of nobody is (not set).
SELECT analytics_groups.update_groups('[{"$group_key": "company_id", "$group_id": "acme", "$set": {"plan": "pro"}},
                                        {"$group_key": "company_id", "$group_id": "globex", "$set": {"plan": "free"}}]') ->> 'code' AS code;
SELECT metric, segment, value
FROM analytics_groups.insights('[{"event": "watch", "measure": "unique", "label": "users"},
                                 {"event": "watch", "measure": "unique", "by": "company_id", "label": "companies"}]',
                               '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["group.company_id.plan"]') ORDER BY metric, segment;

-- ---- "Number of users who did …" (4.9) -----------------------------------------------------------------------------------
-- acme: u1 and u2 log in, u1 downloads; globex: u3 downloads; initech: u4 logs in, downloads nothing and is not there.
SELECT analytics_groups.track('Login', 'u1', '{"company_id": "acme"}', at => '2024-01-10 09:00Z');
SELECT analytics_groups.track('Login', 'u1', '{"company_id": "acme"}', at => '2024-01-10 09:30Z');
SELECT analytics_groups.track('Login', 'u2', '{"company_id": "acme"}', at => '2024-01-10 09:00Z');
SELECT analytics_groups.track('Login', 'u4', '{"company_id": "initech"}', at => '2024-01-10 09:00Z');
SELECT analytics_groups.track('Download', 'u1', '{"company_id": "acme"}', at => '2024-01-10 10:00Z');
SELECT analytics_groups.track('Download', 'u3', '{"company_id": "globex"}', at => '2024-01-10 10:00Z');
SELECT segment, value
FROM analytics_groups.insights('[{"event": "Download", "measure": "unique", "by": "company_id"}]', '2024-01-10', '2024-01-10',
                               breakdown => '[{"users_who_did": "Login"}]') WHERE value > 0 ORDER BY segment;
SELECT segment, value
FROM analytics_groups.insights('[{"event": "Download", "measure": "unique", "by": "company_id"}]', '2024-01-10', '2024-01-10',
                               breakdown => '[{"users_who_did": "Login", "at_least": 2}]') WHERE value > 0 ORDER BY segment;

-- Of a running count the segments are those of each interval: on the 11th nobody logs in, so acme is in 0 as well.
SELECT analytics_groups.track('Download', 'u1', '{"company_id": ["acme", "globex"]}', at => '2024-01-11 10:00Z');
SELECT bucket::date, segment, value
FROM analytics_groups.insights('[{"event": "Download", "measure": "cumulative_unique", "by": "company_id"}]', '2024-01-10', '2024-01-11',
                               breakdown => '[{"users_who_did": "Login"}]') ORDER BY bucket, segment;
SELECT id, events
FROM analytics_groups.insights_members('[{"event": "Download", "measure": "cumulative_unique", "by": "company_id"}]', '2024-01-10', '2024-01-11',
                                       breakdown => '[{"users_who_did": "Login"}]', segment => '{0}', bucket => '2024-01-11Z');

-- As a filter: a metric counts only the groups of which so many users did something in the interval, here two of acme on the 10th.
SELECT metric, bucket::date, value
FROM analytics_groups.insights('[{"event": "Download", "measure": "unique", "by": "company_id", "label": "all"},
                                 {"event": "Download", "measure": "unique", "by": "company_id", "label": "two log in", "groups": {"users_who_did": "Login", "at_least": 2}},
                                 {"event": "Download", "measure": "unique", "by": "company_id", "label": "nobody does", "groups": {"users_who_did": "Login", "exactly": 0}},
                                 {"event": "Download", "measure": "unique", "by": "company_id", "label": "one does twice", "groups": {"users_who_did": "Login", "times": 2, "at_least": 1}}]',
                               '2024-01-10', '2024-01-11') ORDER BY metric, bucket;
-- Over the whole range it is one number of each group. An event of two groups counts for those that are left.
SELECT segment, value
FROM analytics_groups.insights('[{"event": "Download", "by": "company_id", "groups": {"users_who_did": {"event": "Login", "filter": "not defined(properties[\"device\"])"}, "at_most": 1}}]',
                               '2024-01-10', '2024-01-11', unit => 'range', breakdown => '["group.company_id"]');
SELECT metric, value
FROM analytics_groups.insights('[{"event": "Download", "by": "company_id", "groups": {"users_who_did": "Login", "at_least": 1}}]', '2024-01-10', '2024-01-11', unit => 'range');
SELECT id, events, value
FROM analytics_groups.insights_members('[{"event": "Download", "by": "company_id", "groups": {"users_who_did": "Login", "at_least": 2}}]', '2024-01-10', '2024-01-11', unit => 'range');
SELECT * FROM analytics_groups.insights('[{"event": "Download", "groups": {"users_who_did": "Login", "at_least": 1}}]', '2024-01-10', '2024-01-11');
SELECT * FROM analytics_groups.insights('[{"event": "Download", "by": "company_id", "groups": {"users_who_did": "Login"}}]', '2024-01-10', '2024-01-11');
SELECT * FROM analytics_groups.insights('[{"event": "Download", "by": "company_id", "groups": {"did": "Login", "at_least": 1}}]', '2024-01-10', '2024-01-11');
SELECT * FROM analytics_groups.insights('[{"event": "Download", "by": "company_id", "measure": "wau", "groups": {"users_who_did": "Login", "at_least": 1}}]', '2024-01-10', '2024-01-11');

-- ---- Profiles (4.2) ------------------------------------------------------------------------------------------------------
-- How many companies there are, by plan, and what they have: the profiles of today, whether the company did anything or not.
SELECT analytics_groups.update_groups('[{"$group_key": "company_id", "$group_id": "acme", "$set": {"seats": 5}},
                                        {"$group_key": "company_id", "$group_id": "globex", "$set": {"seats": 20}},
                                        {"$group_key": "company_id", "$group_id": "hooli", "$set": {"seats": 8, "plan": "pro"}}]') ->> 'code' AS code;
SELECT metric, segment, value
FROM analytics_groups.insights('[{"profiles": "company_id", "label": "companies"},
                                 {"profiles": "company_id", "measure": "sum", "property": "seats", "label": "seats"},
                                 {"profiles": "company_id", "measure": "median", "property": "seats", "label": "median"},
                                 {"event": "Download", "measure": "unique", "by": "company_id", "label": "active"}]',
                               '2024-01-10', '2024-01-11', unit => 'range', breakdown => '["group.company_id.plan"]',
                               formulas => '{"share = active / companies"}') ORDER BY metric, segment;
-- Every interval has the same value: what is now. Beside events that makes shares of all there are. It is no flow: rolling and cumulative
-- leave it as it is.
SELECT metric, bucket::date, value
FROM analytics_groups.insights('[{"event": "Download", "measure": "unique", "by": "company_id", "label": "active"},
                                 {"profiles": "company_id", "filter": "group[\"company_id\"][\"seats\"] < 10", "label": "small companies"},
                                 {"profiles": "company_id", "measure": "distinct", "property": "plan", "label": "plans"}]',
                               '2024-01-09', '2024-01-11', cumulative => true);
-- Users: nobody has a profile yet.
SELECT value FROM analytics_groups.insights('{"profiles": "user"}', '2024-01-10', '2024-01-10');
SELECT analytics_groups.update_users('[{"$distinct_id": "u1", "$set": {"role": "admin", "company_id": ["acme", "globex"]}}, {"$distinct_id": "u9", "$set": {"role": "guest"}}]') ->> 'code' AS code;
SELECT segment, value FROM analytics_groups.insights('{"profiles": "user"}', '2024-01-10', '2024-01-10', breakdown => '["user.role", "group.company_id.plan"]');
-- What only events have is refused, and so are the measures that count them.
SELECT * FROM analytics_groups.insights('{"profiles": "company_id"}', '2024-01-10', '2024-01-10', breakdown => '["device"]');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id", "filter": "properties[\"device\"] == \"tv\""}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id"}', '2024-01-10', '2024-01-10', filter => 'properties["device"] == "tv"');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id", "measure": "unique"}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id", "measure": "sum"}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id", "measure": "sum", "property": "seat"}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights('{"profiles": "company_id", "event": "Download"}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights('{"profiles": "team_id"}', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.insights_members('{"profiles": "company_id"}', '2024-01-10', '2024-01-10');

-- ---- A project in another zone ---------------------------------------------------------------------------------------------
-- 2024-03-10 has 23 hours in New York and starts at 05:00 UTC; weeks may start on Sunday.
SELECT analytics_groups.create_project('t_insights_ny', timezone => 'America/New_York', week_start => 'sunday') > 0 AS created;
SELECT analytics_groups.track('E', 'u1', at => '2024-03-10 04:59:59Z', project => 't_insights_ny');
SELECT analytics_groups.track('E', 'u1', at => '2024-03-10 05:00Z', project => 't_insights_ny');
SELECT analytics_groups.track('E', 'u1', at => '2024-03-11 03:59:59Z', project => 't_insights_ny');
SELECT analytics_groups.track('E', 'u1', at => '2024-03-11 04:00Z', project => 't_insights_ny');
SELECT bucket, value FROM analytics_groups.insights('["E"]', '2024-03-09', '2024-03-11', project => 't_insights_ny') ORDER BY bucket;
SELECT bucket, value FROM analytics_groups.insights('["E"]', '2024-03-09', '2024-03-11', unit => 'week', project => 't_insights_ny') ORDER BY bucket;
SELECT count(*) AS hours FROM analytics_groups.insights('["E"]', '2024-03-10', '2024-03-10', unit => 'hour', project => 't_insights_ny');
SELECT analytics_groups.drop_project('t_insights_ny');

-- An event nobody sent is zero, with a word about it.
SELECT value FROM analytics_groups.insights('["wacth"]', '2024-01-01', '2024-01-01');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_insights');
