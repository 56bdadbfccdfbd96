-- Cohorts: users, or groups of a key, chosen by what they did and by their profile; to list, to count, and to use in reports.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('cohorts') > 0 AS created;
SET analytics_groups.project = 'cohorts';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
SELECT analytics_groups.track_ndjson('
{"event":"Sign Up","properties":{"distinct_id":"u1","time":1704099600,"company_id":"acme"}}
{"event":"Sign Up","properties":{"distinct_id":"u2","time":1704099600,"company_id":"globex"}}
{"event":"Sign Up","properties":{"distinct_id":"u3","time":1706778000,"company_id":"init"}}
{"event":"Purchase","properties":{"distinct_id":"u1","time":1709629200,"company_id":"acme","amount":30,"item":"lamp"}}
{"event":"Purchase","properties":{"distinct_id":"u2","time":1710925200,"company_id":"acme","amount":12.5,"item":"desk"}}
{"event":"Purchase","properties":{"distinct_id":"u2","time":1708419600,"company_id":"globex","amount":5,"item":"lamp"}}
{"event":"Purchase","properties":{"distinct_id":"u2","time":1710925300,"company_id":"globex","amount":80,"item":"lamp"}}
{"event":"Purchase","properties":{"distinct_id":"u3","time":1710061200,"company_id":"init","amount":1,"item":"pen"}}
{"event":"Purchase","properties":{"distinct_id":"u3","time":1710147600,"company_id":"init","item":"pen"}}
{"event":"Purchase","properties":{"distinct_id":"u3","time":1710234000,"company_id":"init","amount":3,"item":"ink"}}
{"event":"Login","properties":{"distinct_id":"u4","time":1711875600}}
') ->> 'num_records_imported' AS stored;
SELECT analytics_groups.update_groups('[
 {"$group_key":"company_id","$group_id":"acme","$set":{"plan":"pro"}},
 {"$group_key":"company_id","$group_id":"globex","$set":{"plan":"pro"}},
 {"$group_key":"company_id","$group_id":"init","$set":{"plan":"free"}},
 {"$group_key":"company_id","$group_id":"hooli","$set":{"plan":"pro"}}]') ->> 'status' AS groups;
SELECT analytics_groups.update_users('[
 {"$distinct_id":"u1","$set":{"role":"admin","company_id":["acme"]}},
 {"$distinct_id":"u3","$set":{"role":"guest","company_id":["init"]}},
 {"$distinct_id":"u5","$set":{"role":"admin"}}]') ->> 'status' AS users;

-- The example of the law: companies on the plan pro with two purchases or more in the last 30 days. As of 2024-03-31 these days are
-- March 2 to March 31: globex has one purchase in them. cohort_size looks back from the end of any day.
SELECT analytics_groups.define_cohort('good customers', '{"all": [
    {"did": "Purchase", "at_least": 2, "within": "30 days"},
    {"where": "group[\"company_id\"][\"plan\"] == \"pro\""}]}', by => 'company_id');
SELECT * FROM analytics_groups.cohort_size('good customers', '2024-03-31', '2024-03-31');
-- "Did not" is asked of everybody who is known: hooli has a profile and no event.
SELECT analytics_groups.define_cohort('quiet', '{"did_not": "Purchase", "from_date": "2024-03-01", "to_date": "2024-03-31"}', by => 'company_id');
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('quiet');
-- Nobody bought anything in the last month: now is long after.
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('good customers');

-- The same with dates, which never move. u1 and u2 bought for acme.
SELECT analytics_groups.define_cohort('buyers of march', '{"did": "Purchase", "at_least": 2, "from_date": "2024-03-01", "to_date": "2024-03-31"}', by => 'company_id');
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('buyers of march');
-- For users it is another question.
SELECT analytics_groups.define_cohort('busy', '{"did": "Purchase", "at_least": 2, "from_date": "2024-03-01", "to_date": "2024-03-31"}');
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('busy');

