"""Funnels from the law of meaning: every attempt is looked for among all events of a subject, step by step.

Nothing here is quick: each step goes through everything the subject did. Times are milliseconds.
"""

import json
import math
from collections import defaultdict
from fractions import Fraction
from itertools import product
from statistics import mean, median

import cohorts
import expression
from oracle import bucket_of, date_part, matches, number_of, segment_names, sessions_of, sightings
from zone import DAY, HOUR, MINUTE

OTHER = "$other"
SECOND = 1000
WIDTHS = (
    [1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND]
    + [n * MINUTE for n in (1, 2, 5, 10, 15, 30)]
    + [n * HOUR for n in (1, 2, 3, 6, 12)]
    + [n * DAY for n in (1, 2, 7, 14, 30)]
)


# ---------------------------------------------------------------------------------------------------------------------
# Values: what an event carries, and what an attempt is said to have


def key(value):
    """Values in the order in which simultaneous events of the same steps come: unset, booleans, numbers, texts, lists."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, (int, float)):
        return 2, value
    if isinstance(value, str):
        return 3, value.encode()
    return 4, [key(v) for v in value]


def source_of(item):
    """A breakdown as a source of values."""
    if isinstance(item, dict):
        return "shape", json.dumps(item)
    if item.endswith("@event"):
        return "prop", item
    parts = item.split(".")
    if parts[0] in ("user", "cohort"):
        return parts[0], parts[1]
    if parts[0] == "group":
        return "group", parts[1], parts[2] if len(parts) > 2 else None
    return "prop", item


def sources_in(tree):
    """The sources a filter reads: event properties, then user properties, then group properties, by name, then what
    properties stand for in lookup tables."""
    if not isinstance(tree, tuple):
        return []
    if tree[0] in ("prop", "user", "group"):
        return [tree]
    found = {s for part in tree[1:] for s in sources_in(part)}

    def place(source):
        kind, *names = source
        if kind == "prop" and names[0].startswith("lookup."):
            kind, names = "lookup", names[0].split(".")[1:]
        if kind == "prop" and names[0].endswith("@event"):
            kind, names = "group", names[0].split(".")[1:]
        return ["prop", "user", "group", "lookup"].index(kind), [n.encode() for n in names]

    return sorted(found, key=place)


def value_of(source, world, event, by, subject):
    """What a source says of an event. Several groups make a list; one without the property is a part of it."""
    if source[0] == "prop":
        return event.properties.get(source[1])
    if source[0] == "shape":  # the texts of ranges or of parts of dates stand for the value
        return shaped(json.loads(source[1]), world, event)
    if source[0] == "cohort":
        return cohorts.segment(world, source[1], subject)
    if source[0] == "user":
        return world.users.get(event.user, {}).get(source[1])
    _, name, prop = source
    ids = [subject] if name == by else event.groups.get(name, [])
    if not ids and by == "user":
        ids = world.listed(event.user, name)
    values = [g if prop is None else world.groups.get((name, g), {}).get(prop) for g in ids]
    if len(values) < 2:
        return values[0] if values else None
    flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
    once = [v for i, v in enumerate(flat) if key(v) not in map(key, flat[:i])]
    return sorted(once, key=key) if any(v is not None for v in values) else None


def shaped(item, world, event):
    if item["property"] == "$time":
        return date_part(world.calendar, item["unit"], event.time)
    value = event.properties.get(item["property"])
    if value is None:
        return None
    names = bucket_of(value, item["bucket"])
    return names if len(names) > 1 else names[0]


def of_subject(source, by):
    """A property of the very subject that is counted is the same whatever happened."""
    return source[0] in ("user", "cohort") or (source[0] == "group" and source[1] == by)


# ---------------------------------------------------------------------------------------------------------------------
# Attempts


class Happening:
    """An event of a subject: when, the steps and exclusions it matches, what it carries."""

    def __init__(self, time, steps, exclusions, held, values, number):
        self.time, self.steps, self.exclusions = time, steps, exclusions
        self.held, self.values, self.number = held, values, number


class Subject:
    """All happenings of one subject in order, and the question."""

    def __init__(self, happenings, ask, start, end):
        self.all, self.ask, self.start, self.end = happenings, ask, start, end

    def open(self, filled):
        """The steps that may come after those filled."""
        following = len(filled)
        floating = self.ask.floating
        block = {following}
        if following in floating:
            for direction in (1, -1):
                k = following
                while k in floating:
                    block.add(k)
                    k += direction
        return block - set(filled)

    def entries(self):
        return [
            i
            for i, h in enumerate(self.all)
            if self.start <= h.time < self.end and h.steps & self.open([]) and None not in h.held
        ]

    def attempt(self, entry, used=frozenset()):
        """([(step, position, time reached)], how it ended). `used`: positions that other attempts have used."""
        ask, first = self.ask, self.all[entry]
        done = [(min(first.steps & self.open([])), entry, first.time)]
        while len(done) < ask.steps:
            _, position, reached = done[-1]
            before = self.all[position].time
            grace = 0 if ask.ordering == "strict" or ask.floating else ask.grace
            mine = {p for _, p, _ in done}
            free = [
                (i, h)
                for i, h in enumerate(self.all)
                if i not in used and i not in mine and h.time <= first.time + ask.within
            ]
            later = [(i, h) for i, h in free if h.time >= max(before - grace, self.start)]
            wanted = self.open([s for s, _, _ in done])
            candidates = [i for i, h in later if h.steps & wanted and h.held == first.held]
            if ask.ordering == "strict":
                if not later:
                    return done, ("window",)
                soonest = min(h.time for _, h in later)
                candidates = [i for i in candidates if self.all[i].time == soonest]
                if not candidates:
                    return done, ("broken", soonest)
            gap = len(done)
            until = self.all[candidates[0]].time if candidates else math.inf
            ending = [
                i
                for i, h in free
                if reached < h.time < until
                and h.held == first.held
                and any(a <= gap < b for n in h.exclusions for a, b in [ask.between[n]])
                and not {gap - 1, gap} & ask.floating
            ]
            if ending:
                return done, ("excluded", ending[0])
            if not candidates:
                return done, ("window",)
            chosen = self.all[candidates[0]]
            done.append((min(chosen.steps & wanted), candidates[0], max(reached, chosen.time)))
        return done, ("converted",)

    def next_place(self, done, end):
        """The first position at which another attempt may begin."""
        if end[0] == "converted":
            return max(p for _, p, _ in done) + 1
        if end[0] == "excluded":
            return end[1] + 1
        since = end[1] if end[0] == "broken" else done[0][2] + self.ask.within + 1
        return min((i for i, h in enumerate(self.all) if h.time >= since), default=len(self.all))

    def one_by_one(self, entries):
        used, place, found = set(), 0, []
        for entry in self.waiting(entries, lambda: place, used, set()):
            done, end = self.attempt(entry, used)
            used |= {p for _, p, _ in done}
            place = self.next_place(done, end)
            found.append(done)
        return found

    @staticmethod
    def waiting(entries, place, used, barred):
        while ready := [e for e in entries if e >= place() and e not in used | barred]:
            yield ready[0]

    def each_on_its_own(self, entries):
        """Optimized, uniques: of several before the same second event the last."""
        tried = {e: self.attempt(e)[0] for e in entries}
        second = {e: done[1][1] if len(done) > 1 else None for e, done in tried.items()}
        return [
            tried[e]
            for e in entries
            if second[e] is None or not any(e < o < second[e] and second[o] == second[e] for o in entries)
        ]

    def most_recent(self, entries):
        """Optimized, totals: failed entries each for itself, else the last entry before the second event."""
        used, barred, place, found = set(), set(), 0, []
        for first in self.waiting(entries, lambda: place, used, barred):
            done, end = self.attempt(first, used)
            if len(done) > 1:
                second = done[1][1]
                for other in entries if self.ask.ordering != "strict" else []:
                    if first < other < second and other not in used | barred:
                        theirs, their_end = self.attempt(other, used)
                        if len(theirs) > 1 and theirs[1][1] == second:
                            done, end = theirs, their_end
                place = self.next_place(done, end)
            else:
                place = first + 1
            if end[0] == "excluded":
                barred.add(end[1])
            used |= {p for _, p, _ in done}
            found.append(done)
        return found

    def attempts(self):
        """All that may count, in order of their entries."""
        ask, entries = self.ask, self.entries()
        single = ask.count == "unique" and not ask.breakdown
        if single and ask.reentry == "default":
            return [self.attempt(e)[0] for e in entries[:1]]
        way = self.one_by_one
        if ask.reentry == "optimized":
            way = self.each_on_its_own if ask.count == "unique" else self.most_recent
        found = []
        helds = []
        for e in entries:
            helds += [self.all[e].held] if self.all[e].held not in helds else []
        for held in helds:
            found += way([e for e in entries if self.all[e].held == held])
        found.sort(key=lambda done: done[0][1])
        if single and found:
            found = [max(found, key=len)]  # of equal ones the first
        return found

    def attributed(self, done, n):
        """The value of source `n` that labels an attempt."""
        values = [(step, self.all[p].values[n]) for step, p, _ in done]
        if of_subject(self.ask.sources[n], self.ask.by):
            return values[0][1]
        if self.ask.attribution.startswith("step"):
            values = [(s, v) for s, v in values if s == int(self.ask.attribution[4:]) - 1]
        elif self.ask.attribution == "last":
            values.reverse()
        return next((v for _, v in values if v is not None), None)


# ---------------------------------------------------------------------------------------------------------------------
# Reports


class Ask:
    """A question with its defaults."""

    def __init__(self, steps, by="user", within=7 * DAY, grace=2000, count="unique", ordering="loose", **more):
        self.by, self.within, self.grace, self.count, self.ordering = by, within, grace, count, ordering
        self.selectors, self.steps = steps, len(steps)
        self.sessions = count == "sessions"
        if self.sessions:  # each is what a subject is otherwise, and no day is longer than the window
            self.count, self.within = "unique", 2 * DAY
        self.reentry = more.pop("reentry", "default")
        self.exclude = more.pop("exclude", [])
        self.hold = more.pop("hold", [])
        self.breakdown = more.pop("breakdown", [])
        self.attribution = more.pop("attribution", "first")
        self.filter = more.pop("filter", None)
        self.top = more.pop("top", 200)
        self.property = more.pop("property", None)
        assert not more, more
        default = "any" if ordering == "any" else "loose"
        order = [s.get("order", default) if isinstance(s, dict) else default for s in steps]
        self.floating = {k for k, o in enumerate(order) if o == "any"}
        whole = [1, self.steps]
        self.between = [x.get("between", whole) if isinstance(x, dict) else whole for x in self.exclude]
        self.sources = [source_of(b) for b in self.breakdown] + sources_in(self.filter)

    def streams(self, world):
        """Subject -> its happenings in order."""
        self.world = world
        streams = defaultdict(list)
        session = sessions_of(world, self.by) if self.sessions else lambda event, subject: (subject, None)
        for event, subject in sightings(world, self.by):
            if subject is None or session(event, subject) is None:
                continue
            steps = {k for k, s in enumerate(self.selectors) if matches(s, world, event, self.by, subject)}
            exclusions = {n for n, x in enumerate(self.exclude) if matches(x, world, event, self.by, subject)}
            if not (steps or exclusions or self.ordering == "strict"):
                continue
            held = [event.properties.get(p) for p in self.hold]
            values = [value_of(s, world, event, self.by, subject) for s in self.sources]
            number = number_of(event.properties.get(self.property))
            if not steps and not (exclusions and self.hold):
                held, values, number = [None] * len(held), [None] * len(values), None
            mask = sum(1 << k for k in steps) + sum(1 << (self.steps + n) for n in exclusions)
            held = [None if v is None else key(v) for v in held]
            place = (event.time, mask, [(0,) if h is None else h for h in held], [key(v) for v in [*values, number]])
            happening = Happening(event.time, steps, exclusions, held, values, number)
            streams[session(event, subject)].append((place, happening))
        return {
            s: [h for _, h in sorted(stream, key=lambda x: x[0])] for s, stream in streams.items()
        }

    def takes(self, who, subject, done):
        """The filter, on the values attributed to the attempt."""
        if self.filter is None:
            return True
        known = {s: subject.attributed(done, n) for n, s in enumerate(self.sources)}

        def named(kind, *more):
            return {s[-1]: v for s, v in known.items() if s[0] == kind and s[1 : 1 + len(more)] == more}

        tree = cohorts.resolved(self.filter, self.world, who[0])
        return expression.evaluate(tree, named("prop"), named("user"), lambda k: named("group", k)) is True

    def outcomes(self, streams, start, end):
        """(subject, segments, whether the filter takes it, times reached) of every attempt that may count.

        A time is a number that also knows what its event carries.
        """
        found = []
        for who, stream in streams.items():
            near = [h for h in stream if start <= h.time <= end - 1 + self.within]
            subject = Subject(near, self, start, end)
            for done in subject.attempts():
                names = [segment_names(subject.attributed(done, n)) for n in range(len(self.breakdown))]
                times = [Reached(t, near[p].number) for _, p, t in done]
                found.append((who, set(product(*names)), self.takes(who, subject, done), times))
        return found

    def counted(self, outcomes, segments):
        """The times of what counts in a set of segments, taken as one."""
        return [times for _, times in self.chosen(outcomes, segments)]

    def chosen(self, outcomes, segments):
        """The same with the subject of each."""
        inside = [o for o in outcomes if o[1] & segments]
        if self.count == "total":
            return [(who, times) for who, _, takes, times in inside if takes]
        best = {}
        for who, _, takes, times in inside:
            if self.reentry == "default" and not takes:
                continue
            if who not in best or len(times) > len(best[who][1]):
                best[who] = takes, times
        return [(who, times) for who, (takes, times) in best.items() if takes]

    def shown(self, cells):
        """Segments by rank, and what they stand for; the rest is one."""
        if not self.breakdown:
            return {(): {()}}
        score = {
            s: sum(len(self.counted(outcomes, {s})) for outcomes in cells)
            for s in {s for outcomes in cells for o in outcomes for s in o[1]}
        }
        ranked = sorted((s for s, n in score.items() if n), key=lambda s: (-score[s], [t.encode() for t in s]))
        other = (OTHER,) * len(self.breakdown)
        named = [s for s in ranked if s != other][: self.top]
        rest = set(score) - set(named)
        shown = {s: {s} for s in named}
        if any(score[s] for s in rest):
            shown[other] = rest
        return shown


class Reached(int):
    """When a step was reached, and the number of its event."""

    def __new__(cls, time, number):
        self = super().__new__(cls, time)
        self.number = number
        return self


def aggregates(ask, numbers):
    """What the events of a step say of the property that is asked for."""
    numbers = [Fraction(n) for n in numbers if n is not None]
    if ask.property is None or not numbers:
        return {"sum": None if ask.property is None else 0, "average": None, "median": None, "min": None, "max": None}
    found = {"sum": sum(numbers), "average": mean(numbers), "median": median(numbers)}
    return {name: float(n) for name, n in (found | {"min": min(numbers), "max": max(numbers)}).items()}


def summary(ask, attempts):
    """For every step its count, conversions and times; None where nobody is there to speak of."""
    counts = [sum(len(times) > k for times in attempts) for k in range(ask.steps)]
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
            **aggregates(ask, [times[k].number for times in attempts if len(times) > k]),
        }
    return rows


def funnel(world, steps, from_date, to_date, **options):
    """{(segment, step): row}"""
    ask = Ask(steps, **options)
    outcomes = ask.outcomes(ask.streams(world), *world.calendar.span(from_date, to_date))
    return {
        (name, step): row
        for name, segments in ask.shown([outcomes]).items()
        for step, row in summary(ask, ask.counted(outcomes, segments)).items()
    }


def funnel_trend(world, steps, from_date, to_date, unit="day", **options):
    """{(segment, interval, step): row}: a funnel of its own for each interval."""
    ask = Ask(steps, **options)
    streams = ask.streams(world)
    start, end = world.calendar.span(from_date, to_date)
    labels = world.calendar.buckets(unit, from_date, to_date)
    starts = [max(label, start) for label in labels]
    cells = [ask.outcomes(streams, a, b) for a, b in zip(starts, [*starts[1:], end])]
    return {
        (name, label, step): row
        for name, segments in ask.shown(cells).items()
        for label, outcomes in zip(labels, cells)
        for step, row in summary(ask, ask.counted(outcomes, segments)).items()
    }


def funnel_times(world, steps, from_date, to_date, buckets=20, **options):
    """{(segment, at least, below): {"count": n}}"""
    ask = Ask(steps, **options)
    outcomes = ask.outcomes(ask.streams(world), *world.calendar.span(from_date, to_date))
    took = {
        name: [times[-1] - times[0] for times in ask.counted(outcomes, segments) if len(times) == ask.steps]
        for name, segments in ask.shown([outcomes]).items()
    }
    longest = max((t for times in took.values() for t in times), default=None)
    if longest is None:
        return {}
    width = next((w for w in WIDTHS if longest // w < buckets), longest // buckets + 1)
    return {
        (name, low, low + width): {"count": sum(low <= t < low + width for t in times)}
        for name, times in took.items()
        for low in range(0, longest + 1, width)
    }


def p_value(of, of_converted, n, k):
    """1 - max(P(X < k), P(X >= k)), X hypergeometric."""
    ways = [math.comb(of_converted, x) * math.comb(of - of_converted, n - x) for x in range(min(n, of_converted) + 1)]
    below = Fraction(sum(ways[:k]), math.comb(of, n))
    return float(1 - max(below, 1 - below))


def funnel_significance(world, steps, from_date, to_date, control=None, **options):
    """{segment: row}"""
    ask = Ask(steps, **options)
    outcomes = ask.outcomes(ask.streams(world), *world.calendar.span(from_date, to_date))
    shown = ask.shown([outcomes])
    everything = set().union(*shown.values())

    def numbers(segments):
        times = ask.counted(outcomes, segments)
        return len(times), sum(len(t) == ask.steps for t in times)

    rows = {}
    for name, segments in shown.items():
        n, k = numbers(segments)
        against = everything if control is None else segments | shown[control]
        of, of_converted = numbers(against)
        row = {"entered": n, "converted": k, "conversion": k / n, "p_value": None, "significant": False, "verdict": None}
        if name != control and of > n:
            row["p_value"] = p_value(of, of_converted, n, k)
            row["verdict"] = "not significant"
            if 1 - row["p_value"] > 0.95:
                row["verdict"] = "higher" if k * of > of_converted * n else "lower"
            if n < 30:
                row["verdict"] = "insufficient samples"
            row["significant"] = row["verdict"] in ("higher", "lower")
        rows[name] = row
    return rows
