-- Retention, sequences, paths, touches and sessions over any table.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS analytics_groups;
SET search_path = analytics_groups, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';

CREATE TEMP TABLE e (who text, at timestamptz, event text);
INSERT INTO e VALUES
  ('ann', '2024-01-01 10:00', 'Signup'), ('ann', '2024-01-01 10:20', 'View'), ('ann', '2024-01-02 09:00', 'View'), ('ann', '2024-01-02 09:10', 'Pay'),
  ('bob', '2024-01-01 12:00', 'View'), ('bob', '2024-01-02 12:00', 'Signup'), ('bob', '2024-01-05 12:00', 'View'),
  ('cid', '2024-01-01 00:00', 'View'), ('cid', '2024-01-01 00:00', 'Pay');

-- retention_agg over conditions: the first, and which of the others were met by somebody who met the first.
SELECT who, retention_agg(at::date = '2024-01-01' AND event = 'Signup', at::date = '2024-01-02', event = 'Pay') FROM e GROUP BY who ORDER BY who;

-- retention_agg over time: birth is the earliest row that is one, and element i whether somebody returned in the i-th day after it.
-- A return is later than the birth. NULL for who was never born, so count() of it is the size of the cohort.
SELECT who, retention_agg('1 day', 4, at, event = 'Signup', true) FROM e GROUP BY who ORDER BY who;
SELECT count(r) AS born, count(*) FILTER (WHERE r[1]) AS day_0, count(*) FILTER (WHERE r[4]) AS day_3
FROM (SELECT retention_agg('1 day', 4, at, event = 'Signup', true) AS r FROM e GROUP BY who) AS t;

-- Sequences: (?1) is a row that meets the first condition, .* any number of rows, (?t<=60) any number of rows with so many seconds between
-- the row before and the row after.
SELECT who, sequence_match('(?1).*(?3)', at, event = 'Signup', event = 'View', event = 'Pay') AS paid,
       sequence_match('(?1)(?t<=3600)(?2)', at, event = 'Signup', event = 'View') AS viewed_soon,
       sequence_count('(?1)', at, event = 'View') AS views
FROM e GROUP BY who ORDER BY who;

-- In the examples below a row is a letter at the time it has in the text.
CREATE FUNCTION pg_temp.found(pattern text, events text) RETURNS bigint LANGUAGE sql AS $$
  SELECT sequence_count(pattern, at, c = 'a', c = 'b', c = 'c') FROM unnest(string_to_array(events, NULL)) WITH ORDINALITY AS u(c, at)
$$;
SELECT pattern, events, pg_temp.found(pattern, events)
FROM (VALUES
  ('(?1)(?2)', 'abcab'),              -- one right after the other
  ('(?1)(?2)', 'axb'),                -- a row that meets no condition is not there
  ('(?1)(?2)', 'acb'),                -- but this one is
  ('(?1).(?2)', 'acb'),
  ('(?1).*(?2)', 'accb ab'),
  ('(?1).*(?2)', 'aab'),              -- matches don't overlap
  ('(?1)(?t>=2)(?2)', 'ab b'),        -- at least two units apart
  ('(?1)(?t==3)(?2)', 'ab b'),
  ('(?1)(?t>1)(?t<4)(?2)', 'ab  b'),  -- both must hold
  ('(?1)(?t<=1)(?2)', 'aab'),         -- from the second a
  ('(?1).*(?t<=2)(?2)', 'a   b'),     -- .* does not restart the clock
  (' (?1) .* (?2) ', 'ab')
) AS t(pattern, events);

-- What came right after: here every row with a value is there.
SELECT who, sequence_next('(?1)', at, event, event = 'Signup') AS after_signup, sequence_next('(?1)(?1)', at, event, event = 'View') AS after_two_views
FROM e GROUP BY who ORDER BY who;

-- Paths: in order of time, simultaneous events by name; the first so many; repetitions told once.
SELECT who, path_agg(at, event), path_agg(at, event, 2) AS two, path_agg(at, event, 10, true) AS collapsed FROM e GROUP BY who ORDER BY who;

