-- The relations events, users and groups that every project has in its schema, for any SQL and BI tool: foreign tables
-- whose rows are made when they are read (src/reports/tables.rs).

CREATE FUNCTION analytics_groups._no_options(options text[], catalog oid) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(options) > 0 THEN
        PERFORM analytics_groups._raise('HV00D', format('unknown option: %s', options[1]), 'There are none: name and schema of a relation say what it holds.');
    END IF;
END $$;
COMMENT ON FUNCTION analytics_groups._no_options(text[], oid) IS 'Refuses options of foreign tables. Internal.';

COMMENT ON FUNCTION analytics_groups._relations() IS 'Reads the relations of projects: events, users, groups. Internal.';

CREATE FOREIGN DATA WRAPPER analytics_groups HANDLER analytics_groups._relations VALIDATOR analytics_groups._no_options;
COMMENT ON FOREIGN DATA WRAPPER analytics_groups IS
'The events, users and groups of projects as relations.
Example: SELECT count(*) FROM analytics_default.events WHERE event = ''Login'' AND "time" >= ''2024-01-01'';';

CREATE SERVER analytics_groups FOREIGN DATA WRAPPER analytics_groups;
COMMENT ON SERVER analytics_groups IS 'This database. Reading a relation asks for the rights to the tables of its project.';
-- Whoever creates a project makes foreign tables; they show nobody more than the tables of their own schema do.
GRANT USAGE ON FOREIGN SERVER analytics_groups TO PUBLIC;
