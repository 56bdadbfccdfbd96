-- Who may do what with a project: reader, writer, admin, owner, nobody. And what an attacker gets for trying.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_owner, regress_admin, regress_writer, regress_reader, regress_nobody;
CREATE ROLE regress_owner; CREATE ROLE regress_admin; CREATE ROLE regress_writer; CREATE ROLE regress_reader; CREATE ROLE regress_nobody;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_owner', current_database()); END $$;
RESET client_min_messages;

-- ---- A project belongs to the role that made it -------------------------------------------------------------------------
SET ROLE regress_nobody;
DO $$ BEGIN
    PERFORM analytics_groups.create_project('t_access');
EXCEPTION WHEN insufficient_privilege THEN RAISE NOTICE 'needs CREATE on the database';
END $$;
SET ROLE regress_owner;
SELECT analytics_groups.create_project('t_access') > 0 AS created;
SET analytics_groups.project = 't_access';
SELECT analytics_groups.grant_access('regress_admin', 'admin');
SELECT analytics_groups.grant_access('regress_admin', 'root');
SELECT analytics_groups.grant_access('regress_who', 'reader');

-- An admin gives access to others, and registers keys; the owner may write what the admin registered.
SET ROLE regress_admin;
SELECT analytics_groups.grant_access('regress_writer', 'writer'), analytics_groups.grant_access('regress_reader', 'reader');
SELECT * FROM analytics_groups.access WHERE project = 't_access' ORDER BY role::text;
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SET ROLE regress_owner;
SELECT analytics_groups.track('Seen', 'u1', '{"company_id": "acme"}', '2024-01-01 10:00Z');

-- ---- A writer writes and maintains, and administers nothing ------------------------------------------------------------
SET ROLE regress_writer;
SELECT analytics_groups.track('Seen', 'u2', '{"company_id": "globex"}', '2024-01-01 11:00Z');
SELECT analytics_groups.people_set('u2', '{"plan": "pro"}');
CALL analytics_groups.maintain('t_access');
SELECT analytics_groups.add_group_key('team_id');
SELECT analytics_groups.grant_access('regress_writer', 'admin');
SELECT analytics_groups.set_company_key('company_id');
-- The inner functions ask the same question.
SELECT analytics_groups._change_access('t_access', 'regress_writer'::regrole, 'admin', true);
SELECT analytics_groups._create_sequence('t_access', 99::smallint);
SELECT analytics_groups._backfill('t_access', 1::smallint, 'company_id');
INSERT INTO analytics_groups.group_key (project, kind, property, display_name, data_group_id)
    SELECT id, 99, 'team_id', 'Team', 1 FROM analytics_groups.project WHERE name = 't_access';
UPDATE analytics_groups.group_key SET property = 'mine';
SELECT property FROM analytics_groups.group_keys;

-- ---- A reader reads ----------------------------------------------------------------------------------------------------
SET ROLE regress_reader;
SELECT value FROM analytics_groups.insights('[{"event": "Seen", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-01');
SELECT analytics_groups.user_profile('u2') ->> 'plan' AS plan;
SELECT property, groups, attributed_events FROM analytics_groups.group_keys;
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.track('Seen', 'u3');
SELECT analytics_groups.update_users('{"$distinct_id": "u3", "$set": {"a": 1}}');
CALL analytics_groups.maintain('t_access');

-- ---- Nobody sees nothing: not even that the project is there ---------------------------------------------------------------
SET ROLE regress_nobody;
SELECT value FROM analytics_groups.insights('["Seen"]', '2024-01-01', '2024-01-01');
SELECT analytics_groups.track('Seen', 'u3');
SELECT analytics_groups.user_profile('u2');
SELECT analytics_groups.drop_project('t_access');
SELECT (SELECT count(*) FROM analytics_groups.projects WHERE project = 't_access') AS projects,
       (SELECT count(*) FROM analytics_groups.project WHERE name = 't_access') AS rows,
       (SELECT count(*) FROM analytics_groups.group_keys WHERE project = 't_access') AS keys,
       (SELECT count(*) FROM analytics_groups.access WHERE project = 't_access') AS access,
       (SELECT count(*) FROM analytics_groups.lexicon_events WHERE project = 't_access') AS events,
       (SELECT count(*) FROM analytics_groups.ingest_errors WHERE project = 't_access') AS errors;
INSERT INTO analytics_groups.project (name, timezone, week_start) VALUES ('t_access_fake', 'UTC', 'monday');

