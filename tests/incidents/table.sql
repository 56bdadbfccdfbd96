-- The plain table that docs/incidents.md is checked against: what anybody would make of the same lines.
CREATE TABLE log AS
SELECT line ->> 'event' AS event,
       to_timestamp((line -> 'properties' ->> 'time')::bigint / 1000.0) AS at,
       line -> 'properties' ->> 'distinct_id' AS person,
       line -> 'properties' ->> 'org_line' AS org_line,
       line -> 'properties' ->> 'team' AS team,
       line -> 'properties' ->> 'product' AS product,
       line -> 'properties' ->> 'case' AS incident,
       line -> 'properties' ->> 'impact' AS impact
FROM line;
CREATE INDEX ON log (incident, at);
CREATE INDEX ON log (person, at);
ANALYZE log;
