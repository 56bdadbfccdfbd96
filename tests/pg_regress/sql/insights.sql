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
