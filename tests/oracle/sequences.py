"""Sessions and flows, the slow and obvious way: what one subject does, event after event."""

import json
from collections import defaultdict
from statistics import mean, median

from oracle import Undetermined, matches, order, passes, sightings
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
):
    """{bucket: (sessions, events per session, average and median duration in ms)} for every bucket."""
    found = [s[:3] for s in sessions_of(world, from_date, to_date, by, timeout, starts, ends, property, filter)]
    rows = {}
    for bucket in world.calendar.buckets(unit, from_date, to_date):
        here = [s for s in found if world.calendar.bucket(unit, from_date, s[0]) == bucket]
        durations = [d for _, _, d in here if d is not None]
        rows[bucket] = {
            "sessions": len(here),
            "events_per_session": mean(n for _, n, _ in here) if here else None,
            "avg_duration": mean(durations) if durations else None,
            "median_duration": median(durations) if durations else None,
        }
    return rows


def sessions_of(world, from_date, to_date, by, timeout, starts, ends, property, filter):
    """(start, number of events, duration or None, subject) of every session."""
    first, last = world.calendar.span(from_date, to_date)
    found = []
    for subject, events in histories(world, by).items():
        events = [e for e in events if first <= e.time < last and passes(filter, world, e, by, subject)]

        def is_start(e):
            return starts is not None and matches(starts, world, e, by, subject)

        def is_end(e):
            return ends is not None and matches(ends, world, e, by, subject)

        if starts is not None:
            must_agree(events, lambda e: (is_start(e), is_end(e)))
        if property is not None:
            events = [e for e in events if e.properties.get(property) is not None]
            must_agree(events, lambda e: canonical(e.properties[property]))
        days = defaultdict(list)
        for e in events:
            days[world.calendar.local_date(e.time)].append(e)
        for day in days.values():
            session = None  # the events of the session that is open
            for e in day:
                if starts is not None:
                    if session is not None:
                        session.append(e)
                        if is_end(e):
                            found.append((session[0].time, len(session), e.time - session[0].time, subject))
                            session = None
                    elif is_start(e):
                        session = [e]
                    continue
                if session is not None:
                    if property is not None:
                        ended = canonical(session[-1].properties[property]) != canonical(e.properties[property])
                    else:
                        ended = e.time - session[-1].time > timeout
                    if ended:
                        found.append((session[0].time, len(session), session[-1].time - session[0].time, subject))
                        session = None
                session = [*session, e] if session else [e]
            if session is not None:
                # Between events midnight leaves a session without an end.
                duration = None if starts is not None else session[-1].time - session[0].time
                found.append((session[0].time, len(session), duration, subject))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Flows


def steps_from(others, anchor, steps, within, collapse, end):
    """The next events away from an anchor; `end` when there are fewer than `steps` of them within the window."""
    path, last = [], anchor.event
    for event in others:
        if len(path) == steps or abs(event.time - anchor.time) > within:
            break
        if not (collapse and event.event == last):
            path.append(event.event)
            last = event.event
    return path if len(path) == steps else [*path, end]


def entries(world, anchors, from_date, to_date, by, forward, reverse, within, count, collapse, hide):
    """(steps before, anchor, steps after, subject) of every entry, the steps from left to right in time."""
    first, last = world.calendar.span(from_date, to_date)
    found = []
    for subject, events in histories(world, by).items():

        def is_anchor(e):
            return matches(anchors, world, e, by, subject)

        must_agree(events, is_anchor)
        events = [e for e in events if is_anchor(e) and named(anchors, e.event) or e.event not in hide]
        chosen = []
        for i, e in enumerate(events):
            if not is_anchor(e) or not first <= e.time < last:
                continue
            if count == "unique" and chosen:
                break
            if count == "total" and collapse and chosen:
                if all(x.event == e.event for x in events[chosen[-1] : i]):
                    continue
            chosen.append(i)
        for i in chosen:
            before = steps_from(reversed(events[:i]), events[i], reverse, within, collapse, "(start)")
            after = steps_from(events[i + 1 :], events[i], forward, within, collapse, "(drop-off)")
            found.append((before[::-1], events[i].event, after, subject))
    return found


def named(selector, event):
    """Whether a selector names an event, as opposed to taking any."""
    if isinstance(selector, str):
        return selector == event
    if "any" in selector:
        return any(named(s, event) for s in selector["any"])
    return selector["event"] == event


def flow_paths(
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
    top=50,
):
    """{path: (count, share)} of the most common paths."""
    counts = defaultdict(int)
    for before, anchor, after, _ in entries(
        world, anchors, from_date, to_date, by, forward, reverse, within, count, collapse, hide
    ):
        counts[(*before, anchor, *after)] += 1
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], [p.encode() for p in item[0]]))
    return {path: {"count": n, "share": n / total} for path, n in ranked[:top]}


def flows(
    world,
    anchors,
    from_date,
    to_date,
    by="user",
    forward=3,
    reverse=0,
    within=30 * DAY,
    rows=3,
    collapse=False,
    hide=(),
    count="unique",
):
    """{(step, event, kind, next event, next kind): count} of every edge."""
    found = entries(world, anchors, from_date, to_date, by, forward, reverse, within, count, collapse, hide)
    shown = shown_nodes(found, forward, reverse, rows)
    edges = defaultdict(int)
    for path, _ in as_positions(found):
        nodes = seen(path, shown)
        for step in nodes:
            if step + 1 in nodes:
                edges[(step, *nodes[step], *nodes[step + 1])] += 1
    return {edge: {"count": n} for edge, n in edges.items()}


def as_positions(found):
    """({position: (event, kind)}, subject) of every entry."""
    for before, anchor, after, subject in found:
        path = {0: (anchor, "ANCHOR")}
        for k, event in enumerate(before):
            path[k - len(before)] = (event, "START" if event == "(start)" and k == 0 else "REVERSE")
        for k, event in enumerate(after):
            ends = event == "(drop-off)" and k == len(after) - 1
            path[k + 1] = (event, "DROPOFF" if ends else "FORWARD")
        yield path, subject


def shown_nodes(found, forward, reverse, rows):
    """The most frequent events of every position."""
    shown = {}
    for step in range(-reverse, forward + 1):
        counts = defaultdict(int)
        for path, _ in as_positions(found):
            if step in path and path[step][1] in ("FORWARD", "REVERSE"):
                counts[path[step]] += 1
        shown[step] = sorted(counts, key=lambda node: (-counts[node], node[0].encode()))[:rows]
    return shown


def seen(path, shown):
    """A path with what is not shown as one."""
    return {
        step: node if node[1] not in ("FORWARD", "REVERSE") or node in shown[step] else ("$other", "OTHER")
        for step, node in path.items()
    }
