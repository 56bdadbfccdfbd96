-- Teams that began work of high impact in the week of 30 April and completed none within 14 days of that, by line of support.
WITH w AS (
    SELECT team, min(at) AS t1 FROM log
    WHERE event = 'Accepted / In Progress' AND impact IN ('High', 'Major') AND at >= '2012-04-30' AND at < '2012-05-07' GROUP BY 1
)
SELECT CASE WHEN team LIKE '% 2nd' THEN '2nd' WHEN team LIKE '% 3rd' THEN '3rd' ELSE '1st' END AS line, count(*) AS teams
FROM w
WHERE NOT EXISTS (
    SELECT FROM log l WHERE l.team = w.team AND l.event IN ('Completed / Resolved', 'Completed / In Call') AND l.impact IN ('High', 'Major')
    AND l.at BETWEEN w.t1 AND w.t1 + interval '14 days'
)
GROUP BY 1
