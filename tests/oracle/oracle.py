"""What the reports must answer, computed the slow and obvious way from raw JSON events.

Nothing here knows the server: attribution, identity of events, insights, funnels and retention are written from the
law of meaning alone. Raw events are dicts as they are sent, in the order of ingestion; the moment a group key is
registered is an index into that order. Times are milliseconds.
"""

import math
from collections import defaultdict
from datetime import date, timedelta
from itertools import product, zip_longest
from typing import NamedTuple

import expression
import lookups
from zone import DAY, HOUR, MINUTE, WEEKDAYS, Calendar

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
    sent: str = ""  # the name before events were merged


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


def is_device(user):
    return user.startswith("$device:")


class Identities:
    """Which user an id stands for (§3.3, §3.4), worked out by following everything that was ever said, in order."""

    def __init__(self, raw=(), verbs=()):
        """`verbs`: (how many events had been ingested before, verb, its two arguments), in order."""
        self.owner = {}  # an id -> the id it belongs to
        verbs = list(verbs)
        for index in range(len(raw) + 1):
            while verbs and verbs[0][0] == index:
                self.say(*verbs.pop(0)[1:])
            if index < len(raw):
                self.see(raw[index]["properties"])

    def end(self, user):
        while user in self.owner:
            user = self.owner[user]
        return user

    def see(self, properties):
        """An event with both says whose the device is; the first one counts."""
        _, device, user = sent_identity(properties)
        if device is not None and user is not None and not is_device(user):
            self.owner.setdefault("$device:" + device, user)

    def say(self, verb, first, second):
        """One of the verbs; the answer is whether the two are one user now. "device": an event said it that is deleted."""
        if verb == "device":
            return self.owner.setdefault(first, second) == second
        ours, theirs = (second, first) if verb == "alias" else (first, second)
        a, b = self.end(ours), self.end(theirs)
        if a == b:
            return True
        if verb != "merge" and a != ours:
            return False
        assert not (is_device(a) and is_device(b)), "two devices without a user"
        if is_device(b):
            a, b = b, a
        self.owner[a] = b
        return True


def merged_ids(key, ids, one):
    """Groups by the ids they have after merges, each once. `one`: (key, id) -> the id of the group it was merged into."""
    return list(dict.fromkeys(one.get((key, g), g) for g in ids))


def history(raw, registered, verbs=(), one=None):
    """The events that count. `registered`: how many events had been ingested when a group key was registered."""
    identities = Identities(raw, verbs)

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
        user = None if distinct_id is None else identities.end(distinct_id)
        events.append(
            Event(
                event=raw[index]["event"],
                user=user,
                time=time_ms(properties["time"]),
                insert_id=properties.get("$insert_id"),
                properties=lookups.Properties(properties),
                groups={
                    key: merged_ids(key, group_ids(properties.get(key)), one or {})
                    for key, since in registered.items()
                    if index >= since
                },
            )
        )
    return events


def at_event(changes, time):
    """What the groups of an event had when it happened: of one group its value, of several the list of those set."""
    found = []
    for of_group in changes:
        until = [at for at in of_group if at <= time]
        found.append(of_group[max(until)] if until else None)
    if len(found) < 2:
        return found[0] if found else None
    return [value for value in found if value is not None] or None


