-- From the queue to completion: each step is the first event after the one before, within 14 days of the first.
WITH q AS (
    SELECT incident, min(at) AS t1 FROM log
    WHERE event = 'Queued / Awaiting Assignment' AND at >= '2012-04-01' AND at < '2012-05-16' GROUP BY 1
), w AS (
    SELECT q.incident, q.t1, min(l.at) AS t2 FROM q JOIN log l USING (incident)
    WHERE l.event = 'Accepted / In Progress' AND l.at BETWEEN q.t1 AND q.t1 + interval '14 days' GROUP BY 1, 2
), c AS (
    SELECT w.incident, w.t1, w.t2, min(l.at) AS t3 FROM w JOIN log l USING (incident)
    WHERE l.event IN ('Completed / Resolved', 'Completed / In Call') AND l.at BETWEEN w.t2 AND w.t1 + interval '14 days' GROUP BY 1, 2, 3
), s AS (
    SELECT 1 AS step, 'queued' AS what, incident, interval '0' AS took, interval '0' AS since FROM q
    UNION ALL SELECT 2, 'in progress', incident, t2 - t1, t2 - t1 FROM w
    UNION ALL SELECT 3, 'completed', incident, t3 - t2, t3 - t1 FROM c
)
SELECT step, what, count(*) AS incidents, round(100.0 * count(*) / (SELECT count(*) FROM q), 1) AS "of all, %",
       CASE WHEN step > 1 THEN date_trunc('second', make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM took)))) END AS "median since the step before",
       CASE WHEN step > 1 THEN date_trunc('second', make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM since)))) END AS "since the queue"
FROM s
GROUP BY step, what
