#!/usr/bin/env python3
"""A project goes out and comes in again in two ways; every report of all three must have the same digest.

    round_trip.py FILE          newline-delimited JSON events of an incident log, gzipped or not
    round_trip.py --made-up     the same with a small log made here

The first project takes the log by track_ndjson. What it exports is kept in tables; the second project imports these, the
third takes the events by COPY into the inbox and the rest by functions. The usual PG* variables choose a server with the
extension; projects trip_a, trip_b, trip_c and a schema trip are made in its database and dropped at the end.
"""

import json
import sys

from check import BATCH, lines_of, made_up  # check.py says where the oracle's modules are
from session import Session, quote

PROJECTS = ["trip_a", "trip_b", "trip_c"]
KEYS = ["case", "team", "product", "org_line"]
QUIET = "SET client_min_messages = warning; SET statement_timeout = '10min'; SET TimeZone = 'UTC'; "
WORK, QUEUED, DONE = "Accepted / In Progress", "Queued / Awaiting Assignment", "Completed / Resolved"
RANGE = "'2012-03-01', '2012-05-31'"


def reports():
    """(name, query) of every report and of everything that can be listed; PROJECT stands for the project."""
    any_event, steps, work, queued = '"$any"', json.dumps([QUEUED, WORK, DONE]), json.dumps(WORK), json.dumps(QUEUED)
    metrics = json.dumps(
        [{"event": "$any"}]
        + [{"event": "$any", "measure": "unique", "by": by, "label": by} for by in ["user", *KEYS]]
        + [{"event": WORK, "measure": m, "by": "team", "label": m} for m in ("wau", "sessions", "cumulative_unique", "distribution")]
    )
    p = "project => 'PROJECT'"
    yield "insights", f"analytics_groups.insights({quote(metrics)}, {RANGE}, unit => 'week', {p})"
    breakdown = '["group.team.line", "impact", "user.seat"]'
    yield "insights, broken down", f"analytics_groups.insights('[{any_event}]', {RANGE}, unit => 'month', breakdown => '{breakdown}', {p})"
    count = '[{"event": "$any", "measure": "unique"}]'
    yield "insights_members", f"analytics_groups.insights_members('{count}', {RANGE}, unit => 'range', {p})"
    for by in ("user", "case", "team"):
        funnel = f"{quote(steps)}, {RANGE}, by => '{by}', within => '14 days'"
        yield f"funnel by {by}", f"analytics_groups.funnel({funnel}, breakdown => '[\"impact\"]', {p})"
        yield f"funnel_trend by {by}", f"analytics_groups.funnel_trend({funnel}, unit => 'week', {p})"
        yield f"funnel_times by {by}", f"analytics_groups.funnel_times({funnel}, {p})"
        yield f"funnel_members by {by}", f"analytics_groups.funnel_members({funnel}, step => 2, outcome => 'dropped', {p})"
        kept = f"'{queued}', '{any_event}', {RANGE}, by => '{by}', unit => 'week'"
        yield f"retention by {by}", f"analytics_groups.retention({kept}, {p})"
        yield f"retention_summary by {by}", f"analytics_groups.retention_summary({kept}, {p})"
        yield f"lifecycle by {by}", f"analytics_groups.lifecycle('{any_event}', {RANGE}, by => '{by}', unit => 'week', {p})"
        yield f"frequency by {by}", f"analytics_groups.frequency('{any_event}', {RANGE}, by => '{by}', unit => 'week', {p})"
        yield f"sessions by {by}", f"analytics_groups.sessions({RANGE}, by => '{by}', breakdown => '[\"impact\"]', {p})"
        yield f"flows by {by}", f"analytics_groups.flows('{work}', {RANGE}, by => '{by}', reverse => 2, {p})"
        yield f"flow_paths by {by}", f"analytics_groups.flow_paths('{work}', {RANGE}, by => '{by}', {p})"
    yield "cohort_members", f"analytics_groups.cohort_members('busy', {p})"
    yield "cohort_size", f"analytics_groups.cohort_size('busy', {RANGE}, unit => 'week', {p})"
    yield "company_profile", f"(SELECT g.id AS of, x.* FROM analytics_groups.query_groups('org_line', {p}) g, analytics_groups.company_profile(g.id, '2012-05-15', {p}) AS x)"
    yield "user_groups", f"(SELECT u.id AS of, x.* FROM analytics_groups.query_users(page_size => 50, {p}) u, analytics_groups.user_groups(u.id, {p}) AS x)"
    yield "group_members", f"(SELECT g.id AS of, x.* FROM analytics_groups.query_groups('org_line', {p}) g, analytics_groups.group_members('org_line', g.id, {p}) AS x)"
    yield "activity", f"(SELECT g.id AS of, x.* FROM analytics_groups.query_groups('org_line', {p}) g, analytics_groups.activity('org_line', g.id, '2012-05-01', '2012-05-31', {p}) AS x)"
    yield "events", "analytics_PROJECT.events"
    yield "users", "(SELECT distinct_id, properties - '$last_seen', first_seen, last_seen FROM analytics_PROJECT.users)"
    yield "groups", "(SELECT group_key, group_id, properties - '$last_seen', first_seen, last_seen FROM analytics_PROJECT.groups)"
    yield "export_events", f"analytics_groups.export_events('2000-01-01', '2030-01-01', project => 'PROJECT')"
    yield "export_identities", f"analytics_groups.export_identities({p})"
    yield "export_group_merges", f"analytics_groups.export_group_merges({p})"


