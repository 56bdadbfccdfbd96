-- Groups that are one: merging them, and which were.

CREATE FUNCTION analytics_groups.merge_groups(group_key text, from_id text, into_id text, project text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    IF group_key IS NULL OR from_id IS NULL OR into_id IS NULL THEN
        PERFORM analytics_groups._raise('22023', 'group_key, from_id and into_id must not be NULL',
            'For example: SELECT analytics_groups.merge_groups(''company_id'', ''acme-old'', ''acme'');');
    END IF;
    PERFORM analytics_groups._hold(project_name);
    RETURN analytics_groups._merge_groups(project_name, group_key, from_id, into_id);
END $$;
COMMENT ON FUNCTION analytics_groups.merge_groups(text, text, text, text) IS
'Makes one group of two, for good: every event of from_id is attributed to into_id, now and whenever one arrives with the old id; an event of both counts once. The profile of into_id keeps what it has and gets what only the other has; frozen cohorts hold into_id instead. Events and lists of users keep the id they carry, and the old id finds into_id wherever a group is named. Returns how many events changed; merging the same two again changes nothing. Users are merged with merge() and have nothing to do with this. For admins; events that arrive meanwhile wait.
Example: SELECT analytics_groups.merge_groups(''company_id'', ''acme-old'', ''acme'');';

CREATE FUNCTION analytics_groups.export_group_merges(project text DEFAULT NULL) RETURNS TABLE (group_key text, from_id text, into_id text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_id integer := analytics_groups._need(project, 'reader');
BEGIN
    RETURN QUERY EXECUTE format('SELECT k.property, m.id::text, s.id::text FROM %1$I.merged_group m
                                 JOIN analytics_groups.group_key k ON k.project = $1 AND k.kind = m.kind
                                 JOIN %1$I.subject s ON s.kind = m.kind AND s.no = m.no ORDER BY 1, 2',
                                'analytics_' || analytics_groups._project_name(project)) USING project_id;
END $$;
COMMENT ON FUNCTION analytics_groups.export_group_merges(text) IS
'Every id that merge_groups made one more id of a group. Exported events carry the id they were sent with: where they are taken in again, groups are merged again.
Example: SELECT analytics_groups.merge_groups(group_key, from_id, into_id, project => ''copy'') FROM analytics_groups.export_group_merges(project => ''shop'');';