-- Exactly, at most; at most includes who never did it, known from an event (u4) or a profile (u5).
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "exactly": 1, "from_date": "2024-03-01", "to_date": "2024-03-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_most": 1, "from_date": "2024-03-01", "to_date": "2024-03-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
-- Aggregates of a property. A sum is 0 of nothing; an average, a least or a largest value of nothing compares with nothing.
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "sum", "property": "amount", "at_most": 4, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "average", "property": "amount", "at_most": 30, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "max", "property": "amount", "at_least": 80, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "distinct", "property": "item", "exactly": 2, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
-- The median is exact, and in the middle of the two in the middle: u3 spent 1 and 3, u2 5, 12.5 and 80, u1 30.
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "median", "property": "amount", "exactly": 2, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "median", "property": "amount", "at_least": 12.5, "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.freeze_cohort('t') AS kept;
SELECT id FROM analytics_groups.cohort_members('t');
-- By company: acme 12.5 and 30, globex 5 and 80.
SELECT analytics_groups.define_cohort('of companies', '{"did": "Purchase", "measure": "median", "property": "amount", "at_most": 42, "from_date": "2024-01-01", "to_date": "2024-12-31"}', by => 'company_id');
SELECT id FROM analytics_groups.cohort_members('of companies');
-- How many users of a company did something, each at least so many times: in acme u1 and u2 bought, in init u3 three times.
-- An event that no user did counts for no user; companies without any have 0 and are known from their profile (hooli).
SELECT analytics_groups.define_cohort('of companies', '{"users_who_did": "Purchase", "at_least": 2, "from_date": "2024-01-01", "to_date": "2024-12-31"}', by => 'company_id');
SELECT id FROM analytics_groups.cohort_members('of companies');
SELECT analytics_groups.define_cohort('of companies', '{"users_who_did": "Purchase", "times": 2, "exactly": 1, "from_date": "2024-01-01", "to_date": "2024-12-31"}', by => 'company_id');
SELECT id FROM analytics_groups.cohort_members('of companies');
SELECT analytics_groups.define_cohort('of companies', '{"users_who_did": {"event": "Purchase", "filter": "properties[\"amount\"] > 10"}, "at_most": 0, "from_date": "2024-01-01", "to_date": "2024-12-31"}', by => 'company_id');
SELECT id FROM analytics_groups.cohort_members('of companies');
-- So every report can be about the groups of which so many users did something.
SELECT analytics_groups.define_cohort('of companies', '{"users_who_did": "Purchase", "at_least": 2, "from_date": "2024-03-01", "to_date": "2024-03-31"}', by => 'company_id');
SELECT segment, value FROM analytics_groups.insights('{"event":"Purchase","by":"company_id"}', '2024-01-01', '2024-12-31', unit => 'range', filter => 'cohort("of companies")', breakdown => '["group.company_id"]');
SELECT step, event, count FROM analytics_groups.funnel('["Sign Up","Purchase"]', '2024-01-01', '2024-12-31', by => 'company_id', within => '90 days', filter => 'cohort("of companies")');
SELECT bucket::date, size FROM analytics_groups.cohort_size('of companies', '2024-03-19', '2024-03-21');
SELECT analytics_groups.define_cohort('t', '{"users_who_did": "Purchase", "at_least": 2, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"users_who_did": "Purchase", "within": "7 days"}', by => 'company_id');
SELECT analytics_groups.define_cohort('t', '{"users_who_did": "Purchase", "at_least": 2, "times": 0, "within": "7 days"}', by => 'company_id');
-- The first time of all falls into February: not u2, whose first purchase does, but whose first sign up was in January.
SELECT analytics_groups.define_cohort('t', '{"first_time": "Sign Up", "from_date": "2024-02-01", "to_date": "2024-02-29"}');
SELECT id FROM analytics_groups.cohort_members('t');
-- In this order, with any events between.
SELECT analytics_groups.define_cohort('t', '{"sequence": ["Sign Up", {"event": "Purchase", "filter": "properties[\"item\"] == \"lamp\""}, {"event": "Purchase", "filter": "properties[\"item\"] == \"desk\""}], "from_date": "2024-01-01", "to_date": "2024-12-31"}');
SELECT id FROM analytics_groups.cohort_members('t');
-- Profiles are those of today. A user knows the properties of its groups through its own list.
SELECT analytics_groups.define_cohort('admins', '{"where": "user[\"role\"] == \"admin\""}');
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('admins');
SELECT analytics_groups.define_cohort('t', '{"where": "group[\"company_id\"][\"plan\"] == \"pro\""}');
SELECT id FROM analytics_groups.cohort_members('t');
-- Combined, negated, and made of other cohorts.
SELECT analytics_groups.define_cohort('t', '{"any": [{"cohort": "admins"}, {"all": [{"cohort": "busy"}, {"not": {"where": "cohort(\"admins\")"}}]}]}');
SELECT id FROM analytics_groups.cohort_members('t');
SELECT analytics_groups.define_cohort('t', '{"not": {"cohort": "busy"}}');
SELECT id FROM analytics_groups.cohort_members('t');

