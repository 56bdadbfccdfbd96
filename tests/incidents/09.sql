-- Incidents that came back to work after they were resolved, by days since they first were.
WITH b AS (
    SELECT incident, min(at) AS t0 FROM log WHERE event = 'Completed / Resolved' GROUP BY 1
    HAVING min(at) >= '2012-04-01' AND min(at) < '2012-06-01'
), d(bucket, since, upto) AS (
    VALUES (0, interval '0 days', interval '1 day'), (1, '1 day', '3 days'), (2, '3 days', '7 days'), (3, '7 days', '14 days')
)
SELECT to_char(extract(day FROM since), 'FM99') || ' to ' || to_char(extract(day FROM upto), 'FM99') AS "days after", (SELECT count(*) FROM b) AS resolved,
       count(DISTINCT incident) AS "back at work",
       round(100.0 * count(DISTINCT incident) / (SELECT count(*) FROM b), 1) AS "%"
FROM d
LEFT JOIN (b JOIN log l USING (incident)) ON l.event IN ('Queued / Awaiting Assignment', 'Accepted / In Progress')
    AND l.at > b.t0 AND l.at >= b.t0 + d.since AND l.at < b.t0 + d.upto
GROUP BY bucket, since, upto
