-- Incidents by the number of teams that had to do with them.
WITH n AS (
    SELECT incident, count(DISTINCT team) AS teams FROM log WHERE at >= '2012-04-01' AND at < '2012-06-01' GROUP BY 1
)
SELECT teams, count(*) AS incidents
FROM n
GROUP BY teams
