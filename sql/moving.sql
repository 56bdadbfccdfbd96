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

CREATE VIEW analytics_groups.imports AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, m.source::text, m.target::text, nullif(m.mark, ''), m.updated_at,
           CASE WHEN m.pid IS NULL THEN 'done'
                WHEN EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = m.pid AND a.pid <> pg_backend_pid()
                             AND a.state IS DISTINCT FROM 'idle' AND (a.backend_start <= m.started_at) IS NOT FALSE) THEN 'running'
                ELSE 'interrupted' END,
           m.rows_read, m.rows_expected, m.imported, m.refused, m.started_at
    FROM %1$I.import_mark m ORDER BY m.source, m.target$q$)
AS (project text, source text, target text, insert_time text, imported_at timestamptz, state text, rows_read bigint, rows_expected bigint,
    imported bigint, refused bigint, started_at timestamptz);
COMMENT ON VIEW analytics_groups.imports IS
'The imports of each source, and for what: the largest insert time that was read by mode append (timestamps in UTC), and the rows of the latest call. import_batches is seen while it runs, with state running, rows_read and rows_expected; interrupted is one that ended before its end and is taken up by the next call. To have a source read from its start again, a writer deletes its row of import_mark in the schema of the project.
Example: SELECT source, target, insert_time, state, rows_read, rows_expected FROM analytics_groups.imports WHERE project = ''default'';';

CREATE VIEW analytics_groups.import_errors AS
SELECT * FROM analytics_groups._of_projects($q$
    SELECT $1, e.at, e.source, e.target, e.row_no, e.insert_id, e.field, e.message FROM %1$I.import_error e ORDER BY e.no$q$)
AS (project text, at timestamptz, source text, target text, row_no bigint, insert_id text, field text, message text);
COMMENT ON VIEW analytics_groups.import_errors IS
'The rows that imports refused: which (row_no counts the rows of a call, or of a batch of import_batches, from 1), and why. The first 1,000 of a call and the latest 10,000 of a project are kept; ingest_errors counts all.
Example: SELECT source, row_no, insert_id, field, message FROM analytics_groups.import_errors WHERE project = ''default'' ORDER BY at DESC, row_no;';
GRANT SELECT ON analytics_groups.imports, analytics_groups.import_errors TO PUBLIC;

CREATE PROCEDURE analytics_groups.import_batches(source regclass, mapping jsonb, batch_rows bigint DEFAULT 500000, project text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    cuts text[] := analytics_groups._import_plan(source, mapping, batch_rows, project);
    cut text;
    n integer := 0;
    answer jsonb;
    total bigint := 0;
    refused bigint := 0;
BEGIN
    COMMIT;
    FOREACH cut IN ARRAY cuts LOOP
        -- A procedure that commits can have no settings of its own: this one ends with the transaction.
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        n := n + 1;
        answer := analytics_groups._import_batch(source, mapping, cut, n < cardinality(cuts), project);
        total := total + (answer ->> 'num_rows')::bigint;
        refused := refused + (answer ->> 'num_failed')::bigint;
        RAISE NOTICE 'import_batches: batch % of %: % rows read, % of them refused', n, cardinality(cuts), total, refused;
        COMMIT;
    END LOOP;
END $$;
COMMENT ON PROCEDURE analytics_groups.import_batches(regclass, jsonb, bigint, text) IS
'What import_events does in mode append, in batches of about batch_rows rows in the order of their insert times, each committed with how far it came: one that is cancelled or killed loses the batch it was at and nothing else, and the next call goes on there. Rows of one insert time are never parted. The view imports shows how far it is while it runs. Not inside of a transaction block.
Example: CALL analytics_groups.import_batches(''shop.orders'', ''{"event_name": "Order Placed", "time_column": "created_at", "user_column": "customer_id", "insert_time_column": "loaded_at"}'');';
