"""One user or group at a time: its feed, who belongs to whom, and the figures of a company."""

import json
from datetime import timedelta

from oracle import Undetermined, sightings
from session import quote
from zone import DAY

REPORTS = ["group_members", "user_groups", "activity", "company_profile"]
PROPERTIES = ["plan", "n", "ok", "tags", "mixed"]
FIGURES = ["dau", "wau", "mau", "new_users", "retained_users", "resurrected_users", "dormant_users", "events"]
RATES = ["events_per_user", "day_1_retention", "week_1_retention", "month_1_retention"]


def statements(question, project):
    """What must be so before a question is asked."""
    if question["report"] != "company_profile":
        return []
    known = f"SELECT FROM analytics_groups.group_keys WHERE project = {quote(project)} AND is_company_key"
    return [
        f"SELECT analytics_groups.set_company_key('company_id', project => {quote(project)}) WHERE NOT EXISTS ({known});"
    ]


def call(question, project):
    """The SQL query of a question."""
    q = {k: v for k, v in question.items() if k != "report"}
    written = []
    for name, value in q.items():
        if name == "hide":
            written.append("hide => ARRAY[" + ", ".join(map(quote, value)) + "]::text[]")
        elif name in ("at", "before"):
            written.append(f"{name} => to_timestamp({value} / 1000.0)")
        elif name == "page_size":
            written.append(f"page_size => {'NULL' if value is None else value}")
        else:
            written.append(f"{name} => {quote(str(value))}")
    return f"analytics_groups.{question['report']}({', '.join(written)}, project => {quote(project)})"


def columns(question):
    seen = ", ".join(f"(extract(epoch from {c}) * 1000)::float8 AS {c}" for c in ("first_seen", "last_seen"))
    return {
        "group_members": f"id, listed, events, {seen}",
        "user_groups": f"group_key, group_id, listed, events, {seen}",
        "activity": "(extract(epoch from at) * 1000)::float8 AS at, event, user_id, properties",
        "company_profile": ", ".join(["id", *FIGURES, *RATES]),
    }[question["report"]]


def tie(listed, events):
    times = [e.time for e in events]
    return {
        "listed": listed,
        "events": len(times),
        "first_seen": min(times, default=None),
        "last_seen": max(times, default=None),
    }


def group_members(world, group_key, group_id, at=None):
    """{user: row}"""
    group_id = world.one.get((group_key, group_id), group_id)
    own = [e for e in world.events if group_id in e.groups.get(group_key, []) and (at is None or e.time <= at)]
    listed = {u for u in world.users if group_id in world.listed(u, group_key)}
    users = {e.user for e in own if e.user is not None} | listed
    return {u: tie(u in listed, [e for e in own if e.user == u]) for u in users}


def user_groups(world, distinct_id):
    """{(key, group): row}"""
    distinct_id = world.identities.end(distinct_id)
    own = [e for e in world.events if e.user == distinct_id]
    rows = {}
    for key in ("company_id", "team_id"):
        listed = world.listed(distinct_id, key)
        for group in {g for e in own for g in e.groups.get(key, [])} | set(listed):
            rows[key, group] = tie(group in listed, [e for e in own if group in e.groups.get(key, [])])
    return rows


def plain(value):
    """A value as JSON that is equal for equal values: 1 and 1.0 are one."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def carried(properties):
    """What is compared of the properties of an event."""
    return {k: plain(properties[k]) for k in PROPERTIES if dict.get(properties, k) is not None}


def key_of(at, event, user, properties):
    return at, event, user, json.dumps(properties, sort_keys=True)


def activity(world, by, id, from_date, to_date, hide=(), before=None, page_size=None):
    """{(at, event, user, properties): how often}"""
    start, end = world.calendar.span(from_date, to_date)
    end = end if before is None else min(end, before)
    id = world.identities.end(id) if by == "user" else world.one.get((by, id), id)
    hide = {world.shown(name) for name in hide} | world.hidden
    own = [e for e, who in sightings(world, by) if who == id and start <= e.time < end and e.event not in hide]
    if page_size is not None and len(own) > page_size:
        oldest = sorted((e.time for e in own), reverse=True)[page_size - 1]
        own = [e for e in own if e.time >= oldest]
    rows = {}
    for e in own:
        row = rows.setdefault(key_of(e.time, e.event, e.user, carried(e.properties)), {"n": 0})
        row["n"] += 1
    return rows


def company_profile(world, group_id, as_of):
    """{company: figures}"""
    calendar = world.calendar
    group_id = world.one.get(("company_id", group_id), group_id)
    if ("company_id", group_id) not in world.groups and not any(
        group_id in e.groups.get("company_id", []) for e in world.events
    ):
        raise Undetermined("a company that nobody knows")
    end = calendar.span(as_of, as_of)[1]
    users = {}
    for e in world.events:
        if group_id in e.groups.get("company_id", []) and e.user is not None and e.time < end:
            users.setdefault(e.user, []).append(e.time)

    def days(first, last):
        """The instants from `first` to `last` days before the day."""
        return calendar.span(as_of - timedelta(days=first), as_of - timedelta(days=last))

    def within(times, span):
        return sum(span[0] <= t < span[1] for t in times)

    row = dict.fromkeys(FIGURES, 0)
    shares = {name: [] for name in RATES[1:]}
    month, before = days(29, 0), days(59, 30)
    for times in users.values():
        first = min(times)
        row["dau"] += within(times, days(0, 0)) > 0
        row["wau"] += within(times, days(6, 0)) > 0
        row["events"] += within(times, month)
        if within(times, month):
            row["mau"] += 1
            just = within(times, before) > 0
            row["new_users" if first >= month[0] else "retained_users" if just else "resurrected_users"] += 1
        elif within(times, before):
            row["dormant_users"] += 1
        for name, (low, high) in zip(shares, ((1, 2), (7, 14), (30, 60))):
            if first + high * DAY <= end:
                shares[name].append(within(times, (first + low * DAY, first + high * DAY)) > 0)
    row["events_per_user"] = row["events"] / row["mau"] if row["mau"] else None
    for name, kept in shares.items():
        row[name] = sum(kept) / len(kept) if kept else None
    return {group_id: row}


def actual(question, rows):
    """The server's rows in the same shape."""
    if question["report"] == "activity":
        if any(a["at"] < b["at"] for a, b in zip(rows, rows[1:])):
            raise AssertionError("rows out of order")
        answer = {}
        for r in rows:
            row = answer.setdefault(key_of(r["at"], r["event"], r["user_id"], carried(r["properties"])), {"n": 0})
            row["n"] += 1
        return answer
    key = (lambda r: (r["group_key"], r["group_id"])) if question["report"] == "user_groups" else (lambda r: r["id"])
    ids = [r["group_id" if question["report"] == "user_groups" else "id"].encode() for r in rows]
    if question["report"] == "group_members" and ids != sorted(ids):
        raise AssertionError("rows out of order")
    return {key(r): r for r in rows}
