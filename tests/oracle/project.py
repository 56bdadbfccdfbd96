"""A project as a script of steps that can be run, shortened and printed, and its image for the oracle.

A script is a list of steps:
    ("key", property)                      register a group key
    ("events", way, transaction, events)   ingest events: way is one of WAYS, transaction one of TRANSACTIONS
    ("profiles", users, groups)            set profile properties: {id: …} and {(key, id): …}
    ("identities", verbs)                  say who is whom: [(verb, its two arguments), …]
    ("sticky", changes)                    groups until further notice: [(verb, user, key, ids), …] (sticky.py)
    ("delete", what)                       delete a user, a group, events or a key (deletions.py)
    ("merge groups", key, from, into)      two groups of a key are one
    ("govern", verb, names, value)         hide, block, merge or unmerge events, or block properties
    ("maintain", "now", "later" or "fold") settle what was ingested, or make a block of single events
    ("ask", questions)                     questions about the state reached
"""

import json
import os
from itertools import count

import deletions
import lookups
import sticky
from oracle import Identities, World, time_ms
from session import jsonb, quote
from zone import Calendar, text_of

WAYS = ["ndjson", "array", "each", "copy"]
TRANSACTIONS = ["plain", "one", "rolled back first", "savepoint"]
NOW = 10**10  # seconds; later than every event
numbers = count(1)


class Refused(Exception):
    """The server did not store every event of a batch."""


def is_strict(events):
    """A batch with group ids that strict mode refuses is sent in lax mode."""
    ids = [e["properties"].get(key) for e in events for key in ("company_id", "team_id")]
    return not any(isinstance(i, bool) for value in ids for i in (value if isinstance(value, list) else [value]))


def track_each(event, project):
    """One event through `track(event, …)`: what has an argument of its own leaves the properties."""
    p = dict(event["properties"])
    at = text_of(time_ms(p.pop("time")))
    distinct_id, insert_id = p.pop("distinct_id", ""), p.pop("$insert_id", None)
    last = "NULL" if insert_id is None else quote(insert_id)
    who = quote(str(distinct_id))
    return (
        f"SELECT analytics_groups.track({quote(event['event'])}, {who}, {jsonb(p)}, at => {quote(at)}, "
        f"insert_id => {last}, project => {quote(project)});"
    )


def line_of(event):
    return json.dumps(event, ensure_ascii=False)


def ingest(way, events, project):
    """The statements that ingest events in one of the four ways."""
    strict = "true" if is_strict(events) else "false"
    if way == "ndjson":
        lines = quote("\n".join(map(line_of, events)))
        return [f"SELECT analytics_groups.track_ndjson({lines}, strict => {strict}, project => {quote(project)});"]
    if way == "array":
        return [f"SELECT analytics_groups.track({jsonb(events)}, strict => {strict}, project => {quote(project)});"]
    if way == "each":
        return [track_each(e, project) for e in events]
    lines = "\n".join(line_of(e).replace("\\", "\\\\") for e in events)
    return [
        f"SET analytics_groups.project = {quote(project)};",
        f"COPY analytics_groups.inbox FROM STDIN;\n{lines}\n\\.\n",
    ]


def in_transaction(kind, statements):
    """The same statements, in a transaction of their own, or after an attempt that was taken back."""
    if kind == "one":
        return ["BEGIN;", *statements, "COMMIT;"]
    if kind == "rolled back first":
        return ["BEGIN;", *statements, "ROLLBACK;", *statements]
    if kind == "savepoint":
        return ["BEGIN;", "SAVEPOINT s;", *statements, "ROLLBACK TO s;", *statements, "COMMIT;"]
    return statements


def govern(step, project):
    """The statements of a step of governance. Only what is known can be hidden or merged."""
    _, verb, names, value = step
    last = f"project => {quote(project)}"
    known = f"FROM analytics_{project}.event_name WHERE name = ANY ({quote('{' + ','.join(json.dumps(n) for n in names) + '}')}::text[])"
    if verb == "merge_events":
        return [f"SELECT 'governed ' || count(analytics_groups.merge_events(m.names, {quote(value)}, {last})::text) "
                f"FROM (SELECT array_agg(name::text) AS names {known}) AS m WHERE m.names IS NOT NULL;"]
    if verb == "unmerge_events":
        return [f"SELECT 'governed ' || count(analytics_groups.unmerge_events(m.names, {last})::text) "
                f"FROM (SELECT array_agg(name::text) AS names {known} AND merged_into IS NOT NULL) AS m WHERE m.names IS NOT NULL;"]
    if verb == "merge_properties":
        return [f"SELECT 'governed ' || analytics_groups.merge_properties(ARRAY[{', '.join(map(quote, names))}], {quote(value)}, {last})::text;"]
    if verb == "unmerge_properties":
        known = known.replace("event_name", "property")
        return [f"SELECT 'governed ' || count(analytics_groups.unmerge_properties(m.names, {last})::text) "
                f"FROM (SELECT array_agg(name::text) AS names {known} AND merged_into IS NOT NULL) AS m WHERE m.names IS NOT NULL;"]
    if verb == "hide_event":
        return [f"SELECT 'governed ' || analytics_groups.hide_event(name, {value}, {last})::text {known};"]
    return [f"SELECT 'governed ' || analytics_groups.{verb}({quote(n)}, {value}, {last})::text;" for n in names]


