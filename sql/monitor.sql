-- What an operator watches: ids with so many events on a day that something is wrong, or that they deserve a look.

CREATE FUNCTION analytics_groups.hot_subjects(from_date date, to_date date, by text DEFAULT 'user', at_least bigint DEFAULT NULL, project text DEFAULT NULL)
RETURNS TABLE (day date, id text, events bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project_name text := analytics_groups._project_name(project);
    threshold bigint := coalesce(at_least, CASE by WHEN 'user' THEN 200000 ELSE 1000000 END);
    metric jsonb := jsonb_build_object('event', '$any', 'measure', 'total', 'by', by);
    zone text;
    most bigint;
BEGIN
    PERFORM analytics_groups._need(project, 'reader');
    IF threshold < 1 THEN
        PERFORM analytics_groups._raise('22023', 'at_least must be 1 or more', 'NULL means 200000 events of a user, 1000000 of a group.');
    END IF;
    SELECT p.timezone INTO zone FROM analytics_groups.project p WHERE p.name = project_name;
    -- No more ids than this can have so many events.
    SELECT sum(i.value) / threshold INTO most FROM analytics_groups.insights(jsonb_build_array(metric), hot_subjects.from_date, hot_subjects.to_date,
        unit => 'range', breakdown => CASE by WHEN 'user' THEN NULL ELSE jsonb_build_array('group.' || by) END, top => 1, project => project_name) AS i;
    IF coalesce(most, 0) < 1 THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT (i.bucket AT TIME ZONE zone)::date, i.segment[1], i.value::bigint
        FROM analytics_groups.insights(jsonb_build_array(metric), hot_subjects.from_date, hot_subjects.to_date, unit => 'day',
            breakdown => jsonb_build_array(CASE by WHEN 'user' THEN 'user.$distinct_id' ELSE 'group.' || by END),
            top => least(most + 1, 100000)::integer, project => project_name) AS i
        WHERE i.value >= threshold AND i.segment[1] NOT IN ('$other', '(not set)')
        ORDER BY 3 DESC, 1, 2;
END $$;
COMMENT ON FUNCTION analytics_groups.hot_subjects(date, date, text, bigint, text) IS
'The users, or groups of a key, with at least so many events on a day; by default 200000 of a user and 1000000 of a group. Such an id is often a bot, a test account or a default value. Nothing is done to them: there is no limit. Hidden events do not count.
Example: SELECT day, id, events FROM analytics_groups.hot_subjects(current_date - 7, current_date, by => ''company_id'');';
