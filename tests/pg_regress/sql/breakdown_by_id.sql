-- Ids as segments: only those that are shown are looked up, which nobody may notice.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

SELECT analytics_groups.create_project('t_by_id') > 0 AS created;
SET analytics_groups.project = 't_by_id';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

CREATE FUNCTION pg_temp.send(usr text, company text) RETURNS void LANGUAGE sql AS $$
    SELECT analytics_groups.track('E', usr, jsonb_strip_nulls(jsonb_build_object('company_id', company)), at => '2024-01-01 10:00Z')
$$;
SELECT count(*) FROM (VALUES
    ('u1', 'zeta'), ('u2', 'zeta'), ('u3', 'zeta'), ('u1', 'beta'), ('u3', 'beta'), ('u1', 'acme'), ('u2', 'acme'),
    ('u4', 'solo'), ('u4', 'solo'), ('u5', NULL)) AS v(usr, company), pg_temp.send(usr, company);

CREATE FUNCTION pg_temp.companies() RETURNS TABLE (metric text, company text, value float8) LANGUAGE sql AS $$
    SELECT metric, segment[1], value FROM analytics_groups.insights('[{"event": "E", "measure": "unique"}, "E"]',
        '2024-01-01', '2024-01-01', unit => 'range', breakdown => '["group.company_id"]', top => 3)
$$;

-- Of acme and beta, who have two users each, the first by name comes first, whichever was there first.
SELECT * FROM pg_temp.companies();
CALL analytics_groups.maintain('t_by_id');
SELECT * FROM pg_temp.companies();

-- Counted by company; two dimensions; users by their ids.
SELECT metric, segment, value FROM analytics_groups.insights(
    '[{"event": "E", "by": "company_id"}, {"event": "E", "measure": "unique", "by": "company_id"}]',
    '2024-01-01', '2024-01-01', unit => 'range', breakdown => '["group.company_id"]', top => 2);
SELECT segment, value FROM analytics_groups.insights('["E"]', '2024-01-01', '2024-01-01', unit => 'range',
    breakdown => '["user.$distinct_id", "group.company_id"]', top => 4);
SELECT segment, value FROM analytics_groups.insights('["E"]', '2024-01-01', '2024-01-01', unit => 'range',
    breakdown => '["user.$distinct_id"]');

-- A user whose profile lists a company counts there when the event names none.
SELECT analytics_groups.update_users('[{"$distinct_id": "u5", "$set": {"company_id": "acme"}}]') ->> 'code' AS code;
SELECT * FROM pg_temp.companies();

-- A company that is called like the segment of what has no company is that segment.
SELECT count(*) FROM (VALUES ('u6', '(not set)'), ('u7', NULL)) AS v(usr, company), pg_temp.send(usr, company);
SELECT segment, value FROM analytics_groups.insights('[{"event": "E", "measure": "unique"}]',
    '2024-01-01', '2024-01-01', unit => 'range', breakdown => '["group.company_id"]');

SELECT analytics_groups.drop_project('t_by_id');