class World:
    """A project as the reports see it: calendar, events that count, and the profiles of today."""

    def __init__(
        self, raw, registered, calendar=None, users=None, groups=None, verbs=(), past=None, hidden=(), merged=None, groups_in_one=None,
        merged_properties=None,
    ):
        """`past`: (key, group id) -> {instant: the tier since then}; `groups_in_one`: (key, id) -> the group it was merged into."""
        self.calendar = calendar or Calendar()
        self.hidden = frozenset(hidden)  # what any event leaves out; of merged events the name they are shown by counts
        self.merged = dict(merged or {})  # event -> the one it is merged into
        self.events = [e._replace(event=self.shown(e.event), sent=e.event) for e in history(raw, registered, verbs, groups_in_one)]
        of = merged_properties or {}  # property -> the one it is merged into
        one = {into: [into, *sorted(p for p in of if of[p] == into)] for into in of.values()}
        one |= {p: one[into] for p, into in of.items()}
        for event in self.events:
            event.properties.one = one
            event.properties.past = {
                f"group.{key}.tier@event": at_event([(past or {}).get((key, g), {}) for g in ids], event.time)
                for key, ids in event.groups.items()
            }
        self.identities = Identities(raw, verbs)
        # user -> properties; what is kept under an id that became somebody else's is nobody's
        self.users = {u: p for u, p in (users or {}).items() if self.identities.end(u) == u}
        self.groups = groups or {}  # (key, group id) -> properties
        self.one = groups_in_one or {}
        self.firsts = {}  # (selector, by) -> first_times of them, once asked for

    def groups_of(self, key, value):
        """The groups that a value of a profile lists."""
        return merged_ids(key, group_ids(value), self.one)

    def listed(self, user, key):
        """The groups that the profile of a user lists."""
        return self.groups_of(key, self.users.get(user, {}).get(key))

    def shown(self, name):
        """The name that reports have for an event."""
        return self.merged.get(name, name)


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


def sessions_of(world, by, timeout=30 * MINUTE):
    """(event, subject) -> its session, as (subject, start): no gap is longer than the timeout, and midnight ends it.

    What is hidden is in no session.
    """
    times = defaultdict(set)
    for event, subject in sightings(world, by):
        if subject is not None and event.event not in world.hidden:
            times[subject, world.calendar.local_date(event.time)].add(event.time)
    starts = {}
    for (subject, _), instants in times.items():
        start = last = None
        for time in sorted(instants):
            if last is None or time - last > timeout:
                start = time
            starts[subject, time] = subject, start
            last = time
    return lambda event, subject: None if event.event in world.hidden else starts.get((subject, event.time))


def passes(tree, world, event, by, subject):
    """Whether a filter is true of an event; in a group report group properties are those of the group at hand."""
    if tree is None:
        return True

    def group(key):
        if key != by:
            raise Undetermined("a group property in a filter of another entity's report")
        return world.groups.get((key, subject), {})

    tree = cohorts.resolved(tree, world, subject)
    return expression.evaluate(tree, event.properties, world.users.get(event.user, {}), group) is True


def first_times(world, selector, by):
    """When each subject first did what the selector picks, over all there is."""
    asked = (repr(selector), by)
    if asked not in world.firsts:
        found = {}
        for event, subject in sightings(world, by):
            if subject is not None and matches(selector, world, event, by, subject):
                found[subject] = min(event.time, found.get(subject, event.time))
        world.firsts[asked] = found
    return world.firsts[asked]


def matches(selector, world, event, by, subject):
    """Whether an event selector picks an event."""
    if isinstance(selector, str):
        if selector in ("*", "$any"):
            return event.event not in world.hidden
        return world.shown(selector) == event.event
    if selector.get("first_time"):
        every = {k: v for k, v in selector.items() if k != "first_time"}
        if event.time != first_times(world, every, by).get(subject):
            return False
        return matches(every, world, event, by, subject)
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


def bucket_of(value, bucket):
    """The name of the range a number lies in, or of the first bucket that lists a value."""
    if value is None:
        return [NOT_SET]
    if isinstance(value, list):
        return sorted({name for item in value for name in bucket_of(item, bucket)}) or [NOT_SET]
    if isinstance(bucket, list):
        listed = [b["name"] for b in bucket if text_of(value) in [text_of(v) for v in b["values"]]]
        return (listed or ["(remaining values)"])[:1]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ["(non-numeric values)"]
    if "at" in bucket:
        ends = [None, *bucket["at"], None]
        for low, high in zip(ends, ends[1:]):
            if high is None:
                return [f">={text_of(low)}"]
            if value < high:
                return [f"<{text_of(high)}" if low is None else f"[{text_of(low)},{text_of(high)})"]
    size, low, high = bucket["size"], bucket["min"], bucket["max"]
    if value < low:
        return [f"<{text_of(low)}"]
    if value >= high:
        return [f">={text_of(high)}"]
    start = low + (value - low) // size * size
    return [f"[{text_of(start)},{text_of(min(start + size, high))})"]


