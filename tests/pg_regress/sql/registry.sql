-- Projects and group keys: what can be counted, and who decides. Semantics 1.1 and 1.2.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_registry') > 0 AS created;
SET analytics_groups.project = 't_registry';

-- ---- Projects -------------------------------------------------------------------------------------------------------
-- A project has a time zone and a week start of its own; its tables are a schema of its own.
SELECT analytics_groups.create_project('t_registry_sunday', timezone => 'America/New_York', week_start => 'sunday') > 0 AS created;
SELECT project, timezone, week_start FROM analytics_groups.projects WHERE project LIKE 't\_registry%' ORDER BY project;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'analytics\_t\_registry%' ORDER BY nspname;

-- Names are lower case words, zones are real zones, weeks start on a day.
SELECT analytics_groups.create_project('t_registry');
SELECT analytics_groups.create_project('');
SELECT analytics_groups.create_project('Shop');
SELECT analytics_groups.create_project('1shop');
SELECT analytics_groups.create_project('a b; DROP TABLE x');
SELECT analytics_groups.create_project(repeat('x', 49));
SELECT analytics_groups.create_project(NULL);
SELECT analytics_groups.create_project('t_registry_zone', timezone => 'Europe/Atlantis');
SELECT analytics_groups.create_project('t_registry_week', week_start => 'someday');
SELECT count(*) AS projects FROM analytics_groups.projects WHERE project LIKE 't\_registry%';

-- The data moves with the name.
SELECT analytics_groups.track('Seen', 'u1', at => '2024-01-01 10:00Z', project => 't_registry_sunday');
SELECT analytics_groups.rename_project('t_registry_sunday', 't_registry_renamed');
SELECT value FROM analytics_groups.insights('["Seen"]', '2024-01-01', '2024-01-01', project => 't_registry_renamed');
SELECT analytics_groups.rename_project('t_registry_renamed', 't_registry');
SELECT analytics_groups.rename_project('t_registry_nowhere', 't_registry_x');
SELECT analytics_groups.drop_project('t_registry_renamed');
SELECT count(*) AS schemas FROM pg_namespace WHERE nspname LIKE 'analytics\_t\_registry\_%';

-- A project nobody made is an error that helps.
SELECT analytics_groups.drop_project('t_registri');
SELECT analytics_groups.add_group_key('company_id', project => 't_registri');
SELECT * FROM analytics_groups.insights('["Seen"]', '2024-01-01', '2024-01-01', project => 't_registri');

-- What a session remembers of a project is not taken for another one that gets the same number, as after a restore or when the
-- extension is made anew: the users of the first are unknown to the second.
SELECT analytics_groups.create_project('t_registry_first') AS first \gset
SELECT analytics_groups.track('Seen', 'ann', at => '2024-01-01 10:00Z', project => 't_registry_first'),
       analytics_groups.track('Seen', 'bob', at => '2024-01-01 10:00Z', project => 't_registry_first');
SELECT analytics_groups.drop_project('t_registry_first');
ALTER SEQUENCE analytics_groups.project_id_seq RESTART WITH :first;
SELECT analytics_groups.create_project('t_registry_first') = :first AS same_number;
SELECT analytics_groups.track('Left', 'bob', at => '2024-01-01 10:00Z', project => 't_registry_first'),
       analytics_groups.track('Seen', 'cid', at => '2024-01-01 10:00Z', project => 't_registry_first');
SELECT * FROM analytics_groups.verify('t_registry_first');
SELECT id FROM analytics_groups.query_users(project => 't_registry_first') ORDER BY id;
SELECT analytics_groups.drop_project('t_registry_first');
-- ---- Group keys -----------------------------------------------------------------------------------------------------
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('team_id') IS NOT NULL AS added;
SELECT property, display_name, is_company_key, name_property, groups, attributed_events
FROM analytics_groups.group_keys WHERE project = 't_registry' AND property IN ('company_id', 'team_id') ORDER BY property COLLATE "C";
SELECT count(DISTINCT data_group_id) AS ids FROM analytics_groups.group_keys WHERE project = 't_registry' AND property IN ('company_id', 'team_id');

-- The display name may change; the property is the key.
SELECT analytics_groups.update_group_key('team_id', 'Team');
SELECT property, display_name FROM analytics_groups.group_keys WHERE project = 't_registry' AND property = 'team_id';
SELECT analytics_groups.update_group_key('teem_id', 'Team');

-- Case matters: Company_Id is another key. The same key twice, no name, and names the system uses are refused.
SELECT analytics_groups.add_group_key('Company_Id') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('company_id');
SELECT analytics_groups.add_group_key('');
SELECT analytics_groups.add_group_key(NULL);
SELECT analytics_groups.add_group_key('user');
SELECT analytics_groups.add_group_key('time');
SELECT analytics_groups.add_group_key('distinct_id');
SELECT analytics_groups.add_group_key(repeat('k', 256));

-- Five keys by default; the sixth says which setting raises the limit.
SELECT analytics_groups.add_group_key('project_id') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('workspace_id') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('region_id') IS NOT NULL AS added;
SET analytics_groups.max_group_keys = 6;
SELECT analytics_groups.add_group_key('region_id') IS NOT NULL AS added;
RESET analytics_groups.max_group_keys;

-- ---- The company key ------------------------------------------------------------------------------------------------
-- One key at a time is the company key. To change it, unset it first.
SELECT analytics_groups.set_company_key('company_id');
SELECT property, is_company_key, name_property FROM analytics_groups.group_keys WHERE is_company_key AND project = 't_registry';
SELECT analytics_groups.set_company_key('team_id');
SELECT analytics_groups.unset_company_key();
SELECT analytics_groups.set_company_key('team_id', name_property => 'title');
SELECT property, is_company_key, name_property FROM analytics_groups.group_keys WHERE is_company_key AND project = 't_registry';
SELECT analytics_groups.set_company_key('nobody_id');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_registry');
