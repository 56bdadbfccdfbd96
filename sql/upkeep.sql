-- Maintenance and what the store says of itself.

CREATE PROCEDURE analytics_groups.maintain(project text DEFAULT NULL)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text;
BEGIN
    IF project IS NOT NULL THEN
        PERFORM analytics_groups._maintain(project, true);
        RETURN;
    END IF;
    FOR chosen IN
        SELECT p.name FROM analytics_groups.project p
        WHERE has_table_privilege(to_regclass(format('%I.event_row', 'analytics_' || p.name))::oid, 'INSERT') ORDER BY p.name
    LOOP
        PERFORM analytics_groups._maintain(chosen, true);
    END LOOP;
END $$;
COMMENT ON PROCEDURE analytics_groups.maintain(text) IS
'Seals what waits into sorted segments: reports get faster, answers stay the same. Safe at any time, from cron or by hand, beside anything else. Without a project: every project the caller may write to.
Example: CALL analytics_groups.maintain();';

CREATE FUNCTION analytics_groups._try_upkeep(project text, maintain boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF maintain THEN
        PERFORM analytics_groups._maintain(project, false);
    ELSE
        PERFORM analytics_groups._fold(project);
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
COMMENT ON FUNCTION analytics_groups._try_upkeep(text, boolean) IS 'Maintains, or makes a block of single events, unless somebody else does; returns the message of a failure. Internal.';

CREATE FUNCTION analytics_groups.storage_stats(project text DEFAULT NULL)
RETURNS TABLE (storage text, buffers bigint, events bigint, bytes bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s text;
BEGIN
    PERFORM analytics_groups._need(project, 'reader');
    s := 'analytics_' || analytics_groups._project_name(project);
    RETURN QUERY EXECUTE format($q$
        SELECT 'event_row', count(*), count(*), pg_total_relation_size('%1$I.event_row') FROM %1$I.event_row
        UNION ALL SELECT 'event_block', count(*), coalesce(sum(n), 0)::bigint, pg_total_relation_size('%1$I.event_block') FROM %1$I.event_block
        UNION ALL SELECT 'segment', count(*), coalesce(sum(n), 0)::bigint, pg_total_relation_size('%1$I.segment') FROM %1$I.segment
        UNION ALL SELECT 'segment_column', count(*), NULL, pg_total_relation_size('%1$I.segment_column') FROM %1$I.segment_column
        UNION ALL SELECT 'subject_set', count(*), NULL, pg_total_relation_size('%1$I.subject_set') + pg_total_relation_size('%1$I.event_day') FROM %1$I.subject_set
        UNION ALL SELECT 'user_stream', count(*) FILTER (WHERE part >= 0), coalesce(sum(n) FILTER (WHERE part >= 0), 0)::bigint,
                         pg_total_relation_size('%1$I.user_stream') FROM %1$I.user_stream
        UNION ALL SELECT 'dictionary', count(*), NULL, pg_total_relation_size('%1$I.subject') FROM %1$I.subject
        UNION ALL SELECT 'profiles', (SELECT count(*) FROM %1$I.user_profile) + (SELECT count(*) FROM %1$I.group_profile), NULL,
                         pg_total_relation_size('%1$I.user_profile') + pg_total_relation_size('%1$I.group_profile')$q$, s);
END $$;
COMMENT ON FUNCTION analytics_groups.storage_stats(text) IS
'Where a project''s events are and what they take on disk. event_row and event_block wait for maintenance, segment is sealed, subject_set says who did what on which day, user_stream holds the sealed events once more, by user.
Example: SELECT * FROM analytics_groups.storage_stats();';
