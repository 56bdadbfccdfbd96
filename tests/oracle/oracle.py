"""What the reports must answer, computed the slow and obvious way from raw JSON events.

Nothing here knows the server: attribution, identity of events, insights, funnels and retention are written from the
law of meaning alone. Raw events are dicts as they are sent, in the order of ingestion; the moment a group key is
registered is an index into that order. Times are milliseconds.
"""

from collections import defaultdict
from itertools import product
from statistics import mean, median
from typing import NamedTuple

import expression
from zone import DAY, Calendar

NOT_SET = "(not set)"
UNIT_MS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}


class Undetermined(Exception):
    """The law leaves the answer to this question open, so nothing can be compared."""


# ---------------------------------------------------------------------------------------------------------------------
# From raw events to history


class Event(NamedTuple):
    """An event that counts: resolved, attributed, and without the ones it replaced."""

    event: str
    user: str | None
    time: int
    insert_id: str | None
    properties: dict
    groups: dict


def text_of(value):
    """A scalar as text: `1.0` and `1` are both `1`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else repr(value)


def group_ids(value):
    """The groups a property value names: strings and numbers, alone or in a list, each once; `""` names none."""
    ids = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            continue
        group = text_of(item)[:255]
        if group != "" and group not in ids:
            ids.append(group)
    return ids[:300]


def time_ms(value):
    """Seconds, fractional seconds or milliseconds, as milliseconds."""
    return round(value * 1000) if abs(value) < 1e10 else value


def sent_identity(properties):
    """(distinct_id as ingested, device id, user id) of an event; None for what it does not carry."""
    user = properties.get("$user_id") or None
    device = properties.get("$device_id") or None
    if device is not None:
        device = device.removeprefix("$device:")
    if user is not None:
        return user, device, user
    if device is not None:
        return "$device:" + device, device, None
    sent = properties.get("distinct_id")
    return (None if sent is None or sent == "" else text_of(sent)), None, None


# Merging anonymous devices into users (§3.3): the store keeps a place for it, the extension does not do it yet.
MERGE_DEVICES = False


def history(raw, registered, merge_devices=None):
    """The events that count. `registered`: how many events had been ingested when a group key was registered."""
    merge_devices = MERGE_DEVICES if merge_devices is None else merge_devices
    owner = {}  # device -> the user it was first seen with
    for event in raw:
        _, device, user = sent_identity(event["properties"])
        if merge_devices and device is not None and user is not None:
            owner.setdefault(device, user)

    kept = {}  # identity of an event -> the last one ingested with it
    for index, event in enumerate(raw):
        properties = event["properties"]
        distinct_id, _, _ = sent_identity(properties)
        insert_id = properties.get("$insert_id")
        identity = (event["event"], distinct_id, time_ms(properties["time"]), insert_id)
        kept[identity if insert_id is not None else index] = index

    events = []
    for index in sorted(kept.values()):
        properties = raw[index]["properties"]
        distinct_id, _, _ = sent_identity(properties)
        user = distinct_id
        if distinct_id is not None and distinct_id.startswith("$device:"):
            user = owner.get(distinct_id.removeprefix("$device:"), distinct_id)
        events.append(
            Event(
                event=raw[index]["event"],
                user=user,
                time=time_ms(properties["time"]),
                insert_id=properties.get("$insert_id"),
                properties=properties,
                groups={key: group_ids(properties.get(key)) for key, since in registered.items() if index >= since},
            )
        )
    return events


class World:
    """A project as the reports see it: calendar, events that count, and the profiles of today."""

    def __init__(self, raw, registered, calendar=None, users=None, groups=None):
        self.calendar = calendar or Calendar()
        self.events = history(raw, registered)
        self.users = users or {}  # user -> properties
        self.groups = groups or {}  # (key, group id) -> properties


def sightings(world, by):
    """Every (event, subject) of a report: the user (None: nobody), or each group the event is attributed to."""
    for event in world.events:
        if by == "user":
            yield event, event.user
        else:
            for group in event.groups.get(by, []):
                yield event, group


# ---------------------------------------------------------------------------------------------------------------------
# Selectors, filters, breakdowns


def passes(tree, world, event, by, subject):
    """Whether a filter is true of an event; in a group report group properties are those of the group at hand."""
    if tree is None:
        return True

    def group(key):
        if key != by:
            raise Undetermined("a group property in a filter of another entity's report")
        return world.groups.get((key, subject), {})

    return expression.evaluate(tree, event.properties, world.users.get(event.user, {}), group) is True


def matches(selector, world, event, by, subject):
    """Whether an event selector picks an event."""
    if isinstance(selector, str):
        return selector in ("*", "$any") or selector == event.event
    if "any" in selector:
        return any(matches(s, world, event, by, subject) for s in selector["any"])
    return matches(selector["event"], world, event, by, subject) and passes(
        selector.get("filter"), world, event, by, subject
    )


def segment_names(value):
    """The segments a property value belongs to: a list belongs to each of its elements."""
    if value is None:
        return [NOT_SET]
    if isinstance(value, list):
        return sorted({name for item in value for name in segment_names(item)})
    return ["(empty string)"] if value == "" else [text_of(value)]


def numeric_bucket(value, bucket):
    """The name of the even range a number lies in."""
    if value is None:
        return [NOT_SET]
    if isinstance(value, list):
        return sorted({name for item in value for name in numeric_bucket(item, bucket)})
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ["(non-numeric values)"]
    size, low, high = bucket["size"], bucket["min"], bucket["max"]
    if value < low:
        return [f"<{low}"]
    if value >= high:
        return [f">={high}"]
    start = low + (value - low) // size * size
    return [f"[{int(start)},{int(start + size)})"]


def segments_of(item, world, event, by, subject, active):
    """The segments of one breakdown for one event; `active` answers "number of users who did"."""
    if isinstance(item, dict) and "users_who_did" in item:
        return [str(active)]
    if isinstance(item, dict):
        return numeric_bucket(event.properties.get(item["property"]), item["bucket"])
    parts = item.split(".")
    if parts[0] == "user":
        return segment_names(world.users.get(event.user, {}).get(parts[1]))
    if parts[0] != "group":
        return segment_names(event.properties.get(item))
    key = parts[1]
    if key == by:
        ids = [subject]
    else:
        ids = event.groups.get(key, [])
        if not ids and by == "user":  # by way of the user's profile when the event itself names no group
            ids = group_ids(world.users.get(event.user, {}).get(key))
    if len(parts) == 2:
        return ids or [NOT_SET]
    if not ids:
        return [NOT_SET]
    return sorted({name for g in ids for name in segment_names(world.groups.get((key, g), {}).get(parts[2]))})


# ---------------------------------------------------------------------------------------------------------------------
# Insights


def users_who_did(world, item, by, unit, from_date, to_date):
    """(group, interval) -> number of distinct users with enough matching events in it."""
    start, end = world.calendar.span(from_date, to_date)
    times = defaultdict(lambda: defaultdict(int))
    for event, group in sightings(world, by):
        if start <= event.time < end and event.user is not None:
            if matches(item["users_who_did"], world, event, by, group):
                times[group, world.calendar.bucket(unit, from_date, event.time)][event.user] += 1
    return {cell: sum(n >= item.get("at_least", 1) for n in users.values()) for cell, users in times.items()}


def insights(world, metrics, from_date, to_date, unit="day", breakdown=(), filter=None, top=200):
    """{(label, segment, interval): value} for every interval, every segment that exists, and every metric."""
    start, end = world.calendar.span(from_date, to_date)
    cells = defaultdict(lambda: defaultdict(set))  # (label, segment) -> interval -> what is counted
    labels = [m.get("label") or "ABCDEFGHIJ"[i] for i, m in enumerate(metrics)]
    for label, metric in zip(labels, metrics):
        by = metric.get("by", "user")
        active = [
            users_who_did(world, item, by, unit, from_date, to_date)
            if isinstance(item, dict) and "users_who_did" in item
            else {}
            for item in breakdown
        ]
        for event, subject in sightings(world, by):
            if not start <= event.time < end or not matches(metric["event"], world, event, by, subject):
                continue
            if not passes(metric.get("filter"), world, event, by, subject):
                continue
            if not passes(filter, world, event, by, subject):
                continue
            if metric["measure"] == "total":
                counted = id(event)
            elif subject is not None:
                counted = subject
            else:
                continue
            interval = world.calendar.bucket(unit, from_date, event.time)
            names = [
                segments_of(item, world, event, by, subject, counts.get((subject, interval), 0))
                for item, counts in zip(breakdown, active)
            ]
            for segment in product(*names):
                cells[label, segment][interval].add(counted)

    ranks = {s: len(set().union(*by_time.values())) for (label, s), by_time in cells.items() if label == labels[0]}
    segments = sorted({s for _, s in cells}, key=lambda s: (-ranks.get(s, 0), s))
    if not breakdown:
        segments = [()]
    if len(segments) > top:
        other = ("$other",) * len(breakdown)
        for label in labels:
            for s in segments[top:]:
                for interval, counted in cells.pop((label, s), {}).items():
                    cells[label, other][interval] |= counted
        segments = segments[:top] + [other]
    return {
        (label, segment, interval): len(cells[label, segment][interval]) if (label, segment) in cells else 0
        for label in labels
        for segment in segments
        for interval in world.calendar.buckets(unit, from_date, to_date)
    }


# ---------------------------------------------------------------------------------------------------------------------
# Funnel


def attempt(events, steps, start, end, within, grace):
    """Step times of a subject's one attempt; `events` are (time, mask of the steps it matches, step 1 the lowest bit).

    Each step takes the earliest event that qualifies, of simultaneous ones the one with the smallest mask.
    """
    entries = [e for e in events if start <= e[0] < end and e[1] & 1]
    if not entries:
        return []
    chosen = min(entries)
    unused = list(events)
    unused.remove(chosen)
    times = [chosen[0]]
    for step in range(1, steps):
        earliest, latest = max(chosen[0] - grace, start), times[0] + within
        candidates = [e for e in unused if earliest <= e[0] <= latest and e[1] >> step & 1]
        if not candidates:
            break
        chosen = min(candidates)
        unused.remove(chosen)
        times.append(max(chosen[0], times[-1]))
    return times


def funnel(world, steps, from_date, to_date, by="user", within=7 * DAY, grace=2000):
    """For every step its count, conversions and times; None where nobody is there to speak of."""
    start, end = world.calendar.span(from_date, to_date)
    streams = defaultdict(list)
    for event, subject in sightings(world, by):
        mask = sum(1 << k for k, step in enumerate(steps) if matches(step, world, event, by, subject))
        if mask and subject is not None:
            streams[subject].append((event.time, mask))
    attempts = [attempt(events, len(steps), start, end, within, grace) for events in streams.values()]
    counts = [sum(len(times) > k for times in attempts) for k in range(len(steps))]
    rows = {}
    for k, count in enumerate(counts):
        before = counts[k - 1] if k else counts[0]
        steps_taken = [times[k] - times[k - 1] for times in attempts if len(times) > k] if k else []
        from_start = [times[k] - times[0] for times in attempts if len(times) > k] if k else []
        rows[k + 1] = {
            "count": count,
            "step_conversion": count / before if before else None,
            "overall_conversion": count / counts[0] if counts[0] else None,
            "avg_time": mean(steps_taken) if steps_taken else None,
            "median_time": median(steps_taken) if steps_taken else None,
            "avg_time_from_start": mean(from_start) if from_start else None,
            "median_time_from_start": median(from_start) if from_start else None,
        }
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# Retention


def order(event):
    """Where simultaneous events need an order: event name, then insert_id, events without one last."""
    return event.time, event.event.encode(), event.insert_id is None, (event.insert_id or "").encode()


def birth_returns(same_time, returned):
    """Whether the birth matches `returned` itself: of simultaneous births any one does, so that no order decides."""
    return any(returned(e) for e in same_time)


def retained(criterion, active, n):
    """Whether a member with returns in the buckets `active` is retained in bucket `n`."""
    if criterion == "on":
        return n in active
    if criterion == "on_or_after":
        return any(a >= n for a in active)
    if criterion == "on_or_before":
        return any(a <= n for a in active)
    return all(a in active for a in range(n + 1))


def retention(
    world,
    born,
    returned,
    from_date,
    to_date,
    by="user",
    unit="day",
    buckets=7,
    criterion="on_or_after",
    alignment="rolling",
    births="every",
):
    """{(cohort, bucket): (size, retained)} of every cohort with a member."""
    start, end = world.calendar.span(from_date, to_date)
    streams = defaultdict(list)
    for event, subject in sightings(world, by):
        if subject is not None:
            streams[subject].append(event)
    rows = defaultdict(lambda: (0, 0))
    for subject, events in streams.items():

        def returns(event):
            return matches(returned, world, event, by, subject)

        back = [(e.time, world.calendar.unit_index(unit, e.time)) for e in events if returns(e)]
        candidates = sorted(e.time for e in events if matches(born, world, e, by, subject))
        if births == "first":
            candidates = candidates[:1]
        first = {}  # cohort -> the subject's first birth in it
        for time in candidates:
            if start <= time < end:
                first.setdefault(world.calendar.bucket(unit, from_date, time), time)
        for cohort, birth in first.items():
            if alignment == "calendar":
                index = world.calendar.unit_index(unit, birth)
                active = {i - index for time, i in back if time > birth}
            else:
                active = {(time - birth) // UNIT_MS[unit] for time, _ in back if time > birth}
            same_time = [e for e in events if e.time == birth and matches(born, world, e, by, subject)]
            if criterion == "streak" and birth_returns(same_time, returns):
                active.add(0)
            for n in range(buckets + 1):
                size, kept = rows[cohort, n]
                rows[cohort, n] = size + 1, kept + retained(criterion, active, n)
    return dict(rows)
