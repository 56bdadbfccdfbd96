-- What each function written in Rust is for, with an example. Runs last.

COMMENT ON FUNCTION analytics_groups._check_calendar(text, text) IS 'Refuses time zones and week starts that reports could not cut days with. Internal.';
COMMENT ON FUNCTION analytics_groups._project_template() IS 'The tables of a project as SQL. Internal.';
COMMENT ON FUNCTION analytics_groups._change_access(text, oid, text, boolean) IS 'Grants or revokes as the owner of a project, for its admins. Internal: use grant_access and revoke_access.';
COMMENT ON FUNCTION analytics_groups._create_sequence(text, smallint) IS 'Makes the numbers of a new group key, for the admins of a project. Internal: use add_group_key.';
COMMENT ON FUNCTION analytics_groups._number_listed(text, smallint, text) IS 'Makes the groups known that profiles of users list under a key just registered. Internal: use add_group_key.';
COMMENT ON FUNCTION analytics_groups._max_group_keys() IS 'The setting analytics_groups.max_group_keys. Internal.';
COMMENT ON FUNCTION analytics_groups._maintain(text, boolean) IS 'Seals what waits in one project; returns how many events. Internal: use CALL analytics_groups.maintain().';
COMMENT ON FUNCTION analytics_groups._fold(text) IS 'Makes one block of the single events that wait in a project; returns how many. Internal: ingestion does it, see the setting analytics_groups.fold_after.';
COMMENT ON FUNCTION analytics_groups._backfill(text, smallint, text) IS 'Attributes stored events to a key just registered. Internal: use add_group_key(…, backfill => true).';
COMMENT ON FUNCTION analytics_groups._hold(text) IS 'Waits for everybody who writes to a project and keeps others out until the transaction ends, for its admins. Internal: deletions do it.';
COMMENT ON FUNCTION analytics_groups._delete_user(text, text) IS 'Internal: use delete_user.';
COMMENT ON FUNCTION analytics_groups._delete_group(text, text, text, boolean) IS 'Internal: use delete_group.';
COMMENT ON FUNCTION analytics_groups._delete_events(text, jsonb, date, date, text) IS 'Internal: use delete_events.';
COMMENT ON FUNCTION analytics_groups._merge_groups(text, text, text, text) IS 'Internal: use merge_groups.';
COMMENT ON FUNCTION analytics_groups._drop_key(text, smallint, text) IS 'Internal: use drop_group_key.';
COMMENT ON FUNCTION analytics_groups.erased(text, text) IS
'Proves a deletion: reads everything that is stored and names each place where something of a user is left, under any id, or of a number whose id is gone. No row: nothing is. Until CALL analytics_groups.maintain() has written them anew, tables are named that still hold the deleted rows on disk. Texts that other users'' events or profiles carry are not theirs and not looked at; backups and the write-ahead log keep what they have for as long as they are kept.
Example: SELECT * FROM analytics_groups.erased(''user-1'');';
COMMENT ON FUNCTION analytics_groups._attributed_events(text, text) IS 'Events attributed to a group key. Internal: see the view group_keys.';
COMMENT ON FUNCTION analytics_groups.inbox_begin() IS 'Trigger of analytics_groups.inbox: begins a statement. Internal.';
COMMENT ON FUNCTION analytics_groups.inbox_line() IS 'Trigger of analytics_groups.inbox: takes one line. Internal.';
COMMENT ON FUNCTION analytics_groups.inbox_end() IS 'Trigger of analytics_groups.inbox: stores what was taken. Internal.';

