-- Views over the registry and the lexicon. A view reads the registry as its owner, so each asks for the caller's rights
-- first; OFFSET keeps that order.

CREATE VIEW analytics_groups.projects AS
SELECT p.name AS project, p.timezone, p.week_start, p.created_at, n.nspowner::regrole AS owner
FROM (SELECT * FROM analytics_groups.project x WHERE analytics_groups._may(x.name, 'USAGE') OFFSET 0) p
JOIN pg_catalog.pg_namespace n ON n.oid = analytics_groups._schema(p.name)::oid;
COMMENT ON VIEW analytics_groups.projects IS
'The projects the caller may use.
Example: SELECT * FROM analytics_groups.projects ORDER BY project;';

CREATE FUNCTION analytics_groups._count_groups(project text, kind smallint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %I.subject s WHERE s.kind = $1', 'analytics_' || project) INTO n USING kind;
    RETURN n;
END $$;
COMMENT ON FUNCTION analytics_groups._count_groups(text, smallint) IS 'Groups of a key that are known, from events or profiles. Internal.';

CREATE FUNCTION analytics_groups._lexicon(what text)
RETURNS TABLE (project text, no integer, name text, display_name text, hidden boolean, blocked boolean, first_seen timestamptz, merged_into text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format('SELECT $1, t.no, t.name, t.display_name, t.hidden, t.blocked, t.first_seen, '
            || CASE what WHEN 'event' THEN '(SELECT c.name::text FROM %1$I.%2$I c WHERE c.no = t.merged_into)' ELSE 'NULL::text' END || ' FROM %1$I.%2$I t',
            'analytics_' || chosen, CASE what WHEN 'event' THEN 'event_name' ELSE 'property' END) USING chosen;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._lexicon(text) IS 'Events or properties of every project the caller may use. Internal.';

CREATE VIEW analytics_groups.lexicon_events AS
SELECT project, name AS event, display_name, hidden, blocked, first_seen, merged_into FROM analytics_groups._lexicon('event');
COMMENT ON VIEW analytics_groups.lexicon_events IS
'The events that were ever sent: how they are shown, whether they are hidden or blocked, and the event that reports take them for.
Example: SELECT event, first_seen FROM analytics_groups.lexicon_events WHERE project = ''default'';';

CREATE VIEW analytics_groups.lexicon_properties AS
SELECT project, name AS property, display_name, hidden, blocked, first_seen FROM analytics_groups._lexicon('property');
COMMENT ON VIEW analytics_groups.lexicon_properties IS
'The event properties that were ever sent.
Example: SELECT property FROM analytics_groups.lexicon_properties WHERE project = ''default'';';

CREATE FUNCTION analytics_groups._ingest_errors()
RETURNS TABLE (project text, at timestamptz, outcome text, field text, message text, records bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format('SELECT $1, e.at, e.outcome, e.field, e.message, e.records FROM %I.ingest_error e',
            'analytics_' || chosen) USING chosen;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._ingest_errors() IS 'What was refused in every project the caller may use. Internal.';

CREATE VIEW analytics_groups.ingest_errors AS SELECT * FROM analytics_groups._ingest_errors();
COMMENT ON VIEW analytics_groups.ingest_errors IS
'What was refused, discarded as blocked, or stored without its group, and why.
Example: SELECT field, message, sum(records) FROM analytics_groups.ingest_errors WHERE project = ''default'' GROUP BY 1, 2;';

CREATE FUNCTION analytics_groups._unattributed_values(project text, property text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT coalesce(sum(e.records), 0)::bigint FROM analytics_groups._ingest_errors() e
        WHERE e.project = _unattributed_values.project AND e.outcome = 'unattributed' AND e.field = 'properties.' || _unattributed_values.property);
COMMENT ON FUNCTION analytics_groups._unattributed_values(text, text) IS 'Values of a key that were left unattributed. Internal.';

CREATE VIEW analytics_groups.group_keys AS
SELECT p.name AS project, k.property, k.display_name, k.data_group_id, k.is_company_key, k.name_property, k.registered_at,
       analytics_groups._count_groups(p.name, k.kind) AS groups,
       analytics_groups._attributed_events(p.name, k.property) AS attributed_events,
       analytics_groups._unattributed_values(p.name, k.property) AS unattributed_values
FROM (SELECT * FROM analytics_groups.project x WHERE analytics_groups._may(x.name, 'USAGE') OFFSET 0) p
JOIN analytics_groups.group_key k ON k.project = p.id;
COMMENT ON VIEW analytics_groups.group_keys IS
'The registered group keys: how many groups each knows, how many events are attributed to it, and how many values could not be.
Example: SELECT property, display_name, groups, attributed_events FROM analytics_groups.group_keys WHERE project = ''default'';';

CREATE FUNCTION analytics_groups._cohorts()
RETURNS TABLE (project text, cohort text, by text, definition jsonb, frozen_at timestamptz, created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format($q$
            SELECT $1, c.name::text, CASE c.kind WHEN 0 THEN 'user' ELSE (
                       SELECT k.property FROM analytics_groups.group_key k JOIN analytics_groups.project p ON p.id = k.project
                       WHERE p.name = $1 AND k.kind = c.kind) END,
                   c.definition, c.frozen_at, c.created_at, c.updated_at FROM %I.cohort c$q$, 'analytics_' || chosen) USING chosen;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._cohorts() IS 'The cohorts of every project the caller may use. Internal.';

CREATE VIEW analytics_groups.cohorts AS SELECT * FROM analytics_groups._cohorts();
COMMENT ON VIEW analytics_groups.cohorts IS
'The cohorts that were defined, and whom they hold: users, or the groups of a key. frozen_at is NULL while members are found when asked.
Example: SELECT cohort, by, definition FROM analytics_groups.cohorts WHERE project = ''default'';';

CREATE FUNCTION analytics_groups._lookup_tables()
RETURNS TABLE (project text, lookup_table text, id uuid, columns text[], rows bigint, bytes bigint, properties text[],
               created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format($q$
            SELECT $1, t.name::text, t.id,
                   ARRAY(SELECT c.name::text FROM %1$I.lookup_column c WHERE c.lookup = t.name ORDER BY c.no), t.rows, t.bytes,
                   ARRAY(SELECT m.property::text FROM %1$I.lookup_mapping m WHERE m.lookup = t.name ORDER BY m.property),
                   t.created_at, t.updated_at
            FROM %1$I.lookup_table t$q$, 'analytics_' || chosen) USING chosen;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._lookup_tables() IS 'The lookup tables of every project the caller may use. Internal.';

CREATE VIEW analytics_groups.lookup_tables AS SELECT * FROM analytics_groups._lookup_tables();
COMMENT ON VIEW analytics_groups.lookup_tables IS
'The lookup tables: their columns (the first is the join key), rows, the properties they are joined to, and when they were last replaced.
Example: SELECT lookup_table, columns, properties, updated_at FROM analytics_groups.lookup_tables WHERE project = ''default'';';

GRANT SELECT ON analytics_groups.lookup_tables, analytics_groups.cohorts, analytics_groups.projects, analytics_groups.group_keys, analytics_groups.lexicon_events,
    analytics_groups.lexicon_properties, analytics_groups.ingest_errors TO PUBLIC;