def date_part(calendar, unit, ms):
    """What the clocks of the zone show of an instant."""
    day, clock = calendar.local_date(ms), calendar.local_time(ms)
    if unit == "hour_of_day":
        return f"{clock.hour:02}"
    if unit == "hour":
        return f"{day} {clock.hour:02}:00"
    if unit == "day_of_week":
        return WEEKDAYS[day.weekday()]
    return str(calendar.unit_start(unit, day))


def segments_of(item, world, event, by, subject, active):
    """The segments of one breakdown for one event; `active` answers "number of users who did"."""
    if isinstance(item, dict) and "users_who_did" in item:
        return [str(active)]
    if isinstance(item, dict) and item["property"] == "$time":
        return [date_part(world.calendar, item["unit"], event.time)]
    if isinstance(item, dict):
        return bucket_of(event.properties.get(item["property"]), item["bucket"])
    if item.endswith("@event"):
        return segment_names(event.properties.get(item))
    parts = item.split(".")
    if parts[0] == "cohort":
        return [cohorts.segment(world, parts[1], subject)]
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
            ids = world.listed(event.user, key)
    if len(parts) == 2:
        return ids or [NOT_SET]
    if not ids:
        return [NOT_SET]
    return sorted({name for g in ids for name in segment_names(world.groups.get((key, g), {}).get(parts[2]))})


# ---------------------------------------------------------------------------------------------------------------------
# Insights


class Interval(NamedTuple):
    """An interval of a report: what it is labelled with, and the instants that count."""

    label: int
    start: int
    end: int


def intervals_of(calendar, unit, from_date, to_date, before=0):
    """The intervals of a range, with as many whole ones in front as a rolling average looks at."""
    start, end = calendar.span(from_date, to_date)
    labels = calendar.buckets(unit, from_date, to_date)
    ends = labels[1:] + [end]
    shown = [Interval(label, max(label, start), min(e, end)) for label, e in zip(labels, ends)]
    earlier = []
    day = calendar.unit_start(unit, from_date)
    for i in range(before):
        if unit in ("minute", "hour"):
            step = MINUTE if unit == "minute" else HOUR
            earlier.append(Interval(None, start - (i + 1) * step, start - i * step))
        else:
            previous = calendar.unit_start(unit, day - timedelta(days=1))
            earlier.append(Interval(None, calendar.day_start(previous), calendar.day_start(day)))
            day = previous
    return earlier[::-1] + shown


def users_who_did(world, item, by, intervals):
    """(group, interval) -> number of distinct users with enough matching events in it."""
    times = defaultdict(lambda: defaultdict(int))
    for event, group in sightings(world, by):
        here = [i for i in intervals if i.start <= event.time < i.end]
        if here and event.user is not None and matches(item["users_who_did"], world, event, by, group):
            times[group, here[0]][event.user] += 1
    return {cell: sum(n >= item.get("at_least", 1) for n in users.values()) for cell, users in times.items()}


DAYS = {"dau": 1, "wau": 7, "mau": 30}
PERCENTILES = {"median": 50, "p25": 25, "p75": 75, "p90": 90, "p95": 95, "p99": 99}


class Fact(NamedTuple):
    """An event as one metric counts it, once for each subject and segment."""

    event: Event
    subject: str | None
    segment: tuple
    value: object


