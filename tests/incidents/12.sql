-- People by the number of days on which they worked, in each week.
WITH d AS (
    SELECT date_trunc('week', at)::date AS week, person, count(DISTINCT at::date) AS days FROM log
    WHERE at >= '2012-04-02' AND at < '2012-05-28' GROUP BY 1, 2
)
SELECT week, count(*) AS "1 day", count(*) FILTER (WHERE days >= 2) AS "2 days", count(*) FILTER (WHERE days >= 3) AS "3 days",
       count(*) FILTER (WHERE days >= 4) AS "4 days", count(*) FILTER (WHERE days >= 5) AS "5 days or more"
FROM d
GROUP BY week
