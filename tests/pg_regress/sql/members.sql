-- Who is behind a number: every number of a report can be opened into the users, or groups, behind it.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_members') > 0 AS created;
SET analytics_groups.project = 't_members';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- Ann and Bob of acme, Cid of globex, Dan of both; an event of nobody.
SELECT count(analytics_groups.track(event, who, jsonb_strip_nulls(jsonb_build_object('company_id', company::jsonb, 'country', country, 'amount', amount)), at => at::timestamptz))
FROM (VALUES ('Sign Up',  'ann', '"acme"',            'de', NULL, '2024-01-01 09:00Z'),
             ('Sign Up',  'bob', '"acme"',            'us', NULL, '2024-01-01 10:00Z'),
             ('Sign Up',  'cid', '"globex"',          'de', NULL, '2024-01-02 09:00Z'),
             ('Sign Up',  'dan', '["acme","globex"]', 'fr', NULL, '2024-01-02 10:00Z'),
             ('Login',    'ann', '"acme"',            'de', NULL, '2024-01-02 09:30Z'),
             ('Login',    'ann', '"acme"',            'de', NULL, '2024-01-03 09:30Z'),
             ('Login',    'dan', '["acme","globex"]', 'fr', NULL, '2024-01-03 11:00Z'),
             ('Purchase', 'ann', '"acme"',            'de', 10,   '2024-01-03 10:00Z'),
             ('Purchase', 'ann', '"acme"',            'de', 5,    '2024-01-03 12:00Z'),
             ('Purchase', 'dan', '["acme","globex"]', 'fr', 7,    '2024-01-03 12:00Z'),
             ('Purchase', '',    '"acme"',            'us', 2,    '2024-01-03 13:00Z')) AS e(event, who, company, country, amount, at);
SELECT analytics_groups.people_set('ann', '{"plan": "pro"}');

-- ---- insights ------------------------------------------------------------------------------------------------------------------
-- Three purchases with a user and one of nobody: the events of the members are the total.
SELECT bucket, value FROM analytics_groups.insights('["Purchase"]', '2024-01-01', '2024-01-03');
SELECT id, events, value, properties - '$last_seen' AS properties
FROM analytics_groups.insights_members('["Purchase"]', '2024-01-01', '2024-01-03', bucket => '2024-01-03Z');
-- Different users: one row each. Which metric is said by its label, the segment as the report has it.
SELECT id, events, value
FROM analytics_groups.insights_members('["Login", {"event": "Purchase", "measure": "unique", "label": "buyers"}]', '2024-01-01', '2024-01-03', unit => 'range',
                                       breakdown => '["country"]', metric => 'buyers', segment => '{de}');
-- By company an event of two groups is in the row of each, and once in the total.
SELECT value FROM analytics_groups.insights('[{"event": "Purchase", "by": "company_id"}]', '2024-01-01', '2024-01-03', unit => 'range');
SELECT id, events FROM analytics_groups.insights_members('[{"event": "Purchase", "by": "company_id"}]', '2024-01-01', '2024-01-03', unit => 'range');
-- Sums: what each adds. Trailing windows: everybody the window saw.
SELECT id, events, value FROM analytics_groups.insights_members('[{"event": "Purchase", "measure": "sum", "property": "amount"}]', '2024-01-01', '2024-01-03', unit => 'range');
SELECT id, events FROM analytics_groups.insights_members('[{"event": "Sign Up", "measure": "wau"}]', '2024-01-02', '2024-01-03', bucket => '2024-01-03Z');
-- Of a distribution the value is the last text of the segment; $other is whoever is beyond the top.
SELECT id, value FROM analytics_groups.insights_members('[{"event": "Login", "measure": "distribution"}]', '2024-01-01', '2024-01-03', unit => 'range', segment => '{2}');
SELECT segment, value FROM analytics_groups.insights('[{"event": "$any", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["country"]', top => 1);
SELECT id FROM analytics_groups.insights_members('[{"event": "$any", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["country"]', top => 1, segment => '{$other}');
-- The same days a day before.
SELECT metric, value FROM analytics_groups.insights('["Login"]', '2024-01-03', '2024-01-03', compare => '1 day');
SELECT id, events FROM analytics_groups.insights_members('["Login"]', '2024-01-03', '2024-01-03', compare => '1 day', metric => 'A (compared)');