def merge_groups(step, project):
    """The statement that merges two groups, unless one is the other already, or a third one."""
    key, gone, into = map(quote, step[1:])
    merged = f"SELECT FROM analytics_groups.export_group_merges({quote(project)}) m WHERE m.group_key = {key}"
    return [f"SELECT 'merged ' || analytics_groups.merge_groups({key}, {gone}, {into}, project => {quote(project)}) "
            f"WHERE {gone} <> {into} AND NOT EXISTS ({merged} AND (m.from_id = {gone} OR m.from_id = {into} AND m.into_id = {gone}));"]


def statements_of(step, project):
    """The SQL of one step."""
    if step[0] == "key":
        seed = {"$group_key": step[1], "$group_id": "seed", "$set": {"tier": "x", "seats": 1}}
        return [
            f"SELECT analytics_groups.add_group_key({quote(step[1])}, project => {quote(project)});",
            f"SELECT analytics_groups.keep_history({quote(step[1])}, 'tier', project => {quote(project)});",
            f"SELECT analytics_groups.update_groups({jsonb([seed])}, project => {quote(project)});",
        ]
    if step[0] == "events":
        return in_transaction(step[2], ingest(step[1], step[3], project)) if step[3] else []
    if step[0] == "profiles":
        users = [{"$distinct_id": u, "$set": p} for u, p in step[1].items()]
        groups = [
            {"$group_key": k, "$group_id": g, "$set": {n: v for n, v in p.items() if n != "$time"}}
            | ({"$time": p["$time"]} if "$time" in p else {})
            for (k, g), p in step[2].items()
        ]
        return [
            f"SELECT analytics_groups.update_{name}({jsonb(updates)}, project => {quote(project)});"
            for name, updates in (("users", users), ("groups", groups))
            if updates
        ]
    if step[0] == "identities":
        return [
            f"SELECT 'identity ' || analytics_groups.{verb}({quote(a)}, {quote(b)}, project => {quote(project)});"
            for verb, a, b in step[1]
        ]
    if step[0] == "sticky":
        return sticky.statements(step[1], project)
    if step[0] == "merge groups":
        return merge_groups(step, project)
    if step[0] == "govern":
        return govern(step, project)
    if step[0] == "delete":
        return deletions.statements(step[1], project)
    if step[0] == "maintain" and step[1] == "later":
        return [f"SELECT analytics_groups._maintain({quote(project)}, false);"]
    if step[0] == "maintain" and step[1] == "fold":
        return [f"SELECT analytics_groups._fold({quote(project)});"]
    if step[0] == "maintain":
        return [f"CALL analytics_groups.maintain({quote(project)});"]
    return []


def refusals(lines):
    """What the answers of ingestion complain about."""
    problems = []
    for line in lines:
        if line.startswith("{"):
            answer = json.loads(line)
            if answer.get("failed_records") or answer.get("code", 200) != 200:
                problems.append(line)
        elif line == "f":
            problems.append("track() returned false")
    return problems


def create(session, calendar, prefix="orc"):
    """Creates a project of a fresh name."""
    name = f"{prefix}_{os.getpid()}_{next(numbers)}"
    session.run(
        f"SELECT analytics_groups.create_project({quote(name)}, timezone => {quote(calendar.name)}, "
        f"week_start => {quote(calendar.week_start)});"
    )
    # Every name a question may use is known, long before any range: an unknown one is an error, not a zero.
    known = {"plan": "x", "n": 1, "ok": True, "tags": ["x"], "mixed": 1, "nowhere": 1, "company_id": "", "team_id": ""}
    event = {"event": "Seed", "properties": {"distinct_id": "seed", "time": 315532800, **known}}
    profile = {"$distinct_id": "seed", "$set": {"plan": "x", "age": 1}}
    session.run(f"SELECT analytics_groups.track({jsonb([event])}, project => {quote(name)});")
    session.run(f"SELECT analytics_groups.update_users({jsonb([profile])}, project => {quote(name)});")
    for table, text in lookups.csv():
        session.run(f"SELECT analytics_groups.set_lookup_table({quote(table)}, {quote(text)}, project => {quote(name)});")
    for mapped, table in lookups.MAPPED.items():
        session.run(f"SELECT analytics_groups.map_lookup({quote(mapped)}, {quote(table)}, project => {quote(name)});")
    return name


def drop(session, project):
    session.run(f"SELECT analytics_groups.drop_project({quote(project)});")