def number_of(value):
    """The number a value is, if it is one."""
    return None if isinstance(value, bool) or not isinstance(value, (int, float)) else value


def different_values(value):
    """What counts as different values: what reads the same is one, a list has those of its elements."""
    items = value if isinstance(value, list) else [value]
    return {text_of(item) for item in items if item is not None}


def aggregate(measure, numbers, percentile=None):
    """One number from many; None where nothing is there to speak of."""
    if measure == "sum":
        return math.fsum(numbers)
    if not numbers:
        return None
    if measure == "average":
        return math.fsum(numbers) / len(numbers)
    if measure in ("min", "max"):
        return {"min": min, "max": max}[measure](numbers)
    place = (percentile if measure == "percentile" else PERCENTILES[measure]) / 100 * (len(numbers) - 1)
    low, high = (sorted(numbers)[f(place)] for f in (math.floor, math.ceil))
    return low + (place - math.floor(place)) * (high - low)


def of_values(measure, values, percentile=None):
    """An aggregate of a property's values: of the numbers among them, or of the different ones."""
    if measure == "distinct":
        return len(set().union(*map(different_values, values)))
    return aggregate(measure, [number_of(v) for v in values if number_of(v) is not None], percentile)


def of_subjects(metric, facts):
    """What each subject has: the number of its events, or an aggregate of a property."""
    inner = metric.get("per", "total")
    own = defaultdict(dict)
    for fact in facts:
        own[fact.subject][id(fact.event)] = fact.value
    if inner == "total" or inner["measure"] == "total":
        return [len(events) for events in own.values()]
    values = [of_values(inner["measure"], list(events.values())) for events in own.values()]
    return [v for v in values if v is not None]


def per_subject(metric):
    return "per" in metric or metric.get("measure") == "distribution"


def measured(metric, facts):
    """The value of a metric from its facts, all of those that count; for a distribution the list of values."""
    measure = metric.get("measure", "average" if "per" in metric else "total")
    if measure == "distribution":
        return of_subjects(metric, facts)
    if per_subject(metric):
        return aggregate(measure, of_subjects(metric, facts), metric.get("percentile"))
    events = {id(fact.event): fact.value for fact in facts}
    if measure == "total":
        return len(events)
    if measure in ("unique", "sessions", "cumulative_unique") or measure in DAYS:
        return len({fact.subject for fact in facts})
    return of_values(measure, list(events.values()), metric.get("percentile"))


def contributes(metric, event, subject):
    """Whether an event that the selector picks counts at all, and so opens a segment."""
    if per_subject(metric):
        inner = metric.get("per", "total")
        if subject is None:
            return False
        if inner == "total" or inner["measure"] in ("total", "sum", "distinct"):
            return True
        return number_of(event.properties.get(inner["property"])) is not None
    measure = metric.get("measure", "total")
    if measure == "total":
        return True
    if measure == "distinct":
        return bool(different_values(event.properties.get(metric["property"])))
    if "property" in metric:
        return number_of(event.properties.get(metric["property"])) is not None
    return subject is not None


def segments_of_profile(item, world, by, subject, own):
    """The segments of one breakdown for a profile."""
    parts = item.split(".")
    if parts[0] == "cohort":
        return [cohorts.segment(world, parts[1], subject)]
    if parts[0] == "user":
        return segment_names(own.get(parts[1]))
    key = parts[1]
    groups = {subject: own} if key == by else {g: world.groups.get((key, g), {}) for g in world.groups_of(key, own.get(key))}
    if len(parts) == 2:
        return sorted(groups) or [NOT_SET]
    return sorted({name for p in groups.values() for name in segment_names(p.get(parts[2]))}) or [NOT_SET]