-- ---- funnel --------------------------------------------------------------------------------------------------------------------
SELECT step, event, count FROM analytics_groups.funnel('["Sign Up", "Login", "Purchase"]', '2024-01-01', '2024-01-03');
SELECT step, outcome, array_agg(id) AS who
FROM (VALUES (1, 'converted'), (2, 'converted'), (2, 'dropped'), (3, 'converted'), (3, 'dropped')) AS cell (step, outcome),
     analytics_groups.funnel_members('["Sign Up", "Login", "Purchase"]', '2024-01-01', '2024-01-03', step => step, outcome => outcome) GROUP BY 1, 2 ORDER BY 1, 2;
-- Of attempts, and in a segment.
SELECT id, times FROM analytics_groups.funnel_members('["Login", "Purchase"]', '2024-01-01', '2024-01-03', within => '1 hour', count => 'total', step => 1);
SELECT id FROM analytics_groups.funnel_members('["Sign Up", "Login"]', '2024-01-01', '2024-01-03', breakdown => '["country"]', segment => '{de}', step => 2, outcome => 'dropped');
SELECT id FROM analytics_groups.funnel_members('["Sign Up", "Purchase"]', '2024-01-01', '2024-01-03', by => 'company_id', step => 2);

-- ---- retention -----------------------------------------------------------------------------------------------------------------
SELECT cohort, size, bucket, retained FROM analytics_groups.retention('"Sign Up"', '"Login"', '2024-01-01', '2024-01-02', buckets => 1, criterion => 'on');
SELECT outcome, id, born_at FROM unnest('{retained,lost}'::text[]) AS outcome,
     analytics_groups.retention_members('"Sign Up"', '"Login"', '2024-01-01', '2024-01-02', buckets => 1, criterion => 'on', cohort => '2024-01-01Z', bucket => 1, outcome => outcome);
-- Everybody who was born; and what each of those who came back is worth.
SELECT id FROM analytics_groups.retention_members('"Sign Up"', '"Login"', '2024-01-01', '2024-01-02', cohort => '2024-01-02Z');
SELECT id, value FROM analytics_groups.retention_members('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-02', criterion => 'on_or_before', measure => 'sum',
                                                         property => 'amount', cohort => '2024-01-01Z', bucket => 7);

-- ---- flows ---------------------------------------------------------------------------------------------------------------------
SELECT step, event, next_event, count FROM analytics_groups.flows('"Sign Up"', '2024-01-01', '2024-01-03', forward => 2);
SELECT id FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-01-03', forward => 2, next_event => 'Login');
SELECT id FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-01-03', forward => 2, step => 1, event => 'Login', next_event => 'Purchase');
SELECT id FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-01-03', path => '{Sign Up,(drop-off)}');

-- ---- lifecycle, sessions and frequency -----------------------------------------------------------------------------------------
SELECT state, count FROM analytics_groups.lifecycle('"$any"', '2024-01-03', '2024-01-03', unit => 'day');
SELECT state, id FROM unnest('{new,retained,resurrected,dormant}'::text[]) AS state,
     analytics_groups.lifecycle_members('"$any"', '2024-01-03', '2024-01-03', unit => 'day', bucket => '2024-01-03Z', state => state);
SELECT id, sessions, events FROM analytics_groups.sessions_members('2024-01-01', '2024-01-03', bucket => '2024-01-03Z');
-- Those of one segment; whatever is beyond the top is one.
SELECT segment, sessions FROM analytics_groups.sessions('2024-01-01', '2024-01-03', unit => 'range', breakdown => '["$origin_start"]', top => 2);
SELECT segment, m.id, m.sessions, m.events
FROM (VALUES ('{Sign Up}'::text[]), ('{Login}'), ('{$other}'), ('{Nothing}')) AS s(segment),
     analytics_groups.sessions_members('2024-01-01', '2024-01-03', unit => 'range', breakdown => '["$origin_start"]', top => 2, segment => s.segment, bucket => '2024-01-01Z') AS m
