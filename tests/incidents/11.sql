-- Products by week: new, still there, back, gone quiet.
WITH a AS (
    SELECT DISTINCT product, date_trunc('week', at)::date AS week FROM log
), s AS (
    SELECT week, product, CASE WHEN lag(week) OVER w IS NULL THEN 'new' WHEN lag(week) OVER w = week - 7 THEN 'retained' ELSE 'resurrected' END AS state
    FROM a WINDOW w AS (PARTITION BY product ORDER BY week)
    UNION ALL
    SELECT week + 7, product, 'dormant' FROM a WHERE NOT EXISTS (SELECT FROM a n WHERE n.product = a.product AND n.week = a.week + 7)
)
SELECT week, count(*) FILTER (WHERE state = 'new') AS new, count(*) FILTER (WHERE state = 'retained') AS retained,
       count(*) FILTER (WHERE state = 'resurrected') AS resurrected, count(*) FILTER (WHERE state = 'dormant') AS dormant
FROM s
WHERE week >= '2012-04-02' AND week < '2012-05-28'
GROUP BY week
