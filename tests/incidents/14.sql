-- What those do who took on five or more incidents of high impact in April and May, beside everybody else.
WITH f AS (
    SELECT person FROM log
    WHERE event = 'Accepted / In Progress' AND impact IN ('High', 'Major') AND at >= '2012-04-01' AND at < '2012-06-01'
    GROUP BY 1 HAVING count(*) >= 5
)
SELECT CASE WHEN person IN (SELECT person FROM f) THEN 'In firefighters' ELSE 'Not In firefighters' END AS who,
       count(DISTINCT person) AS people, count(*) AS events, round(count(*)::numeric / count(DISTINCT person), 1) AS "events of each",
       round(100.0 * count(*) FILTER (WHERE event IN ('Completed / Resolved', 'Completed / In Call')) / count(*), 1) AS "completed, %"
FROM log
WHERE at >= '2012-04-01' AND at < '2012-06-01'
GROUP BY 1