def facts_of_profiles(world, metric, filter, breakdown):
    """What a metric of profiles counts: everybody who has one, as it is today."""
    by, name = metric["profiles"], metric.get("property")
    for subject, own in cohorts.Members(world, date.today()).profiles(by).items():
        event = Event("", subject, 0, None, {name: own.get(name)}, {})
        trees = [cohorts.resolved(tree, world, subject) for tree in (metric.get("filter"), filter) if tree is not None]
        if all(expression.evaluate(tree, {}, own, lambda key: own) is True for tree in trees) and contributes(  # noqa: B023
            metric, event, subject
        ):
            for segment in product(*[segments_of_profile(item, world, by, subject, own) for item in breakdown]):
                yield Fact(event, subject, segment, own.get(name))


def rank_of(metric, facts):
    """What a segment ranks by: its size, or where the value is none, the events or subjects behind it."""
    measure = metric.get("measure", "average" if "per" in metric else "total")
    if measure in ("average", "percentile", "distribution", *PERCENTILES):
        return len(of_subjects(metric, facts)) if per_subject(metric) else len({id(f.event) for f in facts})
    value = measured(metric, facts)
    if value is None:
        return -math.inf
    return -value if measure == "min" else value


def computed(tree, value):
    """A formula, as a number, a label or (operator, left, right), over `value(label)`."""
    if isinstance(tree, (int, float)):
        return tree
    if isinstance(tree, str):
        return value(tree)
    a, b = computed(tree[1], value), computed(tree[2], value)
    if a is None or b is None or tree[0] == "/" and b == 0:
        return None
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[tree[0]]


def insights(world, metrics, from_date, to_date, unit="day", breakdown=(), compare=None, **more):
    """{(label, segment, interval): value} for every interval, every segment that exists, every metric and formula.

    `compare` is (days, months): the same once more, of the days that lie so long before.
    """
    answer, lines = insights_of(world, metrics, from_date, to_date, unit, breakdown, **more)
    if compare is None:
        return answer

    first, last = earlier_days(compare, from_date, to_date)
    before, _ = insights_of(world, metrics, first, last, unit, breakdown, shown=lines, **more)
    then = world.calendar.buckets(unit, first, last)
    for now, at in zip_longest(world.calendar.buckets(unit, from_date, to_date), then):
        if now is not None:
            for label, segment in {key[:2] for key in before}:
                answer[f"{label} (compared)", segment, now] = before.get((label, segment, at))
    return answer


