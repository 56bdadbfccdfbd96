-- The inbox: COPY it full of JSON events, one a line. Its triggers take every line away; the table stays empty.

CREATE TABLE analytics_groups.inbox (line text);
COMMENT ON TABLE analytics_groups.inbox IS
'Takes JSON events, one a line, for the project of the setting analytics_groups.project; they are attributed when the statement ends. Refused lines are a WARNING and are counted in ingest_errors.
Example: COPY analytics_groups.inbox FROM STDIN (FORMAT csv, QUOTE e''\x01'', DELIMITER e''\x02'');';
CREATE TRIGGER inbox_begin BEFORE INSERT ON analytics_groups.inbox
    FOR EACH STATEMENT EXECUTE FUNCTION analytics_groups.inbox_begin();
CREATE TRIGGER inbox_line BEFORE INSERT ON analytics_groups.inbox
    FOR EACH ROW EXECUTE FUNCTION analytics_groups.inbox_line();
CREATE TRIGGER inbox_end AFTER INSERT ON analytics_groups.inbox
    FOR EACH STATEMENT EXECUTE FUNCTION analytics_groups.inbox_end();
ALTER FUNCTION analytics_groups.inbox_begin() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION analytics_groups.inbox_line() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION analytics_groups.inbox_end() SET search_path = pg_catalog, pg_temp;
-- The triggers run as the caller, who needs the rights of a writer on the project.
GRANT INSERT ON analytics_groups.inbox TO PUBLIC;