-- In reports a cohort is a condition on what is counted, for the whole range.
SELECT metric, value FROM analytics_groups.insights('[{"event":"Purchase","label":"all"}, {"event":"Purchase","filter":"cohort(\"busy\")","label":"of busy users"},
    {"event":"Purchase","filter":"not cohort(\"busy\")","label":"of others"}]', '2024-01-01', '2024-03-31', unit => 'range');
SELECT metric, value FROM analytics_groups.insights('[{"event":"$any","measure":"unique","by":"company_id"}]', '2024-01-01', '2024-03-31', unit => 'range',
    filter => 'cohort("buyers of march")');
-- As a breakdown everybody is in one of two segments, also the nobody of an event without a user.
SELECT analytics_groups.track('[{"event":"Cron","properties":{"time":1704099600}}]') ->> 'num_records_imported' AS stored;
SELECT segment, value FROM analytics_groups.insights('"Cron"', '2024-01-01', '2024-03-31', unit => 'range', breakdown => '["cohort.busy"]');
SELECT segment, value FROM analytics_groups.insights('{"event":"$any","measure":"unique"}', '2024-01-01', '2024-03-31', unit => 'range', breakdown => '["cohort.busy"]');
SELECT segment, value FROM analytics_groups.insights('{"event":"$any","measure":"unique","by":"company_id"}', '2024-01-01', '2024-03-31', unit => 'range',
    breakdown => '["cohort.buyers of march", "group.company_id.plan"]');
SELECT segment, step, count FROM analytics_groups.funnel('["Sign Up","Purchase"]', '2024-01-01', '2024-03-31', within => '90 days', filter => 'cohort("busy")');
SELECT segment, step, count FROM analytics_groups.funnel('["Sign Up","Purchase"]', '2024-01-01', '2024-03-31', within => '90 days', breakdown => '["cohort.busy"]');
SELECT segment, step, count FROM analytics_groups.funnel('["Sign Up","Purchase"]', '2024-01-01', '2024-03-31', by => 'company_id', within => '90 days', filter => 'not cohort("buyers of march")');
SELECT cohort, size, bucket, retained FROM analytics_groups.retention('"Sign Up"', '"Purchase"', '2024-01-01', '2024-02-29', unit => 'month', buckets => 2, filter => 'cohort("busy")') WHERE size > 0;
SELECT bucket, sessions FROM analytics_groups.sessions('2024-01-01', '2024-03-31', unit => 'month', filter => 'cohort("busy")');
SELECT event, next_event, count FROM analytics_groups.flows('{"event":"Sign Up","filter":"cohort(\"busy\")"}', '2024-01-01', '2024-03-31', forward => 1, within => '90 days');

-- Size over time: windows slide, what happened later is left out.
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1, "within": "7 days"}');
SELECT bucket::date, size FROM analytics_groups.cohort_size('t', '2024-03-01', '2024-03-31', unit => 'week');
SELECT bucket::date, size FROM analytics_groups.cohort_size('busy', '2024-03-10', '2024-03-21');
-- Who is known grows too: u1, u3 and u5 have a profile, u2 is known since January, u4 since the day of its login.
SELECT analytics_groups.define_cohort('t', '{"did": "Login", "at_most": 1, "within": "1 year"}');
SELECT bucket::date, size FROM analytics_groups.cohort_size('t', '2023-12-01', '2024-03-31', unit => 'month');

