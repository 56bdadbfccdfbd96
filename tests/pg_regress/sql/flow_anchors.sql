-- flows and flow_paths from anchor to anchor, inside of sessions, split by properties, and what ends a way. Semantics 7.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_flow_anchors') > 0 AS created;
SET analytics_groups.project = 't_flow_anchors';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- One letter an event, ten minutes apart, from 10:00 on.
CREATE FUNCTION pg_temp.send(who text, day date, letters text, properties jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(substr(letters, i, 1), who, properties, at => day + make_interval(hours => 10, mins => 10 * (i - 1))))
    FROM generate_series(1, length(letters)) AS i
$$;

-- ---- Several anchors are the steps of a funnel -------------------------------------------------------------------------------------
-- From S to P: u1 goes there directly, u2 over one step, u3 over five; u4 and u5 never arrive.
SELECT who, pg_temp.send(who, '2024-01-10', letters)
FROM (VALUES ('u1', 'SPZ'), ('u2', 'SAPYZ'), ('u3', 'SABCDEP'), ('u4', 'SABCD'), ('u5', 'S')) AS t(who, letters);
-- Two steps after S, one step before P, nothing after P. What lies between and is not shown is a break; who misses P drops
-- off after the steps that are shown.
SELECT path, count FROM analytics_groups.flow_paths('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2);
-- As edges: anchor and step say where one begins, next_anchor and next_step where it leads.
SELECT anchor, step, event, kind, next_anchor, next_step, next_event, next_kind, count
FROM analytics_groups.flows('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2);
-- Who is behind an edge, as its row names it; behind a node; behind a path.
SELECT f.event, f.next_event, f.count, array_agg(m.id) AS who
FROM analytics_groups.flows('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2) AS f,
     analytics_groups.flow_members('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2,
        anchor => f.anchor, step => f.step, event => f.event, next_anchor => f.next_anchor, next_step => f.next_step, next_event => f.next_event) AS m
GROUP BY f.anchor, f.step, f.event, f.next_anchor, f.next_step, f.next_event, f.count ORDER BY f.anchor, f.step, f.count DESC, f.event, f.next_event;
SELECT id FROM analytics_groups.flow_members('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2, anchor => 2);
SELECT id FROM analytics_groups.flow_members('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2, path => '{S,A,B,≈,E,P}');
-- Without steps only the anchors are left, and whether there is something between them: the funnel.
SELECT event, next_event, count FROM analytics_groups.flows('["S", "P"]', '2024-01-10', '2024-01-10', forward => 0);
SELECT step, event, count FROM analytics_groups.funnel('["S", "P"]', '2024-01-10', '2024-01-10');
-- The last anchor is followed as one alone is: here for two steps.
SELECT path, count FROM analytics_groups.flow_paths('[{"event": "S", "forward": 0}, "P"]', '2024-01-10', '2024-01-10', forward => 2);
-- The first one looks back.
SELECT path, count FROM analytics_groups.flow_paths('["A", {"event": "P", "forward": 0}]', '2024-01-10', '2024-01-10', forward => 1, reverse => 1);
-- An anchor is the first event that fits after the one before; another of the same name is another event.
SELECT pg_temp.send('w1', '2024-01-12', 'SSSP');
SELECT path FROM analytics_groups.flow_paths('["S", "S", "P"]', '2024-01-12', '2024-01-12', forward => 0);
SELECT path FROM analytics_groups.flow_paths('["S", "S", "P"]', '2024-01-12', '2024-01-12', forward => 1, collapse => true);
-- The window runs from the first anchor, and is inclusive: P comes 60 minutes after S for u3.
SELECT w, p.path, p.count FROM unnest('{60 minutes,59 minutes}'::interval[]) AS w, analytics_groups.flow_paths('["S", {"event": "P", "forward": 0}]', '2024-01-10', '2024-01-10', forward => 0, within => w) AS p;
-- Totals: the next way begins after the end of the one before. S S P P is one way, S P S P two.
SELECT pg_temp.send('w2', '2024-01-13', 'SSPP'), pg_temp.send('w3', '2024-01-13', 'SPSPS');
SELECT counting, p.path, p.count FROM unnest('{unique,total}'::text[]) AS counting, analytics_groups.flow_paths('["S", "P"]', '2024-01-13', '2024-01-13', forward => 0, count => counting) AS p;

-- ---- What ends a way ---------------------------------------------------------------------------------------------------------------
-- X between S and P: x1 drops off before it, x2 does it after P, and x3 at the same time as P, which is not between.
SELECT pg_temp.send('x1', '2024-02-01', 'SAXBP'), pg_temp.send('x2', '2024-02-01', 'SAPX'), pg_temp.send('x3', '2024-02-01', 'SAP');
SELECT analytics_groups.track('X', 'x3', '{}', at => '2024-02-01 10:20Z');
SELECT path, count FROM analytics_groups.flow_paths('["S", {"event": "P", "forward": 0}]', '2024-02-01', '2024-02-01', forward => 3, exclude => '["X"]');
-- Between two of three anchors only.
SELECT path FROM analytics_groups.flow_paths('["S", "A", {"event": "P", "forward": 0}]', '2024-02-01', '2024-02-01', forward => 1, exclude => '[{"event": "X", "between": [1, 2]}]');
-- A property that must not change: the way of the shirt ends without P, whatever happens to the hat.
SELECT pg_temp.send('y1', '2024-02-02', 'S', '{"item": "shirt"}'), pg_temp.send('y1', '2024-02-02', 'SAP', '{"item": "hat"}');
SELECT counting, p.path, p.count FROM unnest('{unique,total}'::text[]) AS counting,
     analytics_groups.flow_paths('["S", {"event": "P", "forward": 0}]', '2024-02-02', '2024-02-02', forward => 0, hold => '{item}', count => counting) AS p;
-- A filter decides which events are looked at.
SELECT path FROM analytics_groups.flow_paths('["S", "P"]', '2024-02-02', '2024-02-02', forward => 1, filter => 'properties["item"] == "hat"');

-- ---- By session --------------------------------------------------------------------------------------------------------------------
-- What hide leaves out is still something that somebody does: here it keeps one session alive.
SELECT pg_temp.send('z1', '2024-03-01', 'ASB'), pg_temp.send('z1', '2024-03-01', '------------SCDS');
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-03-01', '2024-03-01', forward => 2, reverse => 2, count => 'sessions', hide => '{-}');
-- Two sessions of one user: a way begins with the first anchor of each, and nothing outside of it is a step.
SELECT pg_temp.send('z2', '2024-03-02', 'ASB'), pg_temp.send('z2', '2024-03-02', '------CS');
UPDATE analytics_t_flow_anchors.event_name SET hidden = true WHERE name = '-';
-- Hidden events do not keep a session alive: C comes 40 minutes after B.
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-03-02', '2024-03-02', forward => 2, reverse => 1, count => 'sessions');
SELECT path, count FROM analytics_groups.flow_paths('["A", "C"]', '2024-03-02', '2024-03-02', forward => 1, count => 'sessions');
SELECT path, count FROM analytics_groups.flow_paths('["A", "C"]', '2024-03-02', '2024-03-02', forward => 1);
-- Who is behind them, and in how many sessions.
SELECT id, times FROM analytics_groups.flow_members('"S"', '2024-03-01', '2024-03-02', forward => 2, count => 'sessions');
-- By company, a session is one of all its users.
SELECT pg_temp.send('c1', '2024-03-05', 'S', '{"company_id": "acme"}'), pg_temp.send('c2', '2024-03-05', '-A', '{"company_id": ["acme", "globex"]}');
SELECT by, p.path, p.count FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.flow_paths('"S"', '2024-03-05', '2024-03-05', by => by, forward => 1, count => 'sessions') AS p;

-- ---- Events by the value of a property -----------------------------------------------------------------------------------------------
SELECT pg_temp.send('v1', '2024-04-01', 'SV', '{"page": "home"}'), pg_temp.send('v2', '2024-04-01', 'SV', '{"page": "docs"}'), pg_temp.send('v3', '2024-04-01', 'SV'), pg_temp.send('v4', '2024-04-01', 'SVV', '{"page": ""}');
SELECT step, event, next_event, count FROM analytics_groups.flows('"S"', '2024-04-01', '2024-04-01', forward => 2, rows => 50, split => '{"V": "page"}');
SELECT id FROM analytics_groups.flow_members('"S"', '2024-04-01', '2024-04-01', forward => 2, split => '{"V": "page"}', step => 1, event => 'V [docs]');
-- The rest of a position: what is not among its most frequent events.
SELECT id FROM analytics_groups.flow_members('"S"', '2024-04-01', '2024-04-01', forward => 2, rows => 1, split => '{"V": "page"}', step => 1, event => '$other');
-- All events, the anchor among them; equal steps are those of one value.
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-04-01', '2024-04-01', forward => 1, split => '{"$any": "page"}');
SELECT count(*) FROM analytics_groups.people_set('v1', '{"plan": "pro"}');
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-04-01', '2024-04-01', forward => 1, split => '{"S": "user.plan", "$any": "page"}', top => 2);

-- ---- The same after maintenance --------------------------------------------------------------------------------------------------------
CALL analytics_groups.maintain();
SELECT path, count FROM analytics_groups.flow_paths('["S", {"event": "P", "reverse": 1, "forward": 0}]', '2024-01-10', '2024-01-10', forward => 2);
SELECT path, count FROM analytics_groups.flow_paths('["S", {"event": "P", "forward": 0}]', '2024-02-01', '2024-02-01', forward => 3, exclude => '["X"]');
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-03-02', '2024-03-02', forward => 2, reverse => 1, count => 'sessions');
SELECT by, p.path, p.count FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.flow_paths('"S"', '2024-03-05', '2024-03-05', by => by, forward => 1, count => 'sessions') AS p;
SELECT path, count FROM analytics_groups.flow_paths('"S"', '2024-04-01', '2024-04-01', forward => 1, split => '{"$any": "page"}');

-- ---- Mistakes ----------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.flows('["S", {"event": "P", "reverse": 6}]', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.flows('["S","S","S","S","S","S","S","S","S","S","S"]', '2024-01-10', '2024-01-10');
SELECT * FROM analytics_groups.flows('["S", "P"]', '2024-01-10', '2024-01-10', hide => '{P}');
SELECT * FROM analytics_groups.flows('"S"', '2024-01-10', '2024-01-10', exclude => '["X"]');
SELECT * FROM analytics_groups.flows('["S", "P"]', '2024-01-10', '2024-01-10', exclude => '[{"event": "X", "between": [2, 1]}]');
SELECT * FROM analytics_groups.flows('["S", "P"]', '2024-01-10', '2024-01-10', hold => '{itme}');
SELECT * FROM analytics_groups.flows('"S"', '2024-01-10', '2024-01-10', split => '["page"]');
SELECT * FROM analytics_groups.flows('"S"', '2024-01-10', '2024-01-10', split => '{"V": {"users_who_did": "S"}}');
SELECT * FROM analytics_groups.flows('"S"', '2024-01-10', '2024-01-10', count => 'sessions', within => '1 hour');
SELECT * FROM analytics_groups.flows('"S"', '2024-01-10', '2024-01-10', filter => 'properties["page"] ==');
SELECT * FROM analytics_groups.flow_members('["S", "P"]', '2024-01-10', '2024-01-10', anchor => 3);
SELECT * FROM analytics_groups.flow_members('["S", "P"]', '2024-01-10', '2024-01-10', step => -1);
SELECT * FROM analytics_groups.flow_members('"S"', '2024-01-10', '2024-01-10', anchor => 2);
-- Nobody sent it: nothing to split, and a notice.
SELECT count(*) FROM analytics_groups.flows('"S"', '2024-04-01', '2024-04-01', split => '{"VV": "page"}');

SELECT analytics_groups.drop_project('t_flow_anchors');
