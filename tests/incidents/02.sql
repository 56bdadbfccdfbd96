-- Incidents and people by org line, and the share of incidents of high impact.
SELECT org_line, count(DISTINCT incident) AS incidents, count(DISTINCT person) AS people,
       round(100.0 * count(DISTINCT incident) FILTER (WHERE impact IN ('High', 'Major')) / count(DISTINCT incident), 1) AS "high, %"
FROM log
WHERE at >= '2012-04-01' AND at < '2012-06-01'
GROUP BY 1
