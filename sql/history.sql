-- The past of group properties: what a group had when an event happened.

CREATE FUNCTION analytics_groups.keep_history(group_key text, property text, keep boolean DEFAULT true, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_id integer := analytics_groups._need(project, 'admin');
    schema_name text := 'analytics_' || analytics_groups._project_name(project);
    key_kind smallint := analytics_groups._key(project_id, group_key);
BEGIN
    IF property IS NULL OR property = '' OR starts_with(property, '$group_') OR property = '$last_seen' THEN
        PERFORM analytics_groups._raise('22023', format('%s has no history', coalesce(quote_ident(property), 'NULL')),
            'Name a property of the groups'' profiles, for example plan.');
    END IF;
    IF NOT coalesce(keep, true) THEN
        EXECUTE format('DELETE FROM %I.kept_history h WHERE h.kind = $1 AND h.property = $2', schema_name) USING key_kind, property;
        EXECUTE format('DELETE FROM %I.group_history h WHERE h.kind = $1 AND h.property = $2', schema_name) USING key_kind, property;
        RETURN;
    END IF;
    -- Updates that run just now either see that it is kept, or are waited for.
    EXECUTE format('LOCK TABLE %I.group_profile IN SHARE ROW EXCLUSIVE MODE', schema_name);
    EXECUTE format('INSERT INTO %I.kept_history (kind, property) VALUES ($1, $2) ON CONFLICT DO NOTHING', schema_name) USING key_kind, property;
    EXECUTE format($q$INSERT INTO %1$I.group_history (kind, property, no, since, value)
        SELECT p.kind, $2, p.no, 0, p.properties -> $2 FROM %1$I.group_profile p WHERE p.kind = $1 AND p.properties ? $2
        AND NOT EXISTS (SELECT FROM %1$I.group_history h WHERE h.kind = $1 AND h.property = $2 AND h.no = p.no)$q$, schema_name)
        USING key_kind, property;
END $$;
COMMENT ON FUNCTION analytics_groups.keep_history(text, text, boolean, text) IS
'Keeps every value that a property of groups has from now on, with the time of the update that set it ($time, otherwise now); what is set already counts for all time before. Reports then ask for the value at the time of each event as "group.<key>.<property>@event" or group["<key>"]["<property>@event"]; without @event they see the value of today. keep => false forgets the past. For admins.
Example: SELECT analytics_groups.keep_history(''company_id'', ''plan'');';

CREATE FUNCTION analytics_groups.group_history(group_key text, group_id text, property text DEFAULT NULL, project text DEFAULT NULL)
RETURNS TABLE (changed text, since timestamptz, value jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_id integer := analytics_groups._need(project, 'reader');
    key_kind smallint := analytics_groups._key(project_id, group_key);
BEGIN
    RETURN QUERY EXECUTE format($q$
        SELECT h.property::text, CASE WHEN h.since = 0 THEN '-infinity' ELSE to_timestamp(h.since / 1000.0) END, h.value
        FROM %1$I.group_history h
        WHERE h.kind = $1 AND h.no = analytics_groups._group_no($4, $1, $2) AND ($3 IS NULL OR h.property = $3) ORDER BY 1, 2$q$,
        'analytics_' || analytics_groups._project_name(project)) USING key_kind, group_id, property, project;
END $$;
COMMENT ON FUNCTION analytics_groups.group_history(text, text, text, text) IS
'What properties of a group were, and since when: those that keep_history was called for. -infinity = it was set when this began; NULL = not set since then.
Example: SELECT changed AS property, since, value FROM analytics_groups.group_history(''company_id'', ''acme'');';
