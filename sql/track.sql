-- The form of track that untyped literals choose: without it, '{"plan": "pro"}' could as well be an argument of the JSON
-- forms, and the call would be ambiguous.

CREATE FUNCTION analytics_groups.track(event text, distinct_id text, properties text, at timestamptz DEFAULT now(),
                                       insert_id text DEFAULT NULL, project text DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN analytics_groups.track(event, distinct_id, properties::jsonb, at, insert_id, project);
COMMENT ON FUNCTION analytics_groups.track(text, text, text, timestamptz, text, text) IS
'As the form with jsonb properties: takes them as text, and with them untyped literals and parameters.
Example: SELECT analytics_groups.track(''Purchase'', ''user-1'', ''{"company_id": "acme", "amount": 99.9}'');';
