-- A made-up B2B product over one quarter (2024-01-01 to 2024-03-31, UTC), the same on every run and every machine.
--
--     psql -v events=200000 -f generate.sql
--
-- Builds the schema `source` with plain tables: source.company, source.person and source.event, the latter with exactly
-- :events rows in order of time. 200,000 events come with 5,000 people in 400 companies; other sizes keep the proportions.
-- Nothing of the extension is used here: load.sql feeds it from these tables, benchmarks compare it with them.
--
-- What is in it, because reports should have something to find:
--   * companies of very different size, on the plans free, pro and enterprise; people are not equally active either
--   * everyone signs up once; the owner of a company is first, invites are sent by some, and whoever does the books pays:
--     sign up -> invite -> payment is a path of companies far more than of people
--   * visits before the sign up carry a device and no user; some devices never become anybody
--   * some people work for two companies (a list in company_id); teams live inside companies (team_id)
--   * events without any company, and nightly events of a company without any user

\if :{?events} \else \set events 200000 \endif

SET TimeZone = 'UTC';
SET client_min_messages = warning;

DROP SCHEMA IF EXISTS source CASCADE;
CREATE SCHEMA source;
SELECT set_config('source.events', :'events', false) AS events \gset ignored_

-- A number in [0, 1) that depends on its arguments alone.
CREATE FUNCTION source.unit(n bigint, salt bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(n, salt) >> 16) & 4294967295)::double precision / 4294967296;

