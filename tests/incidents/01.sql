-- Events, incidents, people and teams by week.
SELECT date_trunc('week', at)::date AS week, count(*) AS events, count(DISTINCT incident) AS incidents,
       count(DISTINCT person) AS people, count(DISTINCT team) AS teams
FROM log
WHERE at >= '2012-04-02' AND at < '2012-05-28'
GROUP BY 1
