-- The same funnel by impact, the best of all entries: an incident gets as far as any chain of its events does.
WITH f1 AS (
    SELECT incident, impact, at AS t1 FROM log WHERE event = 'Queued / Awaiting Assignment' AND at >= '2012-04-01' AND at < '2012-05-16'
), f2 AS (
    SELECT f1.*, l.at AS t2 FROM f1 JOIN log l USING (incident)
    WHERE l.event = 'Accepted / In Progress' AND l.at BETWEEN t1 AND t1 + interval '3 days'
), f3 AS (
    SELECT f2.incident FROM f2 JOIN log l USING (incident)
    WHERE l.event IN ('Completed / Resolved', 'Completed / In Call') AND l.at BETWEEN t2 AND t1 + interval '3 days'
)
SELECT impact, count(DISTINCT incident) AS queued, count(DISTINCT incident) FILTER (WHERE incident IN (SELECT incident FROM f2)) AS started,
       count(DISTINCT incident) FILTER (WHERE incident IN (SELECT incident FROM f3)) AS completed,
       round(100.0 * count(DISTINCT incident) FILTER (WHERE incident IN (SELECT incident FROM f3)) / count(DISTINCT incident), 1) AS "completed, %"
FROM f1
GROUP BY impact
