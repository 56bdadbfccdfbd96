-- What a report says to arguments that make no sense: an ERROR that helps, never a silent guess.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_arguments') > 0 AS created;
SET analytics_groups.project = 't_arguments';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.track('A', 'u1', '{"company_id": "acme"}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('Purchase', 'u1', '{"company_id": "acme", "amount": 1}', at => '2024-01-01 10:00Z');

-- ---- Dates --------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-02', '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-02', '2024-01-01');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-02', '2024-01-01');
SELECT * FROM analytics_groups.insights('["A"]', NULL, '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', NULL);
SELECT * FROM analytics_groups.insights('["A"]', '-infinity', 'infinity');
SELECT * FROM analytics_groups.insights('["A"]', '4000-01-01 BC', '9999-12-31', unit => 'minute');
SELECT count(*) FROM analytics_groups.insights('["A"]', '1900-01-01', '2100-01-01', unit => 'year');

-- ---- By, unit, project --------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.insights('[{"event": "A", "by": "compani_id"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', by => 'compani_id');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', by => '');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', by => NULL);
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', unit => 'fortnight');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', unit => 'hour');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', project => 't_argument');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', project => 'x"; DROP SCHEMA public; --');

-- ---- Metrics ------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.insights('[]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights(NULL, '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('5', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"evnt": "A"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measur": "unique"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "uniqe"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": 7}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', top => 0);
-- An event nobody sent is zero, with a notice that names the near ones.
SELECT value FROM analytics_groups.insights('["Purchse"]', '2024-01-01', '2024-01-01');

-- ---- Breakdowns ---------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["a", "b", "c", "d", "e"]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["group.team_id"]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"prop": "amount"}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"users_who_did": "A"}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '"amount"');

-- ---- Funnels ------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.funnel('["A"]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel('[]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel((SELECT jsonb_agg('A'::text) FROM generate_series(1, 101)), '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', within => '0');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', within => '-1 day');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', within => '400 days');
SELECT * FROM analytics_groups.funnel('["A", "Purchase"]', '2024-01-01', '2024-01-01', grace => '-1 s');
SELECT * FROM analytics_groups.funnel('["A", {"event": "Purchase", "filter": "properties[\"amount\"] ="}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.funnel('["A", {"event": "Purchase", "measure": "unique"}]', '2024-01-01', '2024-01-01');

-- ---- Retention ------------------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.retention(NULL, '"A"', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', buckets => -1);
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', buckets => 1000000);
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', criterion => 'after');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', alignment => 'lunar');
SELECT * FROM analytics_groups.retention('"A"', '"A"', '2024-01-01', '2024-01-01', births => 'last');

-- Measures: what they need, what does not go together.
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "sum"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "total", "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "dau", "per": "total"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "unique", "attribution": "middle"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "dau", "attribution": "first"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "percentile", "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "percentile", "percentile": 101, "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "sum", "percentile": 90, "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "median", "property": "amount", "per": "total"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "distribution", "property": "amount"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "distinct", "per": "total"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "average", "per": {"measure": "median", "property": "amount"}}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "average", "per": {"measure": "sum"}}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "sum", "property": "amuont"}]', '2024-01-01', '2024-01-01');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', rolling => 7, cumulative => true);
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', rolling => 0);
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', unit => 'range', rolling => 7);
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', compare => '12 hours');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', compare => '-1 day');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', formulas => '{"A / B"}');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', formulas => '{"A / (1 + "}');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', formulas => '{"A = 1 / A"}');
SELECT * FROM analytics_groups.insights('[{"event": "A", "measure": "distribution"}]', '2024-01-01', '2024-01-01', formulas => '{"A / 2"}');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "amount", "bucket": {"size": 0}}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "amount", "bucket": {"size": 1, "min": 5, "max": 5}}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "amount", "bucket": {"steps": 10}}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "amount", "bucket": {"at": [10, 5]}}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "amount", "bucket": [{"name": "x"}]}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "$time"}]');
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '[{"property": "$time", "unit": "fortnight"}]');

-- What the language has and this version does not yet answers so, instead of with a wrong number.
SELECT * FROM analytics_groups.insights('["A"]', '2024-01-01', '2024-01-01', breakdown => '["cohort.power users"]');

-- The SQLSTATE of a wrong argument is 22023.
DO $$
BEGIN
    PERFORM * FROM analytics_groups.funnel('["A"]', '2024-01-01', '2024-01-01');
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE NOTICE 'invalid_parameter_value';
END $$;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_arguments');