-- Frozen members stay.
SELECT analytics_groups.freeze_cohort('busy') AS members;
SELECT analytics_groups.track('Purchase', 'u1', '{"company_id":"acme","amount":1}', at => '2024-03-09', insert_id => 'late') AS stored;
SELECT id FROM analytics_groups.cohort_members('busy');
SELECT bucket::date, size FROM analytics_groups.cohort_size('busy', '2024-01-01', '2024-01-02');
SELECT cohort, by, frozen_at IS NOT NULL AS frozen FROM analytics_groups.cohorts WHERE project = 'cohorts';
-- Defining it anew makes it dynamic again.
SELECT analytics_groups.define_cohort('busy', '{"did": "Purchase", "at_least": 2, "from_date": "2024-03-01", "to_date": "2024-03-31"}');
SELECT id FROM analytics_groups.cohort_members('busy');
-- What is sealed answers as what waits.
CALL analytics_groups.maintain('cohorts');
SELECT id FROM analytics_groups.cohort_members('busy');
SELECT * FROM analytics_groups.verify();

-- A cohort is for what it holds (semantics 8.3).
SELECT * FROM analytics_groups.insights('"Purchase"', '2024-01-01', '2024-03-31', filter => 'cohort("quiet")');
SELECT * FROM analytics_groups.insights('{"event":"Purchase","by":"company_id"}', '2024-01-01', '2024-03-31', breakdown => '["cohort.busy"]');
SELECT analytics_groups.define_cohort('t', '{"cohort": "quiet"}');
-- Names: unknown ones are errors with near spellings, for events a notice.
SELECT * FROM analytics_groups.insights('"Purchase"', '2024-01-01', '2024-03-31', filter => 'cohort("bussy")');
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.cohort_members('nobody knows');
SELECT analytics_groups.define_cohort('t', '{"did_not": "Purchse", "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"where": "user[\"rolle\"] == \"admin\""}');
SELECT analytics_groups.define_cohort('t', '{"did_not": "Purchase", "within": "7 days"}', by => 'team_id');
-- A cohort never depends on itself, and one that others are made of stays.
SELECT analytics_groups.define_cohort('a', '{"cohort": "busy"}');
SELECT analytics_groups.define_cohort('busy', '{"any": [{"cohort": "a"}, {"did_not": "Purchase", "within": "7 days"}]}');
SELECT analytics_groups.define_cohort('a', '{"cohort": "a"}');
SELECT analytics_groups.drop_cohort('busy');
SELECT analytics_groups.drop_cohort('a'), analytics_groups.drop_cohort('busy');
SELECT analytics_groups.drop_cohort('busy');
-- What is wrong with a definition is said when it is defined.
SELECT analytics_groups.define_cohort('t', '[]');
SELECT analytics_groups.define_cohort('t', '{}');
SELECT analytics_groups.define_cohort('t', '{"all": []}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1, "at_most": 2, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1.5, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1, "within": "7 hours"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1, "from_date": "2024-01-01"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "at_least": 1, "from_date": "2024-02-01", "to_date": "2024-01-01"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "sum", "at_least": 1, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did": "Purchase", "measure": "p90", "property": "amount", "at_least": 1, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did_not": "Purchase", "at_least": 1, "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"did": "A", "cohort": "b"}');
SELECT analytics_groups.define_cohort('t', '{"sequence": ["Purchase"], "within": "7 days"}');
SELECT analytics_groups.define_cohort('t', '{"where": "properties[\"amount\"] > 3"}');
SELECT analytics_groups.define_cohort('t', '{"where": "user[\"role\"] ="}');
SELECT analytics_groups.define_cohort(' t', '{"did_not": "Purchase", "within": "7 days"}');
SELECT * FROM analytics_groups.cohort_size('quiet', '2024-01-01', '2024-12-31');
SELECT * FROM analytics_groups.cohort_size('quiet', '2024-01-01', '2024-01-01', unit => 'hour');
SELECT analytics_groups.drop_project('cohorts');
