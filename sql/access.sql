-- Access to one project: reader, writer, admin, kept as ordinary privileges of the project's schema and tables.

CREATE VIEW analytics_groups.access AS
SELECT p.name AS project,
       a.grantee::regrole AS role,
       CASE WHEN bool_or(a.privilege_type = 'CREATE') THEN 'admin'
            WHEN has_table_privilege(a.grantee, to_regclass(format('%I.event_row', 'analytics_' || p.name))::oid, 'INSERT') THEN 'writer'
            ELSE 'reader' END AS privilege
-- The view reads the registry as its owner: the caller's rights are asked first, and OFFSET keeps that order.
FROM (SELECT x.name FROM analytics_groups.project x WHERE analytics_groups._may(x.name, 'USAGE') OFFSET 0) p
JOIN pg_catalog.pg_namespace n ON n.oid = analytics_groups._schema(p.name)::oid
CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
WHERE a.grantee <> 0 AND a.grantee <> n.nspowner
GROUP BY p.name, a.grantee;
COMMENT ON VIEW analytics_groups.access IS
'Who was granted access to which project, beside its owner.
Example: SELECT * FROM analytics_groups.access ORDER BY project, role;';
GRANT SELECT ON analytics_groups.access TO PUBLIC;

CREATE FUNCTION analytics_groups._grant_sequences(project_name text, role regrole, privilege text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s text := 'analytics_' || project_name;
BEGIN
    EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %s', s, role);
    IF privilege IN ('writer', 'admin') THEN
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO %s', s, role);
    END IF;
    IF privilege = 'admin' THEN
        EXECUTE format('GRANT ALL ON ALL SEQUENCES IN SCHEMA %I TO %s WITH GRANT OPTION', s, role);
    END IF;
END $$;
COMMENT ON FUNCTION analytics_groups._grant_sequences(text, regrole, text) IS 'Grants what a role needs on the number sequences of a project. Internal.';

CREATE FUNCTION analytics_groups.grant_access(role name, privilege text, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
    s text := 'analytics_' || project_name;
    who regrole := to_regrole(quote_ident(role));
BEGIN
    PERFORM analytics_groups._need_or_create(project, 'admin');
    IF who IS NULL THEN
        PERFORM analytics_groups._raise('42704', format('role %s does not exist', quote_nullable(role)), 'Create it with CREATE ROLE.');
    END IF;
    IF privilege IS NULL OR privilege NOT IN ('reader', 'writer', 'admin') THEN
        PERFORM analytics_groups._raise('22023', format('unknown privilege %s', quote_nullable(privilege)), 'Use reader, writer or admin.');
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', s, who);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %s', s, who);
    IF privilege IN ('writer', 'admin') THEN
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %s', s, who);
    END IF;
    IF privilege = 'admin' THEN
        EXECUTE format('GRANT ALL ON SCHEMA %I TO %s WITH GRANT OPTION', s, who);
        EXECUTE format('GRANT ALL ON ALL TABLES IN SCHEMA %I TO %s WITH GRANT OPTION', s, who);
    END IF;
    PERFORM analytics_groups._grant_sequences(project_name, who, privilege);
END $$;
COMMENT ON FUNCTION analytics_groups.grant_access(name, text, text) IS
'Lets a role use a project. reader: reports; writer: also send events and profiles and maintain; admin: also register group keys and grant access.
Example: SELECT analytics_groups.grant_access(''bi_dashboards'', ''reader'');';

CREATE FUNCTION analytics_groups.revoke_access(role name, privilege text, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
    s text := 'analytics_' || project_name;
    who regrole := to_regrole(quote_ident(role));
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    IF who IS NULL THEN
        PERFORM analytics_groups._raise('42704', format('role %s does not exist', quote_nullable(role)), 'See the view analytics_groups.access.');
    END IF;
    IF privilege IS NULL OR privilege NOT IN ('reader', 'writer', 'admin') THEN
        PERFORM analytics_groups._raise('22023', format('unknown privilege %s', quote_nullable(privilege)), 'Use reader, writer or admin.');
    END IF;
    -- Taking a privilege takes those that contain it; what remains is what is weaker.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %s CASCADE', s, who);
    EXECUTE format('REVOKE GRANT OPTION FOR ALL ON SCHEMA %I FROM %s CASCADE', s, who);
    EXECUTE format('REVOKE GRANT OPTION FOR ALL ON ALL TABLES IN SCHEMA %I FROM %s CASCADE', s, who);
    EXECUTE format('REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA %I FROM %s CASCADE', s, who);
    EXECUTE format('REVOKE GRANT OPTION FOR ALL ON ALL SEQUENCES IN SCHEMA %I FROM %s CASCADE', s, who);
    EXECUTE format('REVOKE UPDATE ON ALL SEQUENCES IN SCHEMA %I FROM %s CASCADE', s, who);
    IF privilege IN ('reader', 'writer') THEN
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I FROM %s', s, who);
        EXECUTE format('REVOKE USAGE ON ALL SEQUENCES IN SCHEMA %I FROM %s', s, who);
    END IF;
    IF privilege = 'reader' THEN
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %s', s, who);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %s', s, who);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s', s, who);
    END IF;
END $$;
COMMENT ON FUNCTION analytics_groups.revoke_access(name, text, text) IS
'Takes access away: admin leaves a writer, writer leaves a reader, reader leaves nothing.
Example: SELECT analytics_groups.revoke_access(''bi_dashboards'', ''reader'');';