def perform(session, step, project, blocked=()):
    """Runs one step on the server; an event that is not taken is an error."""
    for statement in statements_of(step, project):
        problems = refusals(session.run(statement))
        if step[0] == "events" and any(e["event"] in blocked for e in step[3]):
            problems = [p for p in problems if p != "track() returned false"]
        if problems:
            raise Refused("\n".join(problems))


class Image:
    """What the oracle knows of a project after the steps so far."""

    def __init__(self, zone, week_start):
        self.calendar = Calendar(zone, week_start)
        self.raw, self.registered, self.users, self.groups, self.verbs = [], {}, {}, {}, []
        self.past = {}  # of the tier of groups: since when it was what
        self.sticky = {}
        self.one = {}  # (key, id) -> the group it was merged into
        self.known, self.hidden, self.merged, self.merged_properties = {"Seed"}, set(), {}, {}
        self.blocked_events, self.blocked_properties = set(), set()

    def perform(self, step):
        if step[0] == "key":
            self.registered[step[1]] = len(self.raw)
        elif step[0] == "events":
            come = [e for e in step[3] if e["event"] not in self.blocked_events]
            self.take(sticky.attached(self, step[1], come))
        elif step[0] == "govern":
            self.govern(*step[1:])
        elif step[0] == "identities":
            self.verbs += [(len(self.raw), *verb) for verb in step[1]]
        elif step[0] == "sticky":
            sticky.perform(self, step[1])
        elif step[0] == "merge groups":
            self.merge_groups(*step[1:])
        elif step[0] == "delete":
            deletions.perform(self, step[1])
        elif step[0] == "profiles":
            # What is sent under an id that is somebody's already is theirs.
            whose = Identities(self.raw, self.verbs).end
            for name, properties in step[1].items():
                self.users[whose(name)] = self.users.get(whose(name), {}) | properties
            for (key, group), properties in step[2].items():
                self.update_group((key, self.one.get((key, group), group)), dict(properties))

    def merge_groups(self, key, gone, into):
        """What only the group that is given up has becomes the other's."""
        into = self.one.get((key, into), into)
        if gone == into or (key, gone) in self.one:
            return
        self.one = {of: into if of[0] == key and group == gone else group for of, group in self.one.items()}
        self.one[key, gone] = into
        past = self.past.pop((key, gone), {})
        if not self.past.get((key, into)):
            self.past[key, into] = past
        properties = self.groups.pop((key, gone), None)
        if properties:
            known = self.groups.get((key, into), {})
            self.update_group((key, into), {n: v for n, v in properties.items() if n not in known})

    def update_group(self, name, properties):
        """What is said of a time before the last change is history alone."""
        at = properties.pop("$time", NOW) * 1000
        known, past = self.groups.get(name, {}), self.past.setdefault(name, {})
        if "tier" in properties:
            if past and at < max(past):
                past[at] = properties.pop("tier")
            elif properties["tier"] != known.get("tier"):
                past[at] = properties["tier"]
        self.groups[name] = known | properties

    def take(self, events):
        """What is blocked does not arrive."""
        for e in events:
            if e["event"] not in self.blocked_events:
                self.known.add(e["event"])
                kept = {k: v for k, v in e["properties"].items() if k not in self.blocked_properties}
                self.raw.append({**e, "properties": kept})

    def govern(self, verb, names, value):
        known = [n for n in names if n in self.known]
        if verb == "merge_events" and known:
            self.known.add(value)
            self.merged |= dict.fromkeys(known, value)
        elif verb == "unmerge_events":
            self.merged = {a: b for a, b in self.merged.items() if a not in known}
        elif verb == "merge_properties":
            self.merged_properties |= dict.fromkeys(names, value)
        elif verb == "unmerge_properties":
            self.merged_properties = {a: b for a, b in self.merged_properties.items() if a not in names}
        elif verb == "hide_event":
            self.hidden = self.hidden | set(known) if value else self.hidden - set(known)
        elif verb == "block_event":
            self.known |= set(names) if value else set()
            self.blocked_events = self.blocked_events | set(names) if value else self.blocked_events - set(names)
        elif verb == "block_property":
            self.blocked_properties = self.blocked_properties | set(names) if value else self.blocked_properties - set(names)

    def world(self):
        more = {"hidden": self.hidden, "merged": self.merged, "groups_in_one": self.one, "merged_properties": self.merged_properties}
        return World(self.raw, self.registered, self.calendar, self.users, self.groups, self.verbs, self.past, **more)


def as_sql(script, zone, week_start, project="repro"):
    """A script as SQL that a person can run."""
    lines = [
        f"SELECT analytics_groups.create_project({quote(project)}, timezone => {quote(zone)}, "
        f"week_start => {quote(week_start)});"
    ]
    for step in script:
        lines += statements_of(step, project)
    return "\n".join(lines)
