-- What goes out beside events and profiles, and how far what comes in is.

CREATE FUNCTION analytics_groups.export_identities(project text DEFAULT NULL) RETURNS TABLE (id text, linked_to text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM analytics_groups._need(project, 'reader');
    RETURN QUERY EXECUTE format('SELECT a.id, b.id FROM %1$I.identity i
                                 JOIN %1$I.subject a ON a.kind = 0 AND a.no = i.no
                                 JOIN %1$I.subject b ON b.kind = 0 AND b.no = i.linked_to ORDER BY a.id',
                                'analytics_' || analytics_groups._project_name(project));
END $$;
COMMENT ON FUNCTION analytics_groups.export_identities(text) IS
'Every id that belongs to a user, and the id it was linked to, which may be linked in turn: by an event with $device_id and $user_id, or by identify, alias and merge. Links of events form again when the events are taken in elsewhere; those made by hand are made again with merge.
Example: SELECT analytics_groups.merge(id, linked_to, project => ''copy'') FROM analytics_groups.export_identities(project => ''shop'');';

CREATE FUNCTION analytics_groups._imports()
RETURNS TABLE (project text, source text, target text, insert_time text, imported_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    FOR chosen IN SELECT p.project FROM analytics_groups.projects p ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format('SELECT $1, m.source, m.target, m.mark, m.updated_at FROM %I.import_mark m WHERE m.mark <> ''''
                                     ORDER BY m.source, m.target', 'analytics_' || chosen) USING chosen;
    END LOOP;
END $$;
COMMENT ON FUNCTION analytics_groups._imports() IS 'How far imports are in every project the caller may use. Internal.';

CREATE VIEW analytics_groups.imports AS SELECT * FROM analytics_groups._imports();
COMMENT ON VIEW analytics_groups.imports IS
'How far imports with mode append are: the largest insert time that was read of each source and for what, timestamps in UTC. To have a source read from its start again, a writer deletes its row of import_mark in the schema of the project.
Example: SELECT source, target, insert_time FROM analytics_groups.imports WHERE project = ''default'';';
GRANT SELECT ON analytics_groups.imports TO PUBLIC;
