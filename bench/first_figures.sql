-- The other side of first_figures.sh: what an expert would do without the extension. One jsonb table, the indexes that help
-- these questions; the questions as set-based SQL are in first_figures.sh.

CREATE SCHEMA plain;
CREATE TABLE plain.event (
    at timestamptz NOT NULL,
    event text NOT NULL,
    distinct_id text NOT NULL,
    properties jsonb NOT NULL
);
CREATE INDEX ON plain.event (event, at) INCLUDE (distinct_id);
CREATE INDEX ON plain.event (event, distinct_id, at);
CREATE INDEX ON plain.event ((properties ->> 'company_id'), at);
CREATE INDEX ON plain.event USING gin ((properties -> 'company_id') jsonb_path_ops);

-- One row per event and company: company_id is a string or a list of strings.
CREATE VIEW plain.by_company AS
SELECT e.at, e.event, c.id AS company
FROM plain.event e,
     LATERAL (SELECT e.properties ->> 'company_id' AS id WHERE jsonb_typeof(e.properties -> 'company_id') = 'string'
              UNION ALL
              SELECT jsonb_array_elements_text(e.properties -> 'company_id') WHERE jsonb_typeof(e.properties -> 'company_id') = 'array') AS c
WHERE e.properties ? 'company_id';