-- ---- Attacks -----------------------------------------------------------------------------------------------------------
-- Maintenance runs as the owner. An admin cannot hang code of their own on the tables it writes.
SET ROLE regress_admin;
CREATE FUNCTION analytics_t_access.evil() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'running as %', current_user; RETURN new; END $$;
CREATE TRIGGER evil BEFORE INSERT ON analytics_t_access.segment FOR EACH ROW EXECUTE FUNCTION analytics_t_access.evil();
DROP FUNCTION analytics_t_access.evil();
-- What the owner hangs there runs as the owner, also when a superuser maintains.
SET ROLE regress_owner;
CREATE FUNCTION analytics_t_access.mine() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'running as %', current_user; RETURN new; END $$;
CREATE TRIGGER mine BEFORE INSERT ON analytics_t_access.segment FOR EACH ROW EXECUTE FUNCTION analytics_t_access.mine();
SELECT analytics_groups.track('Seen', 'u4', at => '2024-01-02 10:00Z');
RESET ROLE;
CALL analytics_groups.maintain('t_access');
-- An owner who puts a view in the place of a table would run code as whoever asks for a report.
SET ROLE regress_owner;
ALTER TABLE analytics_t_access.segment RENAME TO segment_kept;
CREATE FUNCTION analytics_t_access.who() RETURNS bigint LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'running as %', current_user; RETURN 1; END $$;
CREATE VIEW analytics_t_access.segment AS SELECT * FROM analytics_t_access.segment_kept WHERE analytics_t_access.who() = 1;
RESET ROLE;
SELECT value FROM analytics_groups.insights('["Seen"]', '2024-01-01', '2024-01-01');
SET ROLE regress_owner;
DROP VIEW analytics_t_access.segment;
ALTER TABLE analytics_t_access.segment_kept RENAME TO segment;

-- Operators and functions of the caller's search_path are not used.
CREATE SCHEMA regress_trap;
CREATE FUNCTION regress_trap.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR regress_trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_trap.eq);
SET search_path = regress_trap, pg_catalog;
SELECT value FROM analytics_groups.insights('[{"event": "Seen", "measure": "unique"}]', '2024-01-01', '2024-01-01');
SELECT analytics_groups.track('Seen', 'u5', at => '2024-01-01 12:00Z');
RESET search_path;
DROP SCHEMA regress_trap CASCADE;

-- ---- Taking access away -------------------------------------------------------------------------------------------------
SET ROLE regress_admin;
SELECT analytics_groups.revoke_access('regress_writer', 'writer');
SELECT analytics_groups.drop_project('t_access');
SELECT analytics_groups.rename_project('t_access', 't_access_mine');
SET ROLE regress_owner;
SELECT analytics_groups.revoke_access('regress_admin', 'admin');
SELECT * FROM analytics_groups.access WHERE project = 't_access' ORDER BY role::text;
SELECT analytics_groups.revoke_access('regress_admin', 'reader'), analytics_groups.revoke_access('regress_writer', 'reader'),
       analytics_groups.revoke_access('regress_reader', 'reader');
SELECT count(*) AS grants FROM analytics_groups.access WHERE project = 't_access';
SELECT analytics_groups.drop_project('t_access');

-- ---- No function of the extension runs with rights of its owner; every one that runs SQL pins its search_path -------------
-- Those that return rows pin it for as long as they run SQL: a setting would be made anew for each of the rows.
RESET ROLE;
SELECT p.oid::regprocedure AS definer
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'analytics_groups') AND d.deptype = 'e' AND p.prosecdef
ORDER BY 1;
-- One that commits can have no setting: it makes its own in every transaction. One that is immutable and was parsed when it
-- was made looks for no name any more, and a setting would keep it from becoming a part of the statements it is used in. What
-- writes a value of a type as text reads a setting and runs no SQL.
SELECT p.oid::regprocedure AS not_pinned
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass JOIN pg_language l ON l.oid = p.prolang
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'analytics_groups') AND d.deptype = 'e'
  AND NOT (p.prosqlbody IS NOT NULL AND p.provolatile = 'i') AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typoutput = p.oid) AND (l.lanname IN ('plpgsql', 'sql') OR p.provolatile <> 'i' AND NOT p.proretset)
  AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
ORDER BY 1;
SELECT p.oid::regprocedure AS without_comment
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'analytics_groups') AND d.deptype = 'e'
  AND obj_description(p.oid, 'pg_proc') IS NULL
ORDER BY 1;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_owner', current_database()); END $$;
DROP ROLE regress_owner, regress_admin, regress_writer, regress_reader, regress_nobody;