-- One of the words, the first ones being the most likely.
CREATE FUNCTION source.pick(words text[], n bigint, salt bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN words[1 + floor(power(source.unit(n, salt), 1.7) * array_length(words, 1))::int];

-- People work by day, mostly from Monday to Friday.
CREATE FUNCTION source.working_hour(day double precision, n bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN timestamptz '2024-01-01 00:00+00'
       + make_interval(days => CASE WHEN floor(day)::int % 7 >= 5 AND source.unit(n, 31) < 0.8
                                    THEN greatest(floor(day)::int - 2, 0) ELSE floor(day)::int END)
       + make_interval(secs => round(((7.5 + 11 * (source.unit(n, 32) + source.unit(n, 33)) / 2) * 3600)::numeric, 3)::float8);

CREATE UNLOGGED TABLE source.company AS
SELECT no,
       'c' || lpad(no::text, 4, '0') AS id,
       initcap(source.pick('{north,blue,iron,bright,clear,red,swift,silver,green,high}', no, 1)) || ' '
           || initcap(source.pick('{works,labs,trading,systems,foods,energy,health,logistics}', no, 2)) || ' ' || no AS name,
       -- The large ones (low numbers) pay more often.
       CASE WHEN source.unit(no, 3) < 0.45 - 0.35 * no::float8 / count(*) OVER () THEN 'enterprise'
            WHEN source.unit(no, 3) < 0.75 - 0.35 * no::float8 / count(*) OVER () THEN 'pro'
            ELSE 'free' END AS plan,
       source.pick('{software,retail,finance,health,education,media}', no, 4) AS industry,
       -- Half were customers in the first week, the others came until mid March.
       CASE WHEN source.unit(no, 5) < 0.5 THEN 7 * source.unit(no, 6) ELSE 75 * source.unit(no, 6) END AS first_day
FROM generate_series(0, greatest(current_setting('source.events')::bigint / 500, 4) - 1) AS no;

CREATE UNLOGGED TABLE source.person AS
WITH size AS (
    SELECT greatest(current_setting('source.events')::bigint / 40, 8) AS people, (SELECT count(*) FROM source.company) AS companies
), member AS (
    -- Every company has an owner; the others join the low numbers far more often.
    SELECT no, CASE WHEN no < companies THEN no ELSE floor(companies * power(source.unit(no, 11), 2.5))::bigint END AS company_no,
           CASE WHEN source.unit(no, 12) < 0.06 THEN floor(companies * source.unit(no, 13))::bigint END AS second_no
    FROM size, generate_series(0, people - 1) AS no
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY company_no ORDER BY no) AS rank, count(*) OVER (PARTITION BY company_no) AS staff
    FROM member
)
SELECT r.no,
       'u' || lpad(r.no::text, 6, '0') AS id,
       'd' || lpad(r.no::text, 6, '0') AS device_id,
       c.no AS company_no,
       CASE WHEN second_no IS NULL OR second_no = c.no THEN to_jsonb(c.id) ELSE jsonb_build_array(c.id, s.id) END AS company_id,
       c.id || '-' || source.pick('{engineering,sales,support,finance}', r.no, 14)
           || CASE WHEN staff > 80 THEN '-' || floor(staff / 40.0 * source.unit(r.no, 15))::int ELSE '' END AS team_id,
       CASE WHEN rank = 1 THEN 'owner' WHEN rank = 2 THEN 'billing' ELSE 'member' END AS role,
       staff = 1 AS alone,
       source.pick('{US,DE,GB,FR,BR,IN,JP}', r.no, 16) AS country,
       -- The owner comes first, the others within the weeks after; a third stays to the end of the quarter.
       least(c.first_day + CASE WHEN rank = 1 THEN 0 ELSE 0.1 + (84 - c.first_day) * power(source.unit(r.no, 17), 3) END, 89) AS first_day,
       least(c.first_day + CASE WHEN rank = 1 THEN 20 ELSE 1 END
             + 90 * CASE WHEN source.unit(r.no, 18) < 0.33 THEN 1 ELSE power(source.unit(r.no, 19), 2) END, 90.999) AS last_day
FROM ranked r JOIN source.company c ON c.no = r.company_no LEFT JOIN source.company s ON s.no = r.second_no;

CREATE UNIQUE INDEX ON source.person (no);
UPDATE source.person SET last_day = least(first_day + 1, 90.999) WHERE last_day <= first_day;
ANALYZE source.person;

-- Each number n is one event. The first ranges are what happens once per person or company, the rest is daily work.
CREATE UNLOGGED TABLE source.event AS
WITH bound AS (
    SELECT people,
           companies,
           2 * people AS sign_ups,                                   -- below: two visits of each person's device before that
           3 * people AS invites,
           4 * people AS payments,
           4 * people + 3 * companies AS strangers,
           5 * people + 3 * companies AS nightly,
           5 * people + 3 * companies + people / 5 AS work
    FROM (SELECT count(*) AS people FROM source.person) p, (SELECT count(*) AS companies FROM source.company) c
), actor AS (
    SELECT n, b.*,
           CASE WHEN n < payments THEN n % people
                WHEN n < strangers THEN NULL
                WHEN n < work THEN NULL
                -- A few people do most of the work; the multiplier spreads them over all companies.
                ELSE (floor(people * power(source.unit(n, 41), 1.8))::bigint * 7919 + 13) % people END AS person_no,
           CASE WHEN n >= payments AND n < strangers THEN (n - payments) % companies
                WHEN n >= nightly AND n < work THEN floor(companies * power(source.unit(n, 42), 2.0))::bigint END AS company_no
    FROM bound b, generate_series(0, current_setting('source.events')::bigint - 1) AS n
), resolved AS (
    SELECT a.*, p.id, p.device_id, p.company_id, p.team_id, p.role, p.country, p.first_day, p.last_day,
           c.id AS company, c.plan, c.first_day AS company_day,
           source.unit(n, 43) AS u, source.unit(n, 44) AS v
    FROM actor a
    LEFT JOIN source.company c ON c.no = a.company_no
    LEFT JOIN source.person p ON p.no = a.person_no
), payer AS (
    SELECT DISTINCT ON (company_no) company_no, id, company_id, team_id, country, first_day
    FROM source.person ORDER BY company_no, (role = 'billing') DESC, no
), shaped AS (
    SELECT n,
           CASE WHEN n < sign_ups THEN 'visit' WHEN n < invites THEN 'sign up' WHEN n < payments THEN 'invite'
                WHEN n < strangers THEN 'payment' WHEN n < nightly THEN 'stranger' WHEN n < work THEN 'nightly'
                ELSE 'work' END AS kind,
           u, v, r.id, r.device_id, r.company_id, r.team_id, r.country, r.role, r.first_day, r.last_day, r.company, r.plan,
           r.company_day, payer.id AS payer, payer.company_id AS payer_companies, payer.team_id AS payer_team,
           payer.country AS payer_country, payer.first_day AS payer_day, (n - payments) / companies AS month, people
    FROM resolved r CROSS JOIN LATERAL (SELECT n >= payments AND n < strangers AS pays) k
    LEFT JOIN payer ON pays AND payer.company_no = r.company_no
)
SELECT CASE kind
           WHEN 'visit' THEN greatest(source.working_hour(first_day, n) - make_interval(secs => round(6 * 3600 + 86400 * 4 * u)),
                                      timestamptz '2024-01-01 00:00+00' + make_interval(secs => floor(7 * 3600 * v)))
           WHEN 'sign up' THEN source.working_hour(first_day, n)
           WHEN 'invite' THEN source.working_hour(least(first_day + 0.2 + 6 * u * u, 90), n)
           WHEN 'payment' THEN source.working_hour(least(greatest(company_day + 1 + 12 * u, payer_day) + 30 * month, 90), n)
           WHEN 'stranger' THEN source.working_hour(90.999 * u, n)
           WHEN 'nightly' THEN timestamptz '2024-01-01 02:00+00' + make_interval(days => floor(91 * u)::int, mins => floor(60 * v)::int)
           ELSE source.working_hour(first_day + 0.3 + (last_day - first_day - 0.3) * power(u, 1.3), n)
       END AS at,
       CASE kind
           WHEN 'visit' THEN 'Page View'
           WHEN 'sign up' THEN 'Sign Up'
           WHEN 'invite' THEN CASE WHEN role = 'owner' AND v < 0.7 OR v < 0.15 THEN 'Invite Sent'
                                   WHEN v < 0.5 THEN 'Project Created' ELSE 'Page View' END
           WHEN 'payment' THEN CASE WHEN CASE plan WHEN 'free' THEN 0.02 WHEN 'pro' THEN 0.7 ELSE 0.95 END > v THEN 'Payment'
                                    ELSE 'Report Viewed' END
           WHEN 'stranger' THEN 'Page View'
           WHEN 'nightly' THEN 'Import Finished'
           ELSE CASE WHEN v < 0.58 THEN 'Page View' WHEN v < 0.83 THEN 'Report Viewed' WHEN v < 0.92 THEN 'Project Created'
                     WHEN v < 0.97 THEN 'Export Downloaded' ELSE 'Comment Added' END
       END AS event,
       -- As sent: a device alone, both when somebody signs up, then the user.
       CASE WHEN kind IN ('visit', 'sign up') THEN device_id
            WHEN kind = 'stranger' THEN 'x' || lpad((hashint8extended(n, 45) & 1048575)::text, 7, '0') END AS device_id,
       CASE WHEN kind = 'payment' THEN payer WHEN kind IN ('sign up', 'invite', 'work') THEN id END AS user_id,
       -- Who it is, by the ids of the event alone.
       CASE kind WHEN 'payment' THEN payer
                 WHEN 'visit' THEN '$device:' || device_id
                 WHEN 'stranger' THEN '$device:x' || lpad((hashint8extended(n, 45) & 1048575)::text, 7, '0')
                 WHEN 'nightly' THEN ''
                 ELSE id END AS distinct_id,
       -- Nobody sends a company before the sign up, and some work is nobody's company's.
       CASE WHEN kind = 'payment' THEN payer_companies
            WHEN kind = 'nightly' THEN to_jsonb(company)
            WHEN kind IN ('sign up', 'invite') OR kind = 'work' AND source.unit(n, 46) < 0.96 THEN company_id END AS company_id,
       CASE WHEN kind = 'payment' THEN payer_team
            WHEN kind IN ('sign up', 'invite') OR kind = 'work' AND source.unit(n, 46) < 0.9 THEN team_id END AS team_id,
       coalesce(country, payer_country) AS country,
       CASE WHEN kind IN ('visit', 'stranger') OR kind = 'work' AND v < 0.58
            THEN source.pick('{/home,/pricing,/projects,/reports,/settings,/docs}', n, 47) END AS page,
       CASE WHEN kind = 'payment' THEN CASE plan WHEN 'enterprise' THEN 990 ELSE 49 + 10 * floor(8 * u)::int END
            WHEN kind = 'work' AND v >= 0.58 AND v < 0.83 THEN round((40 * power(u, 2))::numeric, 1) END AS amount,
       source.pick('{Chrome,Safari,Firefox,Edge}', n, 48) AS browser,
       'i' || lpad(n::text, 9, '0') AS insert_id
FROM shaped
ORDER BY at, n;

ALTER TABLE source.event ADD COLUMN no bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX ON source.event (no);
ANALYZE source.event;
