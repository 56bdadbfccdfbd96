-- Deleting for good. What a function deletes is gone for whoever asks afterwards; the locks are taken in a statement of
-- their own, so that what follows sees everything that was stored before nobody else could write.

CREATE FUNCTION analytics_groups.delete_user(distinct_id text, project text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    IF distinct_id IS NULL THEN
        PERFORM analytics_groups._raise('22023', 'distinct_id must not be NULL', 'Name one of the ids of the user.');
    END IF;
    PERFORM analytics_groups._hold(project_name);
    RETURN analytics_groups._delete_user(project_name, distinct_id);
END $$;
COMMENT ON FUNCTION analytics_groups.delete_user(text, text) IS
'Deletes a user: the events of all ids that are this user, profile, groups until further notice, links, places in frozen cohorts, and the ids themselves; returns how many events. Every report forgets the user at once; CALL analytics_groups.maintain() takes the texts off the disk, and erased() says whether anything is left. What is sent with such an id later is somebody new. An unknown id is an error. For admins; events that arrive meanwhile wait.
Example: SELECT analytics_groups.delete_user(''user-1'');';

CREATE FUNCTION analytics_groups.delete_group(group_key text, group_id text, events boolean DEFAULT false, project text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    IF group_key IS NULL OR group_id IS NULL OR events IS NULL THEN
        PERFORM analytics_groups._raise('22023', 'group_key, group_id and events must not be NULL',
            'For example: SELECT analytics_groups.delete_group(''company_id'', ''acme'', events => true);');
    END IF;
    PERFORM analytics_groups._hold(project_name);
    RETURN analytics_groups._delete_group(project_name, group_key, group_id, events);
END $$;
COMMENT ON FUNCTION analytics_groups.delete_group(text, text, boolean, text) IS
'Deletes the profile of a group and takes it out of the lists of user profiles and away from users who are in it until further notice; its events stay attributed to it. With events => true they go, and the id with them; returns how many. An event that is also attributed to other groups of the key stays with these: only this group leaves it, and its id the list that was sent. An unknown group is an error. For admins.
Example: SELECT analytics_groups.delete_group(''company_id'', ''acme'', events => true);';

CREATE FUNCTION analytics_groups.delete_events(event jsonb, from_date date, to_date date, filter text DEFAULT NULL, project text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
BEGIN
    PERFORM analytics_groups._need(project, 'admin');
    PERFORM analytics_groups._hold(project_name);
    RETURN analytics_groups._delete_events(project_name, event, from_date, to_date, filter);
END $$;
COMMENT ON FUNCTION analytics_groups.delete_events(jsonb, date, date, text, text) IS
'Deletes the events that a selector and a filter pick in a range of days, as a report that counts users would pick them; returns how many. A deleted event that is sent again counts again. What events said of identities stays: a device remains its user''s. Costs what writing the segments of these events and days anew costs. For admins.
Example: SELECT analytics_groups.delete_events(''"Purchase"'', ''2024-01-01'', ''2024-01-31'', filter => ''properties["amount"] < 0'');';

CREATE FUNCTION analytics_groups.keep_events_for(period interval, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_id integer := analytics_groups._need(project, 'admin');
BEGIN
    IF period < interval '1 day' THEN
        PERFORM analytics_groups._raise('22023', format('events can''t be kept for %s', period),
            'Give one day or more, for example ''2 years''; NULL keeps events for good.');
    END IF;
    UPDATE analytics_groups.project p SET keep_events_for = period WHERE p.id = project_id;
END $$;
COMMENT ON FUNCTION analytics_groups.keep_events_for(interval, text) IS
'For how long a project keeps events; NULL (as at first) = for good. Every maintenance deletes the days of the project''s time zone that have become older. Users, groups and their profiles stay. For admins.
Example: SELECT analytics_groups.keep_events_for(''2 years'');';

CREATE FUNCTION analytics_groups.drop_group_key(property text, project text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_id integer := analytics_groups._need(project, 'admin');
    project_name text := analytics_groups._project_name(project);
    key_kind smallint := analytics_groups._key(project_id, property);
    users text;
BEGIN
    PERFORM analytics_groups._hold(project_name);
    EXECUTE format($q$SELECT string_agg(x, ', ') FROM (
            SELECT format('cohort "%%s"', c.name) FROM %1$I.cohort c WHERE c.kind = $1
            UNION ALL SELECT format('lookup table "%%s"', m.lookup) FROM %1$I.lookup_mapping m WHERE starts_with(m.property, 'group.' || $2 || '.')
            ORDER BY 1) AS t(x)$q$, 'analytics_' || project_name) INTO users USING key_kind, property;
    IF users IS NOT NULL THEN
        PERFORM analytics_groups._raise('2BP01', format('group key "%s" is in use: %s', property, users),
            'Drop these cohorts with drop_cohort first, and take the lookup tables off its properties with unmap_lookup.');
    END IF;
    PERFORM analytics_groups._drop_key(project_name, key_kind, property);
END $$;
COMMENT ON FUNCTION analytics_groups.drop_group_key(text, text) IS
'Drops a group key: its groups, their profiles and what was attributed to them are gone, events and what they carry stay. The same property can be registered again, and then begins anew, with a data_group_id of its own; backfill => true attributes stored events once more. For admins.
Example: SELECT analytics_groups.drop_group_key(''company_id'');';

-- ------------------------------------------------------------------------------------------------ off the disk

CREATE FUNCTION analytics_groups._text_files(project text) RETURNS TABLE (name text, file oid, frozen bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.relname::text, pg_relation_filenode(c.oid), c.relfrozenxid::text::bigint
    FROM pg_class c WHERE c.relnamespace = analytics_groups._schema(project)::oid AND c.relkind = 'r'
    AND c.relname IN ('subject', 'user_profile', 'group_profile', 'group_history', 'sticky_group', 'merged_group', 'event_row', 'event_block', 'segment_column');
END;
COMMENT ON FUNCTION analytics_groups._text_files(text) IS 'The tables of a project that hold ids and what events and profiles carry, each with its file and the transaction before which nothing deleted is left in it. Internal.';

CREATE FUNCTION analytics_groups._on_disk(project text) RETURNS TABLE (deletion integer, name text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Transaction numbers of a table are 32 bits; those of another server, from before a restore, lie ahead and say nothing.
    RETURN QUERY EXECUTE format($q$
        SELECT d.no, f.name FROM %I.deletion d CROSS JOIN analytics_groups._text_files($1) f
        WHERE d.xid > 0
          AND (d.xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint OR d.xid = pg_current_xact_id_if_assigned()::text::bigint)
          AND (f.file = ANY (d.files) OR ((f.frozen - d.xid) & 4294967295) NOT BETWEEN 1 AND 2147483647)
        ORDER BY 1, 2$q$, 'analytics_' || project) USING project;
END $$;
COMMENT ON FUNCTION analytics_groups._on_disk(text) IS 'Which tables still hold old versions of rows that were deleted, on disk. Internal: see erased.';

CREATE FUNCTION analytics_groups._scrub(project text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    s text := 'analytics_' || project;
    names text[];
    t text;
    key text;
BEGIN
    SELECT array_agg(DISTINCT d.name ORDER BY d.name) INTO names FROM analytics_groups._on_disk(project) d;
    FOREACH t IN ARRAY coalesce(names, '{}') LOOP
        BEGIN
            -- A delete leaves the bytes where they are, and so does VACUUM: only a new file is without them.
            key := t || '_pkey';
            IF t = 'event_row' THEN
                key := 'event_row_scrub';
                EXECUTE format('CREATE INDEX event_row_scrub ON %I.event_row (batch)', s);
            END IF;
            EXECUTE format('CLUSTER %I.%I USING %I', s, t, key);
            EXECUTE format('ALTER TABLE %I.%I SET WITHOUT CLUSTER', s, t);
            IF t = 'event_row' THEN
                EXECUTE format('DROP INDEX %I.event_row_scrub', s);
            END IF;
        EXCEPTION WHEN lock_not_available OR object_in_use THEN
            RAISE NOTICE 'table "%" of project "%" is in use and still holds deleted rows on disk', t, project
                USING HINT = 'The next CALL analytics_groups.maintain() writes it anew.';
        END;
    END LOOP;
    EXECUTE format('UPDATE %I.deletion d SET xid = 0, files = ''{}''
        WHERE d.xid > 0 AND NOT EXISTS (SELECT FROM analytics_groups._on_disk($1) o WHERE o.deletion = d.no)', s) USING project;
END $$;
COMMENT ON FUNCTION analytics_groups._scrub(text) IS 'Writes tables anew that still hold old versions of deleted rows on disk. Internal: maintain does it.';

CREATE VIEW analytics_groups.deletions AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, d.at, d.what, d.events, EXISTS (SELECT FROM analytics_groups._on_disk($1) o WHERE o.deletion = d.no)
    FROM %1$I.deletion d WHERE d.no > 0 ORDER BY d.no$q$)
AS (project text, at timestamptz, what text, events bigint, on_disk boolean);
COMMENT ON VIEW analytics_groups.deletions IS
'What was deleted and when, never of whom: user, group, events, key, or period (what keep_events_for let go). on_disk: old versions of the rows are still in the files of the tables, until CALL analytics_groups.maintain().
Example: SELECT at, what, events, on_disk FROM analytics_groups.deletions WHERE project = ''default'';';
GRANT SELECT ON analytics_groups.deletions TO PUBLIC;
