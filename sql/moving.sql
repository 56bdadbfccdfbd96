-- What goes out beside events and profiles: who was linked to whom.

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
