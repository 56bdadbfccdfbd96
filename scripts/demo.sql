-- The tour that scripts/demo prints. Everything here is a read; try your own variations.
\set QUIET on
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null '·'
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
\set ECHO queries

\qecho
\qecho '── The group keys: what else than users can be counted ──────────────────────────────────────────'
SELECT property, display_name, is_company_key, groups, attributed_events
FROM analytics_groups.group_keys
ORDER BY property;

\qecho '── Unique users and unique companies by week, side by side ─────────────────────────────────────'
SELECT bucket::date AS week,
       max(value) FILTER (WHERE metric = 'users')     AS users,
       max(value) FILTER (WHERE metric = 'companies') AS companies
FROM analytics_groups.insights(
       '[{"event": "$any", "measure": "unique", "label": "users"},
         {"event": "$any", "measure": "unique", "by": "company_id", "label": "companies"}]',
       '2024-01-01', '2024-03-31', unit => 'week')
GROUP BY bucket
ORDER BY bucket;

\qecho '── A funnel by user and by company: in a company, different people may do different steps ──────'
WITH counted_by(by) AS (VALUES ('user'), ('company_id'))
SELECT by, step, event, count,
       round((100 * overall_conversion)::numeric, 1) AS "% of first",
       justify_hours(date_trunc('hour', median_time_from_start)) AS median_time
FROM counted_by,
     analytics_groups.funnel('["Sign Up", "Invite Sent", "Payment"]',
                             '2024-01-01', '2024-03-31', by => by, within => '30 days')
ORDER BY by DESC, step;

\qecho '── Retention by company: of those that signed somebody up, how many export something 1 … 5 weeks later ──'
SELECT cohort::date AS week_of, max(size) AS companies,
       max(retained) FILTER (WHERE bucket = 1) AS w1,
       max(retained) FILTER (WHERE bucket = 2) AS w2,
       max(retained) FILTER (WHERE bucket = 3) AS w3,
       max(retained) FILTER (WHERE bucket = 4) AS w4,
       max(retained) FILTER (WHERE bucket = 5) AS w5
FROM analytics_groups.retention('"Sign Up"', '"Export Downloaded"', '2024-01-01', '2024-02-18',
                                by => 'company_id', unit => 'week', buckets => 5, criterion => 'on')
GROUP BY cohort
ORDER BY cohort;

\qecho '── Broken down by a property of the company: who is there, who pays ─────────────────────────────'
SELECT segment[1] AS plan,
       max(value) FILTER (WHERE metric = 'active')   AS active_companies,
       max(value) FILTER (WHERE metric = 'paying')   AS paying_companies,
       max(value) FILTER (WHERE metric = 'payments') AS payments
FROM analytics_groups.insights(
       '[{"event": "$any",    "measure": "unique", "by": "company_id", "label": "active"},
         {"event": "Payment", "measure": "unique", "by": "company_id", "label": "paying"},
         {"event": "Payment", "measure": "total",  "by": "company_id", "label": "payments"}]',
       '2024-01-01', '2024-03-31', unit => 'range', breakdown => '["group.company_id.plan"]')
GROUP BY segment
ORDER BY payments DESC;

\qecho '── Companies by the number of their users who viewed a report in March ──────────────────────────'
SELECT ('{nobody,1,2 to 5,6 to 10,11 to 25,more}'::text[])[1 + width_bucket(segment[1]::int, '{1,2,6,11,26}')] AS users_who_did,
       sum(value) AS companies
FROM analytics_groups.insights(
       '[{"event": "$any", "measure": "unique", "by": "company_id"}]',
       '2024-03-01', '2024-03-31', unit => 'range', top => 1000,
       breakdown => '[{"users_who_did": "Report Viewed"}]')
GROUP BY 1
ORDER BY min(segment[1]::int);
