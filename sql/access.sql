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

CREATE FUNCTION analytics_groups._role(role name) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid := to_regrole(quote_ident(role))::oid;
BEGIN
    IF found IS NULL THEN
        PERFORM analytics_groups._raise('42704', format('role %s does not exist', quote_nullable(role)), 'Create it with CREATE ROLE.');
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION analytics_groups._role(name) IS 'The oid of a role, or an error. Internal.';

CREATE FUNCTION analytics_groups.grant_access(role name, privilege text, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM analytics_groups._need_or_create(project, 'admin');
    PERFORM analytics_groups._change_access(analytics_groups._project_name(project),
        analytics_groups._role(role), coalesce(privilege, 'NULL'), true);
END $$;
COMMENT ON FUNCTION analytics_groups.grant_access(name, text, text) IS
'Lets a role use a project. reader: reports; writer: also send events and profiles and maintain; admin: also register group keys and grant access.
Example: SELECT analytics_groups.grant_access(''bi_dashboards'', ''reader'');';

CREATE FUNCTION analytics_groups.revoke_access(role name, privilege text, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
    who oid := analytics_groups._role(role);
    schema_oid oid;
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    PERFORM analytics_groups._change_access(project_name, who, coalesce(privilege, 'NULL'), false);
    schema_oid := analytics_groups._schema(project_name)::oid;
    IF has_schema_privilege(who, schema_oid, 'CREATE')
       OR privilege <> 'admin' AND has_table_privilege(who, to_regclass(format('%I.event_row', 'analytics_' || project_name))::oid, 'INSERT')
       OR privilege = 'reader' AND has_schema_privilege(who, schema_oid, 'USAGE') THEN
        RAISE NOTICE 'role "%" keeps rights on project "%": as its owner, as a superuser, or through another role', role, project_name;
    END IF;
END $$;
COMMENT ON FUNCTION analytics_groups.revoke_access(name, text, text) IS
'Takes access away: revoking admin leaves a writer, revoking writer leaves a reader, revoking reader leaves nothing.
Example: SELECT analytics_groups.revoke_access(''bi_dashboards'', ''reader'');';