COMMENT ON FUNCTION analytics_groups.set_group(text, text, jsonb, text) IS
'Puts a user into these groups of a key until further notice: events of the user that arrive later and don''t carry the key (by track, track_ndjson or COPY; imports are history and carry what they carry) get them, and the list of the user''s profile is set to them. What an event carries itself wins, null and "" included. The user is found under any of its ids, as identities are known when the event arrives. group_ids: an id or a list of ids; ''[]'' takes the user out of all groups of the key. For writers.
Example: SELECT analytics_groups.set_group(''user-1'', ''company_id'', ''["acme", "globex"]'');';
COMMENT ON FUNCTION analytics_groups.add_group(text, text, jsonb, text) IS
'Adds one group to those that a user is in until further notice, if it is not among them, and to the list of the user''s profile; see set_group.
Example: SELECT analytics_groups.add_group(''user-1'', ''company_id'', ''"acme"'');';
COMMENT ON FUNCTION analytics_groups.remove_group(text, text, jsonb, text) IS
'Takes one group away from those that a user is in until further notice, and out of the list of the user''s profile, which goes with its last group. What was attributed stays. See set_group.
Example: SELECT analytics_groups.remove_group(''user-1'', ''company_id'', ''"acme"'');';
COMMENT ON FUNCTION analytics_groups.track(text, text, jsonb, timestamptz, text, text) IS
'Stores one event and attributes it to its user and to every registered group key it carries. False when the event says $ignore. Events of one event, distinct_id, time and insert_id are one event: the last stays.
Example: SELECT analytics_groups.track(''Purchase'', ''user-1'', ''{"company_id": "acme", "amount": 99.9}'');';
COMMENT ON FUNCTION analytics_groups.track(jsonb, text, text) IS
'As track(jsonb, …) in strict mode, with on_error => ''abort'': the first bad record is an error and nothing is stored.
Example: SELECT analytics_groups.track(batch, on_error => ''abort'') FROM outbox;';
COMMENT ON FUNCTION analytics_groups.track(jsonb, boolean, text) IS
'Stores one event object or an array of them, in the JSON of /track and /import, and answers in the shape of /import. Good records are stored even when others fail. strict => false forgives a missing time and wrong group ids.
Example: SELECT analytics_groups.track(''[{"event":"Purchase","properties":{"time":1690000000,"distinct_id":"user-1","$insert_id":"a1","company_id":"acme"}}]''::jsonb);';
COMMENT ON FUNCTION analytics_groups.track_ndjson(text, boolean, text, text) IS
'Stores JSON events, one a line: the fast path. Answers in the shape of /import; a bad line fails alone.
Example: SELECT analytics_groups.track_ndjson(string_agg(line, e''\n'')) FROM staging;';
COMMENT ON FUNCTION analytics_groups.track_ndjson(bytea, boolean, text, text) IS
'Stores JSON events from bytes, one a line; a line that is not valid UTF-8 fails alone.
Example: SELECT analytics_groups.track_ndjson(pg_read_binary_file(''events.ndjson''));';
COMMENT ON FUNCTION analytics_groups.identify(text, text, text) IS
'Says whose an id is: from now on, and for everything sent before, anon_id is user_id, in every report, profile and feed. An event with a $device_id and a $user_id says the same by itself. An id belongs to the first it was linked to: true when the two are one user now, false when anon_id is somebody else already, and nothing changes. Write a device as $device:D1. Groups are not touched: an event counts for the groups it names. 500 ids of one user are the most. It cannot be undone.
Example: SELECT analytics_groups.identify(''$device:3f0b2c1e'', ''user-1'');';
COMMENT ON FUNCTION analytics_groups.alias(text, text, text) IS
'Gives a user one more id: what was and will be sent as alias is distinct_id. As identify with the arguments in the order of $create_alias: false when alias is somebody else already.
Example: SELECT analytics_groups.alias(''user-1'', ''ann@example.com'');';
COMMENT ON FUNCTION analytics_groups.merge(text, text, text) IS
'Makes one user of two that both may have ids linked to them already: everything from_id stands for is into_id. The profile of from_id is not carried over. It cannot be undone; 500 ids of one user are the most.
Example: SELECT analytics_groups.merge(''ann.old@example.com'', ''user-1'');';
COMMENT ON FUNCTION analytics_groups.update_users(jsonb, text) IS
'Updates user profiles with the JSON of /engage: one object or an array. Operations $set, $set_once, $add, $append, $union, $remove, $unset, $delete.
Example: SELECT analytics_groups.update_users(''{"$distinct_id": "user-1", "$set": {"$name": "Ann", "role": "admin"}}'');';
COMMENT ON FUNCTION analytics_groups.update_groups(jsonb, text) IS
'Updates group profiles with the JSON of /groups: one object or an array. The same eight operations as update_users.
Example: SELECT analytics_groups.update_groups(''{"$group_key": "company_id", "$group_id": "acme", "$set": {"$name": "Acme", "plan": "pro"}}'');';

