-- When two events are the same event: semantics 2.3. Same event, distinct_id, time and insert_id; the last one counts.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_identity_of_events') > 0 AS created;
SET analytics_groups.project = 't_identity_of_events';

-- How many events and users there are, and the amounts of the events.
CREATE VIEW pg_temp.bought AS
SELECT (SELECT value FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01')) AS events,
       (SELECT value FROM analytics_groups.insights('[{"event": "Buy", "measure": "unique"}]', '2024-01-01', '2024-01-01')) AS users,
       (SELECT string_agg(segment[1] || ' x ' || value, ', ' ORDER BY segment[1]::numeric)
        FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01', breakdown => '["amount"]')) AS amounts;

SELECT analytics_groups.track('Buy', 'u1', '{"amount": 1}', at => '2024-01-01 10:00Z', insert_id => 'x');
TABLE pg_temp.bought;
-- Again: the later one replaces the earlier, at once.
SELECT analytics_groups.track('Buy', 'u1', '{"amount": 2}', at => '2024-01-01 10:00Z', insert_id => 'x');
TABLE pg_temp.bought;
-- Anything else of the four differs: another event.
SELECT analytics_groups.track('Buy', 'u1', '{"amount": 10}', at => '2024-01-01 10:00:01Z', insert_id => 'x');
SELECT analytics_groups.track('Buy', 'u2', '{"amount": 100}', at => '2024-01-01 10:00Z', insert_id => 'x');
SELECT analytics_groups.track('Buy', 'u1', '{"amount": 1000}', at => '2024-01-01 10:00Z', insert_id => 'y');
SELECT analytics_groups.track('Sell', 'u1', '{"amount": 7}', at => '2024-01-01 10:00Z', insert_id => 'x');
TABLE pg_temp.bought;
-- Without an insert_id nothing is ever a duplicate.
SELECT analytics_groups.track('Buy', 'u3', '{"amount": 10000}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('Buy', 'u3', '{"amount": 10000}', at => '2024-01-01 10:00Z');
TABLE pg_temp.bought;

-- Within one batch, across batches, and against what is compacted: the same rule. The answer counts the duplicates.
SELECT jsonb_pretty(analytics_groups.track('[
  {"event": "Buy", "properties": {"distinct_id": "u4", "time": 1704103200, "$insert_id": "z", "amount": 1}},
  {"event": "Buy", "properties": {"distinct_id": "u4", "time": 1704103200, "$insert_id": "z", "amount": 100000}}]'));
TABLE pg_temp.bought;
CALL analytics_groups.maintain('t_identity_of_events');
TABLE pg_temp.bought;
SELECT analytics_groups.track('Buy', 'u4', '{"amount": 200000}', at => '2024-01-01 10:00Z', insert_id => 'z');
TABLE pg_temp.bought;
CALL analytics_groups.maintain('t_identity_of_events');
TABLE pg_temp.bought;

-- Seconds and milliseconds name the same instant, $user_id and distinct_id the same person.
SELECT analytics_groups.track('[
  {"event": "Same", "properties": {"distinct_id": "u5", "time": 1704103200, "$insert_id": "s"}},
  {"event": "Same", "properties": {"distinct_id": "u5", "time": 1704103200000, "$insert_id": "s"}},
  {"event": "Same", "properties": {"$user_id": "u5", "time": 1704103200.0, "$insert_id": "s"}}]') ->> 'code' AS code;
SELECT value FROM analytics_groups.insights('["Same"]', '2024-01-01', '2024-01-01');

-- A device and a user are not the same sender: these are two events.
SELECT analytics_groups.track('[
  {"event": "Visit", "properties": {"$device_id": "d1", "time": 1704103200, "$insert_id": "v"}},
  {"event": "Visit", "properties": {"$device_id": "d1", "$user_id": "u6", "time": 1704103200, "$insert_id": "v"}}]') ->> 'code' AS code;
SELECT value FROM analytics_groups.insights('["Visit"]', '2024-01-01', '2024-01-01');

-- A replacement takes the old one's groups away with it.
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SELECT analytics_groups.track('Move', 'u7', '{"company_id": "acme"}', at => '2024-01-01 10:00Z', insert_id => 'm');
SELECT analytics_groups.track('Move', 'u7', '{"company_id": "globex"}', at => '2024-01-01 10:00Z', insert_id => 'm');
SELECT segment[1] AS company, value
FROM analytics_groups.insights('[{"event": "Move", "by": "company_id"}]', '2024-01-01', '2024-01-01', breakdown => '["group.company_id"]')
WHERE value > 0 ORDER BY segment;

-- dedupe = 'skip' keeps the first instead.
SET analytics_groups.dedupe = 'skip';
SELECT analytics_groups.track('Keep', 'u8', '{"amount": 1}', at => '2024-01-01 10:00Z', insert_id => 'k');
SELECT analytics_groups.track('Keep', 'u8', '{"amount": 2}', at => '2024-01-01 10:00Z', insert_id => 'k');
RESET analytics_groups.dedupe;
SELECT segment, value FROM analytics_groups.insights('["Keep"]', '2024-01-01', '2024-01-01', breakdown => '["amount"]') ORDER BY segment;

-- What a transaction did not commit never was.
BEGIN;
SELECT analytics_groups.track('Buy', 'u1', '{"amount": 5}', at => '2024-01-01 10:00Z', insert_id => 'x');
ROLLBACK;
TABLE pg_temp.bought;
DROP VIEW pg_temp.bought;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_identity_of_events');