ORDER BY segment::text, id;
SELECT id, sessions FROM analytics_groups.sessions_members('2024-01-01', '2024-01-03', by => 'company_id', breakdown => '["country"]', segment => '{fr}', bucket => '2024-01-02Z');
SELECT id, active_in FROM analytics_groups.frequency_members('"$any"', '2024-01-01', '2024-01-07', bucket => '2024-01-01Z', active => 2);

-- ---- uniques in one segment only ----------------------------------------------------------------------------------------------
-- Ann begins with a sign-up and ends with a purchase. Her events in the segment are listed, and she is nowhere else.
SELECT attribution, m.segment, m.value
FROM unnest('{first,last}'::text[]) AS attribution,
     analytics_groups.insights(jsonb_build_object('event', '$any', 'measure', 'unique', 'attribution', attribution), '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["amount"]') AS m
ORDER BY attribution, segment;
SELECT attribution, s.segment, m.id, m.events, m.value
FROM unnest('{first,last}'::text[]) AS attribution, (VALUES ('{(not set)}'::text[]), ('{5}'), ('{7}'), ('{10}')) AS s(segment),
     analytics_groups.insights_members(jsonb_build_object('event', '$any', 'measure', 'unique', 'attribution', attribution), '2024-01-01', '2024-01-03', unit => 'range', breakdown => '["amount"]',
                                       segment => s.segment) AS m
ORDER BY attribution, s.segment::text, id;

-- ---- pages ---------------------------------------------------------------------------------------------------------------------
SELECT id FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-01-03', unit => 'range', page_size => 2);
SELECT id FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-01-03', unit => 'range', page_size => 2, after => 'ann');
SELECT id FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-01-03', unit => 'range', page_size => 2, after => 'cid');
-- A profile of nobody else is read; in a READ ONLY transaction as well.
BEGIN READ ONLY;
SELECT count(*) FROM analytics_groups.insights_members('[{"event": "$any", "measure": "unique"}]', '2024-01-01', '2024-01-03', unit => 'range');
COMMIT;

-- ---- what makes no sense -------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.insights_members('["Login", "Purchase"]', '2024-01-01', '2024-01-03', unit => 'range');
SELECT * FROM analytics_groups.insights_members('["Login"]', '2024-01-01', '2024-01-03', unit => 'range', metric => 'B');
SELECT * FROM analytics_groups.insights_members('["Login"]', '2024-01-01', '2024-01-03');
SELECT * FROM analytics_groups.insights_members('["Login"]', '2024-01-01', '2024-01-03', bucket => '2024-01-05Z');
SELECT * FROM analytics_groups.insights_members('["Login"]', '2024-01-01', '2024-01-03', unit => 'range', segment => '{de}');
SELECT * FROM analytics_groups.funnel_members('["Sign Up", "Login"]', '2024-01-01', '2024-01-03', step => 3);
SELECT * FROM analytics_groups.funnel_members('["Sign Up", "Login"]', '2024-01-01', '2024-01-03', step => 1, outcome => 'dropped');
SELECT * FROM analytics_groups.funnel_members('["Sign Up", "Login"]', '2024-01-01', '2024-01-03', outcome => 'lost');
SELECT * FROM analytics_groups.retention_members('"Sign Up"', '"Login"', '2024-01-01', '2024-01-02', bucket => 1);
SELECT * FROM analytics_groups.retention_members('"Sign Up"', '"Login"', '2024-01-01', '2024-01-01', bucket => 8);
SELECT * FROM analytics_groups.retention_members('"Sign Up"', '"Login"', '2024-01-01', '2024-01-01', outcome => 'lost');
SELECT * FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-01-03', step => 4);
SELECT * FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-01-03', path => '{Sign Up}', next_event => 'Login');
SELECT * FROM analytics_groups.lifecycle_members('"$any"', '2024-01-03', '2024-01-03', bucket => '2024-01-03Z', state => 'gone');
SELECT * FROM analytics_groups.frequency_members('"$any"', '2024-01-01', '2024-01-07', bucket => '2024-01-01Z', active => 8);
SELECT * FROM analytics_groups.insights_members('["Login"]', '2024-01-01', '2024-01-03', unit => 'range', page_size => 0);

SELECT analytics_groups.drop_project('t_members');
