-- First times: "first_time": true in a selector picks, of what it would pick, only what its subject did for the first time ever
-- (semantics 4.7). Ever is all history, whatever the range of the report; the subject is what the report counts.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

SELECT analytics_groups.create_project('t_first') > 0 AS created;
SET analytics_groups.project = 't_first';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.track(event, who, p, at => at::timestamptz) AS tracked FROM (VALUES
    ('Purchase', 'ann', '{"company_id": "acme", "amount": 5}'::jsonb,              '2024-01-05 10:00Z'),
    ('Purchase', 'ann', '{"company_id": "acme", "amount": 50}',                    '2024-01-10 10:00Z'),
    ('Purchase', 'ben', '{"company_id": "acme", "amount": 70}',                    '2024-01-08 10:00Z'),
    ('Purchase', 'cat', '{"company_id": ["acme", "globex"], "amount": 20}',        '2024-01-10 12:00Z'),
    ('Purchase', 'cat', '{"company_id": "globex", "amount": 30}',                  '2024-01-11 12:00Z'),
    ('Refund',   'cat', '{"company_id": "globex", "amount": 30}',                  '2024-01-09 12:00Z'),
    ('Refund',   'ann', '{"company_id": "acme"}',                                  '2024-01-20 12:00Z')) AS e (event, who, p, at);

-- How many buy for the first time on each day: users, and companies.
SELECT bucket::date AS day, max(value) FILTER (WHERE metric = 'users') AS users, max(value) FILTER (WHERE metric = 'companies') AS companies
FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true, "measure": "unique", "label": "users"},
                                 {"event": "Purchase", "first_time": true, "measure": "unique", "by": "company_id", "label": "companies"}]',
                               '2024-01-05', '2024-01-11') GROUP BY 1 ORDER BY 1;
-- The range does not matter: ann's and ben's first purchases lie before it.
SELECT value FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true}]', '2024-01-09', '2024-01-31', 'range');
-- A filter of the selector comes before: the first purchase of more than 25.
SELECT bucket::date AS day, value FROM analytics_groups.insights('[{"event": "Purchase", "filter": "properties[\"amount\"] > 25", "first_time": true, "measure": "unique"}]',
    '2024-01-05', '2024-01-11') WHERE value > 0 ORDER BY 1;
-- A filter of the report comes after: first purchases, if they were of more than 25.
SELECT bucket::date AS day, value FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true, "measure": "unique"}]',
    '2024-01-05', '2024-01-11', filter => 'properties["amount"] > 25') WHERE value > 0 ORDER BY 1;
-- The first of either, and the first of each.
SELECT metric, bucket::date AS day, value
FROM analytics_groups.insights('[{"any": ["Purchase", "Refund"], "first_time": true, "label": "either"},
                                 {"any": [{"event": "Purchase", "first_time": true}, {"event": "Refund", "first_time": true}], "label": "each"}]',
    '2024-01-05', '2024-01-20') WHERE value > 0 ORDER BY 1, 2;
-- Who: broken down by user, and by company.
SELECT segment, bucket::date AS day FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true}]', '2024-01-01', '2024-01-31',
    breakdown => '["user.$distinct_id"]') WHERE value > 0 ORDER BY 1;
SELECT segment, bucket::date AS day FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true, "by": "company_id"}]', '2024-01-01', '2024-01-31',
    breakdown => '["group.company_id"]') WHERE value > 0 ORDER BY 1;

-- In a funnel: from the first purchase ever, whenever that was, to a refund. ann's is on the 5th, so a range that begins later has not her.
SELECT step, event, count FROM analytics_groups.funnel('[{"event": "Purchase", "first_time": true}, "Refund"]', '2024-01-01', '2024-01-31', within => '30 days');
SELECT step, event, count FROM analytics_groups.funnel('[{"event": "Purchase", "first_time": true}, "Refund"]', '2024-01-06', '2024-01-31', within => '30 days');
-- In retention: everybody is born once.
SELECT cohort::date, size, bucket, retained
FROM analytics_groups.retention('{"event": "Purchase", "first_time": true}', '"Purchase"', '2024-01-01', '2024-01-31', unit => 'week', buckets => 1, criterion => 'on');

-- Simultaneous first times are all first.
SELECT analytics_groups.track('Purchase', 'dan', '{}', at => '2024-01-15 10:00Z', insert_id => i) AS tracked FROM unnest('{a,b}'::text[]) AS i;
SELECT value FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true}]', '2024-01-15', '2024-01-15');
-- An event that comes late is the first from then on, whether maintenance ran or not.
CALL analytics_groups.maintain('t_first');
SELECT analytics_groups.track('Purchase', 'dan', '{}', at => '2024-01-14 10:00Z') AS tracked;
SELECT bucket::date AS day, value FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true}]', '2024-01-14', '2024-01-15');
CALL analytics_groups.maintain('t_first');
SELECT bucket::date AS day, value FROM analytics_groups.insights('[{"event": "Purchase", "first_time": true}]', '2024-01-14', '2024-01-15');

-- One first_time inside of another says two things at once.
SELECT * FROM analytics_groups.insights('[{"any": ["Refund", {"event": "Purchase", "first_time": true}], "first_time": true}]', '2024-01-01', '2024-01-31');
SELECT * FROM analytics_groups.insights('[{"event": "Purchase", "first_time": "yes"}]', '2024-01-01', '2024-01-31');

SELECT analytics_groups.drop_project('t_first');
