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
COMMENT ON FUNCTION analytics_groups._count_groups(text, smallint) IS 'Groups of a key that are known, from events, profiles or the lists of users. Internal.';

CREATE FUNCTION analytics_groups._of_projects(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        BEGIN
            RETURN QUERY EXECUTE format(query, 'analytics_' || chosen) USING chosen;
        EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
            -- Somebody drops projects beside this.
            IF analytics_groups._schema(chosen) IS NOT NULL THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._of_projects(text) IS 'The rows of a query in every project the caller may use; $1 is its name, %1$I the schema of its tables. Internal.';

CREATE VIEW analytics_groups.lexicon_events AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, e.name::text, e.display_name, e.hidden, e.blocked, e.first_seen, (SELECT c.name::text FROM %1$I.event_name c WHERE c.no = e.merged_into)
    FROM %1$I.event_name e$q$)
AS (project text, event text, display_name text, hidden boolean, blocked boolean, first_seen timestamptz, merged_into text);
COMMENT ON VIEW analytics_groups.lexicon_events IS
'The events that were ever sent: how they are shown, whether they are hidden or blocked, and the event that reports take them for.
Example: SELECT event, first_seen FROM analytics_groups.lexicon_events WHERE project = ''default'';';

CREATE VIEW analytics_groups.lexicon_properties AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, p.name::text, p.display_name, p.hidden, p.blocked, p.first_seen, (SELECT c.name::text FROM %1$I.property c WHERE c.no = p.merged_into)
    FROM %1$I.property p$q$)
AS (project text, property text, display_name text, hidden boolean, blocked boolean, first_seen timestamptz, merged_into text);
COMMENT ON VIEW analytics_groups.lexicon_properties IS
'The event properties that were ever sent: how they are shown, whether they are hidden or blocked, and the property that reports read them as.
Example: SELECT property FROM analytics_groups.lexicon_properties WHERE project = ''default'';';

CREATE VIEW analytics_groups.drop_filters AS
SELECT * FROM analytics_groups._of_projects('SELECT $1, f.event::text, f.properties, f.created_at FROM %1$I.drop_filter f ORDER BY f.no')
AS (project text, event text, properties jsonb, created_at timestamptz);
COMMENT ON VIEW analytics_groups.drop_filters IS
'Which events are discarded for what they carry.
Example: SELECT event, properties FROM analytics_groups.drop_filters WHERE project = ''default'';';

CREATE VIEW analytics_groups.ingest_errors AS
SELECT * FROM analytics_groups._of_projects('SELECT $1, e.at, e.outcome, e.field, e.message, e.records FROM %1$I.ingest_error e')
AS (project text, at timestamptz, outcome text, field text, message text, records bigint);
COMMENT ON VIEW analytics_groups.ingest_errors IS
'What was refused, discarded as blocked, or stored without its group, and why.
Example: SELECT field, message, sum(records) FROM analytics_groups.ingest_errors WHERE project = ''default'' GROUP BY 1, 2;';

CREATE FUNCTION analytics_groups._unattributed_values(project text, property text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT coalesce(sum(e.records), 0)::bigint FROM analytics_groups.ingest_errors e
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

CREATE VIEW analytics_groups.cohorts AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, c.name::text, CASE c.kind WHEN 0 THEN 'user' ELSE (
               SELECT k.property FROM analytics_groups.group_key k JOIN analytics_groups.project p ON p.id = k.project
               WHERE p.name = $1 AND k.kind = c.kind) END,
           c.definition, c.frozen_at, c.created_at, c.updated_at FROM %1$I.cohort c$q$)
AS (project text, cohort text, by text, definition jsonb, frozen_at timestamptz, created_at timestamptz, updated_at timestamptz);
COMMENT ON VIEW analytics_groups.cohorts IS
'The cohorts that were defined, and whom they hold: users, or the groups of a key. frozen_at is NULL while members are found when asked.
Example: SELECT cohort, by, definition FROM analytics_groups.cohorts WHERE project = ''default'';';

CREATE VIEW analytics_groups.lookup_tables AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, t.name::text, t.id,
           ARRAY(SELECT c.name::text FROM %1$I.lookup_column c WHERE c.lookup = t.name ORDER BY c.no), t.rows, t.bytes,
           ARRAY(SELECT m.property::text FROM %1$I.lookup_mapping m WHERE m.lookup = t.name ORDER BY m.property),
           t.created_at, t.updated_at
    FROM %1$I.lookup_table t$q$)
AS (project text, lookup_table text, id uuid, columns text[], rows bigint, bytes bigint, properties text[], created_at timestamptz, updated_at timestamptz);
COMMENT ON VIEW analytics_groups.lookup_tables IS
'The lookup tables: their columns (the first is the join key), rows, the properties they are joined to, and when they were last replaced.
Example: SELECT lookup_table, columns, properties, updated_at FROM analytics_groups.lookup_tables WHERE project = ''default'';';

GRANT SELECT ON analytics_groups.lookup_tables, analytics_groups.cohorts, analytics_groups.projects, analytics_groups.group_keys, analytics_groups.lexicon_events,
    analytics_groups.lexicon_properties, analytics_groups.drop_filters, analytics_groups.ingest_errors TO PUBLIC;
