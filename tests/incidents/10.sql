-- Teams that worked on incidents in one week, and how many of them did in the weeks after.
WITH a AS (
    SELECT DISTINCT team, date_trunc('week', at)::date AS week FROM log WHERE event = 'Accepted / In Progress'
), c AS (
    SELECT * FROM a WHERE week BETWEEN '2012-04-02' AND '2012-05-14'
)
SELECT c.week, count(DISTINCT c.team) AS teams,
       round(100.0 * count(DISTINCT c.team) FILTER (WHERE a.week = c.week + 7) / count(DISTINCT c.team), 1) AS "+1",
       round(100.0 * count(DISTINCT c.team) FILTER (WHERE a.week = c.week + 14) / count(DISTINCT c.team), 1) AS "+2",
       round(100.0 * count(DISTINCT c.team) FILTER (WHERE a.week = c.week + 21) / count(DISTINCT c.team), 1) AS "+3"
FROM c JOIN a USING (team)
GROUP BY c.week
