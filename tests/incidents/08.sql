-- The three events after an incident was first put in a queue, within 30 days.
WITH q AS (
    SELECT incident, min(at) AS t1 FROM log
    WHERE event = 'Queued / Awaiting Assignment' AND at >= '2012-04-01' AND at < '2012-06-01' GROUP BY 1
), n AS (
    SELECT q.incident, ARRAY(SELECT l.event FROM log l WHERE l.incident = q.incident AND l.at > q.t1 AND l.at <= q.t1 + interval '30 days'
                             ORDER BY l.at LIMIT 3) AS next
    FROM q
), p AS (
    SELECT next || CASE WHEN cardinality(next) < 3 THEN ARRAY['(drop-off)'] ELSE ARRAY[]::text[] END AS next FROM n
)
SELECT array_to_string(next, ' → ') AS "after the queue", count(*) AS incidents, round(100.0 * count(*) / (SELECT count(*) FROM q), 1) AS "%"
FROM p
GROUP BY 1