def digest(session, project, source):
    """md5 of the rows in byte order, and how many there are."""
    # When a profile was last updated is the only thing that may differ.
    text = "regexp_replace(t::text, '\"\"\\$last_seen\"\": \"\"[^\"]*\"\",? ?', '')"
    (line,) = session.run(
        f"SELECT count(*), md5(string_agg({text}, E'\\n' ORDER BY {text} COLLATE \"C\")) FROM {source.replace('PROJECT', project)} AS t;"
    )
    return line


def clean(session):
    names = ", ".join(map(quote, PROJECTS))
    session.run(
        "DO $$ BEGIN PERFORM analytics_groups.drop_project(project) FROM analytics_groups.projects "
        f"WHERE project IN ({names}); END $$; DROP SCHEMA IF EXISTS trip CASCADE;"
    )


def done(session, expression):
    """Runs a function that takes many records, all of which must be good."""
    answer = session.json(expression)
    if answer.get("failed_records") or answer["code"] != 200:
        raise SystemExit(f"not stored: {str(answer)[:1000]}\n0 passed, 1 failed")


def fill_first(session, lines):
    """The log, and what is not in it: devices, merged people, profiles, merged teams."""
    for i, line in enumerate(lines):
        if i % 20 == 0:  # now and then somebody works on a device, and then says who it is
            event = json.loads(line)
            person = event["properties"]["distinct_id"]
            event["properties"] |= {"$device_id": f"phone of {person}"}
            if i % 40 == 0:
                event["properties"] |= {"$user_id": person}
            lines[i] = json.dumps(event)
    for start in range(0, len(lines), BATCH):
        text = quote("\n".join(lines[start : start + BATCH]))
        done(session, f"analytics_groups.track_ndjson({text}, project => 'trip_a')")
    session.run(
        """SELECT analytics_groups.merge(u.id, w.id, project => 'trip_a') FROM (
               SELECT id, row_number() OVER (ORDER BY id) AS n FROM analytics_groups.query_users(page_size => 400, project => 'trip_a')
               WHERE id NOT LIKE '$device:%') u
           JOIN (SELECT min(id) AS id FROM analytics_groups.query_users(project => 'trip_a') WHERE id NOT LIKE '$device:%') w ON true
           WHERE u.n IN (7, 8, 9);"""
    )
    profiles = """jsonb_agg(jsonb_build_object('$group_key', 'team', '$group_id', id, '$set', jsonb_build_object(
        'line', right(id, 3), 'length', length(id), 'words', string_to_array(id, ' ')))) FROM analytics_groups.query_groups('team', page_size => 2000, project => 'trip_a')"""
    done(session, f"analytics_groups.update_groups((SELECT {profiles}), project => 'trip_a')")
    profiles = """jsonb_agg(jsonb_build_object('$distinct_id', id, '$set', jsonb_build_object('seat', length(id) % 3, 'team', jsonb_build_array(id))))
        FROM analytics_groups.query_users(page_size => 2000, project => 'trip_a')"""
    done(session, f"analytics_groups.update_users((SELECT {profiles}), project => 'trip_a')")
    session.run(
        """SELECT analytics_groups.merge_groups('team', t.id, w.id, project => 'trip_a')
           FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM analytics_groups.query_groups('team', project => 'trip_a')) t
           JOIN (SELECT min(id) AS id FROM analytics_groups.query_groups('team', project => 'trip_a')) w ON true WHERE t.n IN (2, 4);"""
    )


