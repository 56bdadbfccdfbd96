"""Sessions and flows, the slow and obvious way: what one subject does, event after event."""

import json
import math
from collections import defaultdict
from itertools import product
from statistics import mean, median

import funnels
from oracle import (
    NOT_SET,
    Undetermined,
    bucket_of,
    matches,
    order,
    passes,
    segment_names,
    sessions_of,
    sightings,
    text_of,
)
from zone import DAY, MINUTE


def histories(world, by):
    """Subject -> its events in the order of the law: time, event name, insert id."""
    found = defaultdict(list)
    for event, subject in sightings(world, by):
        if subject is not None:
            found[subject].append(event)
    for events in found.values():
        events.sort(key=order)
    return found


def must_agree(events, what):
    """The store keeps a hash of insert ids, so their order among equal times and names can't matter for what is counted."""
    seen = {}
    for event in events:
        if seen.setdefault((event.time, event.event), what(event)) != what(event):
            raise Undetermined("simultaneous events of one name that differ in what they are")


# ---------------------------------------------------------------------------------------------------------------------
# Sessions


def canonical(value):
    """A property value as text that is equal for equal values: 1 and 1.0 are one value, 1 and "1" are two."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps([canonical(v) for v in value] if isinstance(value, list) else value)


def percentile(numbers, p):
    """Between two values linear."""
    place = p * (len(numbers) - 1)
    low, high = (sorted(numbers)[f(place)] for f in (math.floor, math.ceil))
    return low + (place - math.floor(place)) * (high - low)


def cut(world, events, timeout, starts, is_start, is_end, property):
    """(events, duration or None) of the sessions of one subject and day."""
    found, session = [], None  # the events of the session that is open
    for e in events:
        if starts is not None:
            if session is not None:
                session.append(e)
                if is_end(e):
                    found.append((session, e.time - session[0].time))
                    session = None
            elif is_start(e):
                session = [e]
            continue
        if session is not None:
            if property is not None:
                ended = canonical(session[-1].properties.get(property)) != canonical(e.properties.get(property))
            else:
                ended = e.time - session[-1].time > timeout
            if ended:
                found.append((session, session[-1].time - session[0].time))
                session = None
        session = [*session, e] if session else [e]
    if session is not None:
        # Between events midnight leaves a session without an end.
        found.append((session, None if starts is not None else session[-1].time - session[0].time))
    return found


def quality(item, session, duration, by, subject, world, inherits):
    """The segments that one breakdown finds for a session. `inherits`: the first event that has a value says what it is."""
    name = item["property"] if isinstance(item, dict) else item
    own = {
        "$duration_s": None if duration is None else duration / 1000,
        "$event_count": len(session),
        "$origin_start": session[0].event,
        "$origin_end": session[-1].event,
    }
    if name in own:
        return bucket_of(own[name], item["bucket"]) if isinstance(item, dict) else segment_names(own[name])
    source = funnels.source_of(item)
    values = [funnels.value_of(source, world, e, by, subject) for e in session]
    if funnels.of_subject(source, by) or not inherits:
        return segment_names(values[0])
    must_agree(session, lambda e: canonical(funnels.value_of(source, world, e, by, subject)))
    return segment_names(next((v for v in values if v is not None), None))


def sessions(
    world,
    from_date,
    to_date,
    by="user",
    unit="day",
    timeout=30 * MINUTE,
    starts=None,
    ends=None,
    property=None,
    filter=None,
    breakdown=(),
    top=200,
):
    """{(segment, bucket): sessions, events per session, and durations in ms} for every segment and bucket."""
    found = cuts(world, from_date, to_date, by, timeout, starts, ends, property, filter, breakdown)
    rows = {}
    for name, members in shown_segments(found, breakdown, top).items():
        for bucket in world.calendar.buckets(unit, from_date, to_date):
            here = [
                s for s in found if s[2] & members and world.calendar.bucket(unit, from_date, s[0][0].time) == bucket
            ]
            durations = [d for _, d, *_ in here if d is not None]
            rows[name, bucket] = {
                "sessions": len(here),
                "events_per_session": mean(len(events) for events, *_ in here) if here else None,
                "avg_duration": mean(durations) if durations else None,
                "median_duration": median(durations) if durations else None,
                "p90_duration": percentile(durations, 0.9) if durations else None,
            }
    return rows


def shown_segments(found, breakdown, top):
    """Segments by rank, and what they stand for; the rest is one."""
    counts = defaultdict(int)
    for _, _, segments, _ in found:
        for segment in segments:
            counts[segment] += 1
    ranked = sorted(counts, key=lambda s: (-counts[s], [t.encode() for t in s]))
    lines = {s: {s} for s in ranked[:top]} if breakdown else {(): {()}}
    if len(ranked) > top:
        lines[("$other",) * len(breakdown)] = set(ranked[top:])
    return lines


def cuts(
    world,
    from_date,
    to_date,
    by="user",
    timeout=30 * MINUTE,
    starts=None,
    ends=None,
    property=None,
    filter=None,
    breakdown=(),
):
    """(events, duration or None, segments, subject) of every session."""
    first, last = world.calendar.span(from_date, to_date)
    found = []
    for subject, events in histories(world, by).items():
        events = [e for e in events if first <= e.time < last and passes(filter, world, e, by, subject)]
        begun = [s for s in (starts, ends) if s is not None]
        events = [e for e in events if e.event not in world.hidden or any(named(world, s, e.event) for s in begun)]

        def is_start(e):
            return starts is not None and matches(starts, world, e, by, subject)

        def is_end(e):
            return ends is not None and matches(ends, world, e, by, subject)

        if starts is not None:
            must_agree(events, lambda e: (is_start(e), is_end(e)))
        if property is not None:
            events = [e for e in events if e.properties.get(property) is not None]
            must_agree(events, lambda e: canonical(e.properties.get(property)))
        days = defaultdict(list)
        for e in events:
            days[world.calendar.local_date(e.time)].append(e)
        inherits = starts is None and property is None
        for day in days.values():
            for session, duration in cut(world, day, timeout, starts, is_start, is_end, property):
                if breakdown and not inherits:
                    same = [e for e in day if (e.time, e.event) == (session[0].time, session[0].event)]
                    for item in breakdown:
                        source = funnels.source_of(item)
                        must_agree(same, lambda e: canonical(funnels.value_of(source, world, e, by, subject)))
                names = [quality(b, session, duration, by, subject, world, inherits) for b in breakdown]
                found.append((session, duration, set(product(*names)), subject))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Flows


def steps_of(events, visible, node, collapse):
    """(node, positions of its events) of every step, and the step of each visible position."""
    steps, step_of = [], {}
    for i, e in enumerate(events):
        if not visible(e):
            continue
        if collapse and steps and steps[-1][0] == node(e):
            steps[-1][1].append(i)
        else:
            steps.append((node(e), [i]))
        step_of[i] = len(steps) - 1
    return steps, step_of


class Ways:
    """A question about flows, with its defaults."""

    def __init__(
        self,
        world,
        anchors,
        from_date,
        to_date,
        by="user",
        forward=3,
        reverse=0,
        within=30 * DAY,
        count="unique",
        collapse=False,
        hide=(),
        exclude=(),
        hold=(),
        split=None,
        filter=None,
    ):
        self.world, self.by, self.within, self.collapse = world, by, within, collapse
        self.hide = {world.shown(name) for name in hide} | world.hidden
        self.first, self.last = world.calendar.span(from_date, to_date)
        self.anchors = anchors if isinstance(anchors, list) else [anchors]

        def steps(anchor, name, usual):
            return anchor.get(name, usual) if isinstance(anchor, dict) else usual

        self.forward = [steps(a, "forward", forward) for a in self.anchors]
        self.reverse = [steps(a, "reverse", reverse) for a in self.anchors]
        self.sessions, self.unique = count == "sessions", count != "total"
        if self.sessions:
            self.within = 30 * DAY
        whole = [1, len(self.anchors)]
        self.exclude = [(x, x.get("between", whole) if isinstance(x, dict) else whole) for x in exclude]
        self.hold, self.filter = hold, filter
        self.split = {world.shown(name): item for name, item in reversed((split or {}).items())}

    def node(self, subject):
        def text(e):
            item = self.split.get(e.event, self.split.get("$any"))
            if item is None:
                return e.event
            value = funnels.value_of(funnels.source_of(item), self.world, e, self.by, subject)
            shown = NOT_SET if value is None else "(empty string)" if value == "" else text_of_any(value)
            return f"{e.event} [{shown}]"

        return text

    def histories(self):
        """(subject, its events in order), or those of each of its sessions."""
        session = sessions_of(self.world, self.by) if self.sessions else None
        for subject, events in histories(self.world, self.by).items():
            if session is None:
                yield subject, events
                continue
            parts = defaultdict(list)
            for e in events:
                if self.first <= e.time < self.last and session(e, subject) is not None:
                    parts[session(e, subject)].append(e)
            for part in parts.values():
                yield subject, part

    def entries(self):
        """(subject, blocks) of every way: per anchor the steps before and after it."""
        found = []
        for subject, events in self.histories():
            found += [(subject, blocks) for blocks in self.of_subject(subject, events)]
        return found

    def of_subject(self, subject, events):
        world, by = self.world, self.by
        events = [e for e in events if passes(self.filter, world, e, by, subject)]

        def is_anchor(e, k):
            anchor = self.anchors[k]
            return matches(anchor, world, e, by, subject) and (e.event not in self.hide or named(world, anchor, e.event))

        def excludes(e, k):
            return any(a <= k < b and matches(x, world, e, by, subject) for x, (a, b) in self.exclude)

        def held(e):
            values = [e.properties.get(p) for p in self.hold]
            return None if None in values else [canonical(v) for v in values]

        node = self.node(subject)
        ks = range(len(self.anchors))
        must_agree(
            events, lambda e: ([is_anchor(e, k) for k in ks], [excludes(e, k) for k in ks], held(e) or 0, node(e))
        )

        def visible(e):
            return e.event not in self.hide or any(is_anchor(e, k) for k in ks)

        steps, step_of = steps_of(events, visible, node, self.collapse)
        starting = [
            i for i, e in enumerate(events) if is_anchor(e, 0) and self.first <= e.time < self.last and held(e) is not None
        ]
        values = []
        for i in starting:
            values += [held(events[i])] if held(events[i]) not in values else []
        found = []
        for value in values[:1] if self.unique else values:
            place, before = 0, None
            own = [i for i, e in enumerate(events) if held(e) == value]
            while True:
                ready = [
                    i
                    for i in starting
                    if i >= place and i in own and not (self.collapse and before is not None and step_of[i] == before)
                ]
                if not ready:
                    break
                before = step_of[ready[0]]
                end = events[ready[0]].time + self.within
                reached, stopped, place = [ready[0]], None, len(events)
                for k in ks[1:]:
                    last = reached[-1]
                    later = [i for i in own if i > last and events[i].time <= end]
                    following = [i for i in later if is_anchor(events[i], k) and step_of[i] > step_of[last]]
                    until = events[following[0]].time if following else end + 1
                    ending = [i for i in later if events[last].time < events[i].time < until and excludes(events[i], k)]
                    if ending:
                        stopped, place = ending[0], ending[0] + 1
                        break
                    if not following:
                        place = min((i for i, e in enumerate(events) if e.time > end), default=len(events))
                        break
                    reached.append(following[0])
                if len(reached) == len(self.anchors):
                    place = reached[-1] + 1
                found.append(self.blocks(events, steps, step_of, reached, stopped))
                if self.unique:
                    break
        return found

    def blocks(self, events, steps, step_of, reached, stopped):
        """[{step: (node, kind)}] per anchor, from left to right."""
        blocks = [{0: (steps[step_of[i]][0], "ANCHOR")} for i in reached]
        first = events[reached[0]]
        for k in range(1, self.reverse[0] + 1):
            at = step_of[reached[0]] - k
            if at < 0 or events[steps[at][1][-1]].time < first.time - self.within:
                blocks[0][-k] = ("(start)", "START")
                break
            blocks[0][-k] = (steps[at][0], "REVERSE")
        for k, (a, b) in enumerate(zip(reached, reached[1:])):
            between = [name for name, _ in steps[step_of[a] + 1 : step_of[b]]]
            left = between[: self.forward[k]]
            rest = between[len(left) :]
            right = rest[max(0, len(rest) - self.reverse[k + 1]) :]
            for n, name in enumerate(left):
                blocks[k][n + 1] = (name, "FORWARD")
            if len(right) < len(rest):
                blocks[k][len(left) + 1] = ("≈", "BREAK")
            for n, name in enumerate(right):
                blocks[k + 1][n - len(right)] = (name, "REVERSE")
        last, forward = reached[-1], self.forward[len(reached) - 1]
        after = []
        for name, members in steps[step_of[last] + 1 :]:
            late = events[members[0]].time > events[last].time + self.within
            if len(after) == forward or late or (stopped is not None and members[0] >= stopped):
                break
            after.append(name)
        for n, name in enumerate(after):
            blocks[-1][n + 1] = (name, "FORWARD")
        if len(after) < forward or len(reached) < len(self.anchors):
            blocks[-1][len(after) + 1] = ("(drop-off)", "DROPOFF")
        return blocks


def text_of_any(value):
    """A value as text; lists as they are written."""
    if not isinstance(value, list):
        return text_of(value)
    return json.dumps([int(v) if isinstance(v, float) and v.is_integer() else v for v in value], separators=(",", ":"), ensure_ascii=False)


def named(world, selector, event):
    """Whether a selector names an event, as opposed to taking any."""
    if isinstance(selector, str):
        return world.shown(selector) == event
    if "any" in selector:
        return any(named(world, s, event) for s in selector["any"])
    return named(world, selector["event"], event)


def sequence(blocks):
    """A way as the texts of its path."""
    return tuple(block[step][0] for block in blocks for step in sorted(block))


def flow_paths(world, anchors, from_date, to_date, top=50, **options):
    """{path: (count, share)} of the most common paths."""
    counts = defaultdict(int)
    for _, blocks in Ways(world, anchors, from_date, to_date, **options).entries():
        counts[sequence(blocks)] += 1
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], [p.encode() for p in item[0]]))
    return {path: {"count": n, "share": n / total} for path, n in ranked[:top]}


def seen(world, anchors, from_date, to_date, rows=3, **options):
    """(subject, {(anchor, step): (event, kind)}) of every way, what is not shown as $other."""
    ways = Ways(world, anchors, from_date, to_date, **options).entries()
    paths = [(who, {(k + 1, step): block[step] for k, block in enumerate(b) for step in block}) for who, b in ways]
    shown = {}
    for place in {place for _, path in paths for place in path}:
        counts = defaultdict(int)
        for _, path in paths:
            if place in path and path[place][1] in ("FORWARD", "REVERSE"):
                counts[path[place]] += 1
        shown[place] = sorted(counts, key=lambda node: (-counts[node], node[0].encode()))[:rows]

    def name(place, node):
        return node if node[1] not in ("FORWARD", "REVERSE") or node in shown[place] else ("$other", "OTHER")

    return [(who, {place: name(place, path[place]) for place in sorted(path)}) for who, path in paths]


def edges(path):
    """(anchor, step, event, kind, next anchor, next step, next event, next kind) of every edge of a path."""
    places = list(path.items())
    return [(*a, *node, *b, *following) for (a, node), (b, following) in zip(places, places[1:])]


def flows(world, anchors, from_date, to_date, **options):
    """{edge: count}"""
    counts = defaultdict(int)
    for _, path in seen(world, anchors, from_date, to_date, **options):
        for edge in edges(path):
            counts[edge] += 1
    return {edge: {"count": n} for edge, n in counts.items()}
