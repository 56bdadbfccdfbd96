-- retention beyond the plain question: brackets, what those who came back are worth, segments, and the average row.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

SELECT analytics_groups.create_project('t_retention_options') > 0 AS created;
SET analytics_groups.project = 't_retention_options';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- Ann and Bob from Germany, Cid from nowhere. Ann pays 10 on day 1 and 5 on day 8, Cid 7 on day 6 and something that is no number.
SELECT count(analytics_groups.track(event, who, jsonb_strip_nulls(jsonb_build_object('company_id', 'c-' || who, 'country', country, 'amount', amount::jsonb)), at => at::timestamptz))
FROM (VALUES ('Sign Up',  'ann', 'de', NULL,    '2024-01-01 10:00Z'),
             ('Sign Up',  'bob', 'de', NULL,    '2024-01-01 11:00Z'),
             ('Sign Up',  'cid', NULL, NULL,    '2024-01-01 12:00Z'),
             ('Purchase', 'ann', NULL, '10',    '2024-01-02 12:00Z'),
             ('Purchase', 'ann', NULL, '5',     '2024-01-09 12:00Z'),
             ('Purchase', 'cid', NULL, '7',     '2024-01-07 12:00Z'),
             ('Purchase', 'cid', NULL, '"no"',  '2024-01-07 13:00Z')) AS e(event, who, country, amount, at);
SELECT analytics_groups.group_set('company_id', 'c-ann', '{"plan": "pro"}');

-- ---- brackets: [0,1), [1,7), [7,30) days ---------------------------------------------------------------------------------------
SELECT bucket, size, retained, complete FROM analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', brackets => '{1,7,30}', criterion => 'on');
SELECT criterion, string_agg(retained::text, ' ' ORDER BY bucket) FROM unnest('{on,on_or_after,on_or_before,streak}'::text[]) WITH ORDINALITY AS k(criterion, n),
     analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', brackets => '{2,7,30}', criterion => criterion) GROUP BY criterion, n ORDER BY n;

-- ---- measures ------------------------------------------------------------------------------------------------------------------
-- The sum of what they came back with; by those who came back. On or before is what a customer is worth by then.
SELECT measure, criterion, string_agg(coalesce(value::text, '-'), ' ' ORDER BY bucket) AS "values"
FROM (VALUES ('rate', NULL), ('count', NULL), ('sum', 'amount'), ('average', 'amount')) AS m(measure, property),
     unnest('{on,on_or_before}'::text[]) AS criterion,
     analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', brackets => '{1,7,30}', criterion => criterion, measure => measure, property => property)
GROUP BY measure, criterion ORDER BY criterion, measure;

-- ---- segments of the births ----------------------------------------------------------------------------------------------------
SELECT segment, size, bucket, retained, value FROM analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', buckets => 1, criterion => 'on', breakdown => '["country"]');
-- Beyond the top is one segment. By a group property: that of the company itself, when companies are counted.
SELECT segment, size FROM analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', buckets => 0, breakdown => '["country"]', top => 1);
SELECT segment, size, retained FROM analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', by => 'company_id', buckets => 0, breakdown => '["group.company_id.plan"]');
SELECT id, value FROM analytics_groups.retention_members('"Sign Up"', '"Purchase"', '2024-01-01', '2024-01-01', breakdown => '["country"]', segment => '{de}', bucket => 1, outcome => 'lost');

-- ---- the average row -----------------------------------------------------------------------------------------------------------
-- Cohorts of 1000 and 500, of whom 500 and 400 come back: weighted 466.67 of 833.33, which is 56 %; pooled 900 of 1500, which is 60 %.
SELECT analytics_groups.track_ndjson(string_agg(format('{"event":"Join","properties":{"distinct_id":"j%s","time":%s}}', i, extract(epoch FROM CASE WHEN i <= 1000 THEN '2024-02-01 10:00Z' ELSE '2024-02-02 10:00Z' END::timestamptz)), e'\n')) ->> 'num_records_imported' AS imported
FROM generate_series(1, 1500) AS i;
SELECT analytics_groups.track_ndjson(string_agg(format('{"event":"Back","properties":{"distinct_id":"j%s","time":%s}}', i, extract(epoch FROM CASE WHEN i <= 1000 THEN '2024-02-02 11:00Z' ELSE '2024-02-03 11:00Z' END::timestamptz)), e'\n')) ->> 'num_records_imported' AS imported
FROM generate_series(1, 1500) AS i WHERE i <= 500 OR i > 1000 AND i <= 1400;
SELECT average, bucket, round(size::numeric, 2) AS size, round(retained::numeric, 2) AS retained, round(value::numeric, 2) AS value
FROM unnest('{weighted,pooled}'::text[]) AS average,
     analytics_groups.retention_summary('"Join"', '"Back"', '2024-02-01', '2024-02-02', buckets => 1, criterion => 'on', average => average) WHERE bucket = 1;
-- Only what is complete counts: of births of today nothing is.
SELECT analytics_groups.track('Begin', 'now');
SELECT bucket, size, retained, value FROM analytics_groups.retention_summary('"Begin"', '"Back"', current_date - 1, current_date + 1, buckets => 0);

-- ---- what makes no sense -------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', brackets => '{7,1}');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', brackets => '{0,1}');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', measure => 'sum');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', property => 'amount');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', measure => 'median');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', breakdown => '[{"users_who_did": "Back"}]', by => 'company_id');
SELECT * FROM analytics_groups.retention('"Join"', '"Back"', '2024-02-01', '2024-02-01', breakdown => '["cuontry"]');
SELECT * FROM analytics_groups.retention_summary('"Join"', '"Back"', '2024-02-01', '2024-02-01', average => 'mean');

SELECT analytics_groups.drop_project('t_retention_options');