def out(session):
    """What the first project exports, in tables."""
    session.run(
        """CREATE SCHEMA trip;
           CREATE TABLE trip.line AS SELECT e FROM analytics_groups.export_events('2000-01-01', '2030-01-01', project => 'trip_a') AS e;
           CREATE TABLE trip.event AS SELECT e ->> 'event' AS event, (e -> 'properties' ->> 'time')::bigint AS at, e -> 'properties' ->> 'distinct_id' AS who,
               (e -> 'properties') - '{time,distinct_id}'::text[] AS sent FROM trip.line;
           CREATE TABLE trip.person AS SELECT distinct_id, properties - '$last_seen' AS profile FROM analytics_trip_a.users WHERE properties <> '{}';
           CREATE TABLE trip.team AS SELECT group_id, properties - '$last_seen' AS profile FROM analytics_trip_a.groups WHERE group_key = 'team' AND properties <> '{}';
           CREATE TABLE trip.same AS SELECT * FROM analytics_groups.export_group_merges(project => 'trip_a');
           CREATE TABLE trip.link AS SELECT * FROM analytics_groups.export_identities(project => 'trip_a');"""
    )


def said_by_hand(session, project):
    """Who is whom, and which groups are one: events say nothing of it."""
    session.run(f"SELECT analytics_groups.merge(id, linked_to, project => '{project}') FROM trip.link;")
    session.run(f"SELECT analytics_groups.merge_groups(group_key, from_id, into_id, project => '{project}') FROM trip.same;")


def by_import(session, project):
    said_by_hand(session, project)
    mapping = '{"event_column": "event", "time_column": "at", "user_column": "who", "json_properties_column": "sent"}'
    for call in (
        f"import_events('trip.event', '{mapping}', 'one_time'",
        """import_profiles('trip.person', '{"user_column": "distinct_id", "json_properties_column": "profile"}'""",
        """import_profiles('trip.team', '{"group_key": "team", "group_id_column": "group_id", "json_properties_column": "profile"}'""",
    ):
        done(session, f"analytics_groups.{call}, project => '{project}')")


def by_inbox(session, project):
    said_by_hand(session, project)
    lines = session.run("COPY trip.line TO STDOUT;")
    session.run(f"SET analytics_groups.project = '{project}';")
    for start in range(0, len(lines), BATCH):
        session.run("COPY analytics_groups.inbox FROM STDIN;\n" + "\n".join(lines[start : start + BATCH]) + "\n\\.\n")
    session.run("RESET analytics_groups.project;")
    users = "jsonb_agg(jsonb_build_object('$distinct_id', distinct_id, '$set', profile)) FROM trip.person"
    groups = "jsonb_agg(jsonb_build_object('$group_key', 'team', '$group_id', group_id, '$set', profile)) FROM trip.team"
    done(session, f"analytics_groups.update_users((SELECT {users}), project => '{project}')")
    done(session, f"analytics_groups.update_groups((SELECT {groups}), project => '{project}')")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    lines = made_up() if sys.argv[1] == "--made-up" else lines_of(sys.argv[1])
    failed, asked = 0, list(reports())
    with Session(QUIET) as session:
        clean(session)
        for project in PROJECTS:
            session.run(f"SELECT analytics_groups.create_project('{project}', timezone => 'Europe/Berlin');")
            for key in KEYS:
                session.run(f"SELECT analytics_groups.add_group_key('{key}', project => '{project}');")
            session.run(f"SELECT analytics_groups.set_company_key('org_line', project => '{project}');")
        fill_first(session, lines)
        out(session)
        by_import(session, "trip_b")
        by_inbox(session, "trip_c")
        for project in PROJECTS:
            session.run(
                f"""SELECT analytics_groups.define_cohort('busy', '{{"did": "{WORK}", "at_least": 5, "from_date": "2012-03-01", "to_date": "2012-05-31"}}', by => 'team', project => '{project}');
                    CALL analytics_groups.maintain('{project}');"""
            )
        for name, source in asked:
            digests = [digest(session, project, source) for project in PROJECTS]
            same = len(set(digests)) == 1 and not digests[0].startswith("0|")
            failed += not same
            print(f"  {'equal' if same else 'DIFFERS':8} {name}: {' '.join(digests if not same else digests[:1])}")
        clean(session)
    print(f"{len(asked) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
