-- Feeds what generate.sql made into the project that the setting analytics_groups.project names ('default' if unset):
-- registers the two group keys, sends the events as NDJSON in batches of 10,000 in order of time, and sends the profiles.
-- Every batch is a transaction of its own, as it would be from a client.

SET TimeZone = 'UTC';

SELECT count(*) AS keys
FROM (SELECT analytics_groups.add_group_key('company_id', 'Company'),
             analytics_groups.add_group_key('team_id', 'Team')) k \gset ignored_
SELECT count(analytics_groups.set_company_key('company_id')::text) AS keys \gset ignored_

-- One event as a client would send it; jsonb_strip_nulls leaves out what it does not know.
CREATE OR REPLACE VIEW source.line AS
SELECT no,
       jsonb_strip_nulls(jsonb_build_object('event', event, 'properties', jsonb_build_object(
           'time', round(extract(epoch FROM at) * 1000)::bigint,
           '$insert_id', insert_id,
           '$device_id', device_id,
           '$user_id', user_id,
           'distinct_id', CASE WHEN coalesce(device_id, user_id) IS NULL THEN '' END,
           'company_id', company_id,
           'team_id', team_id,
           'country', country,
           'browser', browser,
           'page', page,
           'amount', CASE WHEN event = 'Payment' THEN amount END,
           'seconds', CASE WHEN event <> 'Payment' THEN amount END)))::text AS line
FROM source.event;

DO $$
DECLARE
    batch constant int := 10000;
    total bigint := (SELECT count(*) FROM source.event);
    started timestamptz := clock_timestamp();
    lines text;
    answer jsonb;
BEGIN
    FOR lo IN 1 .. total BY batch LOOP
        SELECT string_agg(line, E'\n' ORDER BY no) INTO lines
        FROM source.line WHERE no >= lo AND no < lo + batch;
        answer := analytics_groups.track_ndjson(lines);
        IF (answer ->> 'num_records_imported')::bigint <> least(batch, total - lo + 1) THEN
            RAISE EXCEPTION 'events from % on: %', lo, left(answer::text, 500);
        END IF;
        COMMIT;
        IF (lo - 1) / batch % 5 = 4 OR lo + batch > total THEN
            RAISE NOTICE '% of % events, % s', to_char(least(lo - 1 + batch, total), 'FM999,999,999'), to_char(total, 'FM999,999,999'),
                round(extract(epoch FROM clock_timestamp() - started)::numeric, 1);
        END IF;
    END LOOP;

    answer := analytics_groups.update_groups((
        SELECT jsonb_agg(jsonb_build_object('$group_key', 'company_id', '$group_id', id, '$set',
                         jsonb_build_object('$name', name, 'plan', plan, 'industry', industry)) ORDER BY no)
        FROM source.company));
    IF answer ->> 'status' <> 'OK' THEN RAISE EXCEPTION 'companies: %', left(answer::text, 500); END IF;
    COMMIT;

    FOR lo IN 0 .. (SELECT max(no) FROM source.person) BY batch LOOP
        answer := analytics_groups.update_users((
            SELECT jsonb_agg(jsonb_build_object('$distinct_id', id, '$set',
                             jsonb_build_object('role', role, 'country', country,
                                                'company_id', CASE jsonb_typeof(company_id) WHEN 'array' THEN company_id
                                                              ELSE jsonb_build_array(company_id) END)) ORDER BY no)
            FROM source.person WHERE no >= lo AND no < lo + batch));
        IF answer ->> 'status' <> 'OK' THEN RAISE EXCEPTION 'users: %', left(answer::text, 500); END IF;
        COMMIT;
    END LOOP;
END
$$;

CALL analytics_groups.maintain();
