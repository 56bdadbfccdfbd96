-- One function per operation on one profile, and reading one profile.

CREATE FUNCTION analytics_groups._group_id(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value) WHEN 'number' THEN trim_scale((value #>> '{}')::numeric)::text ELSE value #>> '{}' END;
COMMENT ON FUNCTION analytics_groups._group_id(jsonb) IS 'The group that a value of a key names, as events are attributed. Internal.';

CREATE FUNCTION analytics_groups._listed(properties jsonb, key text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT analytics_groups._group_id(e.value)
    FROM jsonb_array_elements(CASE jsonb_typeof(properties -> key) WHEN 'array' THEN properties -> key
                              ELSE jsonb_build_array(properties -> key) END) e
    WHERE analytics_groups._group_id(e.value) <> '';
END;
COMMENT ON FUNCTION analytics_groups._listed(jsonb, text) IS 'The groups of a key that the profile of a user lists. Internal.';

CREATE FUNCTION analytics_groups._only(answer jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (answer ->> 'code') <> '200' THEN
        PERFORM analytics_groups._raise('22023', answer #>> '{failed_records,0,message}', 'The profile was not changed.');
    END IF;
END $$;
COMMENT ON FUNCTION analytics_groups._only(jsonb) IS 'Turns the answer about a single record into nothing or an error. Internal.';

CREATE FUNCTION analytics_groups.people_set(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$set', properties), project));
COMMENT ON FUNCTION analytics_groups.people_set(text, jsonb, text) IS
'Sets properties, on the profile of a user.
Example: SELECT analytics_groups.people_set(''user-1'', ''{"plan": "pro"}'');';

CREATE FUNCTION analytics_groups.people_set_once(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$set_once', properties), project));
COMMENT ON FUNCTION analytics_groups.people_set_once(text, jsonb, text) IS
'Sets properties that are not set yet, on the profile of a user.
Example: SELECT analytics_groups.people_set_once(''user-1'', ''{"first_plan": "free"}'');';

CREATE FUNCTION analytics_groups.people_increment(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$add', properties), project));
COMMENT ON FUNCTION analytics_groups.people_increment(text, jsonb, text) IS
'Adds to numeric properties; a missing one counts as 0, on the profile of a user.
Example: SELECT analytics_groups.people_increment(''user-1'', ''{"seats": 5}'');';

CREATE FUNCTION analytics_groups.people_append(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$append', properties), project));
COMMENT ON FUNCTION analytics_groups.people_append(text, jsonb, text) IS
'Pushes a value to the end of list properties, on the profile of a user.
Example: SELECT analytics_groups.people_append(''user-1'', ''{"tags": "beta"}'');';

CREATE FUNCTION analytics_groups.people_union(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$union', properties), project));
COMMENT ON FUNCTION analytics_groups.people_union(text, jsonb, text) IS
'Adds values that list properties lack, on the profile of a user.
Example: SELECT analytics_groups.people_union(''user-1'', ''{"tags": ["beta", "eu"]}'');';

CREATE FUNCTION analytics_groups.people_remove(distinct_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$remove', properties), project));
COMMENT ON FUNCTION analytics_groups.people_remove(text, jsonb, text) IS
'Removes a value from list properties, on the profile of a user.
Example: SELECT analytics_groups.people_remove(''user-1'', ''{"tags": "beta"}'');';

CREATE FUNCTION analytics_groups.people_unset(distinct_id text, properties text[], project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$unset', to_jsonb(properties)), project));
COMMENT ON FUNCTION analytics_groups.people_unset(text, text[], text) IS
'Removes properties, on the profile of a user.
Example: SELECT analytics_groups.people_unset(''user-1'', ''{tags}'');';

CREATE FUNCTION analytics_groups.people_delete(distinct_id text, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_users(jsonb_build_object('$distinct_id', distinct_id, '$delete', '""'::jsonb), project));
COMMENT ON FUNCTION analytics_groups.people_delete(text, text) IS
'Deletes the profile; events stay, on the profile of a user.
Example: SELECT analytics_groups.people_delete(''user-1'');';

CREATE FUNCTION analytics_groups.group_set(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$set', properties), project));
COMMENT ON FUNCTION analytics_groups.group_set(text, text, jsonb, text) IS
'Sets properties, on the profile of a group.
Example: SELECT analytics_groups.group_set(''company_id'', ''acme'', ''{"plan": "pro"}'');';

CREATE FUNCTION analytics_groups.group_set_once(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$set_once', properties), project));
COMMENT ON FUNCTION analytics_groups.group_set_once(text, text, jsonb, text) IS
'Sets properties that are not set yet, on the profile of a group.
Example: SELECT analytics_groups.group_set_once(''company_id'', ''acme'', ''{"first_plan": "free"}'');';

CREATE FUNCTION analytics_groups.group_increment(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$add', properties), project));
COMMENT ON FUNCTION analytics_groups.group_increment(text, text, jsonb, text) IS
'Adds to numeric properties; a missing one counts as 0, on the profile of a group.
Example: SELECT analytics_groups.group_increment(''company_id'', ''acme'', ''{"seats": 5}'');';

CREATE FUNCTION analytics_groups.group_append(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$append', properties), project));
COMMENT ON FUNCTION analytics_groups.group_append(text, text, jsonb, text) IS
'Pushes a value to the end of list properties, on the profile of a group.
Example: SELECT analytics_groups.group_append(''company_id'', ''acme'', ''{"tags": "beta"}'');';

CREATE FUNCTION analytics_groups.group_union(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$union', properties), project));
COMMENT ON FUNCTION analytics_groups.group_union(text, text, jsonb, text) IS
'Adds values that list properties lack, on the profile of a group.
Example: SELECT analytics_groups.group_union(''company_id'', ''acme'', ''{"tags": ["beta", "eu"]}'');';

CREATE FUNCTION analytics_groups.group_remove(group_key text, group_id text, properties jsonb, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$remove', properties), project));
COMMENT ON FUNCTION analytics_groups.group_remove(text, text, jsonb, text) IS
'Removes a value from list properties, on the profile of a group.
Example: SELECT analytics_groups.group_remove(''company_id'', ''acme'', ''{"tags": "beta"}'');';

CREATE FUNCTION analytics_groups.group_unset(group_key text, group_id text, properties text[], project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$unset', to_jsonb(properties)), project));
COMMENT ON FUNCTION analytics_groups.group_unset(text, text, text[], text) IS
'Removes properties, on the profile of a group.
Example: SELECT analytics_groups.group_unset(''company_id'', ''acme'', ''{tags}'');';

CREATE FUNCTION analytics_groups.group_delete(group_key text, group_id text, project text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups._only(analytics_groups.update_groups(jsonb_build_object('$group_key', group_key, '$group_id', group_id, '$delete', '""'::jsonb), project));
COMMENT ON FUNCTION analytics_groups.group_delete(text, text, text) IS
'Deletes the profile; events stay, on the profile of a group.
Example: SELECT analytics_groups.group_delete(''company_id'', ''acme'');';

CREATE FUNCTION analytics_groups.user_profile(distinct_id text, project text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found jsonb;
BEGIN
    PERFORM analytics_groups._need(project, 'reader');
    -- What was linked to a user is that user: the profile is the one at the end of the links.
    EXECUTE format('WITH RECURSIVE who (no) AS (
                        SELECT s.no FROM %1$I.subject s WHERE s.kind = 0 AND s.id = $1
                        UNION SELECT i.linked_to FROM who w JOIN %1$I.identity i ON i.no = w.no)
                    SELECT p.properties FROM who w JOIN %1$I.user_profile p ON p.no = w.no
                    WHERE NOT EXISTS (SELECT FROM %1$I.identity i WHERE i.no = w.no)', 'analytics_' || analytics_groups._project_name(project))
        INTO found USING distinct_id;
    RETURN found;
END $$;
COMMENT ON FUNCTION analytics_groups.user_profile(text, text) IS
'The properties of a user, by any of its ids; NULL when there is no profile.
Example: SELECT analytics_groups.user_profile(''user-1'');';

CREATE FUNCTION analytics_groups._group_no(project text, kind smallint, id text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE format('SELECT s.no FROM %1$I.subject s WHERE s.kind = $1 AND s.id = $2
                    UNION ALL SELECT m.no FROM %1$I.merged_group m WHERE m.kind = $1 AND m.id = $2',
                   'analytics_' || analytics_groups._project_name(project)) INTO found USING kind, id;
    RETURN found;
END $$;
COMMENT ON FUNCTION analytics_groups._group_no(text, smallint, text) IS 'The number of a group, also by an id that was merged into it. Internal.';

CREATE FUNCTION analytics_groups.group_profile(group_key text, group_id text, project text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key_kind smallint := analytics_groups._key(analytics_groups._need(project, 'reader'), group_key);
    found jsonb;
BEGIN
    EXECUTE format('SELECT p.properties FROM %I.group_profile p
                    WHERE p.kind = $1 AND p.no = analytics_groups._group_no($2, $1, $3)', 'analytics_' || analytics_groups._project_name(project))
        INTO found USING key_kind, project, group_id;
    RETURN found;
END $$;
COMMENT ON FUNCTION analytics_groups.group_profile(text, text, text) IS
'The properties of a group, NULL when it has no profile.
Example: SELECT analytics_groups.group_profile(''company_id'', ''acme'');';
