-- Spells of work: a person's events with no more than half an hour between them, on one day.
WITH e AS (
    SELECT person, at, coalesce(at - lag(at) OVER w > interval '30 minutes' OR at::date <> (lag(at) OVER w)::date, true) AS fresh
    FROM log WHERE person <> 'Siebel' WINDOW w AS (PARTITION BY person ORDER BY at)
), n AS (
    SELECT person, at, sum(fresh::int) OVER (PARTITION BY person ORDER BY at ROWS UNBOUNDED PRECEDING) AS no FROM e
), s AS (
    SELECT person, no, min(at) AS began, max(at) - min(at) AS took, count(*) AS events FROM n GROUP BY 1, 2
)
SELECT date_trunc('week', began)::date AS week, count(*) AS spells, round(avg(events), 2) AS "events in each",
       date_trunc('second', make_interval(secs => avg(extract(epoch FROM took))::float8)) AS "on average",
       date_trunc('second', make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM took)))) AS "9 of 10 up to"
FROM s
WHERE began >= '2012-04-02' AND began < '2012-05-28'
GROUP BY 1