def earlier_days(compare, *days):
    """The days that lie so many days and months before."""

    def earlier(day):
        back, months = compare
        year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
        last = (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
        return date(year, month + 1, min(day.day, last)) - timedelta(days=back)

    return [earlier(day) for day in days]


def in_one_segment(facts, attribution, intervals):
    """Of every subject, in every interval, the fact of its first event or its last.

    Events are in order of time, simultaneous ones and the segments of one event in order of the segments' texts.
    """
    chosen = {}
    for fact in sorted(facts, key=lambda f: (f.event.time, [t.encode() for t in f.segment])):
        place = fact.subject, next(i.start for i in intervals if i.start <= fact.event.time < i.end)
        if attribution == "last" or place not in chosen:
            chosen[place] = fact
    return list(chosen.values())


def insights_of(
    world,
    metrics,
    from_date,
    to_date,
    unit="day",
    breakdown=(),
    filter=None,
    top=200,
    rolling=None,
    cumulative=False,
    formulas=(),
    shown=None,
    cell=None,
):
    """The answer, and the segments it has. `shown` are those it must have.

    `formulas` are (name, tree); of a distribution the value is the last element of the segment. With a `cell`, which is
    (label, segment, number of the interval), the facts behind that value instead.
    """
    calendar = world.calendar
    before = (rolling or 1) - 1
    intervals = intervals_of(calendar, unit, from_date, to_date, before)
    of_range = intervals[before:]
    labels = [m.get("label") or "ABCDEFGHIJ"[i] for i, m in enumerate(metrics)]

    def span(metric, interval):
        """The instants a metric looks at for an interval."""
        measure = metric.get("measure")
        if measure in DAYS:
            last = calendar.local_date(interval.end - 1)
            return calendar.span(last - timedelta(days=DAYS[measure] - 1), last)
        if measure == "cumulative_unique":
            return of_range[0].start, interval.end
        return interval.start, interval.end

    def inside(metric, fact, of):
        return "profiles" in metric or any(start <= fact.event.time < end for start, end in (span(metric, i) for i in of))

    facts = {}
    for label, metric in zip(labels, metrics):
        if "profiles" in metric:
            facts[label] = list(facts_of_profiles(world, metric, filter, breakdown))
            continue
        by = metric.get("by", "user")
        inner = metric.get("per", "total")
        name = metric.get("property") or (None if inner == "total" else inner.get("property"))
        active = [
            users_who_did(world, item, by, intervals) if isinstance(item, dict) and "users_who_did" in item else {}
            for item in breakdown
        ]
        facts[label] = []
        groups = metric.get("groups")
        chosen = {}
        if groups is not None:
            asked = {"users_who_did": groups["users_who_did"], "at_least": groups.get("times", 1)}
            chosen = users_who_did(world, asked, by, intervals)
        session = sessions_of(world, by) if metric.get("measure") == "sessions" else None
        for event, subject in sightings(world, by):
            picked = {k: metric[k] for k in ("event", "filter", "first_time") if k in metric}
            if not matches(picked, world, event, by, subject):
                continue
            if not passes(filter, world, event, by, subject) or not contributes(metric, event, subject):
                continue
            if session is not None and session(event, subject) is None:
                continue
            here = ([i for i in intervals if i.start <= event.time < i.end] or [None])[0]
            if groups is not None and not cohorts.compared(groups, chosen.get((subject, here), 0)):
                continue
            names = [
                segments_of(item, world, event, by, subject, counts.get((subject, here), 0))
                for item, counts in zip(breakdown, active)
            ]
            for segment in product(*names):
                whom = subject if session is None else session(event, subject)
                fact = Fact(event, whom, segment, event.properties.get(name) if name else None)
                if inside(metric, fact, intervals):
                    facts[label].append(fact)

    everything = dict(facts)
    for label, metric in zip(labels, metrics):
        if "attribution" in metric:
            facts[label] = in_one_segment(facts[label], metric["attribution"], intervals)

    first = [f for f in facts[labels[0]] if inside(metrics[0], f, of_range)]
    segments = {f.segment for of in facts.values() for f in of}
    ranks = {s: rank_of(metrics[0], [f for f in first if f.segment == s]) for s in segments}
    segments = sorted(segments, key=lambda s: (-ranks[s], s))
    if not breakdown:
        segments = [()]
    lines = {s: {s} for s in segments[:top]}
    other = ("$other",) * len(breakdown)
    if len(segments) > top:
        lines[other] = set(segments[top:])
    if shown is not None and breakdown:
        rest = set(segments) - set(shown)
        lines = {s: rest if s == other else {s} for s in shown}

    if cell is not None:
        metric = metrics[labels.index(cell[0])]
        members = lines.get(cell[1], {cell[1]})
        start, end = span(metric, of_range[cell[2]])
        here = [f for f in facts[cell[0]] if f.segment in members and start <= f.event.time < end]
        whom = {f.subject for f in here}
        here = [f for f in everything[cell[0]] if f.segment in members and start <= f.event.time < end]
        return metric, [f for f in here if f.subject in whom]

    raw = {}  # (label, segment) -> a value per interval
    for label, metric in zip(labels, metrics):
        for name, members in lines.items():
            own = [f for f in facts[label] if f.segment in members]
            values = []
            for interval in intervals:
                start, end = span(metric, interval)
                here = [f for f in own if "profiles" in metric or start <= f.event.time < end]
                values.append(measured(metric, here))
            if metric.get("measure") == "distribution":
                for v in sorted(set().union(*values)):
                    raw[label, (*name, text_of(v))] = [of.count(v) for of in values]
            else:
                raw[label, name] = values
    for formula, tree in formulas:
        for name in lines:
            raw[formula, name] = [
                computed(tree, lambda label: raw[label, name][i])  # noqa: B023
                for i in range(len(intervals))
            ]

    level = {label for label, metric in zip(labels, metrics) if "profiles" in metric}

    def smooth(label, values, i):
        if rolling is None and not cumulative or label in level:
            return values[i]
        window = values[before : i + 1] if cumulative else values[i - before : i + 1]
        window = [v for v in window if v is not None]
        if not window:
            return None
        return sum(window) if cumulative else sum(window) / len(window)

    return {
        (label, segment, interval.label): smooth(label, values, before + i)
        for (label, segment), values in raw.items()
        for i, interval in enumerate(of_range)
    }, list(lines)


# ---------------------------------------------------------------------------------------------------------------------
# Lifecycle and frequency


def times_of(world, event, by):
    """Subject -> the instants of its events that a selector picks."""
    times = defaultdict(list)
    for seen, subject in sightings(world, by):
        if subject is not None and matches(event, world, seen, by, subject):
            times[subject].append(seen.time)
    return times


def lifecycle(world, event, from_date, to_date, by="user", unit="week"):
    """{(interval, state): number of subjects}; the first interval is taken whole."""
    calendar = world.calendar
    first = calendar.unit_start(unit, from_date)
    _, *intervals = intervals_of(calendar, unit, first, to_date, before=1)
    rows = {}
    for before, interval in zip(intervals_of(calendar, unit, first, to_date, before=1), intervals):
        states = dict.fromkeys(["new", "retained", "resurrected", "dormant"], 0)
        for times in times_of(world, event, by).values():
            now = any(interval.start <= t < interval.end for t in times)
            just = any(before.start <= t < before.end for t in times)
            known = any(t < interval.start for t in times)
            if now:
                states["retained" if just else "resurrected" if known else "new"] += 1
            elif just:
                states["dormant"] += 1
        rows |= {(interval.label, state): n for state, n in states.items()}
    return rows


def frequency(world, event, from_date, to_date, by="user", unit="week", cumulative=True):
    """{(interval, n): number of subjects active in (at least) n hours or days of it}."""
    calendar = world.calendar
    rows = {}
    for interval in intervals_of(calendar, unit, from_date, to_date):
        start = calendar.local_date(interval.label)
        if unit == "day":
            size = (calendar.day_start(start + timedelta(days=1)) - interval.label) // HOUR
        else:
            size = sum(calendar.unit_start(unit, start + timedelta(days=i)) == start for i in range(31))

        def part(t):
            return (t - interval.label) // HOUR if unit == "day" else calendar.local_date(t)

        active = []
        for times in times_of(world, event, by).values():
            active.append(len({part(t) for t in times if interval.start <= t < interval.end}))
        for n in range(1, size + 1):
            rows[interval.label, n] = sum(a >= n if cumulative else a == n for a in active)
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


class Birth(NamedTuple):
    """A birth that counts: whose, in which row, when, in which segments, and the returns after it as (bucket, value)."""

    subject: str
    cohort: int
    time: int
    segments: set
    returns: list
    both: bool


def births_of(
    world, born, returned, from_date, to_date, by, unit, alignment, births, brackets, breakdown, property, filter
):
    """Every birth that counts. A bucket is a number of units, or of the brackets; beyond the last one it goes on."""
    start, end = world.calendar.span(from_date, to_date)
    streams = defaultdict(list)
    for event, subject in sightings(world, by):
        if subject is not None and passes(filter, world, event, by, subject):
            streams[subject].append(event)
    for subject, events in streams.items():

        def is_born(event):
            return matches(born, world, event, by, subject)

        def returns(event):
            return matches(returned, world, event, by, subject)

        def segments(event):
            names = [segments_of(item, world, event, by, subject, 0) for item in breakdown]
            return set(product(*names))

        candidates = [e for e in events if is_born(e)]
        # Of simultaneous births the first is one that is no return, then the one with the first segments.
        candidates.sort(key=lambda e: (e.time, returns(e), sorted([t.encode() for t in s] for s in segments(e))))
        if births == "first":
            candidates = candidates[:1]
        first = {}  # cohort -> the subject's first birth in it
        for event in candidates:
            if start <= event.time < end:
                first.setdefault(world.calendar.bucket(unit, from_date, event.time), event)
        for cohort, birth in first.items():

            def bucket(time):
                if alignment == "calendar":
                    n = world.calendar.unit_index(unit, time) - world.calendar.unit_index(unit, birth.time)
                else:
                    n = (time - birth.time) // UNIT_MS[unit]
                return n if brackets is None else sum(b <= n for b in brackets)

            back = [(bucket(e.time), e.properties.get(property)) for e in events if e.time > birth.time and returns(e)]
            both = birth_returns([e for e in events if e.time == birth.time and is_born(e)], returns)
            yield Birth(subject, cohort, birth.time, segments(birth), back, both)


def own_cell(birth, n, criterion):
    """(whether a birth is retained in a bucket, the sum of the numbers of the returns the criterion looks at)."""
    active = {b for b, _ in birth.returns}
    if criterion == "streak" and birth.both:
        active.add(0)
    kept = retained(criterion, active, n)
    looked_at = {"on_or_after": lambda b: b >= n, "on_or_before": lambda b: b <= n}.get(criterion, lambda b: b == n)
    numbers = [number_of(v) for b, v in birth.returns if kept and looked_at(b)]
    return kept, math.fsum(x for x in numbers if x is not None)


def retention_births(world, from_date, to_date, **more):
    """Births and the segments that are shown, {name: segments}; those with most births, the rest as one."""
    options = {"by": "user", "unit": "day", "alignment": "rolling", "births": "every", "brackets": None}
    options |= {"breakdown": (), "property": None, "filter": None}
    options |= {k: v for k, v in more.items() if k in options or k in ("born", "returned")}
    found = list(births_of(world, from_date=from_date, to_date=to_date, **options))
    if not options["breakdown"]:
        return found, {(): {()}}
    score = defaultdict(int)
    for birth in found:
        for segment in birth.segments:
            score[segment] += 1
    other = ("$other",) * len(options["breakdown"])
    ranked = sorted(score, key=lambda s: (-score[s], [t.encode() for t in s]))
    named = [s for s in ranked if s != other][: more.get("top", 200)]
    shown = {s: {s} for s in named}
    if set(score) - set(named):
        shown[other] = set(score) - set(named)
    return found, shown


def retention(
    world, born, returned, from_date, to_date, buckets=7, criterion="on_or_after", measure="rate", **more
):
    """{(segment, cohort, bucket): row} of every cohort with a member."""
    more |= {"born": born, "returned": returned}
    found, shown = retention_births(world, from_date, to_date, **more)
    brackets = more.get("brackets")
    rows = {}
    for name, segments in shown.items():
        here = [b for b in found if b.segments & segments]
        for cohort in sorted({b.cohort for b in here}):
            born = [b for b in here if b.cohort == cohort]
            for n in range(buckets + 1 if brackets is None else len(brackets)):
                sums = [total for kept, total in (own_cell(b, n, criterion) for b in born) if kept]
                total = math.fsum(sums)
                value = {
                    "rate": len(sums) / len(born),
                    "count": len(sums),
                    "sum": total,
                    "average": total / len(sums) if sums else None,
                }[measure]
                rows[name, cohort, n] = {"size": len(born), "retained": len(sums), "value": value}
    return rows


# Cohorts are made of what is above.
import cohorts  # noqa: E402