-- The first and last value there was: NULLs are none.
SELECT who, first_touch(at, event), last_touch(at, event), first_touch(at, nullif(event, 'Signup')) AS but_signup, last_touch(at, NULL) AS none
FROM e GROUP BY who ORDER BY who;
SELECT first_touch(at, repeat('ä', 3000)) = repeat('ä', 3000) AS long, last_touch(at, '') = '' AS empty FROM e;

-- Sessions: numbered in each partition; a new one begins when more than the gap has passed.
SELECT who, at, sessionize(at, '20 minutes') OVER w AS session, sessionize(at, '19 minutes') OVER w AS shorter
FROM e WINDOW w AS (PARTITION BY who ORDER BY at) ORDER BY who, at;
SELECT who, count(DISTINCT session) AS sessions, max(n) AS longest
FROM (SELECT who, session, count(*) OVER (PARTITION BY who, session) AS n
      FROM (SELECT who, sessionize(at, '30 minutes') OVER (PARTITION BY who ORDER BY at) AS session FROM e) AS s) AS t
GROUP BY who ORDER BY who;
-- A row without a time has no session; rows that are not in order are an error, as is a call without a window.
SELECT at, sessionize(at, '1 hour') OVER (ORDER BY at) FROM (VALUES (timestamptz '2024-01-01'), (NULL), ('2024-01-02')) AS t(at) ORDER BY at;
SELECT sessionize(at, '1 hour') OVER (ORDER BY at DESC) FROM e;
SELECT sessionize(at, '-1 hour') OVER (ORDER BY at) FROM e;
SELECT sessionize(at, NULL) OVER (ORDER BY at) FROM e;
SELECT sessionize(at, '1 hour') FROM e;
-- The same as by hand, over random times.
SELECT setseed(0.5);
CREATE TEMP TABLE r AS SELECT (random() * 50)::int AS who, timestamptz '2024-01-01' + random() * interval '3 days' AS at FROM generate_series(1, 3000);
SELECT count(*) AS rows, max(s) AS most, count(*) FILTER (WHERE s <> h) AS wrong
FROM (SELECT sessionize(at, '1 hour') OVER w AS s, sum(new::int) OVER w AS h
      FROM (SELECT *, coalesce(at - lag(at) OVER (PARTITION BY who ORDER BY at) > '1 hour', true) AS new FROM r) AS t
      WINDOW w AS (PARTITION BY who ORDER BY at)) AS t;

-- Times that are numbers, here seconds: all of these give what they give for timestamps.
CREATE TEMP TABLE n AS SELECT who, at, extract(epoch FROM at)::bigint AS s, chr(97 + (random() * 3)::int) AS event FROM (SELECT who, date_trunc('second', at) AS at FROM r) AS t;
SELECT count(*) AS people, count(*) FILTER (WHERE path <> path_n OR five <> five_n OR collapsed <> collapsed_n) AS path,
       count(*) FILTER (WHERE first <> first_n OR last <> last_n) AS touch, count(*) FILTER (WHERE back IS DISTINCT FROM back_n) AS retention
FROM (SELECT path_agg(at, event) AS path, path_agg(s, event) AS path_n, path_agg(at, event, 5) AS five, path_agg(s, event, 5) AS five_n,
             path_agg(at, event, 5, true) AS collapsed, path_agg(s, event, 5, true) AS collapsed_n, first_touch(at, event) AS first,
             first_touch(s, event) AS first_n, last_touch(at, event) AS last, last_touch(s, event) AS last_n,
             retention_agg('6 hours', 12, at, event = 'a', event = 'b') AS back, retention_agg(21600, 12, s, event = 'a', event = 'b') AS back_n
      FROM n GROUP BY who) AS t;
SELECT count(*) AS rows, count(*) FILTER (WHERE t <> n) AS wrong
FROM (SELECT sessionize(at, '1 hour') OVER w AS t, sessionize(s, 3600) OVER w AS n FROM n WINDOW w AS (PARTITION BY who ORDER BY at)) AS t;
