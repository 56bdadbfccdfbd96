-- Incidents that each line of support has seen, by week. The line is in the name of the team.
WITH l AS (
    SELECT date_trunc('week', at)::date AS week, incident,
           CASE WHEN team LIKE '% 2nd' THEN '2nd' WHEN team LIKE '% 3rd' THEN '3rd' ELSE '1st' END AS line
    FROM log
    WHERE at >= '2012-04-02' AND at < '2012-05-28'
)
SELECT week, count(DISTINCT incident) FILTER (WHERE line = '1st') AS first, count(DISTINCT incident) FILTER (WHERE line = '2nd') AS second,
       count(DISTINCT incident) FILTER (WHERE line = '3rd') AS third
FROM l
GROUP BY week