COMMENT ON FUNCTION analytics_groups.insights(jsonb, date, date, text, jsonb, text, integer, boolean, interval, text[], integer, text) IS
'Events, unique users and groups, and aggregates of properties over time, side by side. A metric is an event selector with "measure", "by" (user or a group key) and "label" (else A, B, …). Measures: total, unique (with "attribution":"first" or "last" each counts only in the segment of its first or last such event of an interval; without it in every segment it touched); dau, wau, mau (the last 1, 7, 30 days of each interval); cumulative_unique; sessions (those with such an event in the interval; they end after 30 minutes without an event of any kind and at midnight); of a "property": sum, average, median, percentile (with "percentile":95; p25 p75 p90 p95 p99), min, max, distinct; of what each subject has, "per":"total" or "per":{"measure":"sum","property":"amount"}: average, median, percentile, min, max, sum, distribution (one row per value, the value last in segment). A metric by a group key with "groups":{"users_who_did":"Login","times":2,"at_least":3} (at_most, exactly) counts only the groups of which so many users did it in the interval, each at least so many times (times, else 1); for days of its own, and in every other report, use a cohort with such a condition. {"profiles":"company_id"} (or "user") counts profiles instead of events, with "measure": total, or with a "property" of the profiles sum, average, median, percentile, min, max, distinct, and a "filter" on them: the profiles of today, the same in every interval, rolling and cumulative leave it as it is; broken down by what profiles have. Percentiles are exact (percentile_cont); without events counts and sums are 0, everything else NULL. unit: minute, hour, day, week, month, quarter, year, range. breakdown: up to 4 of "country", "user.plan", "group.company_id", "group.company_id.plan", {"property":"amount","bucket":{"size":10,"min":0,"max":100}} or "bucket":{"at":[10,50,100]} or, for values with names, "bucket":[{"name":"DACH","values":["DE","AT","CH"]}], {"property":"$time","unit":"day_of_week"} (hour, day, week, month, quarter, year, hour_of_day, day_of_week), {"users_who_did":"Login","at_least":1}; the first metric ranks the segments, all beyond top are $other. rolling: mean of the last n intervals; cumulative: running sum; compare: the same once more over the days that lie so long before, as "A (compared)", in the same segments; formulas over labels, division by zero is NULL. Every interval and segment has a row. A selector with "first_time":true, here and in every report, picks what its subject did for the first time ever.
Example: SELECT * FROM analytics_groups.insights(''[{"event":"$any","measure":"dau"},{"event":"$any","measure":"mau"},{"event":"Purchase","measure":"p90","property":"amount","label":"p90"}]'', ''2024-01-01'', ''2024-01-31'', formulas => ''{"stickiness = A / B"}'');';
COMMENT ON FUNCTION analytics_groups.insights_members(jsonb, date, date, text, jsonb, text, interval, integer, text, text[], timestamptz, text, integer, text) IS
'Who is behind a number of insights with the same arguments: metric is its label, segment and bucket are those of its row (what there is only one of can be left out). events are those of the subject that count; value is what it adds: its events to a total, 1 to different subjects, the number of its sessions to sessions, its own value of any other measure, so that totals, uniques, sessions and sums are the sum of the column. Events without a user are one row with the id ''''; an event of two groups is in the row of each, and counts once in a total. Sorted by id; page with page_size and after => the last id.
Example: SELECT id, events, properties ->> ''plan'' FROM analytics_groups.insights_members(''[{"event":"Purchase","measure":"unique","by":"company_id"}]'', ''2024-01-01'', ''2024-01-31'', bucket => ''2024-01-05Z'');';
COMMENT ON FUNCTION analytics_groups.lifecycle(jsonb, date, date, text, text, text) IS
'Users, or groups, by state in each interval: new (its first event ever), retained (active in the interval before as well), resurrected (active again after a pause), dormant (active in the interval before, not in this one). Active is who has an event that the selector picks. unit: day, week, month, quarter, year; the first interval is taken whole.
Example: SELECT bucket, state, count FROM analytics_groups.lifecycle(''"Login"'', ''2024-01-01'', ''2024-03-31'', by => ''company_id'', unit => ''week'');';
COMMENT ON FUNCTION analytics_groups.lifecycle_members(jsonb, date, date, text, text, timestamptz, text, text, integer, text) IS
'Who is new, retained, resurrected or dormant (the default) in an interval: the users or groups behind a number of lifecycle with the same arguments. Sorted by id; page with page_size and after => the last id.
Example: SELECT id FROM analytics_groups.lifecycle_members(''"Login"'', ''2024-01-01'', ''2024-03-31'', by => ''company_id'', unit => ''week'', bucket => ''2024-03-04Z'', state => ''dormant'');';
COMMENT ON FUNCTION analytics_groups.frequency(jsonb, date, date, text, text, text, boolean, text) IS
'How many users, or groups, were active in at least so many hours of a day (unit => day), days of a week or days of a month; cumulative => false: in exactly so many. Active is who has an event that the selector picks.
Example: SELECT bucket, active, count FROM analytics_groups.frequency(''"Login"'', ''2024-01-01'', ''2024-01-31'', by => ''company_id'', unit => ''week'');';
COMMENT ON FUNCTION analytics_groups.frequency_members(jsonb, date, date, text, text, text, boolean, timestamptz, integer, text, integer, text) IS
'Who was active in at least (cumulative => false: exactly) so many hours of a day, days of a week or days of a month, and in how many: the users or groups behind a number of frequency with the same arguments. Sorted by id; page with page_size and after => the last id.
Example: SELECT id, active_in FROM analytics_groups.frequency_members(''"Login"'', ''2024-01-01'', ''2024-01-31'', by => ''company_id'', unit => ''week'', bucket => ''2024-01-08Z'', active => 5);';
COMMENT ON FUNCTION analytics_groups.funnel(jsonb, date, date, text, interval, text, text, text, jsonb, text[], jsonb, text, text, interval, integer, text, text) IS
'How many users, or groups, went through the steps. The first step must lie in the range; the window (within, inclusive) runs from it. Each step is the earliest event that fits; one event fills one step; simultaneous events convert in step order; a step may be up to grace earlier than the one before it. By a group key different users may do different steps.
count: unique (each subject once), total (every attempt; the next begins after the end of the one before) or sessions (each session with step 1 once, all steps inside of it; sessions end after 30 minutes without an event and at midnight; leave out within). ordering: loose, any (a step may also say "order":"any" or "loose": neighbours in any order come before the next step), strict (the very next event). reentry: default (the first entry) or optimized (every entry is tried, of several before the same step 2 the last; the first that converts counts, else the one that went furthest). exclude: events that end an attempt between two steps ("between":[1,2], default all). hold: up to 3 properties that must not change. breakdown: up to 4 of "country", "user.plan", "group.company_id", "group.company_id.plan", of the whole attempt by attribution: first (the first step that has it), last, step1, step2 …; a subject counts once per segment, with its best attempt. filter: on the attributed values, after attempts are formed: so without a breakdown it can lose a subject that a breakdown would show; to decide which events a step sees, filter in the step. property: a property whose numbers, of the events that filled the step in the counted attempts, sum, average, median, min and max are of (NULL without it); an event without it, or with something else than a number, does not contribute, and of nothing the sum is 0; sums are exact and rounded once.
Example: SELECT step, count, sum, average FROM analytics_groups.funnel(''["Add To Cart","Purchase"]'', ''2024-01-01'', ''2024-01-31'', property => ''amount'');
Example: SELECT segment, step, event, count, overall_conversion FROM analytics_groups.funnel(''["Sign Up","Invite Sent","Purchase"]'', ''2024-01-01'', ''2024-01-31'', by => ''company_id'', within => ''14 days'', reentry => ''optimized'', breakdown => ''["group.company_id.plan"]'');';
COMMENT ON FUNCTION analytics_groups.funnel_members(jsonb, date, date, text, interval, text, text, text, jsonb, text[], jsonb, text, text, interval, integer, integer, text, text[], text, integer, text) IS
'Who reached a step of a funnel (outcome => ''converted''), or reached the step before and not this one (''dropped''): the users or groups behind a number of funnel with the same arguments, and in how many of their attempts or, with count => ''sessions'', of their sessions. step and segment are those of its row. For a bucket of funnel_trend ask with its dates. Sorted by id; page with page_size and after => the last id.
Example: SELECT id, properties ->> ''$email'' FROM analytics_groups.funnel_members(''["Sign Up","Purchase"]'', ''2024-01-01'', ''2024-01-31'', step => 2, outcome => ''dropped'');';
COMMENT ON FUNCTION analytics_groups.funnel_trend(jsonb, date, date, text, interval, text, text, text, jsonb, text[], jsonb, text, text, interval, integer, text, text, text) IS
'A funnel of its own for each day, week, month … of entries: what funnel() answers for that interval alone. A subject may enter in many, so the rows add up to more than one funnel over the whole range. property as in funnel().
Example: SELECT bucket, count, overall_conversion FROM analytics_groups.funnel_trend(''["Sign Up","Purchase"]'', ''2024-01-01'', ''2024-03-31'', unit => ''week'') WHERE step = 2;';
COMMENT ON FUNCTION analytics_groups.funnel_times(jsonb, date, date, text, interval, text, text, text, jsonb, text[], jsonb, text, text, interval, integer, integer, text) IS
'How long those who converted took from the first to the last step, as a histogram: at most so many buckets of one handy width (1 minute, 2 minutes, 5 minutes …), from 0 to the longest time, the same for every segment. Nobody converted: no row.
Example: SELECT at_least, below, count FROM analytics_groups.funnel_times(''["Sign Up","Purchase"]'', ''2024-01-01'', ''2024-01-31'', buckets => 10);';
COMMENT ON FUNCTION analytics_groups.funnel_significance(jsonb, date, date, text, interval, text, text, text, jsonb, text[], jsonb, text, text, interval, integer, text[], text) IS
'Which segments convert better or worse than chance would explain: each against all entries, or against itself and the segment control together. p_value is 1 - max(P(X < k), P(X >= k)) of a hypergeometric X; confidence above 0.95 is significant; fewer than 30 entries are insufficient samples.
Example: SELECT segment, conversion, confidence, verdict FROM analytics_groups.funnel_significance(''["Sign Up","Purchase"]'', ''2024-01-01'', ''2024-01-31'', breakdown => ''["country"]'', control => ''{us}'');';
COMMENT ON FUNCTION analytics_groups.retention(jsonb, jsonb, date, date, text, text, integer, integer[], text, text, text, text, text, jsonb, text, integer, text) IS
'Of the users, or groups, that did born, how many came back to do returned, per interval after it. criterion: on (in the bucket), on_or_after (in it or later, up to the end of the data), on_or_before, streak (in every bucket so far; a birth that matches returned fills bucket 0); alignment: rolling (24 hours, 7 or 30 days from the birth) or calendar; births: every (the first in each interval of the range) or first (the first ever). buckets => 7 are the buckets 0 to 7; brackets => ''{1,7,30}'' are [0,1), [1,7), [7,30) units instead. measure: rate, count, or of a numeric property of the events they came back with sum (0 of nothing) or average (that sum by those who came back); the criterion says which of these events count. breakdown: up to 4 properties of the births, segments beyond top become $other. complete is false while a bucket can still grow.
Example: SELECT cohort, size, bucket, retained, value FROM analytics_groups.retention(''"Sign Up"'', ''"Login"'', from_date => ''2024-01-01'', to_date => ''2024-01-31'', by => ''company_id'', unit => ''week'', buckets => 4, breakdown => ''["group.company_id.plan"]'');';
COMMENT ON FUNCTION analytics_groups.retention_summary(jsonb, jsonb, date, date, text, text, integer, integer[], text, text, text, text, text, jsonb, text, integer, text, text) IS
'The average row of retention: all cohorts of a bucket that are complete as one. average: weighted (each cohort by its size: retained is Σ size·retained / Σ size, the rate Σ size·retained / Σ size²) or pooled (as if they were one: the rate is Σ retained / Σ size).
Example: SELECT bucket, value FROM analytics_groups.retention_summary(''"Sign Up"'', ''"Login"'', from_date => ''2024-01-01'', to_date => ''2024-01-31'', unit => ''week'', average => ''pooled'');';
COMMENT ON FUNCTION analytics_groups.retention_members(jsonb, jsonb, date, date, text, text, integer, integer[], text, text, text, text, text, jsonb, text, integer, timestamptz, integer, text, text[], text, integer, text) IS
'Who of a cohort came back in a bucket (outcome => ''retained'') or did not (''lost''): the users or groups behind a number of retention with the same arguments. cohort, bucket and segment are those of its row; without a bucket it is everybody born in the cohort. value is its sum of the measured property, else 1. Sorted by id; page with page_size and after => the last id.
Example: SELECT id, born_at FROM analytics_groups.retention_members(''"Sign Up"'', ''"Login"'', from_date => ''2024-01-01'', to_date => ''2024-01-31'', unit => ''week'', cohort => ''2024-01-08Z'', bucket => 1, outcome => ''lost'');';
COMMENT ON FUNCTION analytics_groups.sessions(date, date, text, text, interval, jsonb, jsonb, text, text, jsonb, integer, text) IS
'Sessions of users, or of groups, per bucket of their start: how many, events in each, average, median and 90th percentile of their duration. A session ends after a gap longer than timeout and at midnight of the project; or it goes from a start event to an end event (starts, ends; one that is cut at midnight has no duration), or lasts as long as a property keeps its value (property). The filter decides which events are looked at. Hidden events and events that no user does ($identify, $merge, message events) are passed over.
breakdown: up to 4 of "country" and all else that breaks down events, taken from the first event of the session that has it (with starts and ends, or a property: from its first event); "user.plan", "group.company_id.plan", "cohort.name"; and of the session itself "$duration_s" (seconds), "$event_count" (both also with ranges: {"property":"$duration_s","bucket":{"size":60,"min":60,"max":600}}), "$origin_start" and "$origin_end" (names of its first and last event). A session with a list is in each of its segments; segments rank by sessions, all beyond top are $other.
Example: SELECT segment, sessions, events_per_session, median_duration FROM analytics_groups.sessions(''2024-01-01'', ''2024-01-31'', unit => ''range'', breakdown => ''["country", "$origin_start"]'');';
COMMENT ON FUNCTION analytics_groups.sessions_members(date, date, text, text, interval, jsonb, jsonb, text, text, jsonb, integer, text[], timestamptz, text, integer, text) IS
'Who had the sessions of an interval, how many, and how many events were in them: the users or groups behind a number of sessions with the same arguments. bucket and, with a breakdown, segment are those of its row; {$other} is everything beyond top. Sorted by id; page with page_size and after => the last id.
Example: SELECT id, sessions FROM analytics_groups.sessions_members(''2024-01-01'', ''2024-01-31'', unit => ''week'', bucket => ''2024-01-08Z'');';
COMMENT ON FUNCTION analytics_groups.flows(jsonb, date, date, text, integer, integer, interval, integer, boolean, text[], text, jsonb, text[], jsonb, text, text) IS
'What users, or groups, do right after an anchor event (forward steps) and right before it (reverse steps), as edges read in time: event at position step (0 = the anchor) leads to next_event. kind: ANCHOR, FORWARD, REVERSE, OTHER (what is not among the rows most frequent of its position), DROPOFF and START (nothing later, nothing earlier within the window), BREAK (between two anchors more happened than is shown). count: unique (the first anchor in range), total (every one, after the end of the way before) or sessions (the first of every session, and nothing outside of it). collapse makes equal events one step; hide leaves events out.
Several anchors are the steps of a funnel: each is the first event after the one before that fits, within the window of the first; who misses one ends there with a drop-off. Each may have its own "forward" and "reverse"; anchor and step, next_anchor and next_step say where an edge begins and ends. exclude: events that end the way between two anchors ("between":[1,2], default all). hold: up to 3 properties that all anchors must have with one value. split: {"Purchase":"plan"} tells events of that name apart as Purchase [pro], {"$any":…} all events. filter: which events are looked at.
Example: SELECT step, event, next_event, count, anchor, next_anchor FROM analytics_groups.flows(''["Sign Up", {"event":"Purchase","forward":0,"reverse":2}]'', ''2024-01-01'', ''2024-01-31'', forward => 2, within => ''7 days'', hide => ''{Heartbeat}'', split => ''{"Purchase":"plan"}'');';
COMMENT ON FUNCTION analytics_groups.flow_paths(jsonb, date, date, text, integer, integer, interval, text, boolean, text[], integer, jsonb, text[], jsonb, text, text) IS
'The most common sequences of events around an anchor, or from anchor to anchor, with their share of all entries. The anchors are in the path; one that ends early ends with (drop-off), one with nothing before it begins with (start), ≈ stands for steps between two anchors that are not shown. All options are those of flows.
Example: SELECT path, count, share FROM analytics_groups.flow_paths(''["Login", "Purchase"]'', ''2024-01-01'', ''2024-01-31'', forward => 1, count => ''sessions'', top => 10);';
COMMENT ON FUNCTION analytics_groups.flow_members(jsonb, date, date, text, integer, integer, interval, integer, boolean, text[], text, jsonb, text[], jsonb, text, integer, integer, text, text, integer, integer, text[], text, integer, text) IS
'Who is behind an edge of flows (anchor, step, event and next_event of its row; where what comes next may be a step or another anchor also next_anchor and next_step), a node (without what comes next), or a path of flow_paths, asked with the same arguments; and how often each went there, or in how many sessions. Sorted by id; page with page_size and after => the last id.
Example: SELECT id FROM analytics_groups.flow_members(''"Sign Up"'', ''2024-01-01'', ''2024-01-31'', step => 0, next_event => ''(drop-off)'');';
COMMENT ON FUNCTION analytics_groups.activity(text, text, date, date, text[], timestamptz, integer, text) IS
'What a user did, or what happened at a group of a key (events attributed to it), the newest first, with all properties; by default the last 30 days. Hidden events and those of hide are left out. A page ends with a whole millisecond: page_size (100) may be exceeded by simultaneous events; the next page is before => the time of the last event.
Example: SELECT at, event, user_id, properties FROM analytics_groups.activity(''company_id'', ''acme'', hide => ''{Heartbeat}'');';
COMMENT ON FUNCTION analytics_groups.group_members(text, text, timestamptz, text, integer, text) IS
'The users of a group: who has events that are attributed to it (until at, when given), and whose profile lists it (today). Sorted by id; page with page_size and after => the last id.
Example: SELECT id, events, last_seen FROM analytics_groups.group_members(''company_id'', ''acme'');';
COMMENT ON FUNCTION analytics_groups.user_groups(text, text) IS
'The groups of a user, of every key: those its events are attributed to, and those its profile lists.
Example: SELECT group_key, group_id, first_seen FROM analytics_groups.user_groups(''user-1'');';
COMMENT ON FUNCTION analytics_groups.subject_ids(text, text[], text) IS
'The set of the numbers that the dictionary of a project gives to ids: of users, after identity merges, or of groups of a key. Ids that are not known are left out. Numbers are never given twice, but belong to one project and kind.
Example: SELECT analytics_groups.subject_ids(''user'', ''{user-1,user-2}'');';
COMMENT ON FUNCTION analytics_groups.subject_names(text, analytics_groups.roaringbitmap, text) IS
'The ids of numbers, in order of the numbers: the way back from subject_ids, and from sets that were combined of its answers. Numbers that are not known, or of somebody who was deleted, have no row.
Example: SELECT id FROM analytics_groups.subject_names(''user'', analytics_groups.subject_ids(''user'', ''{user-1,user-2}''));';
COMMENT ON FUNCTION analytics_groups.company_profile(text, date, text) IS
'The figures of one company (a group of the company key) as of the end of a day, by default today: users active on the day, in its 7 and in its 30 days; of these 30 days the events of users and events per user, and users that are new (the first event with the company ever), retained (active in the 30 days before as well), resurrected (active earlier) and dormant (active in the 30 days before only). Retention is of all users ever that had the time: active from 24 to 48 hours, 7 to 14 and 30 to 60 days after their first event. Everything is about events attributed to the company.
Example: SELECT name, mau, new_users, week_1_retention FROM analytics_groups.company_profile(''acme'');';
COMMENT ON FUNCTION analytics_groups.export_events(date, date, text[], text, text) IS
'Every event of the days from from_date to to_date (inclusive, in the project''s time zone), each once and in no particular order, as {"event": …, "properties": {…}}: what was sent (group keys, $device_id, $user_id and $insert_id among it), "time" in milliseconds, and as "distinct_id" whose event it is after identity merges, "" for nobody''s. track_ndjson takes it back; a project that was filled with strict => false is taken back with strict => false. events: only these; filter: only those it is true of. Rows are kept on disk when they are many, not in memory.
Example: COPY (SELECT analytics_groups.export_events(''2024-01-01'', ''2024-01-31'', events => ''{Purchase}'', filter => ''properties["amount"] > 100'')) TO STDOUT (FORMAT csv, QUOTE e''\x01'', DELIMITER e''\x02'');
Example: SELECT analytics_groups.track_ndjson(string_agg(e::text, e''\n''), project => ''copy'') FROM analytics_groups.export_events(''2024-01-01'', ''2024-01-31'', project => ''shop'') AS e;';
COMMENT ON FUNCTION analytics_groups.import_events(regclass, jsonb, text, text) IS
'Takes the rows of a table, a view or a foreign table as events, read as the caller; a query is given as a view. mapping: event_name (one event for all rows) or event_column; time_column (a timestamp, a date or a number; without a zone it is UTC); and if there are such columns, user_column, device_column, insert_id_column, json_properties_column (an object, flattened), insert_time_column, and property_mappings ({"column": "property"}, null leaves a column out). Every other column becomes a property of its own name; group keys need nothing but their name, arrays are lists, NULL is not set. mode: append (the rows whose insert_time is greater than that of all rows imported before), one_time (all rows) or mirror. Rows that are wrong are counted in ingest_errors and listed in import_errors, and the first 100 of them are in the answer, which is that of track; the others are stored, all in one transaction: an import that fails or is killed has done nothing. import_batches commits in between.
mirror: the store has the events of the source as it is now. insert_id_column tells the rows, a key of the source; what is new since the last call is taken in, a row that changed takes the place of what it was, and the event of a row that is gone is deleted for good, as delete_events does; num_new, num_changed, num_removed and num_unchanged are in the answer. Rows that are the same in every column are one; of others with one id one is taken (num_duplicates). Every call reads all of the source, once to count and once to compare, and writes the segments anew that have what changed; some 110 bytes a row are kept. An event deleted otherwise stays deleted until its row changes. Rows whose event is blocked are left out, and come in with the next call after block_event(…, false); what a blocked property was stays out until its row changes. For admins; whoever ingests meanwhile waits.
Example: SELECT analytics_groups.import_events(''shop.orders'', ''{"event_name": "Order Placed", "time_column": "created_at", "user_column": "customer_id", "insert_time_column": "loaded_at", "property_mappings": {"total": "amount", "notes": null}}'');';
COMMENT ON FUNCTION analytics_groups._import_plan(oid, jsonb, bigint, text) IS 'The insert times at which import_batches commits. Internal.';
COMMENT ON FUNCTION analytics_groups._import_batch(oid, jsonb, text, boolean, text) IS 'One batch of import_batches. Internal.';
COMMENT ON FUNCTION analytics_groups._mirror_events(oid, jsonb, text) IS 'What import_events does in mode mirror, as a statement of its own. Internal.';
COMMENT ON FUNCTION analytics_groups.import_profiles_csv(text, jsonb, text) IS
'Takes the rows of a CSV text (RFC 4180: quotes, line ends inside of them, a byte order mark) as profiles, as import_profiles does: the first line names the columns, unless the mapping does with columns. mapping: user_column, or group_key and group_id_column; property_mappings ({"column": "property"}, null leaves a column out). Without a column of ids, that of $email tells who it is. Numbers, true and false, and JSON lists of texts become what they are, as in lookup tables, everything else is a text; the id always is. What is empty stays as it was. A row that is wrong or has too many or too few fields is refused alone (import_errors). A file: with pg_read_file, or from psql with \set csv `cat file` and :''csv''.
Example: SELECT analytics_groups.import_profiles_csv(E''company,industry,size\nacme,Tools,120\n'', ''{"group_key": "company_id", "group_id_column": "company", "property_mappings": {"size": "employees"}}'');';
COMMENT ON FUNCTION analytics_groups.import_profiles(regclass, jsonb, text, text) IS
'Takes the rows of a table, a view or a foreign table as profiles, read as the caller: of users with user_column, or of the groups of a registered key with group_key and group_id_column. Every other column is set as a property, NULL leaves it as it was; json_properties_column, property_mappings, insert_time_column and the answer are as in import_events. mode: full or one_time (all rows), append (rows inserted since).
start_time_column: the rows of a group are its versions, each holds from its start until the next one of that group begins, as a warehouse keeps them (SCD type 2). They are read in the order of their starts, of equal starts in that of insert_time_column; NULL in a column says that the property is not set while the row holds, and $last_seen stays. Of properties that keep_history was called for, every version goes into the history, for "group.<key>.<property>@event": a version read again is the same, one that comes late is history alone. Other properties, which a notice names, are what the last row read says. A start before 1971 or at -infinity is the beginning of time; a row without a start, or with one in the future, is refused. Versions that vanish from the source stay. For groups alone: the past of users is not kept.
Example: SELECT analytics_groups.import_profiles(''crm.accounts'', ''{"group_key": "company_id", "group_id_column": "id", "property_mappings": {"name": "$name"}}'');
Example: SELECT analytics_groups.import_profiles(''crm.account_versions'', ''{"group_key": "company_id", "group_id_column": "id", "start_time_column": "valid_from", "property_mappings": {"valid_to": null}}'');';
COMMENT ON FUNCTION analytics_groups.query_users(text, text, integer, text) IS
'Every known user with profile, first and last event, sorted by id; page with after => the last id. The filter sees properties["p"] or user["p"].
Example: SELECT id, properties ->> ''$name'' FROM analytics_groups.query_users(filter => ''user["plan"] == "pro"'');';
COMMENT ON FUNCTION analytics_groups.query_groups(text, text, text, integer, text) IS
'Every known group of a key with profile, first and last event, sorted by id; page with after => the last id.
Example: SELECT id, last_seen FROM analytics_groups.query_groups(''company_id'', filter => ''properties["plan"] == "pro"'');';
COMMENT ON FUNCTION analytics_groups.verify(text) IS
'Reads everything a project stores again and returns every problem found; none on a healthy store.
Example: SELECT * FROM analytics_groups.verify();';

COMMENT ON FUNCTION analytics_groups.set_lookup_table(text, text, text) IS
'Stores a lookup table, or replaces the one of this name: all of it, or nothing and an error. The text is CSV (RFC 4180): the first line names the columns, the first column is the join key, each key once and not blank. Numbers as JSON writes them become numbers, true and false booleans, ["a","b"] a list of texts, an empty field is not set, the rest is text; dates stay texts, which datetime(…) and breakdowns with "unit" read. Answers how many rows there are. At most 100 MB a table and 5 million rows in all tables of a project.
Example: SELECT analytics_groups.set_lookup_table(''products'', E''sku,category,price\np1,Shoes,59.9\np2,Hats,20'');';
COMMENT ON FUNCTION analytics_groups.set_lookup_table(text, jsonb, text, text) IS
'The same from objects, one for each row: of a table or of any query. key is the member that is the join key; values keep their types, lists hold plain values.
Example: SELECT analytics_groups.set_lookup_table(''countries'', (SELECT jsonb_agg(c) FROM (VALUES (''DE'', ''Europe''), (''US'', ''Americas'')) AS c(code, continent)), key => ''code'');';
COMMENT ON FUNCTION analytics_groups.map_lookup(text, text, text) IS
'Joins a lookup table to a property: of events (''sku''), of users (''user.city'') or of the groups of a key (''group.company_id.industry''). A property has one table, a table any number of properties. From then on reports know what its values stand for, whenever the events happened and as the table is now: lookup["sku"]["category"] in filters, "lookup.sku.category" in breakdowns and wherever a property of events is named. Values that are not in the table have nothing set; texts and numbers are compared as they are written; a list has the list of what its elements stand for. What begins with lookup. is read in this way, whatever events carry.
Example: SELECT analytics_groups.map_lookup(''sku'', ''products'');';
COMMENT ON FUNCTION analytics_groups.unmap_lookup(text, text) IS
'Takes the lookup table of a property away; the table stays.
Example: SELECT analytics_groups.unmap_lookup(''sku'');';
COMMENT ON FUNCTION analytics_groups.drop_lookup_table(text, text) IS
'Drops a lookup table. One that is joined to a property stays, with an error.
Example: SELECT analytics_groups.drop_lookup_table(''countries'');';

COMMENT ON FUNCTION analytics_groups.define_cohort(text, jsonb, text, text) IS
'Defines, or defines anew, a cohort of users or of the groups of a key (by): {"all":[…]}, {"any":[…]} and {"not":…} of
{"did":selector,"at_least"|"at_most"|"exactly":n} (at_most and exactly 0 include who never did it), the same with "measure":"sum"|"average"|"median" (exact)|"min"|"max"|"distinct" and "property", for cohorts of groups {"users_who_did":selector,"times":2,"at_least"|"at_most"|"exactly":n} (how many of their users did it, each at least so many times, else once), {"did_not":selector}, {"first_time":selector} (the first ever lies in the time), {"sequence":[selector,…]} (in this order), each with a time: "within":"30 days" (weeks, months, years; today is the last day) or "from_date" and "to_date"; {"where":filter on user["…"] or group["key"]["…"]}, {"cohort":"name"}. Members are found when a report asks, as of now, and hold for its whole range. In reports: filter => ''cohort("name")'' and breakdown => ''["cohort.name"]'', for what counts the same users or groups.
Example: SELECT analytics_groups.define_cohort(''buyers'', ''{"all":[{"did":"Purchase","at_least":2,"within":"30 days"},{"where":"group[\"company_id\"][\"plan\"] == \"pro\""}]}'', by => ''company_id'');';
COMMENT ON FUNCTION analytics_groups.drop_cohort(text, text) IS
'Forgets a cohort. One that another cohort is made of stays, with an error.
Example: SELECT analytics_groups.drop_cohort(''buyers'');';
COMMENT ON FUNCTION analytics_groups.freeze_cohort(text, text) IS
'Keeps the members of a cohort as they are now, whatever happens later, and says how many there are. define_cohort makes it dynamic again.
Example: SELECT analytics_groups.freeze_cohort(''buyers'');';
COMMENT ON FUNCTION analytics_groups.cohort_members(text, text) IS
'Who is in a cohort now, with the properties of the profile. Conditions that hold for who never did something include everybody who has a profile or an event.
Example: SELECT id, properties ->> ''plan'' FROM analytics_groups.cohort_members(''buyers'');';
COMMENT ON FUNCTION analytics_groups.cohort_size(text, date, date, text, text) IS
'How many were in a cohort at the end of each interval: windows slide, what happened later is left out; profiles are those of today, and a frozen cohort never changes. unit: day, week, month, quarter, year, range; at most 93 intervals.
Example: SELECT bucket, size FROM analytics_groups.cohort_size(''buyers'', ''2024-01-01'', ''2024-03-31'', unit => ''week'');';

COMMENT ON FUNCTION analytics_groups.hide_event(text, boolean, text) IS
'Hides an event, or shows it again: it is still stored, but any event ("$any", "*") leaves it out, and so do sessions, the steps of flows and feeds. A question that names it counts it. For admins.
Example: SELECT analytics_groups.hide_event(''Heartbeat'');';
COMMENT ON FUNCTION analytics_groups.hide_property(text, boolean, text) IS
'Hides an event property, or shows it again: for tools that list properties from lexicon_properties; a question that names it reads it. For admins.
Example: SELECT analytics_groups.hide_property(''internal_id'');';
COMMENT ON FUNCTION analytics_groups.block_event(text, boolean, text) IS
'Blocks an event, or lets it in again: what arrives from now on is discarded, from whatever way it comes, and counted in ingest_errors and as num_blocked in the answer; what is stored stays. An event that was never sent can be blocked too. For admins.
Example: SELECT analytics_groups.block_event(''Debug'');';
COMMENT ON FUNCTION analytics_groups.block_property(text, boolean, text) IS
'Blocks an event property, or lets it in again: events that arrive from now on are stored without it, which ingest_errors notes once for each batch; what is stored stays. Group keys and what tells events apart can not be blocked. For admins.
Example: SELECT analytics_groups.block_property(''email'');';
COMMENT ON FUNCTION analytics_groups.set_event_display_name(text, text, text) IS
'How lexicon_events shows an event; NULL takes the name away. Questions and exports keep the name that is sent. For admins.
Example: SELECT analytics_groups.set_event_display_name(''purchase_v2'', ''Purchase'');';
COMMENT ON FUNCTION analytics_groups.set_property_display_name(text, text, text) IS
'How lexicon_properties shows an event property; NULL takes the name away. For admins.
Example: SELECT analytics_groups.set_property_display_name(''utm_source'', ''Source'');';
COMMENT ON FUNCTION analytics_groups.merge_events(text[], text, text) IS
'Makes events one event in every report, those already stored too: a question for any of them is one for the event they are merged into, and where events are shown its name is. Nothing stored changes: exports and deletions keep the names that were sent, and unmerge_events takes it back. For admins.
Example: SELECT analytics_groups.merge_events(''{purchase,Purchased}'', ''Purchase'');';
COMMENT ON FUNCTION analytics_groups.add_drop_filter(text, jsonb, text) IS
'From now on discards the events of a name that carry, of each property named, one of the values named; a list that an event carries has a value when one of its elements is it. What is discarded is counted in num_blocked and ingest_errors; what is stored already stays. Adding the same filter again changes nothing; a project has at most 15. For admins.
Example: SELECT analytics_groups.add_drop_filter(''Page View'', ''{"env": ["test", "staging"], "bot": true}'');';
COMMENT ON FUNCTION analytics_groups.remove_drop_filter(text, jsonb, text) IS
'Removes a drop filter, or every one of an event when no properties are given; returns how many. For admins.
Example: SELECT analytics_groups.remove_drop_filter(''Page View'');';
COMMENT ON FUNCTION analytics_groups.merge_properties(text[], text, text) IS
'Makes properties of events one property in every report, for events already stored too: a question for any of them is one for the property they are merged into, and of an event that carries several of them that one counts, then the others in the order in which they were first sent. Nothing stored changes: exports, feeds and deletions keep what was sent, and unmerge_properties takes it back. Not for group keys, nor for properties of profiles. For admins.
Example: SELECT analytics_groups.merge_properties(''{Plan,plan_name}'', ''plan'');';
COMMENT ON FUNCTION analytics_groups.unmerge_properties(text[], text) IS
'Takes properties out of the one they are merged into. For admins.
Example: SELECT analytics_groups.unmerge_properties(''{plan_name}'');';
COMMENT ON FUNCTION analytics_groups.unmerge_events(text[], text) IS
'Takes events out of the one they are merged into. For admins.
Example: SELECT analytics_groups.unmerge_events(''{Purchased}'');';
