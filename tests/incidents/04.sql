-- How often work on an incident is taken up, by impact: percentiles over incidents.
WITH n AS (
    SELECT impact, incident, count(*) AS n
    FROM log
    WHERE event = 'Accepted / In Progress' AND at >= '2012-04-01' AND at < '2012-06-01'
    GROUP BY 1, 2
)
SELECT impact, count(*) AS incidents, percentile_cont(0.5) WITHIN GROUP (ORDER BY n) AS median,
       round((percentile_cont(0.9) WITHIN GROUP (ORDER BY n))::numeric, 1) AS "9 of 10 up to", max(n) AS most
FROM n
GROUP BY impact
